//! Decisions about accounts. Pure: they look at values and answer; the enforcement is elsewhere.

pub mod access;
pub mod extensions;
pub mod login;

pub use access::AccessPolicy;
pub use login::LoginMethod;
