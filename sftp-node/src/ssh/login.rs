//! The login of one connection: credentials go to the control plane, a good one gets a lease and
//! opens the files.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferryd_control_plane::{
    Credential, DialogStart, DialogStep, LoginAttempt, LoginDialog, LoginOutcome, SessionStart,
};
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Fault, Secret, Username};
use ferryd_telemetry::metrics;
use ferryd_telemetry::records::{self, LoginRecord, Obstacle, OperationFailedRecord};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::server::{Auth, PublicKeyOffer, VerifiedPublicKey};
use russh::{MethodKind, MethodSet};

use crate::connection::{Connection, login_failed};
use crate::context::NodeContext;
use crate::files::UserFiles;
use crate::key_exchange::offers::allowed_tries;
use crate::protocol::Protocol;
use crate::session::Session;
use crate::ssh::offered_key::OfferedKey;
use crate::transfers::Transfers;

/// The state of a login.
pub(crate) struct Login {
    context: Arc<NodeContext>,
    connection: Arc<Connection>,
    client: Option<String>,
    /// Boxed, as it goes away with the login and the connection stays.
    offered: Option<Box<OfferedKey>>,
    counted_keys: HashSet<String>,
    dialog: Option<(Username, Box<dyn LoginDialog>)>,
    /// Whether the methods were asked for.
    asked: bool,
    /// What has let the client in.
    proven: Option<Proof>,
}

/// What lets a client in.
struct Proof {
    method: LoginMethod,
    /// `SHA256:...` of a key, else empty.
    key_fingerprint: String,
}

/// Why a client is not let in.
enum Refusal {
    /// What it has shown does not do, or it gets no lease.
    Login(Fault),
    /// The files of its account cannot be opened.
    Files(Fault),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Login(fault)
    }
}

/// Distinct keys of one connection that are counted; later ones are not counted again.
const MAX_COUNTED_KEYS: usize = 64;

impl Login {
    /// Starts a login.
    pub fn new(
        context: Arc<NodeContext>,
        connection: Arc<Connection>,
        client: Option<String>,
    ) -> Self {
        Self {
            context,
            connection,
            client,
            offered: None,
            counted_keys: HashSet::new(),
            dialog: None,
            asked: false,
            proven: None,
        }
    }

    /// Answers the request that asks for the methods (RFC 4252 section 5.2). The first is free.
    pub fn none(&mut self, _user: &str) -> Auth {
        self.offered = None;
        if std::mem::replace(&mut self.asked, true) { self.reject() } else { self.tell_methods() }
    }

    /// Checks a password.
    pub async fn password(&mut self, user: &str, password: &str) -> Auth {
        self.offered = None;
        let credential = Credential::Password(Secret::new(password.to_owned()));
        metrics::login_attempt(LoginMethod::Password);
        let checked = self.check(user, credential).await;
        self.conclude(user, LoginMethod::Password, checked).await
    }

    /// Tells whether a key would do (RFC 4252 section 7): the client then signs with it.
    pub async fn key_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Auth {
        if !self.context.offers.takes_signature(offer.algorithm) {
            let fault = refused(match offer.algorithm {
                Algorithm::Rsa { hash: None } => "SHA-1 signatures are refused",
                _ => "signatures of this kind are refused",
            });
            return self.refuse(user, LoginMethod::PublicKey, &fault);
        }
        let Ok(key) = key_line(offer.public_key) else { return self.reject() };
        let username = Username::stored(user);
        if !self.knows(&username, &key) {
            self.count_key(&key);
            let outcome = self.check(user, Credential::PublicKey(key.clone())).await;
            let offered = OfferedKey::new(username, key, self.connection.peer.ip(), outcome);
            let offered = self.offered.insert(Box::new(offered));
            if let Some(fault) = offered.refusal().cloned() {
                return self.refuse(user, LoginMethod::PublicKey, &fault);
            }
        }
        match &self.offered {
            Some(offered) if offered.would_do() => Auth::Accept,
            _ => self.reject(),
        }
    }

