//! What a look at a store found, which writes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::DataProvider;

/// What a look at a store found.
#[derive(Debug)]
pub enum Inspected {
    /// It can be read.
    Ready(Arc<dyn DataProvider>),
    /// Its schema is older than that of this program.
    Older,
    /// There is none yet; it would be this file.
    Missing(PathBuf),
}
