//! Stores and finds accounts. It does not authenticate, validate or fire actions: that is
//! control-api's.

pub mod config;
#[cfg(feature = "testkit")]
pub mod contract;
mod provider;

pub use config::{ActionsConfig, DataProviderConfig, Driver};
pub use provider::{DataProvider, Order, QuotaChange, UserPage};
