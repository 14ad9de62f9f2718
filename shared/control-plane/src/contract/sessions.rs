//! Places of sessions.

use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Account, FaultKind};

use super::{Fixture, account, address, assert_kind, bob, connection, start};
use crate::{Admission, NodeId, NodeInfo, SessionStart, SessionStatus};

/// The method and the address of the client.
pub async fn methods_and_addresses_are_checked_when_a_session_opens(fixture: &dyn Fixture) {
    let mut strict = account();
    strict.filters.denied_login_methods = vec!["password".to_owned()];
    strict.filters.allowed_ip = vec!["192.0.2.0/24".to_owned()];
    fixture.add_account(strict, "secret").await;
    let plane = fixture.control_plane();
    let by_key = SessionStart { method: LoginMethod::PublicKey, ..start("c1") };
    let elsewhere =
        SessionStart { client_address: ([198, 51, 100, 1], 1).into(), ..by_key.clone() };
    assert_kind(plane.open_session(start("c1")).await, FaultKind::Unauthenticated);
    assert_kind(plane.open_session(elsewhere).await, FaultKind::Unauthenticated);
    let lease = plane.open_session(by_key).await;
    assert_eq!(lease.map(|lease| lease.connection).ok(), Some(connection("c1")));
}

/// A call that is sent twice takes one place.
pub async fn the_limit_on_sessions_holds_and_a_closed_one_makes_room(fixture: &dyn Fixture) {
    fixture.add_account(Account { max_sessions: 2, ..account() }, "secret").await;
    let plane = fixture.control_plane();
    for name in ["c1", "c2", "c2"] {
        assert!(plane.open_session(start(name)).await.is_ok(), "{name}");
    }
    assert_kind(plane.open_session(start("c3")).await, FaultKind::TooManySessions);
    assert!(plane.close_session(connection("unknown")).await.is_ok());
    assert_kind(plane.open_session(start("c3")).await, FaultKind::TooManySessions);
    assert!(plane.close_session(connection("c1")).await.is_ok());
    assert!(plane.open_session(start("c3")).await.is_ok());
}

/// After a restart of the control plane the nodes tell what they have.
pub async fn sessions_of_a_node_that_attaches_count(fixture: &dyn Fixture) {
    fixture.add_account(Account { max_sessions: 1, ..account() }, "secret").await;
    let plane = fixture.control_plane();
    let session = SessionStatus {
        connection: connection("old"),
        username: bob(),
        admission: Admission { at: 1, max_sessions: 1 },
        client_version: "SSH-2.0-test".into(),
        client_address: address(),
        connected_at: 1,
        last_activity: 2,
        protocol: Some("SFTP".into()),
        transfers: Vec::new(),
        ssh_command: String::new(),
    };
    let info =
        NodeInfo { node: NodeId("node".into()), version: "1".into(), sessions: vec![session] };
    let commands = plane.attach_node(info).await;
    assert!(commands.is_ok());
    assert_kind(plane.open_session(start("new")).await, FaultKind::TooManySessions);
    assert!(plane.close_session(connection("old")).await.is_ok());
    assert!(plane.open_session(start("new")).await.is_ok());
}
