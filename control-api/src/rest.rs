//! The REST API: router, request log, limits.

pub mod config;

pub use config::HttpdConfig;
