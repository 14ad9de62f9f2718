//! The key exchange as it is seen on the wire: what is offered, what strict key exchange forbids,
//! when keys are renewed.

use ferryd_tests::files::{checksum, write_pattern};
use ferryd_tests::raw_ssh::{RawSsh, message};
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    post_quantum_key_exchange_is_offered_first,
    nothing_with_sha1_or_cbc_is_offered_unless_configured,
    strict_key_exchange_suffers_no_message_in_between,
    the_server_renews_keys_in_the_middle_of_transfers,
);

/// What a client of today can do, and what one of yesterday could.
const KEX: &str = "mlkem768x25519-sha256,curve25519-sha256,diffie-hellman-group14-sha1";
const STRICT: &str = "curve25519-sha256,kex-strict-c-v00@openssh.com";
const PLAIN: &str = "curve25519-sha256";

async fn post_quantum_key_exchange_is_offered_first(topology: Topology) {
    let server = Server::start(topology).await;
    for ciphers in ["aes128-gcm@openssh.com", "aes128-cbc,aes128-ctr"] {
        let ssh = RawSsh::open(server.sftp(), KEX, ciphers).await;
        let kex = &ssh.offered[0];
        assert_eq!(kex[0], "mlkem768x25519-sha256", "{kex:?}");
        assert!(kex.iter().any(|name| name == "kex-strict-s-v00@openssh.com"), "{kex:?}");
        assert!(kex.iter().any(|name| name == "curve25519-sha256"), "{kex:?}");
    }
}

async fn nothing_with_sha1_or_cbc_is_offered_unless_configured(topology: Topology) {
    let old = |name: &String| {
        ["sha1", "cbc", "md5", "arcfour", "dss", "none"].iter().any(|part| name.contains(part))
            || name == "ssh-rsa"
    };
    let server = Server::start(topology).await;
    for ciphers in ["aes128-gcm@openssh.com", "aes128-cbc,3des-cbc"] {
        let ssh = RawSsh::open(server.sftp(), KEX, ciphers).await;
        // Key exchange, host keys, ciphers and MACs of both directions.
        for list in &ssh.offered[..6] {
            assert!(!list.is_empty() && !list.iter().any(old), "{list:?}");
        }
    }
    let config = json!({ "sftpd": {
        "kex_algorithms": ["diffie-hellman-group14-sha1"], "ciphers": ["aes128-cbc"], "macs": ["hmac-sha1"],
    } });
    let server = Server::with(topology, config).await;
    let ssh = RawSsh::open(server.sftp(), KEX, "aes128-cbc").await;
    assert_eq!(ssh.offered[0][0], "diffie-hellman-group14-sha1");
    assert_eq!(
        ssh.offered[2..6],
        ["aes128-cbc", "aes128-cbc", "hmac-sha1", "hmac-sha1"].map(|name| vec![name.to_owned()])
    );
}

async fn strict_key_exchange_suffers_no_message_in_between(topology: Topology) {
    let mut server = Server::start(topology).await;
    // Without it a message in between is harmless, and so is none with it.
    for (kex, between) in [(PLAIN, true), (PLAIN, false), (STRICT, false)] {
        let mut ssh = RawSsh::open(server.sftp(), kex, "aes128-gcm@openssh.com").await;
        if between {
            ssh.send(message::IGNORE, &[0; 4]).await;
        }
        ssh.send_public_point().await;
        let numbers = [ssh.receive().await.unwrap()[0], ssh.receive().await.unwrap()[0]];
        assert_eq!(numbers, [message::KEX_ECDH_REPLY, message::NEWKEYS], "{kex} {between}");
    }
    for unwanted in [message::IGNORE, message::DEBUG, message::UNIMPLEMENTED] {
        // Before the client's part of the exchange, and between that and its NEWKEYS.
        for first in [true, false] {
            let mut ssh = RawSsh::open(server.sftp(), STRICT, "aes128-gcm@openssh.com").await;
            if first {
                ssh.send(unwanted, &[0; 12]).await;
            }
            ssh.send_public_point().await;
            ssh.send(unwanted, &[0; 12]).await;
            ssh.send(message::NEWKEYS, &[]).await;
            let answers = ssh.receive_all().await;
            assert!(!first || answers.is_empty(), "{unwanted} was suffered: {answers:?}");
            assert!(answers.len() <= 2, "{unwanted} was suffered after the exchange: {answers:?}");
        }
    }
    server.assert_running();
}

async fn the_server_renews_keys_in_the_middle_of_transfers(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "rekey_bytes": 1 << 20 } })).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let (original, back) = (local.path().join("original"), local.path().join("back"));
    write_pattern(&original, 24 << 20);
    let (put, get) =
        (format!("put {} /big", original.display()), format!("get /big {}", back.display()));
    for batch in [put, get] {
        let said = server.sftp_batch(&alice, &["-v", "-R", "64"], &format!("{batch}\n")).await;
        said.assert_well();
        // Who begins has sent before it receives.
        let mut exchanges = said.errors.lines().filter(|line| line.contains("SSH2_MSG_KEXINIT "));
        let first: Vec<_> = exchanges.by_ref().take(2).collect();
        assert!(first[0].contains("sent") && first[1].contains("received"), "{first:?}");
        let begun: Vec<_> = exchanges.step_by(2).collect();
        // What is on its way already goes with the old keys.
        assert!(begun.len() >= 4, "{batch}: {} exchanges", begun.len());
        assert!(begun.iter().all(|line| line.contains("received")), "{batch}: {begun:?}");
    }
    assert_eq!(checksum(&back), checksum(&original));
}
