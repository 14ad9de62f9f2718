//! Every call crosses the link, with its answer or its exact fault.

use ferryd_control_plane::*;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::*;
use futures::StreamExt;

use crate::desk::{self, ANSWER, PASSWORD};
use crate::setup::{attempt, client, on_free_port, serve, soon};

#[tokio::test]
async fn a_login_and_its_refusal_cross_the_link() {
    let served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let outcome = plane.authenticate(attempt("bob", PASSWORD)).await.unwrap();
    assert_eq!(outcome, desk::outcome(&Username::stored("bob")));
    let fault = plane.authenticate(attempt("bob", "wrong")).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unauthenticated);
    assert_eq!(fault.public(), "login refused");
    assert_eq!(fault.to_string(), "the password is wrong: login refused: no match");
    served.stop().await;
}

#[tokio::test]
async fn sessions_quota_and_events_cross_the_link() {
    let served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let start = |name: &str| SessionStart {
        connection: ConnectionId("c1".into()),
        node: NodeId("n1".into()),
        username: Username::stored(name),
        method: LoginMethod::Password,
        client_address: "192.0.2.1:5000".parse().unwrap(),
        client_version: "SSH-2.0-x".into(),
    };
    let lease = plane.open_session(start("bob")).await.unwrap();
    assert_eq!(lease.lifetime.as_millis(), 10_500);
    let fault = plane.open_session(start("busy")).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooManySessions);

    plane.close_session(ConnectionId("c9".into())).await.unwrap();
    assert!(served.desk.last.lock().await.contains("c9"));

    let bob = Username::stored("bob");
    let usage = plane.quota_usage(&bob).await.unwrap();
    assert_eq!(usage, QuotaUsage { size: -1, files: i64::MAX });
    let request = GrantRequest {
        transfer: TransferId("t1".into()),
        connection: ConnectionId("c1".into()),
        username: bob.clone(),
        bytes: u64::MAX,
        files: 1,
    };
    assert_eq!(plane.reserve(request).await.unwrap(), Grant { bytes: u64::MAX, files: 1 });

    let change = UsageChange {
        transfer: TransferId("t1".into()),
        username: bob.clone(),
        size: -5,
        files: 1,
        certainty: Certainty::Doubtful,
    };
    plane.change_usage(change.clone()).await.unwrap();
    assert_eq!(*served.desk.last.lock().await, format!("{change:?}"));

    let outcome = ScanOutcome { scan: ScanId("s".into()), username: bob.clone(), usage: None };
    plane.finish_scan(outcome.clone()).await.unwrap();
    assert_eq!(*served.desk.last.lock().await, format!("{outcome:?}"));

    let event = FileEvent {
        id: EventId("e1".into()),
        action: FileAction::Rename,
        username: bob,
        path: "/a".into(),
        target_path: "/b".into(),
        ssh_command: String::new(),
        file_size: 3,
        local_file: true,
    };
    plane.dispatch(event.clone()).await.unwrap();
    assert_eq!(*served.desk.last.lock().await, format!("{event:?}"));
    served.stop().await;
}

fn dialog_start(username: &str) -> DialogStart {
    DialogStart {
        username: Username::stored(username),
        client_address: "192.0.2.1:5000".parse().unwrap(),
        connection: ConnectionId("c1".into()),
    }
}

fn answers(answer: &str) -> Vec<Secret<String>> {
    vec![Secret::new(answer.to_owned())]
}

#[tokio::test]
async fn a_dialog_asks_and_accepts() {
    let mut served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let mut dialog = plane.start_dialog(dialog_start("bob")).await.unwrap();
    let DialogStep::Ask { instruction, prompts } = dialog.next(vec![]).await.unwrap() else {
        panic!("a question comes first");
    };
    assert_eq!((instruction.as_str(), prompts.len()), ("Hello", 1));
    let step = dialog.next(answers(ANSWER)).await.unwrap();
    let expected = desk::outcome(&Username::stored("bob"));
    assert_eq!(step, DialogStep::Accepted(Box::new(expected)));
    drop(dialog);
    soon(served.watch.dialog_ends.recv()).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_dialog_that_cannot_start_or_is_refused_tells_why() {
    let served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let fault = plane.start_dialog(dialog_start("nobody")).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unsupported);

    let mut dialog = plane.start_dialog(dialog_start("bob")).await.unwrap();
    dialog.next(vec![]).await.unwrap();
    let fault = dialog.next(answers("41")).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unauthenticated);
    assert!(fault.to_string().contains("the answer is wrong"));
    let fault = dialog.next(answers(ANSWER)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "a refused dialog stays refused");
    served.stop().await;
}

#[tokio::test]
async fn a_dropped_dialog_ends_at_the_other_end() {
    let mut served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let mut dialog = plane.start_dialog(dialog_start("bob")).await.unwrap();
    dialog.next(vec![]).await.unwrap();
    drop(dialog);
    soon(served.watch.dialog_ends.recv()).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn commands_reach_the_node_in_order() {
    let mut served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let node = NodeInfo { node: NodeId("n1".into()), version: "1".into(), sessions: vec![] };
    let mut commands = plane.attach_node(node.clone()).await.unwrap();
    let (seen, sender) = soon(served.watch.attached.recv()).await.unwrap();
    assert_eq!(seen, node);
    let account = desk::outcome(&Username::stored("bob")).account;
    let sent = [
        NodeCommand::Report { number: u64::MAX },
        NodeCommand::CloseConnection(ConnectionId("c1".into())),
        NodeCommand::ScanQuota { scan: ScanId("s1".into()), account: Box::new(account.clone()) },
        NodeCommand::SweepUploads { account: Box::new(account) },
    ];
    for command in &sent {
        sender.send(command.clone()).await.unwrap();
        assert_eq!(soon(commands.next()).await.as_ref(), Some(command));
    }
    drop(commands);
    soon(sender.closed()).await;
    served.stop().await;
}

#[tokio::test]
async fn a_report_of_ten_thousand_sessions_passes() {
    let served = serve(&on_free_port()).await;
    let plane = client(&served.url);
    let session = SessionStatus {
        connection: ConnectionId("x".repeat(64)),
        username: Username::stored("u".repeat(255)),
        admission: Admission { at: 1, max_sessions: 2 },
        client_version: "SSH-2.0-".to_owned() + &"x".repeat(240),
        client_address: "192.0.2.1:5000".parse().unwrap(),
        connected_at: 1,
        last_activity: 2,
        protocol: Some("SFTP".into()),
        transfers: vec![],
        ssh_command: String::new(),
    };
    let node = NodeId("n1".into());
    let report = NodeReport { node, number: 0, sessions: vec![session; 10_000] };
    plane.report(report).await.unwrap();
    assert_eq!(*served.desk.last.lock().await, "10000");
    served.stop().await;
}
