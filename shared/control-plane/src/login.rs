//! Logins: attempts, dialogs and their outcomes.

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Account, Fault, Secret, Username};

use crate::ConnectionId;

/// One credential of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// Who wants to log in; raw text from the client.
    pub username: Username,
    /// The credential that the client offers.
    pub credential: Credential,
    /// From where, after any PROXY header.
    pub client_address: SocketAddr,
    /// On which connection; programs run once per key and connection.
    pub connection: ConnectionId,
}

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A password in clear text.
    Password(Secret<String>),
    /// A key as `authorized_keys` line without a comment, e.g. `ssh-ed25519 AAAA...`.
    PublicKey(String),
}

impl Credential {
    /// Returns the method that this credential belongs to.
    pub fn method(&self) -> LoginMethod {
        match self {
            Self::Password(_) => LoginMethod::Password,
            Self::PublicKey(_) => LoginMethod::PublicKey,
        }
    }
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginOutcome {
    /// The account as it is now, with what the node needs: no password hash, cloud secrets in clear.
    pub account: Account,
    /// Rises with each change of the account, so that a session can tell which state it holds.
    pub version: u64,
}

/// Opens a question-and-answer login (RFC 4256).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogStart {
    /// Who wants to log in; raw text from the client.
    pub username: Username,
    /// From where, after any PROXY header.
    pub client_address: SocketAddr,
    /// On which connection.
    pub connection: ConnectionId,
}

/// A question-and-answer login that is going on. Dropping it ends the program behind it.
#[async_trait]
pub trait LoginDialog: fmt::Debug + Send {
    /// Gives the answers to the questions of the last step (none at the first call) and returns
    /// what comes next.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason in the chain: the login is refused.
    async fn next(&mut self, answers: Vec<Secret<String>>) -> Result<DialogStep, Fault>;
}

/// What comes next in a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogStep {
    /// Questions for the client.
    Ask {
        /// Text above the questions; may be empty.
        instruction: String,
        /// At least one.
        prompts: Vec<Prompt>,
    },
    /// The login succeeded.
    Accepted(Box<LoginOutcome>),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The text that the client shows.
    pub text: String,
    /// Whether the client may show what is typed.
    pub echo: bool,
}
