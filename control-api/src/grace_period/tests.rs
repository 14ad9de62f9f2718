#![expect(clippy::disallowed_methods, reason = "looks at the file")]

use std::path::Path;

use ferryd_control_plane::{ConnectionId, NodeInfo, SessionStart};
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Account, FaultKind, Username};

use super::*;

fn id(node: &str) -> NodeId {
    NodeId(node.into())
}

fn named_in(file: &Path) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_else(|_| b"[]".into());
    let mut names: Vec<String> = serde_json::from_slice(&text).unwrap();
    names.sort();
    names
}

async fn after(text: &str) -> (Arc<GracePeriod>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes");
    std::fs::write(&file, text).unwrap();
    let former = Arc::new(GracePeriod::default());
    former.remember_in(file).await;
    (former, folder)
}

#[tokio::test]
async fn nobody_waits_in_a_new_cluster_or_without_a_file() {
    let former = Arc::new(GracePeriod::default());
    former.list(&id("n1")).await;
    assert_eq!(former.wait().await.unwrap(), Waited::No);
    let folder = tempfile::tempdir().unwrap();
    former.remember_in(folder.path().join("nodes")).await;
    assert_eq!(former.wait().await.unwrap(), Waited::No);
    for broken in ["", "x", "[1]", "[\"n1\""] {
        assert_eq!(after(broken).await.0.wait().await.unwrap(), Waited::No, "{broken}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_waits_until_every_node_has_told_its_sessions() {
    let (former, _folder) = after(r#"["n1","n2"]"#).await;
    let begin = Instant::now();
    let login = tokio::spawn({
        let former = Arc::clone(&former);
        async move { former.wait().await.unwrap() }
    });
    former.has_told(&id("n1"));
    former.has_told(&id("n3"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!login.is_finished());
    former.has_told(&id("n2"));
    assert_eq!(login.await.unwrap(), Waited::Yes);
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(former.wait().await.unwrap(), Waited::No);
}

#[tokio::test(start_paused = true)]
async fn a_login_waits_no_longer_than_leases_are_kept() {
    let (former, folder) = after(r#"["gone"]"#).await;
    let begin = Instant::now();
    assert_eq!(former.wait().await.unwrap(), Waited::Yes);
    assert_eq!(begin.elapsed().as_secs(), LIFETIME.as_secs());
    assert_eq!(former.wait().await.unwrap(), Waited::No);
    let sessions = Arc::<Sessions>::default();
    former.sweep(&sessions, &Nodes::new(Arc::clone(&sessions)));
    Arc::clone(&former).store().await;
    assert!(named_in(&folder.path().join("nodes")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn those_who_cannot_wait_are_refused() {
    let (former, _folder) = after(r#"["gone"]"#).await;
    let _all = former.waiting.try_acquire_many(u32::try_from(MOST_WAITING).unwrap()).unwrap();
    assert_eq!(former.wait().await.unwrap_err().kind(), FaultKind::Unavailable);
}

#[tokio::test]
async fn a_node_is_named_while_it_is_attached_or_has_leases() {
    let (former, folder) = after("[]").await;
    let file = folder.path().join("nodes");
    let sessions = Arc::<Sessions>::default();
    let nodes = Nodes::new(Arc::clone(&sessions));
    let info = NodeInfo { node: id("n1"), version: String::new(), sessions: Vec::new() };
    let commands = nodes.attach(info);
    former.list(&id("n1")).await;
    let account = Account { username: Username::stored("bob"), ..Account::default() };
    let start = SessionStart {
        connection: ConnectionId("c1".into()),
        node: id("n2"),
        username: Username::stored("bob"),
        method: LoginMethod::Password,
        client_address: "192.0.2.1:1000".parse().unwrap(),
        client_version: String::new(),
    };
    sessions.open(&account, &start).unwrap();
    former.list(&id("n2")).await;
    assert_eq!(named_in(&file), ["n1", "n2"]);
    assert!(!former.strike(&sessions, &nodes));
    drop(commands);
    sessions.close(&ConnectionId("c1".into()));
    assert!(former.strike(&sessions, &nodes));
    Arc::clone(&former).store().await;
    assert!(named_in(&file).is_empty());
    former.list(&id("n2")).await;
    assert_eq!(named_in(&file), ["n2"], "one that comes again is named again");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_holds_up_nobody_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/nodes");
    let former = Arc::new(GracePeriod::default());
    former.remember_in(file.clone()).await;
    let sessions = Arc::<Sessions>::default();
    let nodes = Nodes::new(Arc::clone(&sessions));
    let info = NodeInfo { node: id("n1"), version: String::new(), sessions: Vec::new() };
    let _commands = nodes.attach(info);
    former.list(&id("n1")).await;
    assert_eq!(former.enter(&id("n1")), Listed::Stored);
    assert_eq!(former.wait().await.unwrap(), Waited::No);
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    assert!(!former.strike(&sessions, &nodes));
    tokio::time::advance(RETRY_DELAY).await;
    assert!(former.strike(&sessions, &nodes));
    Arc::clone(&former).store().await;
    assert_eq!(named_in(&file), ["n1"]);
    assert!(!former.strike(&sessions, &nodes));
}
