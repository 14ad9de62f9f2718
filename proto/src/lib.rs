//! The wire form of the control plane: `GrpcControlPlane` for nodes, `server` for the other end.
//! Used by the split programs only; generated types never leave `convert`, `client` and `server`.

pub mod client;
pub mod config;
mod convert;
mod link;
mod node_auth;
pub mod server;
mod tls;

pub use client::GrpcControlPlane;
pub use config::{GrpcClientConfig, GrpcServerConfig};
pub use server::{BoundServer, GrpcServer};

/// What the build script makes of the `.proto` files.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated code"
)]
mod wire {
    tonic::include_proto!("ferryd.control.v1");
}

/// Messages above this size are refused by either end. A report of ten thousand busy sessions
/// takes about 5 MiB.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;
