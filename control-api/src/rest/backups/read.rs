//! Reads a dump: a regular file of bounded size.

use std::path::Path;

use ferryd_data_provider::dump::MAX_SIZE;
use ferryd_domain::Fault;
use tokio::io::AsyncReadExt;

/// Returns the text of a dump.
///
/// # Errors
/// `InvalidInput` for a file that is missing, not regular, empty or too large.
#[expect(clippy::disallowed_methods, reason = "a file that the administrator names")]
pub(super) async fn dump(file: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |error| Fault::invalid("the input file cannot be read").because(error);
    // Before it is opened: opening a pipe would wait for its other end.
    let found = tokio::fs::metadata(file).await.map_err(unreadable)?;
    if !found.is_file() || found.len() == 0 || found.len() > MAX_SIZE {
        return Err(Fault::invalid("the input file is not a file of at most 10 MiB"));
    }
    let mut text = Vec::new();
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    opened.take(MAX_SIZE + 1).read_to_end(&mut text).await.map_err(unreadable)?;
    if text.len() as u64 > MAX_SIZE {
        return Err(Fault::invalid("the input file is not a file of at most 10 MiB"));
    }
    Ok(text)
}
