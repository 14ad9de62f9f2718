#![expect(clippy::disallowed_methods, reason = "tests write their own scripts")]

mod dialog;
mod external;
mod pre_login;

use std::os::unix::fs::PermissionsExt;

use ferryd_data_provider::{DataProvider, UserPage, open};
use ferryd_domain::AccountEvent;
use tempfile::TempDir;

use super::*;
use crate::accounts::AccountListener;

/// bcrypt of "secret" at the lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Fails when it is told of anything: logins fire no account actions.
#[derive(Debug)]
struct Silence;

impl AccountListener for Silence {
    fn account_changed(&self, event: AccountEvent) {
        panic!("an event: {event:?}");
    }
}

/// A login service over users in memory, with scripts in a folder.
struct Bed {
    auth: Arc<Auth>,
    accounts: Arc<Accounts>,
    provider: Arc<dyn DataProvider>,
    folder: TempDir,
}

/// The programs of a bed: bodies of shell scripts, in which `$D` is the folder.
#[derive(Default)]
struct Scripts<'a> {
    external: &'a str,
    scope: i32,
    pre_login: &'a str,
    dialog: &'a str,
}

impl Bed {
    async fn new(scripts: Scripts<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = DataProviderConfig {
            driver: "memory".into(),
            name: String::new(),
            external_auth_program: script(&folder, "external", scripts.external),
            external_auth_scope: scripts.scope,
            pre_login_program: script(&folder, "pre_login", scripts.pre_login),
            ..DataProviderConfig::default()
        };
        let provider = open(&config, folder.path()).await.unwrap();
        let listener = Arc::new(Silence);
        let accounts =
            Arc::new(Accounts::new(Arc::clone(&provider), &config, folder.path(), listener));
        let dialog = script(&folder, "dialog", scripts.dialog);
        let auth = Arc::new(Auth::build(Arc::clone(&accounts), &config, &dialog).unwrap());
        Self { auth, accounts, provider, folder }
    }

    /// Stores an account beside all rules.
    async fn add(&self, account: Account) {
        self.provider.add_user(&account).await.unwrap();
    }

    async fn stored(&self, name: &str) -> Option<Account> {
        let page =
            UserPage { limit: 10, username: Some(Username::stored(name)), ..UserPage::default() };
        self.provider.users(&page).await.unwrap().pop()
    }

    async fn password(&self, name: &str, password: &str) -> Result<LoginOutcome, Fault> {
        self.login(name, Credential::Password(Secret::new(password.into())), "c1").await
    }

    async fn key(&self, name: &str, line: &str, connection: &str) -> Result<LoginOutcome, Fault> {
        self.login(name, Credential::PublicKey(line.into()), connection).await
    }

    async fn login(
        &self,
        name: &str,
        credential: Credential,
        connection: &str,
    ) -> Result<LoginOutcome, Fault> {
        let attempt = LoginAttempt {
            username: Username::stored(name),
            credential,
            client_address: "192.0.2.1:1000".parse().unwrap(),
            connection: ConnectionId(connection.into()),
        };
        self.auth.authenticate(&attempt).await
    }

    async fn dialog(&self, name: &str) -> Result<Box<dyn LoginDialog>, Fault> {
        let start = DialogStart {
            username: Username::stored(name),
            client_address: "192.0.2.1:1000".parse().unwrap(),
            connection: ConnectionId("c1".into()),
        };
        Arc::clone(&self.auth).start_dialog(&start).await
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }
}

/// Writes a script and returns its path; no body, no script.
fn script(folder: &TempDir, name: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    let path = folder.path().join(name);
    let text = format!("#!/bin/sh\nD='{}'\n{body}\n", folder.path().display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn bob() -> Account {
    Account {
        username: Username::stored("bob"),
        status: 1,
        password: Secret::new(HASH.into()),
        public_keys: vec![format!("no-pty {KEY} bob@host")],
        home_dir: "/srv/bob".into(),
        permissions: [("/".to_owned(), vec!["*".to_owned()])].into(),
        ..Account::default()
    }
}

/// Checks that a login was refused like every other, and why.
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Fault>, reason: &str) {
    let fault = result.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unauthenticated, "{fault}");
    assert_eq!(fault.public(), "login refused");
    assert!(fault.to_string().contains(reason), "{fault}");
}

