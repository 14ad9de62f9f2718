//! Both ends of the link over a real connection: calls, streams, loss, return and trust.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed expectation is how a test fails"
)]

mod calls;
mod contract;
mod desk;
mod loss;
mod setup;
mod trust;
