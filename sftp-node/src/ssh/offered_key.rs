//! A key that was offered, until its owner has signed with it.

use std::net::IpAddr;

use ferryd_control_plane::LoginOutcome;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Fault, Username};
use ferryd_telemetry::metrics;

use crate::connection::login_failed;

/// A key that the control plane has looked at. One that would do and goes away without a valid
/// signature is a failed login: russh answers a wrong signature by itself and tells nobody.
pub(super) struct OfferedKey {
    username: Username,
    key: String,
    client_ip: IpAddr,
    outcome: Option<Result<LoginOutcome, Fault>>,
}

impl OfferedKey {
    /// Keeps what the control plane has said of a key.
    pub fn new(
        username: Username,
        key: String,
        client_ip: IpAddr,
        outcome: Result<LoginOutcome, Fault>,
    ) -> Self {
        Self { username, key, client_ip, outcome: Some(outcome) }
    }

    /// Tells whether it is this key for this name.
    pub fn is(&self, username: &Username, key: &str) -> bool {
        self.username == *username && self.key == key
    }

    /// Tells whether it lets in whoever can sign with it.
    pub fn would_do(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }

    /// Returns why it was refused.
    pub fn refusal(&self) -> Option<&Fault> {
        self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err())
    }

    /// Returns what it opens, now that its owner has signed.
    pub fn proven(mut self) -> Option<Result<LoginOutcome, Fault>> {
        self.outcome.take()
    }
}

impl Drop for OfferedKey {
    fn drop(&mut self) {
        if self.would_do() {
            let method = LoginMethod::PublicKey;
            metrics::login_result(method, metrics::Outcome::Failed);
            let error = "no valid signature of a key of the account";
            login_failed(self.client_ip, self.username.as_str(), method.name(), error);
        }
    }
}
