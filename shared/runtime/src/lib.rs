//! Process plumbing: signals, orphans, listeners, supervised tasks, clocks, shared values, certificates.
//! Used by the binaries and by the servers they run; knows nothing of what is served.

pub mod background;
pub mod backoff;
pub mod findings;
pub mod key_file;
pub mod limits;
pub mod listen;
pub mod orphans;
pub mod program;
pub mod shared_values;
pub mod signals;
pub mod task_group;
pub mod terminal;
pub mod ticks;
pub mod tls_reload;

pub use backoff::Backoff;
pub use findings::Findings;
pub use listen::bind;
pub use shared_values::SharedValues;
pub use signals::{Requests, on_termination, survive_meaningless};
pub use task_group::{Joined, TaskGroup};
pub use ticks::ticks;
pub use tls_reload::ReloadableTls;
pub use tokio_util::sync::CancellationToken;
