//! Host keys of the configuration folder: made in a folder that has none, never beside others.

use ferryd_tests::raw_ssh::RawSsh;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(no_new_type_of_host_key_is_made_beside_others);

const TYPES: [&str; 3] = ["rsa", "ecdsa", "ed25519"];

async fn types_offered(server: &Server) -> Vec<String> {
    let mut ssh = RawSsh::open(server.sftp(), "curve25519-sha256", "aes128-ctr").await;
    ssh.offered.swap_remove(1)
}

async fn no_new_type_of_host_key_is_made_beside_others(topology: Topology) {
    let mut server = Server::with(topology, json!({ "sftpd": { "keys": [] } })).await;
    for kind in TYPES {
        assert!(server.folder().join(format!("id_{kind}")).exists(), "{kind}");
    }
    assert_eq!(types_offered(&server).await[0], "ssh-ed25519");
    let new = server.folder().join("id_ed25519");
    std::fs::remove_file(&new).unwrap();
    server.restart().await;
    let told = server.record("sftpd", |record| record["kind"] == "ed25519").await;
    let hint = told["hint"].as_str().unwrap();
    assert!(hint.starts_with("ssh-keygen ") && hint.ends_with("/id_ed25519"), "{told}");
    assert!(!new.exists());
    let offered = types_offered(&server).await;
    assert!(offered.iter().all(|name| name != "ssh-ed25519"), "{offered:?}");
}
