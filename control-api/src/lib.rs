//! The control plane: accounts, logins, sessions, quota, REST.

pub mod accounts;
pub mod actions;
pub mod auth;
mod check;
pub mod clock;
mod control_api;
pub mod control_plane;
pub mod doubts;
mod grace_period;
mod init_provider;
pub mod logins;
pub mod nodes;
pub mod passwords;
pub mod programs;
pub mod quota;
pub mod quota_scans;
mod reclaim;
pub mod recovery;
pub mod rest;
pub mod sessions;
pub mod upload_sweeps;

pub use check::check;
pub use control_api::{ControlApi, ControlApiSettings, SftpdHooks};
pub use init_provider::init_provider;
