//! `Permit`: proof that policy allowed an operation on a path.

use ferryd_domain::policy::AccessPolicy;
use ferryd_domain::{Fault, Operation, VirtualPath};

/// Proof that an operation on a path was allowed. Made by the check and in no other way.
#[derive(Debug)]
pub(super) struct Permit {
    operation: Operation,
    path: VirtualPath,
}

impl Permit {
    /// Asks the policy.
    ///
    /// # Errors
    /// Those of [`AccessPolicy::check`].
    pub fn new(
        policy: &AccessPolicy,
        operation: Operation,
        path: &VirtualPath,
    ) -> Result<Self, Fault> {
        policy.check(operation, path)?;
        Ok(Self { operation, path: path.clone() })
    }

    /// Returns what was allowed.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns where it was allowed.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }
}
