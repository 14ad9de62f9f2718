use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferryd_control_plane::fake::FakeControlPlane;
use ferryd_control_plane::{Certainty, ConnectionId};
use ferryd_domain::{Account, Secret, Username};
use russh::ChannelMsg;
use russh::client::{self, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;

use super::*;
use crate::defects::Place;

struct Client;

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

struct Node {
    fake: Arc<FakeControlPlane>,
    context: Arc<NodeContext>,
    address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), Fault>>,
    _folder: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = FakeControlPlane::new();
        let mut account = Account {
            username: Username::stored("alice"),
            password: Secret::new("secret".to_owned()),
            home_dir: folder.path().join("home").to_string_lossy().into_owned(),
            ..Account::default()
        };
        account.status = 1;
        fake.put_account(account);
        let config = SftpdConfig {
            bind_address: "127.0.0.1".to_owned(),
            bind_port: 0,
            ..SftpdConfig::default()
        };
        let control = Arc::clone(&fake) as _;
        let context = Arc::new(NodeContext::build(config, folder.path(), control).unwrap());
        let listener = bind(&context.config).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(listener, Arc::clone(&context), stop.clone()));
        Self { fake, context, address, stop, running, _folder: folder }
    }

    /// Returns a client that is logged in, and its connection.
    async fn login(&self) -> (Handle<Client>, ConnectionId) {
        let before = self.fake.starts().len();
        let mut client = client::connect(Arc::default(), self.address, Client).await.unwrap();
        assert!(client.authenticate_password("alice", "secret").await.unwrap().success());
        let start = self.fake.starts().into_iter().nth(before).unwrap();
        (client, start.connection)
    }

    async fn places(&self, expected: &[ConnectionId]) {
        let begin = Instant::now();
        while self.fake.open_sessions() != expected {
            assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", self.fake.open_sessions());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let listed: Vec<_> =
            self.context.registry.statuses().into_iter().map(|status| status.connection).collect();
        assert_eq!(listed, expected);
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Tells whether a command runs on a channel of its own.
async fn runs(client: &Handle<Client>) -> bool {
    let Ok(mut channel) = client.channel_open_session().await else { return false };
    channel.exec(true, "pwd").await.is_ok() && output(&mut channel).await == b"/\n"
}

async fn output(channel: &mut russh::Channel<Msg>) -> Vec<u8> {
    let mut output = Vec::new();
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => output.extend_from_slice(&data),
            None | Some(ChannelMsg::Close) => return output,
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn a_defect_of_a_connection_gives_its_place_back_and_leaves_others_alone() {
    let node = Node::start();
    let (bystander, first) = node.login().await;
    for place in [Place::Connection, Place::Handler] {
        let (victim, second) = node.login().await;
        node.context.defects.arm(place, &second);
        assert!(place == Place::Connection || !runs(&victim).await);
        node.places(std::slice::from_ref(&first)).await;
        assert!(!runs(&victim).await, "{place:?}: the client was not told");
        assert!(runs(&bystander).await, "{place:?}");
    }
    node.end().await;
}

#[tokio::test]
async fn a_defect_of_a_channel_ends_that_channel_only() {
    let node = Node::start();
    let (client, connection) = node.login().await;
    for start in ["sftp", "pwd"] {
        let mut neighbor = client.channel_open_session().await.unwrap();
        neighbor.request_subsystem(true, "sftp").await.unwrap();
        assert!(matches!(neighbor.wait().await, Some(ChannelMsg::Success)));
        node.context.defects.arm(Place::Channel, &connection);
        let mut channel = client.channel_open_session().await.unwrap();
        match start {
            "sftp" => channel.request_subsystem(true, "sftp").await.unwrap(),
            command => channel.exec(true, command).await.unwrap(),
        }
        assert_eq!(output(&mut channel).await, b"");
        node.places(std::slice::from_ref(&connection)).await;
        assert!(runs(&client).await);
        neighbor.eof().await.unwrap();
        assert_eq!(output(&mut neighbor).await, b"");
    }
    assert!(node.fake.changes().iter().all(|c| c.certainty == Certainty::Doubtful));
    assert_eq!(node.fake.changes().len(), 2, "the account is to be counted anew");
    drop(client);
    node.places(&[]).await;
    node.end().await;
}

#[tokio::test]
async fn after_the_stop_nobody_is_let_in() {
    let node = Node::start();
    let (client, _) = node.login().await;
    drop(client);
    node.stop.cancel();
    node.running.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(node.address).await.is_err());
}
