//! Ways into the data plane for fuzzers and benchmarks. Only built for tests and with the feature
//! `testkit`; no shipped program has it.

#[cfg(feature = "testkit")]
pub mod bench_hooks;
pub mod fuzzing;
