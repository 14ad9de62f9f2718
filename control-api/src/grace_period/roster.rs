//! The file of nodes: their ids as a JSON list, replaced as a whole.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use ferryd_control_plane::NodeId;

/// What is read of a file that an earlier run has left.
const MAX_SIZE: u64 = 1 << 20;

/// Returns the nodes that a file names; none when it is missing or broken.
pub(super) async fn read(file: PathBuf) -> HashSet<NodeId> {
    let read = tokio::task::spawn_blocking(move || read_now(&file)).await;
    read.unwrap_or_else(|error| Err(error.into())).unwrap_or_else(|error| {
        tracing::warn!(sender = "nodes", %error, "the nodes of the last run are not known");
        HashSet::new()
    })
}

/// Replaces a file; it is on the disk when this returns.
pub(super) async fn write(file: PathBuf, nodes: HashSet<NodeId>) -> std::io::Result<()> {
    let written = tokio::task::spawn_blocking(move || write_now(&file, &nodes)).await;
    written.unwrap_or_else(|error| Err(error.into()))
}

#[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
fn read_now(path: &Path) -> std::io::Result<HashSet<NodeId>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
fn write_now(path: &Path, nodes: &HashSet<NodeId>) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(nodes)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
