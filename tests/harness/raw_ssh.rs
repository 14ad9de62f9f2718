//! The clear-text beginning of an SSH connection, message by message (RFC 4253): for what no honest
//! client would do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wait::soon;
use crate::wire::{Fields, Reader, read_packet};

/// Numbers of messages.
pub mod message {
    /// To be ignored.
    pub const IGNORE: u8 = 2;
    /// Was not understood.
    pub const UNIMPLEMENTED: u8 = 3;
    /// For people who look for mistakes.
    pub const DEBUG: u8 = 4;
    /// What a side can do.
    pub const KEXINIT: u8 = 20;
    /// From here on with new keys.
    pub const NEWKEYS: u8 = 21;
    /// The client's part of an exchange.
    pub const KEX_ECDH_INIT: u8 = 30;
    /// The server's part of it.
    pub const KEX_ECDH_REPLY: u8 = 31;
}

/// A connection before it has keys.
#[derive(Debug)]
pub struct RawSsh {
    stream: TcpStream,
    /// The name lists of the server's KEXINIT, in the order of RFC 4253 section 7.1.
    pub offered: Vec<Vec<String>>,
}

impl RawSsh {
    /// Connects, sends a KEXINIT with these lists and reads the server's.
    pub async fn open(server: SocketAddr, kex: &str, ciphers: &str) -> Self {
        let stream = soon("a connection", TcpStream::connect(server)).await.unwrap();
        let mut ssh = Self { stream, offered: Vec::new() };
        ssh.stream.write_all(b"SSH-2.0-raw\r\n").await.unwrap();
        let mut body = vec![7; 16];
        let keys = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-256";
        let macs = "hmac-sha2-256,hmac-sha1";
        for list in [kex, keys, ciphers, ciphers, macs, macs, "none", "none", "", ""] {
            body = Fields(body).string(list).0;
        }
        ssh.send(message::KEXINIT, &[&body[..], &[0; 5]].concat()).await;
        ssh.read_line().await;
        let kexinit = ssh.receive().await.expect("a KEXINIT");
        assert_eq!(kexinit[0], message::KEXINIT);
        let mut lists = Reader(&kexinit[17..]);
        for _ in 0..10 {
            let list = String::from_utf8(lists.string().to_vec()).unwrap();
            ssh.offered.push(list.split(',').map(str::to_owned).collect());
        }
        ssh
    }

    async fn read_line(&mut self) {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.push(soon("a line", self.stream.read_u8()).await.unwrap());
        }
        assert!(line.starts_with(b"SSH-2.0-"), "{line:?}");
    }

    /// Sends a message; whether the server takes it shows in its answers.
    pub async fn send(&mut self, number: u8, fields: &[u8]) {
        let payload = [&[number], fields].concat();
        let padding = 8 - (payload.len() + 5) % 8 + 8;
        let length = u32::try_from(payload.len() + padding + 1).unwrap();
        let mut packet = length.to_be_bytes().to_vec();
        packet.push(u8::try_from(padding).unwrap());
        packet.extend_from_slice(&payload);
        packet.resize(packet.len() + padding, 0);
        let _ = self.stream.write_all(&packet).await;
    }

    /// Sends a public key for curve25519: the point that the curve is built on.
    pub async fn send_public_point(&mut self) {
        let mut point = [0; 32];
        point[0] = 9;
        self.send(message::KEX_ECDH_INIT, &Fields::new().string(point).0).await;
    }

    /// Returns the next message, or nothing when the connection has ended.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        soon("a message", async {
            let packet = read_packet(&mut self.stream, 1..=100_000).await?;
            let end = packet.len() - usize::from(packet[0]);
            Some(packet[1..end].to_vec())
        })
        .await
    }

    /// Returns the numbers of all messages until the connection ends.
    pub async fn receive_all(&mut self) -> Vec<u8> {
        let mut numbers = Vec::new();
        while let Some(message) = self.receive().await {
            numbers.push(message[0]);
        }
        numbers
    }
}