#[tokio::test]
async fn a_right_password_logs_in_and_a_wrong_one_does_not() {
    let bed = Bed::new(Scripts::default()).await;
    bed.add(bob()).await;
    let outcome = bed.password("bob", "secret").await.unwrap();
    assert_eq!(outcome.account.home_dir, "/srv/bob");
    assert_eq!(outcome.account.password, Secret::default(), "the hash stays here");
    assert_refused(bed.password("bob", "wrong").await, "password is wrong");
    assert_refused(bed.password("bob", "").await, "empty");
    assert_refused(bed.password("Bob", "secret").await, "no such account");
}

#[tokio::test]
async fn an_account_without_a_password_has_none_that_is_right() {
    let bed = Bed::new(Scripts::default()).await;
    let none = "no password that can be checked";
    for (stored, reason) in [("", none), ("secret", none), ("$argon2id$broken", "password")] {
        let name = format!("bob{}", stored.len());
        bed.add(Account {
            username: Username::stored(name.clone()),
            password: Secret::new(stored.into()),
            ..bob()
        })
        .await;
        assert_refused(bed.password(&name, "secret").await, reason);
    }
}

#[tokio::test]
async fn keys_are_compared_without_options_and_comment() {
    let bed = Bed::new(Scripts::default()).await;
    bed.add(bob()).await;
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_refused(bed.key("bob", OTHER_KEY, "c1").await, "not one of the account");
    assert_refused(bed.key("bob", "ssh-ed25519 nonsense", "c1").await, "");
    assert_refused(bed.key("eve", KEY, "c1").await, "no such account");
}

#[tokio::test]
async fn a_line_that_demands_verification_lets_nobody_in() {
    let key = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZAAAABHNzaDo=";
    let demanding = format!("verify-required {key}");
    let bed = Bed::new(Scripts::default()).await;
    bed.add(Account { public_keys: vec![demanding.clone()], ..bob() }).await;
    assert_refused(bed.key("bob", key, "c1").await, "verify-required");
    let both = vec![demanding, key.to_owned()];
    let eve = Account { username: Username::stored("eve"), public_keys: both, ..bob() };
    bed.add(eve).await;
    bed.key("eve", key, "c2").await.unwrap();
}

#[tokio::test]
async fn disabled_expired_and_homeless_accounts_are_refused() {
    let bed = Bed::new(Scripts::default()).await;
    bed.add(Account { username: Username::stored("off"), status: 0, ..bob() }).await;
    bed.add(Account { username: Username::stored("old"), expiration_date: 1, ..bob() }).await;
    bed.add(Account { username: Username::stored("rel"), home_dir: "home".into(), ..bob() }).await;
    for (name, reason) in [("off", "disabled"), ("old", "expired"), ("rel", "home directory")] {
        assert_refused(bed.password(name, "secret").await, reason);
        assert_refused(bed.key(name, KEY, "c1").await, reason);
    }
}

#[tokio::test]
async fn names_that_cannot_exist_are_refused() {
    let bed = Bed::new(Scripts::default()).await;
    for name in ["", "a\0b", &"x".repeat(300)] {
        assert_refused(bed.password(name, "secret").await, "username");
        assert_refused(bed.key(name, KEY, "c1").await, "username");
    }
}

#[tokio::test]
async fn the_version_rises_with_a_change() {
    let bed = Bed::new(Scripts::default()).await;
    bed.add(bob()).await;
    let before = bed.password("bob", "secret").await.unwrap().version;
    bed.accounts.patch_from_hook(&Username::stored("bob"), b"{\"uid\":1}").await.unwrap();
    assert!(bed.password("bob", "secret").await.unwrap().version > before);
}

#[tokio::test]
async fn programs_that_cannot_be_used_stop_the_start_or_turn_the_method_off() {
    let bed = Bed::new(Scripts::default()).await;
    for path in ["relative/program", "/nonexistent/program", "/"] {
        let external =
            DataProviderConfig { external_auth_program: path.into(), ..Default::default() };
        let pre_login = DataProviderConfig { pre_login_program: path.into(), ..Default::default() };
        for config in [external, pre_login] {
            let fault = Auth::build(Arc::clone(&bed.accounts), &config, "").unwrap_err();
            assert!(fault.public().contains(path), "{fault}");
        }
        let config = DataProviderConfig::default();
        let auth = Auth::build(Arc::clone(&bed.accounts), &config, path).unwrap();
        assert!(auth.dialog_program.is_none());
    }
    let off = bed.dialog("bob").await.unwrap_err();
    assert_eq!(off.kind(), FaultKind::Unsupported);
}
