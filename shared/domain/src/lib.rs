//! Pure types and decisions of ferryd: accounts, paths, permissions, faults.
//! Used by every other package; does no I/O and knows no framework.

pub mod account;
pub mod event;
pub mod fault;
pub mod json;
pub mod operation;
pub mod permission;
pub mod policy;
pub mod quota;
pub mod raw_path;
pub mod secret;
pub mod storage_settings;
pub mod username;
pub mod virtual_path;

pub use account::{Account, ExtensionFilter, Filters, VirtualFolder};
pub use event::{AccountAction, AccountEvent, EventId, FileAction, FileEvent};
pub use fault::{Fault, FaultKind};
pub use operation::Operation;
pub use permission::{Permission, PermissionSet};
pub use quota::{QuotaLimit, QuotaUsage};
pub use raw_path::RawPath;
pub use secret::Secret;
pub use storage_settings::{GcsSettings, S3Settings, StorageProvider, StorageSettings};
pub use username::Username;
pub use virtual_path::VirtualPath;
