use ferryd_domain::policy::LoginMethod;

use super::*;

fn account(max_sessions: i32) -> Account {
    Account { username: Username::stored("bob"), max_sessions, ..Account::default() }
}

fn start(connection: &str) -> SessionStart {
    SessionStart {
        connection: ConnectionId(connection.into()),
        node: NodeId("n1".into()),
        username: Username::stored("bob"),
        method: LoginMethod::Password,
        client_address: "192.0.2.1:1000".parse().unwrap(),
        client_version: "SSH-2.0-test".into(),
    }
}

fn status(connection: &str) -> SessionStatus {
    SessionStatus {
        connection: ConnectionId(connection.into()),
        username: Username::stored("bob"),
        admission: Admission::default(),
        client_version: String::new(),
        client_address: "192.0.2.1:1000".parse().unwrap(),
        connected_at: 0,
        last_activity: 0,
        protocol: None,
        transfers: Vec::new(),
        ssh_command: String::new(),
    }
}

#[test]
fn the_limit_counts_sessions_and_a_closed_one_makes_room() {
    let sessions = Sessions::default();
    sessions.open(&account(2), &start("a")).unwrap();
    sessions.open(&account(2), &start("b")).unwrap();
    let fault = sessions.open(&account(2), &start("c")).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooManySessions);
    sessions.open(&account(2), &start("b")).expect("a repeated call keeps its lease");
    sessions.close(&ConnectionId("a".into()));
    sessions.open(&account(2), &start("c")).unwrap();
    sessions.open(&account(0), &start("d")).expect("0 means any number");
}

#[test]
fn many_logins_at_one_instant_cannot_pass_the_limit() {
    let sessions = Sessions::default();
    let account = account(2);
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|n| {
                scope.spawn({
                    let (sessions, account) = (&sessions, &account);
                    move || sessions.open(account, &start(&n.to_string())).is_ok()
                })
            })
            .collect();
        tries.into_iter().map(|t| usize::from(t.join().unwrap())).sum()
    });
    assert_eq!(won, 2);
}

#[test]
fn a_refused_way_takes_no_lease() {
    let sessions = Sessions::default();
    let mut account = account(1);
    account.filters.denied_login_methods = vec!["password".into()];
    let fault = sessions.open(&account, &start("a")).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unauthenticated);
    assert!(!sessions.holds(&ConnectionId("a".into())));
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_silent_node_lapse_and_those_reported_stay() {
    let sessions = Sessions::default();
    let node = NodeId("n1".into());
    sessions.open(&account(2), &start("a")).unwrap();
    sessions.open(&account(2), &start("b")).unwrap();
    tokio::time::advance(Duration::from_secs(6)).await;
    sessions.renew(&node, &[status("a")]);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(sessions.holds(&ConnectionId("a".into())));
    assert!(!sessions.holds(&ConnectionId("b".into())), "b was in no report");
    sessions.open(&account(2), &start("c")).unwrap();
    sessions.sweep();
    assert_eq!(sessions.leases.lock().by_connection.len(), 2);
}

#[test]
fn sessions_of_a_node_are_taken_over_after_a_restart() {
    let sessions = Sessions::default();
    sessions.renew(&NodeId("n2".into()), &[status("old")]);
    assert_eq!(sessions.node_of(&ConnectionId("old".into())), Some(NodeId("n2".into())));
    assert!(sessions.open(&account(1), &start("new")).is_err());
}

#[test]
fn limits_are_those_of_the_login() {
    let sessions = Sessions::default();
    let (bob, eve) = (Username::stored("bob"), Username::stored("eve"));
    let limited = Account { quota_size: 10, ..account(0) };
    sessions.open(&limited, &start("a")).unwrap();
    let expected = Some(QuotaLimit { size: 10, files: 0 });
    assert_eq!(sessions.limit_of(&bob, Some(&ConnectionId("a".into()))), expected);
    assert_eq!(sessions.limit_of(&bob, None), expected);
    assert_eq!(sessions.limit_of(&eve, Some(&ConnectionId("a".into()))), None);
    assert_eq!(sessions.limit_of(&eve, None), None);
}

#[test]
fn a_late_report_does_not_bring_a_closed_session_back() {
    let sessions = Sessions::default();
    sessions.open(&account(1), &start("a")).unwrap();
    sessions.close(&ConnectionId("a".into()));
    sessions.renew(&NodeId("n1".into()), &[status("a")]);
    sessions.open(&account(1), &start("b")).unwrap();
}

