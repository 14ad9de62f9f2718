//! Nodes: commands, scans, reports, events.

use std::time::Duration;

use ferryd_domain::{EventId, FaultKind, FileAction, FileEvent, QuotaUsage};
use futures::StreamExt;

use super::{Fixture, account, assert_kind, bob, connection, start};
use crate::{NodeCommand, NodeCommands, NodeId, NodeInfo, NodeReport, ScanId, ScanOutcome};

/// Attaches the node of [`start`].
async fn attach(fixture: &dyn Fixture) -> NodeCommands {
    let info = NodeInfo { node: NodeId("node".into()), version: "1".into(), sessions: Vec::new() };
    match fixture.control_plane().attach_node(info).await {
        Ok(commands) => commands,
        Err(fault) => {
            assert_eq!(fault.to_string(), "attached");
            futures::stream::empty().boxed()
        }
    }
}

/// Returns the next command that this picks; waits for it.
async fn next<T>(
    commands: &mut NodeCommands,
    pick: impl Fn(NodeCommand) -> Option<T>,
) -> Option<T> {
    let search = async {
        while let Some(command) = commands.next().await {
            if let Some(found) = pick(command) {
                return Some(found);
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(10), search).await.ok().flatten()
}

/// The node that has the connection is told.
pub async fn a_connection_is_closed_through_its_node(fixture: &dyn Fixture) {
    fixture.add_account(account(), "secret").await;
    let mut commands = attach(fixture).await;
    assert!(fixture.control_plane().open_session(start("c1")).await.is_ok());
    fixture.close_connection(&connection("c1")).await;
    let closed = next(&mut commands, |command| match command {
        NodeCommand::CloseConnection(connection) => Some(connection),
        NodeCommand::Report { .. }
        | NodeCommand::ScanQuota { .. }
        | NodeCommand::SweepUploads { .. } => None,
    });
    assert_eq!(closed.await, Some(connection("c1")));
}

/// The node counts, the control plane stores.
pub async fn a_scan_runs_on_a_node_and_replaces_the_counters(fixture: &dyn Fixture) {
    fixture.add_account(account(), "secret").await;
    let mut commands = attach(fixture).await;
    fixture.start_scan(&bob()).await;
    let asked = next(&mut commands, |command| match command {
        NodeCommand::ScanQuota { scan, account } => Some((scan, account)),
        NodeCommand::Report { .. }
        | NodeCommand::CloseConnection(_)
        | NodeCommand::SweepUploads { .. } => None,
    });
    let (scan, account) = asked.await.unwrap_or((ScanId(String::new()), Box::default()));
    assert_eq!((&account.username, account.home_dir.as_str()), (&bob(), "/srv/bob"));
    assert_eq!(account.password.expose(), "");
    let usage = QuotaUsage { size: 123, files: 4 };
    let outcome = ScanOutcome { scan, username: bob(), usage: Some(usage) };
    let plane = fixture.control_plane();
    assert!(plane.finish_scan(outcome.clone()).await.is_ok());
    assert_eq!(plane.quota_usage(&bob()).await.ok(), Some(usage));
    assert_kind(plane.finish_scan(outcome).await, FaultKind::NotFound);
}

/// Both return at once, sent once or twice.
pub async fn reports_and_events_are_taken(fixture: &dyn Fixture) {
    let plane = fixture.control_plane();
    let event = FileEvent {
        id: EventId("e1".into()),
        action: FileAction::Upload,
        username: bob(),
        path: "/srv/bob/f".into(),
        target_path: "".into(),
        ssh_command: String::new(),
        file_size: 1,
        local_file: true,
    };
    let report = NodeReport { node: NodeId("node".into()), number: 0, sessions: Vec::new() };
    for _ in 0..2 {
        assert!(plane.dispatch(event.clone()).await.is_ok());
        assert!(plane.report(report.clone()).await.is_ok());
    }
}
