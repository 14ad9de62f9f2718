//! What scenarios need: servers of either topology as real processes, users, and clients that
//! speak to them. Nothing here knows the server's code; it is seen from the outside only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails loudly, and tests start programs and make files"
)]

pub mod agent;
pub mod binaries;
pub mod files;
pub mod keys;
pub mod openssh;
pub mod ports;
pub mod program;
pub mod python;
pub mod raw_sftp;
pub mod raw_ssh;
pub mod security_key;
pub mod server;
pub mod ssh;
pub mod terminal;
pub mod topology;
pub mod users;
pub mod wait;
pub mod wire;

pub use raw_sftp::{RawSftp, Status};
pub use server::Server;
pub use ssh::Connection;
pub use terminal::Terminal;
pub use topology::Topology;
pub use users::User;
pub use wait::until;
