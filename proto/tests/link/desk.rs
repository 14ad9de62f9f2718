//! A control plane with fixed answers that shows what reached it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_control_plane::*;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Account, Fault, FaultKind, FileEvent, QuotaUsage, Username};
use futures::StreamExt;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// The password that it accepts.
pub const PASSWORD: &str = "right";
/// The answer that it accepts.
pub const ANSWER: &str = "42";
/// The account whose answers come too late.
pub const SLOW: &str = "slow";

#[derive(Debug)]
pub struct Desk {
    /// Gets the sending end of each node's commands.
    pub attached: mpsc::Sender<(NodeInfo, mpsc::Sender<NodeCommand>)>,
    /// Gets a message when a dialog ends.
    pub dialog_ends: mpsc::Sender<()>,
    /// What came last, as text.
    pub last: Mutex<String>,
}

/// What a test sees of a desk.
pub struct Watch {
    pub attached: mpsc::Receiver<(NodeInfo, mpsc::Sender<NodeCommand>)>,
    pub dialog_ends: mpsc::Receiver<()>,
}

impl Desk {
    pub fn new() -> (Arc<Self>, Watch) {
        let (attached, attached_seen) = mpsc::channel(8);
        let (dialog_ends, dialog_ends_seen) = mpsc::channel(8);
        let desk = Self { attached, dialog_ends, last: Mutex::default() };
        (Arc::new(desk), Watch { attached: attached_seen, dialog_ends: dialog_ends_seen })
    }

    async fn remember(&self, what: impl std::fmt::Debug) -> Result<(), Fault> {
        *self.last.lock().await = format!("{what:?}");
        Ok(())
    }
}

pub fn outcome(username: &Username) -> LoginOutcome {
    let mut account = Account { username: username.clone(), status: 1, ..Account::default() };
    account.filters.denied_ip = vec!["192.0.2.0/24".into()];
    LoginOutcome { account, version: 7 }
}

#[async_trait]
impl ControlPlane for Desk {
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault> {
        if attempt.username.as_str() == SLOW {
            std::future::pending::<()>().await;
        }
        match &attempt.credential {
            Credential::Password(password) if password.expose() == PASSWORD => {
                Ok(outcome(&attempt.username))
            }
            Credential::Password(_) | Credential::PublicKey(_) => {
                Err(refused("the password is wrong").because(std::io::Error::other("no match")))
            }
        }
    }

    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault> {
        if start.username.as_str() == "nobody" {
            return Err(Fault::unsupported("no program is set"));
        }
        let (asked, ends) = (false, self.dialog_ends.clone());
        Ok(Box::new(Dialog { username: start.username, asked, ends }))
    }

    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault> {
        if start.username.as_str() == "busy" {
            return Err(Fault::new(FaultKind::TooManySessions, "too many sessions"));
        }
        Ok(SessionLease {
            connection: start.connection,
            admission: Admission { at: 7, max_sessions: 2 },
            lifetime: Duration::from_millis(10_500),
        })
    }

    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault> {
        self.remember(session).await
    }

    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault> {
        let (commands, stream) = mpsc::channel(8);
        self.attached.send((node, commands)).await.expect("a test looks");
        Ok(ReceiverStream::new(stream).boxed())
    }

    async fn report(&self, report: NodeReport) -> Result<(), Fault> {
        self.remember(report.sessions.len()).await
    }

    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        self.remember(outcome).await
    }

    async fn quota_usage(&self, _: &Username) -> Result<QuotaUsage, Fault> {
        Ok(QuotaUsage { size: -1, files: i64::MAX })
    }

    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault> {
        Ok(Grant { bytes: request.bytes, files: request.files })
    }

    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault> {
        self.remember(change).await
    }

    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault> {
        self.remember(event).await
    }
}

#[derive(Debug)]
struct Dialog {
    username: Username,
    asked: bool,
    ends: mpsc::Sender<()>,
}

#[async_trait]
impl LoginDialog for Dialog {
    async fn next(
        &mut self,
        answers: Vec<ferryd_domain::Secret<String>>,
    ) -> Result<DialogStep, Fault> {
        if !std::mem::replace(&mut self.asked, true) {
            let prompt = Prompt { text: "Code: ".into(), echo: false };
            return Ok(DialogStep::Ask { instruction: "Hello".into(), prompts: vec![prompt] });
        }
        match answers.as_slice() {
            [answer] if answer.expose() == ANSWER => {
                Ok(DialogStep::Accepted(Box::new(outcome(&self.username))))
            }
            _ => Err(refused("the answer is wrong")),
        }
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        let _ = self.ends.try_send(());
    }
}
