use std::net::SocketAddr;
use std::time::Duration;

use ferryd_control_plane::{
    Admission, ConnectionId, NodeCommand, NodeCommands, NodeId, NodeInfo, NodeReport, ScanOutcome,
    SessionStart, SessionStatus, TransferDirection, TransferStatus,
};
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{QuotaUsage, Username};
use futures::StreamExt;
use serde_json::json;

use super::bed::{Bed, body, body_with};

const DEADLINE: Duration = Duration::from_secs(10);

fn session() -> SessionStatus {
    SessionStatus {
        connection: ConnectionId("c0ffee".into()),
        username: Username::stored("bob"),
        admission: Admission::default(),
        client_version: "SSH-2.0-Test".into(),
        client_address: SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5022)),
        connected_at: 11,
        last_activity: 12,
        protocol: Some("SFTP".into()),
        transfers: vec![TransferStatus {
            direction: TransferDirection::Upload,
            path: "/a".into(),
            started_at: 13,
            last_activity: 14,
            size: 15,
        }],
        ssh_command: String::new(),
    }
}

fn node() -> NodeId {
    NodeId("node".into())
}

/// Attaches a node that has one connection.
async fn attach(bed: &Bed) -> NodeCommands {
    bed.add(&body("bob")).await;
    let plane = &bed.api.control_plane;
    let info = NodeInfo { node: node(), version: "1".into(), sessions: Vec::new() };
    let commands = plane.attach_node(info).await.unwrap();
    let start = SessionStart {
        connection: session().connection,
        node: node(),
        username: session().username,
        method: LoginMethod::Password,
        client_address: session().client_address,
        client_version: session().client_version,
    };
    plane.open_session(start).await.unwrap();
    commands
}

/// The next command that is not about what an earlier run may have left.
async fn next(commands: &mut NodeCommands) -> NodeCommand {
    loop {
        let command = tokio::time::timeout(DEADLINE, commands.next()).await.unwrap().unwrap();
        if !matches!(command, NodeCommand::SweepUploads { .. }) {
            return command;
        }
    }
}

#[tokio::test]
async fn connections_are_listed_with_their_transfers() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/api/v1/connection").await.json, json!([]));
    let mut commands = attach(&bed).await;
    let plane = bed.api.control_plane.clone();
    let reporting = async {
        let NodeCommand::Report { number } = next(&mut commands).await else { panic!("no report") };
        plane.report(NodeReport { node: node(), number, sessions: vec![session()] }).await.unwrap();
    };
    let (answer, ()) = tokio::join!(bed.get("/api/v1/connection"), reporting);
    assert_eq!(
        answer.json,
        json!([{
            "username": "bob", "connection_id": "c0ffee", "client_version": "SSH-2.0-Test",
            "remote_address": "[::1]:5022", "connection_time": 11, "last_activity": 12,
            "protocol": "SFTP", "ssh_command": "",
            "active_transfers": [{"operation_type": "upload", "path": "/a", "start_time": 13,
                "last_activity": 14, "size": 15}]
        }])
    );
}

#[tokio::test]
async fn a_connection_is_closed_by_its_node_and_an_unknown_one_is_not_found() {
    let bed = Bed::new().await;
    let mut commands = attach(&bed).await;
    let answer = bed.call("DELETE", "/api/v1/connection/c0ffee", "").await;
    assert_eq!(answer.json, json!({"error": "", "message": "Connection closed", "status": 200}));
    assert_eq!(next(&mut commands).await, NodeCommand::CloseConnection(session().connection));
    let answer = bed.call("DELETE", "/api/v1/connection/unknown", "").await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (404, Some("Not Found")));
}

#[tokio::test]
async fn a_scan_runs_once_at_a_time_and_its_result_replaces_the_counters() {
    let bed = Bed::new().await;
    let mut commands = attach(&bed).await;
    assert_eq!(bed.get("/api/v1/quota_scan").await.json, json!([]));
    let answer = bed.call("POST", "/api/v1/quota_scan", r#"{"username":"bob"}"#).await;
    assert_eq!(answer.json, json!({"error": "", "message": "Scan started", "status": 201}));
    assert_eq!(answer.status, 201);
    let running = bed.get("/api/v1/quota_scan").await.json;
    assert_eq!(running[0]["username"], "bob");
    assert!(running[0]["start_time"].as_i64().unwrap() > 1_700_000_000_000);
    let answer = bed.call("POST", "/api/v1/quota_scan", r#"{"username":"bob"}"#).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json["error"], "Another scan is already in progress");
    let NodeCommand::ScanQuota { scan, account } = next(&mut commands).await else {
        panic!("no scan")
    };
    assert!(account.password.expose().is_empty());
    let usage = Some(QuotaUsage { size: 100, files: 3 });
    let outcome = ScanOutcome { scan, username: Username::stored("bob"), usage };
    bed.api.control_plane.finish_scan(outcome).await.unwrap();
    let user = bed.get("/api/v1/user/1").await.json;
    assert_eq!((&user["used_quota_size"], &user["used_quota_files"]), (&json!(100), &json!(3)));
    assert!(user["last_quota_update"].as_i64().unwrap() > 0);
    assert_eq!(bed.get("/api/v1/quota_scan").await.json, json!([]));
}

#[tokio::test]
async fn a_scan_needs_a_user() {
    let bed = Bed::new().await;
    for (sent, status) in
        [("{", 400), ("[]", 400), ("", 400), ("{}", 404), (r#"{"username":"x"}"#, 404)]
    {
        assert_eq!(bed.call("POST", "/api/v1/quota_scan", sent).await.status, status, "{sent}");
    }
}

#[tokio::test]
async fn a_restore_scans_those_with_limits_when_asked_to() {
    let bed = Bed::new().await;
    let mut commands = attach(&bed).await;
    let users = json!({"users": [body("free"), body_with("limited", &json!({"quota_files": 9}))]});
    std::fs::create_dir_all(bed.dir.path().join("backups")).unwrap();
    std::fs::write(bed.dir.path().join("backups/in.json"), users.to_string()).unwrap();
    let answer = bed.get("/api/v1/loaddata?input_file=in.json&scan_quota=2").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let NodeCommand::ScanQuota { account, .. } = next(&mut commands).await else {
        panic!("no scan")
    };
    assert_eq!(account.username.as_str(), "limited");
    assert_eq!(bed.get("/api/v1/quota_scan").await.json.as_array().unwrap().len(), 1);
}
