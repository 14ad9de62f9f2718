//! Ids of connections, transfers and events: unique over all nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use ferryd_control_plane::NodeId;

/// Makes ids.
#[derive(Debug)]
pub(crate) struct Ids {
    /// This run of the node.
    pub node: NodeId,
    next: AtomicU64,
}

impl Ids {
    /// Starts with a name for this run of the node.
    pub fn new() -> Self {
        Self { node: NodeId(hex::encode(rand::random::<[u8; 8]>())), next: AtomicU64::new(0) }
    }

    /// Returns an id in hexadecimal digits, unique over all nodes.
    pub fn next(&self) -> String {
        format!("{}{:08x}", self.node.0, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
