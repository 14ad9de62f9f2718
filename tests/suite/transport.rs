//! What is under SFTP: algorithms that are offered, host keys.

use ferryd_tests::keys::make;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

both_topologies!(
    nothing_with_sha1_is_offered_and_key_exchange_is_strict,
    an_rsa_host_key_signs_with_sha2_only,
);

/// Returns the lists of names that the server sends first (RFC 4253 section 7.1).
async fn offer(server: &Server) -> Vec<Vec<String>> {
    let mut stream = BufReader::new(TcpStream::connect(server.sftp()).await.unwrap());
    stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    stream.read_line(&mut String::new()).await.unwrap();
    // The server may wait for the offer of the client before it chooses its own.
    stream.write_all(&client_offer()).await.unwrap();
    let length = stream.read_u32().await.unwrap() as usize;
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await.unwrap();
    assert_eq!(packet[1], 20, "KEXINIT");
    let mut rest = &packet[18..];
    let mut lists = Vec::new();
    for _ in 0..10 {
        let (length, tail) = rest.split_at(4);
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let names = std::str::from_utf8(&tail[..length]).unwrap();
        lists.push(names.split(',').map(str::to_owned).collect());
        rest = &tail[length..];
    }
    lists
}

fn client_offer() -> Vec<u8> {
    let mut body = vec![20];
    body.extend([7; 16]);
    let lists = [
        "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
        "ssh-ed25519",
        "aes128-ctr",
        "aes128-ctr",
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ];
    for list in lists {
        body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list.as_bytes());
    }
    body.extend([0; 5]);
    let padding = 8 - (body.len() + 5) % 8 + 8;
    let length = u32::try_from(1 + body.len() + padding).unwrap();
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend(body);
    packet.extend(vec![0; padding]);
    packet
}

async fn nothing_with_sha1_is_offered_and_key_exchange_is_strict(topology: Topology) {
    let server = Server::start(topology).await;
    let lists = offer(&server).await;
    for name in lists.iter().flatten() {
        let old = name.ends_with("sha1") || name.contains("hmac-sha1") || name.contains("-cbc");
        assert!(!old && name != "ssh-rsa" && name != "ssh-dss", "{name}");
    }
    assert!(lists[0][0].starts_with("mlkem768") || lists[0][0].starts_with("sntrup761"));
    assert!(lists[0].iter().any(|name| name == "kex-strict-s-v00@openssh.com"), "{lists:?}");
}

async fn an_rsa_host_key_signs_with_sha2_only(topology: Topology) {
    let host_key = make("rsa", &["-b", "2048"]);
    let keys = json!([{ "private_key": host_key.file }]);
    let server = Server::with(topology, json!({ "sftpd": { "keys": keys } })).await;
    let alice = server.user("alice").await;
    for (algorithm, works) in [("rsa-sha2-256", true), ("rsa-sha2-512", true), ("ssh-rsa", false)] {
        let option = format!("HostKeyAlgorithms={algorithm}");
        let said = server.sftp_batch(&alice, &["-o", &option], "pwd\n").await;
        assert_eq!(said.well, works, "{algorithm}: {said:?}");
    }
    // The client learns which signatures of its own are good (RFC 8308).
    let mut command = server.ssh_command(&alice);
    command.args(["-v", "pwd"]);
    let said = ferryd_tests::openssh::run(command, b"").await;
    let told = said.errors.lines().find(|line| line.contains("server-sig-algs=<"));
    let told = told.unwrap_or_else(|| panic!("{}", said.errors));
    assert!(told.contains("rsa-sha2-256") && told.contains("rsa-sha2-512"), "{told}");
    assert!(!told.contains("ssh-rsa"), "{told}");
}
