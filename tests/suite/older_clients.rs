//! Clients of yesterday: what they can do is off, last, or bounded, and settings let them in.

use ferryd_tests::keys::make;
use ferryd_tests::raw_ssh::RawSsh;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    large_groups_are_offered_last_and_work,
    signatures_with_sha1_let_in_by_a_setting_only,
    old_key_exchanges_work_by_a_setting_only,
);

const GROUPS: [&str; 2] = ["diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"];
const OLD_GROUPS: [&str; 2] =
    ["diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha256"];

async fn large_groups_are_offered_last_and_work(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let ssh = RawSsh::open(server.sftp(), "curve25519-sha256", "aes128-ctr").await;
    let offered: Vec<&String> = ssh.offered[0].iter().filter(|name| name.contains("sha")).collect();
    assert_eq!(offered[offered.len() - 2..], GROUPS, "{offered:?}");
    for group in GROUPS {
        let option = format!("KexAlgorithms={group}");
        server.sftp_batch(&alice, &["-o", &option], "pwd\n").await.assert_well();
    }
}

async fn signatures_with_sha1_let_in_by_a_setting_only(topology: Topology) {
    let (host, key) = (make("rsa", &["-b", "2048"]), make("rsa", &["-b", "2048"]));
    let user_key = json!({ "public_keys": [key.line] });
    let file = format!("IdentityFile={}", key.file.display());
    let signs = ["-o", &file, "-o", "PubkeyAcceptedAlgorithms=ssh-rsa"];
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", user_key.clone()).await;
    let said = server.sftp_batch(&alice, &signs, "pwd\n").await;
    assert!(!said.well, "{said:?}");
    let names = ["rsa-sha2-512", "ssh-rsa"];
    let config = json!({ "sftpd": {
        "keys": [{ "private_key": host.file }],
        "host_key_algorithms": names, "public_key_algorithms": names,
    } });
    let server = Server::with(topology, config).await;
    let alice = server.user_with("alice", user_key).await;
    let both = [&signs[..], &["-o", "HostKeyAlgorithms=ssh-rsa"]].concat();
    server.sftp_batch(&alice, &both, "pwd\n").await.assert_well();
    for list in ["host_key_algorithms", "public_key_algorithms"] {
        let told = server.record("sftpd", |record| record["list"] == list).await;
        assert_eq!((&told["level"], &told["algorithm"]), (&json!("warn"), &json!("ssh-rsa")));
    }
}

async fn old_key_exchanges_work_by_a_setting_only(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let option = |kex: &str| format!("KexAlgorithms={kex}");
    for kex in OLD_GROUPS {
        let said = server.sftp_batch(&alice, &["-o", &option(kex)], "pwd\n").await;
        assert!(!said.well, "{said:?}");
        server
            .record("connection_failed", |record| {
                let error = record["error"].as_str().unwrap();
                error.contains("No common Kex") && error.contains(&format!("theirs: [\"{kex}\""))
            })
            .await;
    }
    let server = Server::with(topology, json!({ "sftpd": { "kex_algorithms": OLD_GROUPS } })).await;
    let alice = server.user("alice").await;
    for kex in OLD_GROUPS {
        server.sftp_batch(&alice, &["-o", &option(kex)], "pwd\n").await.assert_well();
    }
}
