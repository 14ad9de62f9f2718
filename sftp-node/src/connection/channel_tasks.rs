//! What runs on the channels of a connection.

use tokio_util::task::TaskTracker;

/// Owns what runs on the channels of a connection. Channels end when their connection is gone,
/// as soon as what they have uploaded is accounted; they are never cut off in the middle of that.
#[derive(Debug, Default)]
pub(crate) struct ChannelTasks(TaskTracker);

impl ChannelTasks {
    /// Runs something on a channel.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Waits until nothing runs any more; nothing may be started from now on.
    pub async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
