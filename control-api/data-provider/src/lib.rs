//! Stores and finds accounts. It does not authenticate, validate or fire actions: that is
//! control-api's.

pub mod config;
#[cfg(any(test, feature = "testkit"))]
pub mod contract;
pub mod dump;
mod inspected;
mod memory;
mod open;
mod provider;
mod sql;
mod sqlite;

pub use config::{ActionsConfig, DataProviderConfig, Driver};
pub use inspected::Inspected;
pub use memory::MemoryProvider;
pub use open::{Initialized, initialize, inspect, open};
pub use provider::{DataProvider, Order, QuotaChange, QuotaTurn, UserPage};

#[cfg(test)]
mod tests;
