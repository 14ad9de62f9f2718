//! What russh asks of a runtime: tasks and a clock. Stands in for the crate of this name, whose
//! tasks keep the memory of their future twice: 13 KiB for each connection (docs/decisions/0013).

pub mod runtime;
pub mod turns;

/// The clock that russh reads.
pub mod time {
    pub use std::time::Instant;
}