#[test]
fn an_account_on_several_nodes_is_shared_until_its_last_session_ends() {
    let sessions = Sessions::default();
    let bob = Username::stored("bob");
    let on = |connection: &str, node: &str| SessionStart {
        node: NodeId(node.into()),
        ..start(connection)
    };
    sessions.open(&account(0), &on("a", "n1")).unwrap();
    sessions.open(&account(0), &on("b", "n1")).unwrap();
    assert!(!sessions.is_shared(&bob));
    sessions.open(&account(0), &on("c", "n2")).unwrap();
    assert!(sessions.is_shared(&bob));
    sessions.close(&ConnectionId("c".into()));
    assert!(sessions.is_shared(&bob), "an upload may be older than the other session's end");
    sessions.close(&ConnectionId("a".into()));
    sessions.close(&ConnectionId("b".into()));
    assert!(!sessions.is_shared(&bob));
}

/// Reports a session with what its lease said.
fn told(lease: &SessionLease) -> SessionStatus {
    SessionStatus { admission: lease.admission, ..status(&lease.connection.0) }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_come_back_reclaim_their_leases_unless_others_have_them() {
    let sessions = Sessions::default();
    let bob = Username::stored("bob");
    let node = NodeId("n1".into());
    let a = sessions.open(&account(2), &start("a")).unwrap();
    let b = sessions.open(&account(2), &start("b")).unwrap();
    assert!(a.admission < b.admission);
    tokio::time::advance(LIFETIME).await;
    sessions.sweep();
    sessions.open(&account(2), &start("c")).unwrap();
    sessions.renew(&node, &[told(&b), told(&a)]);
    assert_eq!(sessions.reclaimed().await, HashSet::from([bob.clone()]));
    assert!(!sessions.settle_uncrowded(&bob));
    let evictions = sessions.evictions(&bob, 2);
    assert_eq!(evictions.iter().map(|s| &s.connection).collect::<Vec<_>>(), [&b.connection]);
    sessions.settle(&bob, 2);
    assert_eq!(sessions.evictions(&bob, 2), evictions, "nothing is settled before it is gone");
    evictions.iter().for_each(|eviction| sessions.evict(eviction));
    sessions.settle(&bob, 2);
    sessions.renew(&node, &[told(&b), told(&a)]);
    assert!(sessions.holds(&a.connection) && !sessions.holds(&b.connection));
    assert!(sessions.leases.lock().reclaimed.is_empty());
    assert!(sessions.open(&account(2), &start("d")).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_lapsed_and_is_not_swept_yet_is_reclaimed_the_same_way() {
    let sessions = Sessions::default();
    let bob = Username::stored("bob");
    let a = sessions.open(&account(1), &start("a")).unwrap();
    tokio::time::advance(LIFETIME).await;
    sessions.open(&account(1), &start("b")).unwrap();
    sessions.renew(&NodeId("n1".into()), &[told(&a)]);
    assert!(!sessions.settle_uncrowded(&bob));
    assert_eq!(sessions.evictions(&bob, 1)[0].connection, a.connection);
}

#[tokio::test(start_paused = true)]
async fn those_who_are_back_count_when_others_come_back() {
    let sessions = Sessions::default();
    let bob = Username::stored("bob");
    sessions.open(&account(2), &start("a")).unwrap();
    let b = sessions.open(&account(2), &start("b")).unwrap();
    tokio::time::advance(LIFETIME / 2).await;
    sessions.renew(&NodeId("n1".into()), &[status("a")]);
    tokio::time::advance(LIFETIME / 2).await;
    let c = sessions.open(&account(2), &start("c")).unwrap();
    tokio::time::advance(LIFETIME / 2 - Duration::from_secs(1)).await;
    sessions.renew(&NodeId("n1".into()), &[status("a")]);
    tokio::time::advance(LIFETIME / 2 + Duration::from_secs(1)).await;
    sessions.renew(&NodeId("n2".into()), &[told(&b)]);
    assert!(sessions.settle_uncrowded(&bob), "c is away");
    sessions.renew(&NodeId("n3".into()), &[told(&c)]);
    assert!(!sessions.settle_uncrowded(&bob));
    assert_eq!(sessions.evictions(&bob, 2)[0].connection, c.connection);
}
