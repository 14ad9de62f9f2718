//! Credentials and dialogs.

use ferryd_domain::{Account, Fault, FaultKind, Secret, Username};

use super::{Fixture, KEY, OTHER_KEY, account, address, assert_kind, bob, connection};
use crate::{Credential, DialogStart, DialogStep, LoginAttempt, LoginOutcome};

async fn login(
    fixture: &dyn Fixture,
    name: &str,
    credential: Credential,
) -> Result<LoginOutcome, Fault> {
    let attempt = LoginAttempt {
        username: Username::stored(name),
        credential,
        client_address: address(),
        connection: connection("c1"),
    };
    fixture.control_plane().authenticate(attempt).await
}

fn password(clear: &str) -> Credential {
    Credential::Password(Secret::new(clear.to_owned()))
}

fn key(line: &str) -> Credential {
    Credential::PublicKey(line.to_owned())
}

/// A password and a key of the account log in; nothing else does, and all refusals look alike.
pub async fn right_credentials_log_in_and_others_do_not(fixture: &dyn Fixture) {
    fixture.add_account(account(), "secret").await;
    for credential in [password("secret"), key(KEY)] {
        let outcome = login(fixture, "bob", credential).await;
        assert_eq!(outcome.map(|o| o.account.username).ok(), Some(bob()));
    }
    for (name, credential) in [
        ("bob", password("wrong")),
        ("bob", password("")),
        ("bob", key(OTHER_KEY)),
        ("bob", key("nonsense")),
        ("Bob", password("secret")),
        ("", password("secret")),
        ("a\0b", key(KEY)),
    ] {
        let refused = login(fixture, name, credential).await;
        let public = refused.as_ref().err().map(|fault| fault.public().to_owned());
        assert_eq!(public.as_deref(), Some("login refused"), "{name:?}");
        assert_kind(refused, FaultKind::Unauthenticated);
    }
}

/// Status and expiration are looked at for both kinds of credentials.
pub async fn disabled_and_expired_accounts_are_refused(fixture: &dyn Fixture) {
    let disabled = Account { username: Username::stored("off"), status: 0, ..account() };
    fixture.add_account(disabled, "secret").await;
    for credential in [password("secret"), key(KEY)] {
        assert_kind(login(fixture, "off", credential).await, FaultKind::Unauthenticated);
    }
}

/// A node has no use for the hash.
pub async fn a_login_shows_the_account_without_its_hash(fixture: &dyn Fixture) {
    let limited = Account { quota_size: 7, upload_bandwidth: 9, uid: 1000, ..account() };
    fixture.add_account(limited, "secret").await;
    let shown = login(fixture, "bob", password("secret")).await.map(|outcome| outcome.account);
    let shown = shown.unwrap_or_default();
    assert_eq!(shown.password.expose(), "");
    assert_eq!((shown.quota_size, shown.upload_bandwidth, shown.uid), (7, 9, 1000));
    assert_eq!((shown.home_dir.as_str(), shown.permissions.len()), ("/srv/bob", 1));
}

async fn answer(fixture: &dyn Fixture, name: &str, answers: &[&str]) -> Result<DialogStep, Fault> {
    let start = DialogStart {
        username: Username::stored(name),
        client_address: address(),
        connection: connection("c1"),
    };
    let mut dialog = fixture.control_plane().start_dialog(start).await?;
    match dialog.next(Vec::new()).await? {
        DialogStep::Ask { prompts, .. } => assert_eq!(prompts.len(), 1),
        DialogStep::Accepted(_) => return Err(Fault::internal("nothing was asked")),
    }
    dialog.next(answers.iter().map(|&text| Secret::new(text.to_owned())).collect()).await
}

/// One question, one right answer.
pub async fn a_dialog_accepts_the_right_answer_alone(fixture: &dyn Fixture) {
    fixture.add_account(account(), "secret").await;
    match answer(fixture, "bob", &["secret"]).await {
        Ok(DialogStep::Accepted(outcome)) => {
            assert_eq!(outcome.account.username, bob());
            assert_eq!(outcome.account.password.expose(), "");
        }
        other => assert_eq!(format!("{other:?}"), "accepted"),
    }
    for answers in [&["wrong"][..], &[""], &[], &["secret", "secret"]] {
        assert_kind(answer(fixture, "bob", answers).await, FaultKind::Unauthenticated);
    }
    assert_kind(answer(fixture, "eve", &["secret"]).await, FaultKind::Unauthenticated);
}
