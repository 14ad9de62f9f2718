//! The REST API from the outside: paths, queries, bodies and a client. Used by control-api, which
//! answers, and by its clients: the web admin, command lines, tests.

pub mod answer;
pub mod backups;
pub mod client;
pub mod connections;
pub mod paths;
pub mod quota_scans;
pub mod status;
pub mod transport;
pub mod users;

pub use answer::ApiResponse;
pub use backups::{DumpQuery, LoadMode, LoadQuery, ScanAfterLoad};
pub use client::RestClient;
pub use connections::{ConnectionStatus, Transfer};
pub use quota_scans::QuotaScan;
pub use status::VersionInfo;
pub use transport::{HttpTransport, InProcess, Transport};
pub use users::{ListOrder, UserQuery};
