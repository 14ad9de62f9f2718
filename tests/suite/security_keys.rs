//! Logins with security keys (FIDO): the client of OpenSSH, an agent, and keys without a device.

use ferryd_tests::agent::Agent;
use ferryd_tests::files::{pattern, temporary_folder};
use ferryd_tests::security_key::{Flaw, Kind, SecurityKey, flags};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use russh::keys::PublicKey;
use russh::keys::signature::Verifier as _;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::encoding::Decode as _;
use serde_json::json;

use crate::imported_accounts::store;

both_topologies!(
    a_security_key_of_either_type_lets_in,
    a_security_key_lets_in_only_its_own_account,
    a_wrong_signature_of_a_security_key_is_a_failed_login,
    a_key_whose_line_demands_verification_lets_nobody_in,
);

const KINDS: [Kind; 2] = [Kind::Ed25519, Kind::Ecdsa];

async fn user_with(server: &Server, name: &str, key: &SecurityKey) -> User {
    server.user_with(name, json!({ "public_keys": [key.line()] })).await
}

async fn a_security_key_of_either_type_lets_in(topology: Topology) {
    let server = Server::start(topology).await;
    let local = temporary_folder("client");
    let (there, back) = (local.path().join("there"), local.path().join("back"));
    std::fs::write(&there, pattern(100_003)).unwrap();
    let batch = format!("put {} file\nget file {}\n", there.display(), back.display());
    for (number, kind) in KINDS.into_iter().enumerate() {
        let key = SecurityKey::new(kind).with_flags(flags::PRESENT | flags::VERIFIED);
        let user = user_with(&server, &format!("user{number}"), &key).await;
        server.sftp_with_agent(&user.name, &Agent::holding([key]), &batch).await.assert_well();
        assert!(user.read("file") == pattern(100_003), "{kind:?}");
        assert!(std::fs::read(&back).unwrap() == pattern(100_003), "{kind:?}");
        std::fs::remove_file(&back).unwrap();
    }
}

async fn a_security_key_lets_in_only_its_own_account(topology: Topology) {
    let server = Server::start(topology).await;
    for (number, kind) in KINDS.into_iter().enumerate() {
        let (key, other) = (SecurityKey::new(kind), SecurityKey::new(kind));
        let (own, foreign) = (format!("own{number}"), format!("foreign{number}"));
        user_with(&server, &own, &key).await;
        user_with(&server, &foreign, &other).await;
        let agent = Agent::holding([key]);
        server.sftp_with_agent(&own, &agent, "pwd\n").await.assert_well();
        let said = server.sftp_with_agent(&foreign, &agent, "pwd\n").await;
        assert!(!said.well && said.errors.contains("denied"), "{said:?}");
        // With both at hand the client finds the right one.
        let both = Agent::holding([SecurityKey::new(kind), other]);
        server.sftp_with_agent(&foreign, &both, "pwd\n").await.assert_well();
    }
}

async fn a_wrong_signature_of_a_security_key_is_a_failed_login(topology: Topology) {
    let server = Server::start(topology).await;
    let flaws = [Flaw::Application, Flaw::Message, Flaw::Flags, Flaw::Counter];
    let mut failed = 0.0;
    for kind in KINDS {
        for flaw in flaws {
            let name = format!("{kind:?}{flaw:?}");
            let key = SecurityKey::new(kind).with_flaw(flaw);
            user_with(&server, &name, &key).await;
            let said = server.sftp_with_agent(&name, &Agent::holding([key]), "pwd\n").await;
            assert!(!said.well && said.errors.contains("denied"), "{name}: {said:?}");
            let record =
                server.record("connection_failed", |record| record["username"] == *name).await;
            assert_eq!(record["login_type"], "publickey", "{record}");
            failed += 1.0;
            until("the count of failed logins", async || {
                let count = server.metric("sftpgo_public_key_login_ko_total").await;
                (count == Some(failed)).then_some(())
            })
            .await;
        }
    }
    assert_eq!(server.metric("sftpgo_public_key_login_ok_total").await.unwrap_or(0.0), 0.0);
}

/// The flag cannot be seen behind russh, so the demand cannot be met: the line is refused, and one that
/// is stored already lets nobody in.
async fn a_key_whose_line_demands_verification_lets_nobody_in(topology: Topology) {
    let server = Server::start(topology).await;
    for kind in KINDS {
        let key = SecurityKey::new(kind).with_flags(flags::PRESENT | flags::VERIFIED);
        let line = key.line();
        let lines = json!([format!("no-pty,verify-required {line}")]);
        let refused = server.try_user("nobody", json!({ "public_keys": lines })).await.unwrap_err();
        assert!(refused.public().contains("verify-required"), "{refused}");
        let user = server.user(&format!("{kind:?}")).await;
        store(&server, &user, "public_keys", &lines.to_string()).await;
        let agent = Agent::holding([key]);
        let said = server.sftp_with_agent(&user.name, &agent, "pwd\n").await;
        assert!(!said.well && said.errors.contains("denied"), "{said:?}");
        let record =
            server.record("connection_failed", |record| record["username"] == *user.name).await;
        assert!(record["error"].as_str().unwrap().contains("verify-required"), "{record}");
        let fields = json!({ "public_keys": [format!("no-pty {line}")] });
        server.rest().update_user(user.id, &fields).await.unwrap();
        server.sftp_with_agent(&user.name, &agent, "pwd\n").await.assert_well();
    }
}

/// One of 256 keys has a short secret number, one of 128 signatures has a short half.
#[test]
fn keys_and_signatures_of_the_harness_are_right_whatever_their_numbers_are() {
    for _ in 0..32 {
        let key = SecurityKey::new(Kind::Ecdsa);
        let public = PublicKey::from_openssh(&key.line()).unwrap();
        for number in 0..32_u8 {
            let wire = key.sign(&[number]);
            let signature = Signature::decode(&mut wire.as_slice()).unwrap();
            public.key_data().verify(&[number], &signature).unwrap();
        }
    }
}
