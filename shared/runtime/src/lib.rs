//! Process plumbing: signals, listeners, supervised tasks, certificates. Used by the binaries and
//! by the servers they run; knows nothing of what is served.

pub mod background;
pub mod limits;
pub mod listen;
pub mod shutdown;
pub mod task_group;
pub mod tls_reload;

pub use listen::bind;
pub use shutdown::{Hangups, on_termination};
pub use task_group::{Joined, TaskGroup};
pub use tls_reload::ReloadableTls;
pub use tokio_util::sync::CancellationToken;
