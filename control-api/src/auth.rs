//! Logins: which account a client gets and whether its credential is right. Places, methods and
//! addresses are checked when the session opens. The client never learns why it was refused.

mod answers;
mod credentials;
mod dialog;
mod external;
mod pre_login;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferryd_control_plane::{
    ConnectionId, Credential, DialogStart, LoginAttempt, LoginDialog, LoginOutcome,
};
use ferryd_data_provider::DataProviderConfig;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::policy::login::{check_account, check_home, refused};
use ferryd_domain::{Account, Fault, FaultKind, Secret, Username};

use crate::accounts::Accounts;
use crate::passwords::Pool;
use crate::programs::{Programs, check_program};
use answers::{Answers, Question};
use dialog::Dialog;
use external::ExternalProgram;
use pre_login::PreLoginProgram;

/// Programs that decide or prepare logins, at once.
const LOGIN_PROGRAMS: usize = 64;
/// Dialogs at once; most of their time they wait for people.
const DIALOGS: usize = 256;

/// Decides logins.
#[derive(Debug)]
pub struct Auth {
    accounts: Arc<Accounts>,
    passwords: Arc<Pool>,
    external: Option<ExternalProgram>,
    pre_login: Option<PreLoginProgram>,
    dialog_program: Option<PathBuf>,
    dialogs: Programs,
    answers: Answers,
}

/// A name that may have an account, and how its owner wants to prove himself.
#[derive(Clone, Copy, Debug)]
struct Login<'a> {
    username: &'a Username,
    connection: &'a ConnectionId,
    proof: Proof<'a>,
}

/// What a login program may be told.
#[derive(Clone, Copy, Debug)]
enum Proof<'a> {
    Password(&'a Secret<String>),
    Key(&'a str),
    Dialog,
}

impl Proof<'_> {
    const fn method(&self) -> LoginMethod {
        match self {
            Self::Password(_) => LoginMethod::Password,
            Self::Key(_) => LoginMethod::PublicKey,
            Self::Dialog => LoginMethod::KeyboardInteractive,
        }
    }
}

/// Where an account came from.
enum Origin {
    /// It was stored before.
    Stored,
    /// The external program has accepted this very credential, which is part of the account now.
    Vouched,
}

impl Auth {
    /// Prepares the logins with the programs of the configuration.
    ///
    /// # Errors
    /// `InvalidInput` for an external or a pre-login program that is no absolute path of a file.
    pub fn build(
        accounts: Arc<Accounts>,
        config: &DataProviderConfig,
        dialog_program: &str,
    ) -> Result<Self, Fault> {
        let programs = Programs::new(LOGIN_PROGRAMS);
        let external = program("external_auth_program", &config.external_auth_program)?;
        let pre_login = program("pre_login_program", &config.pre_login_program)?;
        if external.is_some() && pre_login.is_some() {
            tracing::warn!(
                sender = "auth",
                "external_auth_program and pre_login_program are both set; the pre-login program \
                 runs only for methods outside of external_auth_scope"
            );
        }
        Ok(Self {
            accounts,
            passwords: crate::passwords::shared_pool(),
            external: external
                .map(|path| ExternalProgram::new(path, config.external_auth_scope, &programs)),
            pre_login: pre_login.map(|path| PreLoginProgram::new(path, &programs)),
            dialog_program: optional_program(dialog_program),
            dialogs: Programs::new(DIALOGS),
            answers: Answers::default(),
        })
    }

    /// Tells whether a program decides or prepares logins.
    pub(crate) fn runs_programs(&self) -> bool {
        self.external.is_some() || self.pre_login.is_some()
    }

    /// Checks one password or key.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason in the chain; `Unavailable` when accounts cannot be read.
    pub async fn authenticate(&self, attempt: &LoginAttempt) -> Result<LoginOutcome, Fault> {
        let account = match &attempt.credential {
            Credential::Password(password) => self.by_password(attempt, password).await?,
            Credential::PublicKey(line) => self.by_key(attempt, line).await?,
        };
        self.admit(account).await
    }

    /// Starts a question-and-answer login.
    ///
    /// # Errors
    /// `Unsupported` when no program is set, `Unauthenticated` with the reason in the chain.
    pub async fn start_dialog(
        self: Arc<Self>,
        start: &DialogStart,
    ) -> Result<Box<dyn LoginDialog>, Fault> {
        let program = self
            .dialog_program
            .clone()
            .ok_or_else(|| Fault::unsupported("keyboard-interactive logins are off"))?;
        let username = checked_name(&start.username)?;
        let login =
            Login { username: &username, connection: &start.connection, proof: Proof::Dialog };
        let (account, _) = self.account_for(login).await?;
        Ok(Box::new(Dialog::start(self, account, start.client_address.ip(), &program).await?))
    }

    async fn by_password(
        &self,
        attempt: &LoginAttempt,
        password: &Secret<String>,
    ) -> Result<Account, Fault> {
        if password.expose().is_empty() {
            return Err(refused("the password is empty"));
        }
        let found = match checked_name(&attempt.username) {
            Ok(username) => {
                let proof = Proof::Password(password);
                let login = Login { username: &username, connection: &attempt.connection, proof };
                self.account_for(login).await
            }
            Err(fault) => Err(fault),
        };
        match found {
            Ok((account, Origin::Vouched)) => {
                check_account(&account, crate::clock::now_ms())?;
                Ok(account)
            }
            Ok((account, Origin::Stored)) => {
                self.with_password(account, attempt.client_address.ip(), password).await
            }
            Err(fault) => {
                if fault.kind() == FaultKind::Unauthenticated
                    && self.decides_here(LoginMethod::Password)
                {
                    let address = attempt.client_address.ip();
                    self.check_decoy(attempt.username.as_str(), address, password).await;
                }
                Err(fault)
            }
        }
    }