    /// Logs in with a key whose signature has been verified.
    pub async fn key_verified(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Auth {
        let username = Username::stored(user);
        let known = key_line(key.public_key).is_ok_and(|key| self.knows(&username, &key));
        let offered = self.offered.take().filter(|_| known);
        let outcome = offered
            .and_then(|offered| offered.proven())
            .unwrap_or_else(|| Err(refused("the signed key was not offered before")));
        let answer = self.conclude(user, LoginMethod::PublicKey, outcome).await;
        if let Some(proof) = &mut self.proven {
            proof.key_fingerprint = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        }
        answer
    }

    /// Starts or continues a question-and-answer login (RFC 4256).
    pub async fn dialog(&mut self, user: &str, answers: Option<Vec<Bytes>>) -> Auth {
        let method = LoginMethod::KeyboardInteractive;
        self.offered = None;
        if !self.context.offers.methods.contains(&MethodKind::KeyboardInteractive) {
            return self.reject();
        }
        if answers.is_none() {
            self.connection.tried.store(true, Ordering::Relaxed);
            metrics::login_attempt(method);
        }
        match self.dialog_step(user, answers).await {
            Ok(DialogStep::Ask { instruction, prompts }) => Auth::Partial {
                name: "".into(),
                instructions: instruction.into(),
                prompts: prompts
                    .into_iter()
                    .map(|p| (p.text.into(), p.echo))
                    .collect::<Vec<_>>()
                    .into(),
            },
            Ok(DialogStep::Accepted(outcome)) => self.conclude(user, method, Ok(*outcome)).await,
            Err(fault) => self.conclude(user, method, Err(fault)).await,
        }
    }

    async fn dialog_step(
        &mut self,
        user: &str,
        answers: Option<Vec<Bytes>>,
    ) -> Result<DialogStep, Fault> {
        let username = Username::stored(user);
        let (mut dialog, answers) = match (answers, self.dialog.take()) {
            (None, _) => {
                let start = DialogStart {
                    username: username.clone(),
                    client_address: self.connection.peer,
                    connection: self.connection.id.clone(),
                };
                (self.context.control.start_dialog(start).await?, Vec::new())
            }
            (Some(answers), Some((asked, dialog))) if asked == username => (dialog, answers),
            (Some(_), _) => return Err(refused("an answer without a question")),
        };
        let answers = answers.iter().map(answer_text).collect();
        let step = while_connected(&self.connection, dialog.next(answers)).await?;
        if matches!(step, DialogStep::Ask { .. }) {
            self.dialog = Some((username, dialog));
        }
        Ok(step)
    }

    fn knows(&self, username: &Username, key: &str) -> bool {
        self.offered.as_ref().is_some_and(|offered| offered.is(username, key))
    }

    /// An attempt is counted once per key, when it is first offered.
    fn count_key(&mut self, key: &str) {
        if self.counted_keys.len() < MAX_COUNTED_KEYS && self.counted_keys.insert(key.to_owned()) {
            metrics::login_attempt(LoginMethod::PublicKey);
        }
    }

    async fn check(&mut self, user: &str, credential: Credential) -> Result<LoginOutcome, Fault> {
        self.connection.tried.store(true, Ordering::Relaxed);
        let username =
            Username::parse(user).map_err(|fault| refused("unusable user name").because(fault))?;
        let attempt = LoginAttempt {
            username,
            credential,
            client_address: self.connection.peer,
            connection: self.connection.id.clone(),
        };
        while_connected(&self.connection, self.context.control.authenticate(attempt)).await
    }

    /// Gets a lease for a login that proved its credential, or refuses it.
    async fn conclude(
        &mut self,
        user: &str,
        method: LoginMethod,
        checked: Result<LoginOutcome, Fault>,
    ) -> Auth {
        let started = match checked {
            Ok(outcome) => self.start(method, outcome).await,
            Err(fault) => Err(Refusal::Login(fault)),
        };
        match started {
            Ok(()) => {
                metrics::login_result(method, metrics::Outcome::Ok);
                self.proven = Some(Proof { method, key_fingerprint: String::new() });
                Auth::Accept
            }
            Err(Refusal::Login(fault)) => self.refuse(user, method, &fault),
            Err(Refusal::Files(fault)) => self.refuse_without_files(user, method, &fault),
        }
    }

    async fn start(&mut self, method: LoginMethod, outcome: LoginOutcome) -> Result<(), Refusal> {
        let account = Arc::new(outcome.account);
        let client_version = self.client.clone().unwrap_or_default();
        let start = SessionStart {
            connection: self.connection.id.clone(),
            node: self.context.node().clone(),
            username: account.username.clone(),
            method,
            client_address: self.connection.peer,
            client_version: client_version.clone(),
        };
        let lease = self.context.control.open_session(start.clone()).await?;
        let _opening = self.context.registry.opening(&start, lease.admission);
        let transfers = Arc::new(Transfers::default());
        let opened = UserFiles::open(
            &self.context.files,
            &account,
            &self.connection.id,
            Arc::clone(&transfers),
        )
        .await;
        let files = match opened {
            Ok(files) => files,
            Err(fault) => {
                let closed = self.context.control.close_session(self.connection.id.clone()).await;
                return Err(Refusal::Files(closed.err().unwrap_or(fault)));
            }
        };
        let session = Arc::new(Session::new(
            self.connection.cut_off(),
            (self.connection.id.clone(), self.connection.peer),
            lease.admission,
            account,
            client_version,
            files,
            transfers,
        ));
        self.context.registry.insert(&session);
        self.connection
            .session
            .set(session)
            .map_err(|_| Fault::internal("the connection is logged in already").into())
    }

    /// Writes the record of the login; `client` is the identification line.
    pub fn log_success(&self, client: &str) {
        let (Some(proof), Some(session)) = (&self.proven, self.connection.session.get()) else {
            return;
        };
        records::login(&LoginRecord {
            client: session.address,
            username: session.account.username.as_str(),
            login_type: proof.method.name(),
            key_fingerprint: &proof.key_fingerprint,
            client_version: client,
            connection_id: &session.id.0,
        });
    }

    fn refuse(&self, user: &str, method: LoginMethod, fault: &Fault) -> Auth {
        metrics::login_result(method, metrics::Outcome::Failed);
        if fault.is_transient() {
            self.tell_outage(user, fault);
        } else {
            login_failed(self.connection.peer.ip(), user, method.name(), &fault.to_string());
        }
        self.reject()
    }

    /// Its owner has done nothing wrong, so this is no record that programs ban addresses for.
    fn refuse_without_files(&self, user: &str, method: LoginMethod, fault: &Fault) -> Auth {
        metrics::login_result(method, metrics::Outcome::Failed);
        records::operation_failed(&OperationFailedRecord {
            obstacle: Obstacle::Trouble,
            operation: "login",
            username: user,
            virtual_path: "/",
            virtual_target_path: "",
            size_bytes: 0,
            connection_id: &self.connection.id.0,
            protocol: Protocol::Ssh.name(),
            error: &fault.clone().context("the files of the account cannot be opened").to_string(),
        });
        self.reject()
    }

    /// Programs that ban addresses count the records of failed logins: an outage must not lock
    /// out those who do nothing wrong.
    fn tell_outage(&self, user: &str, fault: &Fault) {
        tracing::warn!(
            sender = "sftpd",
            connection_id = %self.connection.id,
            client_ip = %self.connection.peer.ip(),
            username = user,
            error = %fault,
            "login not possible: the control plane is away"
        );
    }

    /// Refuses a try; after the last one the connection ends.
    fn reject(&self) -> Auth {
        let tries = &self.connection.tries;
        tries.count(allowed_tries(self.context.config.max_auth_tries));
        if tries.are_over() {
            self.connection.throw_out();
        }
        self.tell_methods()
    }

    /// Every refusal names all methods: without them russh takes the tried one away.
    fn tell_methods(&self) -> Auth {
        if self.client.as_ref().is_some_and(|client| client.contains("paramiko")) {
            self.connection.tries.refused();
        }
        Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(self.context.offers.methods.as_slice())),
            partial_success: false,
        }
    }
}

/// Gives up what may wait for a program when the client has gone: dropping it ends the program.
async fn while_connected<T>(
    connection: &Connection,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        done = work => done,
        () = connection.hung_up() => Err(refused("the client has gone")),
    }
}

fn key_line(key: &PublicKey) -> Result<String, Fault> {
    let bare = PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh().map_err(|error| Fault::invalid("unusable key").because(error))
}

fn answer_text(answer: &Bytes) -> Secret<String> {
    Secret::new(String::from_utf8_lossy(answer).into_owned())
}
