use ferryd_control_plane::Admission;
use ferryd_domain::{FaultKind, Username};

use super::*;

fn status(connection: &str, protocol: Option<&str>) -> SessionStatus {
    SessionStatus {
        connection: ConnectionId(connection.into()),
        username: Username::stored("bob"),
        admission: Admission::default(),
        client_version: "SSH-2.0-test".into(),
        client_address: "192.0.2.1:1000".parse().unwrap(),
        connected_at: 1,
        last_activity: 1,
        protocol: protocol.map(str::to_owned),
        transfers: Vec::new(),
        ssh_command: String::new(),
    }
}

fn nodes() -> Arc<Nodes> {
    Arc::new(Nodes::new(Arc::default()))
}

fn info(node: &str, sessions: Vec<SessionStatus>) -> NodeInfo {
    NodeInfo { node: NodeId(node.into()), version: "1".into(), sessions }
}

/// A node that answers every request for a report with these sessions.
fn answering(nodes: &Arc<Nodes>, node: &str, sessions: Vec<SessionStatus>) {
    let mut commands = nodes.attach(info(node, Vec::new()));
    let (nodes, node) = (Arc::clone(nodes), NodeId(node.into()));
    tokio::spawn(async move {
        while let Some(command) = commands.next().await {
            if let NodeCommand::Report { number } = command {
                let sessions = sessions.clone();
                nodes.report(NodeReport { node: node.clone(), number, sessions });
            }
        }
    });
}

#[tokio::test]
async fn the_list_asks_every_node_and_shows_what_runs_something() {
    let nodes = nodes();
    answering(&nodes, "n1", vec![status("a", Some("SFTP")), status("b", None)]);
    answering(&nodes, "n2", vec![status("c", Some("SCP"))]);
    let listed: Vec<_> = nodes.sessions().await.into_iter().map(|s| s.connection.0).collect();
    assert_eq!(listed, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_delays_the_list_by_a_second_at_most() {
    let nodes = nodes();
    let _silent = nodes.attach(info("n1", vec![status("a", Some("SFTP"))]));
    let started = Instant::now();
    assert_eq!(nodes.sessions().await.len(), 1);
    assert!(started.elapsed() <= Duration::from_millis(1100));
    tokio::time::advance(LIFETIME).await;
    nodes.sweep();
    assert!(nodes.sessions().await.is_empty(), "a dead node's report is dropped");
}

#[tokio::test]
async fn closing_reaches_the_node_of_the_connection() {
    let nodes = nodes();
    let _other = nodes.attach(info("n1", Vec::new()));
    let mut commands = nodes.attach(info("n2", vec![status("a", None)]));
    let id = ConnectionId("a".into());
    nodes.close(&id).await.unwrap();
    assert_eq!(commands.next().await, Some(NodeCommand::CloseConnection(id)));
    let unknown = nodes.close(&ConnectionId("x".into())).await.unwrap_err();
    assert_eq!(unknown.kind(), FaultKind::NotFound);
}

#[tokio::test]
async fn a_node_that_attaches_again_replaces_its_stream() {
    let nodes = nodes();
    let mut old = nodes.attach(info("n1", vec![status("a", None)]));
    let mut new = nodes.attach(info("n1", vec![status("a", None)]));
    assert_eq!(old.next().await, None);
    drop(old);
    assert!(nodes.is_attached(&NodeId("n1".into())));
    nodes.close(&ConnectionId("a".into())).await.unwrap();
    assert!(new.next().await.is_some());
    drop(new);
    assert!(nodes.attached().is_empty());
    let fault = nodes.close(&ConnectionId("a".into())).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
}

#[tokio::test]
async fn commands_for_a_node_that_reads_none_are_bounded() {
    let nodes = nodes();
    let _commands = nodes.attach(info("n1", vec![status("a", None)]));
    let id = ConnectionId("a".into());
    let mut sent = 0;
    while nodes.close(&id).await.is_ok() {
        sent += 1;
    }
    assert_eq!(sent, QUEUE);
}

#[tokio::test]
async fn an_offer_leaves_room_for_urgent_commands() {
    let nodes = nodes();
    let node = NodeId("n1".into());
    let account = || Box::new(ferryd_domain::Account::default());
    let offer = || nodes.offer(&node, NodeCommand::SweepUploads { account: account() });
    assert_eq!(offer(), Offer::Gone);
    let mut commands = nodes.attach(info("n1", Vec::new()));
    let taken = (0..QUEUE).take_while(|_| offer() == Offer::Taken).count();
    assert_eq!((taken, offer()), (QUEUE / 2, Offer::Busy));
    nodes.send(&node, NodeCommand::Report { number: 1 }).unwrap();
    commands.next().await.unwrap();
    commands.next().await.unwrap();
    assert_eq!(offer(), Offer::Taken);
    drop(commands);
    assert_eq!(offer(), Offer::Gone);
}