    /// The password is checked before the state is looked at, so that the time tells nothing of it.
    async fn with_password(
        &self,
        account: Account,
        address: IpAddr,
        password: &Secret<String>,
    ) -> Result<Account, Fault> {
        let checked = self.check_password(&account, address, password).await;
        check_account(&account, crate::clock::now_ms())?;
        checked.proven().map(|()| account)
    }

    async fn by_key(&self, attempt: &LoginAttempt, line: &str) -> Result<Account, Fault> {
        let username = checked_name(&attempt.username)?;
        let proof = Proof::Key(line);
        let login = Login { username: &username, connection: &attempt.connection, proof };
        let (account, _) = self.account_for(login).await?;
        check_account(&account, crate::clock::now_ms())?;
        credentials::check_key(&account, line, attempt.client_address.ip())?;
        Ok(account)
    }

    /// Finds the account, with the programs that may make or change it.
    async fn account_for(&self, login: Login<'_>) -> Result<(Account, Origin), Fault> {
        let method = login.proof.method();
        if let Some(external) = self.external.as_ref().filter(|program| program.decides(method)) {
            let account = self.once(login, external.account(&self.accounts, login)).await?;
            return Ok((account, Origin::Vouched));
        }
        let account = self.stored(login.username).await?;
        let Some(pre_login) = &self.pre_login else { return Ok((account, Origin::Stored)) };
        let changed = self.once(login, pre_login.account(&self.accounts, account, method)).await?;
        Ok((changed, Origin::Stored))
    }

    /// A key is asked about first and signed with afterwards; both share one run of a program.
    async fn once(
        &self,
        login: Login<'_>,
        run: impl Future<Output = Result<Account, Fault>>,
    ) -> Result<Account, Fault> {
        let Proof::Key(line) = login.proof else { return run.await };
        let question = Question::new(login.connection, login.username, line);
        match self.answers.get(&question) {
            Some(Ok(())) => self.stored(login.username).await,
            Some(Err(fault)) => Err(fault),
            None => {
                let answer = run.await;
                let known = answer.as_ref().map(drop).map_err(Clone::clone);
                // A store that was away may be back for the second request.
                if !known.as_ref().is_err_and(Fault::is_transient) {
                    self.answers.put(question, known);
                }
                answer
            }
        }
    }

    async fn stored(&self, username: &Username) -> Result<Account, Fault> {
        self.accounts.find(username).await.map_err(|fault| match fault.kind() {
            FaultKind::NotFound => refused("there is no such account"),
            _ => fault,
        })
    }

    /// Tells whether passwords of this method are compared with stored ones.
    fn decides_here(&self, method: LoginMethod) -> bool {
        !self.external.as_ref().is_some_and(|program| program.decides(method))
    }

    async fn admit(&self, account: Account) -> Result<LoginOutcome, Fault> {
        check_home(&account)?;
        let version = self.accounts.version(&account.username);
        let mut account = self.accounts.with_clear_secrets(account).await?;
        account.password = Secret::default();
        Ok(LoginOutcome { account, version })
    }
}

/// Checks a name that a client sent.
fn checked_name(raw: &Username) -> Result<Username, Fault> {
    Username::parse(raw.as_str()).map_err(|fault| refused(fault.to_string()))
}

/// Turns the failure of a program or of its answer into a refusal; a store that is away stays one.
fn refusal(fault: &Fault, what: &'static str) -> Fault {
    if fault.kind() == FaultKind::Unavailable {
        return fault.clone().context(what);
    }
    refused(fault.to_string()).context(what)
}

/// Looks whether the programs of the configuration are there.
///
/// # Errors
/// `InvalidInput`, naming the first that is not.
pub(crate) fn check_programs(config: &DataProviderConfig) -> Result<(), Fault> {
    program("external_auth_program", &config.external_auth_program)?;
    program("pre_login_program", &config.pre_login_program).map(drop)
}

/// Reads the path of a program without which the server must not start.
fn program(key: &'static str, path: &str) -> Result<Option<PathBuf>, Fault> {
    if path.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(path);
    if check_program(&path).is_err() || !path.is_file() {
        return Err(Fault::invalid(format!(
            "data_provider.{key}: {} is not the absolute path of a file",
            path.display()
        )));
    }
    Ok(Some(path))
}

/// Reads the path of the dialog program; a wrong one turns the method off.
fn optional_program(path: &str) -> Option<PathBuf> {
    if path.is_empty() {
        return None;
    }
    let usable = Path::new(path).is_file() && check_program(Path::new(path)).is_ok();
    if !usable {
        tracing::warn!(
            sender = "auth", program = %path,
            "keyboard_interactive_auth_program is not the absolute path of a file, the method is off"
        );
    }
    usable.then(|| path.into())
}

#[cfg(test)]
mod tests;
