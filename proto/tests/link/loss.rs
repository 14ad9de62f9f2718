//! The control plane goes away and comes back; neither end hangs.

use ferryd_control_plane::{ControlPlane, NodeId, NodeInfo};
use ferryd_domain::FaultKind;
use ferryd_proto::GrpcServerConfig;
use futures::StreamExt;

use crate::desk::{PASSWORD, SLOW};
use crate::setup::{attempt, client, login, on_free_port, serve, soon};

fn node() -> NodeInfo {
    NodeInfo { node: NodeId("n1".into()), version: "1".into(), sessions: vec![] }
}

#[tokio::test]
async fn a_client_outlives_a_restart_of_the_server() {
    let first = serve(&on_free_port()).await;
    let plane = client(&first.url);
    login(&plane).await.unwrap();
    let port = first.url.rsplit(':').next().unwrap().parse().unwrap();
    first.stop().await;

    let fault = soon(login(&plane)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);

    let second = serve(&GrpcServerConfig { bind_port: port, ..on_free_port() }).await;
    soon(login(&plane)).await.unwrap();
    second.stop().await;
}

#[tokio::test]
async fn a_client_may_start_before_the_server() {
    let probe = serve(&on_free_port()).await;
    let (url, port) = (probe.url.clone(), probe.url.rsplit(':').next().unwrap().parse().unwrap());
    probe.stop().await;
    let plane = client(&url);
    assert_eq!(login(&plane).await.unwrap_err().kind(), FaultKind::Unavailable);
    let served = serve(&GrpcServerConfig { bind_port: port, ..on_free_port() }).await;
    soon(login(&plane)).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_stopping_server_ends_command_streams_and_is_gone_at_once() {
    let mut served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let mut commands = plane.attach_node(node()).await.unwrap();
    let (_, sender) = soon(served.watch.attached.recv()).await.unwrap();
    served.shutdown.cancel();
    assert!(soon(commands.next()).await.is_none());
    soon(sender.closed()).await;
    served.stop().await;
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_a_hanging_login() {
    let served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let login = plane.authenticate(attempt(SLOW, PASSWORD));
    let stop = async {
        // The login must have arrived: a call behind it on the same connection has.
        crate::setup::login(&plane).await.unwrap();
        served.stop().await;
    };
    let (login, ()) = soon(async { tokio::join!(login, stop) }).await;
    assert_eq!(login.unwrap_err().kind(), FaultKind::Unavailable);
}

#[tokio::test]
async fn a_node_that_vanishes_is_detached() {
    let mut served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let commands = plane.attach_node(node()).await.unwrap();
    let (_, sender) = soon(served.watch.attached.recv()).await.unwrap();
    drop((commands, plane));
    soon(sender.closed()).await;
    served.stop().await;
}
