//! Scenarios: what users and administrators see, against real processes with real clients. Every
//! scenario runs once per topology.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails loudly, and tests start programs and make files"
)]

mod hostile;
mod login;
mod transfers;
