//! The suite that every implementation passes: `control_plane_contract!` makes a test of each
//! function here, over a [`Fixture`] of its own.

mod logins;
mod nodes;
mod quota;
mod sessions;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Account, Fault, FaultKind, Username};

use crate::{ConnectionId, ControlPlane, NodeId, SessionStart};

pub use logins::*;
pub use nodes::*;
pub use quota::*;
pub use sessions::*;

/// An implementation without accounts, that counts the usage of everybody. Its dialogs ask one
/// question, to which the account's password is the right answer.
#[async_trait]
pub trait Fixture: fmt::Debug + Send + Sync {
    /// Returns the implementation.
    fn control_plane(&self) -> Arc<dyn ControlPlane>;

    /// Stores an account with this password in clear text.
    async fn add_account(&self, account: Account, password: &str);

    /// Does what `DELETE /connection` does.
    async fn close_connection(&self, connection: &ConnectionId);

    /// Does what `POST /quota_scan` does.
    async fn start_scan(&self, username: &Username);
}

/// Makes a test of each function of the suite. The argument is an expression that gives an
/// `Arc<impl Fixture>`, and may await.
#[macro_export]
macro_rules! control_plane_contract {
    ($fixture:expr) => {
        $crate::control_plane_contract!($fixture =>
            right_credentials_log_in_and_others_do_not
            disabled_and_expired_accounts_are_refused
            a_login_shows_the_account_without_its_hash
            a_dialog_accepts_the_right_answer_alone
            methods_and_addresses_are_checked_when_a_session_opens
            the_limit_on_sessions_holds_and_a_closed_one_makes_room
            sessions_of_a_node_that_attaches_count
            a_change_of_usage_counts_once
            usage_of_an_unknown_account_is_not_found
            grants_never_pass_the_limit_and_end_with_their_change
            grants_end_with_their_session
            an_account_without_limits_is_granted_everything
            uploads_at_once_cannot_pass_the_limit_on_files
            a_file_alone_needs_no_bytes
            a_connection_is_closed_through_its_node
            a_scan_runs_on_a_node_and_replaces_the_counters
            reports_and_events_are_taken
        );
    };
    ($fixture:expr => $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let fixture = $fixture;
                $crate::contract::$name(&*fixture).await;
            }
        )+
    };
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn bob() -> Username {
    Username::stored("bob")
}

/// An account that may log in by every method.
fn account() -> Account {
    Account {
        username: bob(),
        status: 1,
        public_keys: vec![format!("{KEY} bob@host")],
        home_dir: "/srv/bob".into(),
        permissions: [("/".to_owned(), vec!["*".to_owned()])].into(),
        ..Account::default()
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1000))
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId(name.to_owned())
}

fn start(name: &str) -> SessionStart {
    SessionStart {
        connection: connection(name),
        node: NodeId("node".into()),
        username: bob(),
        method: LoginMethod::Password,
        client_address: address(),
        client_version: "SSH-2.0-test".into(),
    }
}

#[track_caller]
fn assert_kind<T: fmt::Debug>(result: Result<T, Fault>, kind: FaultKind) {
    match result {
        Err(fault) => assert_eq!(fault.kind(), kind, "{fault}"),
        Ok(value) => assert_eq!(format!("{value:?}"), format!("{kind:?}"), "no fault"),
    }
}
