//! The seam between a node that serves files and the control plane that knows the accounts.
//! Called at login, open and close, never per packet. Everybody holds an `Arc<dyn ControlPlane>`.

#[cfg(feature = "testkit")]
pub mod contract;
#[cfg(feature = "testkit")]
pub mod fake;
pub mod ids;
pub mod login;
pub mod node;
pub mod quota;
pub mod session;

use std::fmt;

use async_trait::async_trait;
use ferryd_domain::{Fault, FileEvent, QuotaUsage, Username};

pub use ids::{ConnectionId, NodeId};
pub use login::{
    Credential, DialogStart, DialogStep, LoginAttempt, LoginDialog, LoginOutcome, Prompt,
};
pub use node::{NodeCommand, NodeCommands, NodeInfo, NodeReport, ScanId, ScanOutcome};
pub use quota::{Certainty, Grant, GrantRequest, TransferId, UsageChange};
pub use session::{
    Admission, SessionLease, SessionStart, SessionStatus, TransferDirection, TransferStatus,
};

/// What a node needs from the control plane.
///
/// Every call may fail with `Unavailable` when the control plane cannot be reached. Calls that
/// change something carry an id and may be repeated without harm.
#[async_trait]
pub trait ControlPlane: fmt::Debug + Send + Sync + 'static {
    /// Checks one password or key and returns the account as it is now. For a key this says
    /// that the key is good for the account; that the client owns it is the node's to verify.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason in the chain.
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault>;

    /// Tells whether [`authenticate`](Self::authenticate) neither starts programs nor computes for
    /// long, so that any thread may poll it.
    fn authenticates_lightly(&self) -> bool {
        false
    }

    /// Starts a question-and-answer login; the dialog stays with the instance that runs the program.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason in the chain; `Unsupported` when no program is set.
    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault>;

    /// Takes one of the account's places for a session that has proved its credential, checks
    /// method and address, and records the login.
    ///
    /// # Errors
    /// `TooManySessions`, or `Unauthenticated` with the reason in the chain.
    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault>;

    /// Gives the place back. An unknown session is no error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault>;

    /// Makes a node known and returns the commands for it, until either side goes away.
    ///
    /// # Errors
    /// `Unavailable`, `Unauthenticated`.
    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault>;

    /// Tells which sessions a node has; renews their leases.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn report(&self, report: NodeReport) -> Result<(), Fault>;

    /// Tells what a scan that was asked for has counted.
    ///
    /// # Errors
    /// `Unavailable`, `NotFound` for an unknown scan.
    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault>;

    /// Returns what an account stores now.
    ///
    /// # Errors
    /// `NotFound` for an unknown account.
    async fn quota_usage(&self, user: &Username) -> Result<QuotaUsage, Fault>;

    /// Reserves bytes and files for a running transfer, so that sessions cannot pass a limit
    /// together. Grants of one transfer add up and end with its [`UsageChange`].
    ///
    /// # Errors
    /// `QuotaExceeded` when nothing is left, `NotFound` for an unknown account.
    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault>;

    /// Changes the stored usage once per transfer id and ends the grants of that transfer.
    ///
    /// # Errors
    /// `Unavailable`, `NotFound` for an unknown account.
    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault>;

    /// Tells whether [`change_usage`](Self::change_usage) costs so little that there is no use in
    /// adding changes up first: the control plane is in this process.
    fn counts_lightly(&self) -> bool {
        false
    }

    /// Hands over an event for the actions. Returns before they run.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault>;
}
