//! A control plane that is away: what goes on and what waits. In one process nothing can be away;
//! there the counterpart is a restart of the whole.

use std::time::Duration;

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wait::{soon, until_within};
use ferryd_tests::{Connection, Server, Topology, both_topologies};
use serde_json::Value;

both_topologies!(users_and_files_survive_a_restart, a_restart_in_the_middle_of_a_login_is_survived);

const RECOVERY: Duration = Duration::from_secs(40);
const AWAY: &str = "login not possible: the control plane is away";

async fn gets_in(server: &Server, name: &str) -> bool {
    match Connection::try_open(server.sftp()).await {
        Ok(mut connection) => connection.offer_key(name, client_key()).await,
        Err(_) => false,
    }
}

async fn users_and_files_survive_a_restart(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    server.sftp_of(&alice).await.put("/file", b"content").await.unwrap();
    server.restart().await;
    let content = server.sftp_of(&alice).await.get("/file").await.unwrap();
    assert_eq!(content, b"content");
}

async fn a_restart_in_the_middle_of_a_login_is_survived(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut halfway = Connection::open(server.sftp()).await;
    server.restart().await;
    assert!(!halfway.offer_key("alice", client_key()).await);
    server.sftp_of(&alice).await.list("/").await.unwrap();
}

mod split_only {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn transfers_go_on_while_the_control_plane_is_away() {
        let mut server = Server::start(Topology::Split).await;
        let alice = server.user("alice").await;
        alice.put("old", "content");
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/new", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"before ").await.unwrap();
        server.lose_control();
        sftp.write(&handle, 7, b"after").await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(alice.read("new"), b"before after");
        assert_eq!(sftp.get("/old").await.unwrap(), b"content");
        server.assert_running();
        server.regain_control().await;
        let path = format!("/api/v1/user/{}", alice.id);
        until_within(RECOVERY, "the usage that waited", async || {
            let user = server.call("GET", &path, "").await.1;
            (user["used_quota_files"] == 1 && user["used_quota_size"] == 12).then_some(())
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn logins_fail_without_a_control_plane_and_recover_by_themselves() {
        let mut server = Server::start(Topology::Split).await;
        server.user("alice").await;
        assert!(gets_in(&server, "alice").await);
        server.lose_control();
        assert!(!soon("the refusal", gets_in(&server, "alice")).await, "fails closed");
        assert!(!soon("the refusal", gets_in(&server, "nobody")).await);
        let told = server.record("sftpd", |record| record["message"] == AWAY).await;
        assert!(told["connection_id"].as_str().is_some_and(|id| !id.is_empty()), "{told}");
        let failed = |record: &Value| {
            record["sender"] == "connection_failed" && record["login_type"] != "no_auth_tryed"
        };
        let banned = server.records().into_iter().find(failed);
        assert_eq!(banned, None, "an outage must not get good users banned");
        server.assert_running();
        server.regain_control().await;
        until_within(RECOVERY, "a login", async || gets_in(&server, "alice").await.then_some(()))
            .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sessions_are_listed_and_closed_after_an_outage() {
        let mut server = Server::start(Topology::Split).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        server.lose_control();
        sftp.list("/").await.unwrap();
        server.regain_control().await;
        let listed = until_within(RECOVERY, "the session", async || {
            server.connections_of("alice").await.pop()
        })
        .await;
        server.rest().close_connection(&listed.connection_id).await.unwrap();
        assert!(sftp.receive().await.is_none());
    }
}

mod single_only {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_in_the_middle_of_an_upload_it_starts_again() {
        let mut server = Server::start(Topology::Single).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/new", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"half").await.unwrap();
        server.kill();
        server.restart().await;
        assert_eq!(alice.read("new"), b"half");
        server.sftp_of(&alice).await.put("/new", b"whole").await.unwrap();
        assert_eq!(alice.read("new"), b"whole");
    }
}
