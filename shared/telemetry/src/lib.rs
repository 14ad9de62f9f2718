//! Log records, log files and metrics. Every process sets it up once; everybody else calls
//! [`records`], [`metrics`] and the `tracing` macros with the fields `sender` and `connection_id`.

mod clock;
mod complaint;
mod line;
mod log_file;
mod sink;

pub mod metrics;
pub mod pages;
pub mod records;
pub mod rotation;
pub mod subscriber;

pub use pages::{Pages, TelemetryConfig};
pub use rotation::{Compress, Rotation};
pub use subscriber::{
    LogConfig, LogFormat, LogGuard, LogSettings, Verbosity, init, reopen_on_request,
};

/// Which way the bytes of a transfer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client.
    Upload,
    /// To the client.
    Download,
}

impl Direction {
    /// Returns the sender of a transfer record.
    pub const fn sender(self) -> &'static str {
        match self {
            Self::Upload => "Upload",
            Self::Download => "Download",
        }
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As asked for.
    Ok,
    /// With an error, or cut short.
    Failed,
}
