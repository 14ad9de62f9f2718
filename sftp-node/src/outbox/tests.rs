use ferryd_control_plane::TransferId;
use ferryd_control_plane::fake::{FakeControlPlane, Link};
use ferryd_domain::{Account, EventId, FileAction, Username};

use super::*;

fn change(transfer: &str, username: &str) -> UsageChange {
    UsageChange {
        transfer: TransferId(transfer.to_owned()),
        username: Username::stored(username),
        size: 5,
        files: 1,
        certainty: Certainty::Exact,
    }
}

fn with_accounts(names: &[&str]) -> Arc<FakeControlPlane> {
    let fake = FakeControlPlane::new();
    for name in names {
        fake.put_account(Account { username: Username::stored(*name), ..Account::default() });
    }
    fake
}

fn certainty_of(fake: &FakeControlPlane, username: &str) -> Vec<(i64, Certainty)> {
    let username = Username::stored(username);
    let changes = fake.changes().into_iter().filter(|change| change.username == username);
    changes.map(|change| (change.size, change.certainty)).collect()
}

#[tokio::test(start_paused = true)]
async fn accounts_of_changes_that_found_no_room_are_to_be_counted_anew() {
    let fake = with_accounts(&["bob", "eve", "joe"]);
    fake.set_link(Link::Down);
    let outbox = Outbox::with_capacity(Arc::clone(&fake) as _, 2);
    outbox.change_usage(change("t1", "bob")).await;
    outbox.change_usage(change("t2", "bob")).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    for number in 0..5 {
        outbox.change_usage(change(&format!("e{number}"), "eve")).await;
        outbox.change_usage_later(change(&format!("j{number}"), "joe"));
    }
    fake.set_link(Link::Up);
    outbox.drain(Duration::from_secs(60)).await;
    let certain = (5, Certainty::Doubtful);
    assert_eq!(certainty_of(&fake, "bob"), [certain, certain], "they came late");
    for lost in ["eve", "joe"] {
        let told = certainty_of(&fake, lost);
        assert!(told.contains(&(0, Certainty::Doubtful)), "{lost}: {told:?}");
        assert!(told.len() < 5, "{lost}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrives_at_once_is_exact() {
    let fake = with_accounts(&["bob"]);
    let outbox = Outbox::start(Arc::clone(&fake) as _);
    outbox.change_usage(change("t1", "bob")).await;
    outbox.change_usage_later(change("t2", "bob"));
    outbox.drain(Duration::from_secs(60)).await;
    assert_eq!(certainty_of(&fake, "bob"), [(5, Certainty::Exact), (5, Certainty::Exact)]);
}

fn event(id: &str) -> FileEvent {
    FileEvent {
        id: EventId(id.to_owned()),
        action: FileAction::Upload,
        username: Username::stored("bob"),
        path: "/srv/bob/file".into(),
        target_path: "".into(),
        ssh_command: String::new(),
        file_size: 5,
        local_file: true,
    }
}

#[tokio::test(start_paused = true)]
async fn actions_that_take_no_event_hold_up_no_usage_change() {
    let fake = with_accounts(&["bob"]);
    fake.set_actions(Link::Down);
    let outbox = Outbox::start(Arc::clone(&fake) as _);
    outbox.dispatch(event("e1"));
    outbox.dispatch(event("e2"));
    tokio::time::sleep(Duration::from_secs(30)).await;
    outbox.change_usage(change("t1", "bob")).await;
    outbox.change_usage_later(change("t2", "bob"));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(certainty_of(&fake, "bob"), [(5, Certainty::Exact), (5, Certainty::Exact)]);
    fake.set_actions(Link::Up);
    outbox.drain(Duration::from_secs(60)).await;
    let told: Vec<_> = fake.events().into_iter().map(|event| event.id.0).collect();
    assert_eq!(told, ["e1", "e2"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_node_does_not_wait_for_what_cannot_arrive() {
    let fake = with_accounts(&["bob"]);
    fake.set_link(Link::Down);
    let outbox = Outbox::start(Arc::clone(&fake) as _);
    for number in 0..100 {
        outbox.dispatch(event(&format!("e{number}")));
        outbox.change_usage(change(&format!("t{number}"), "bob")).await;
    }
    let begin = tokio::time::Instant::now();
    outbox.drain(Duration::from_secs(3)).await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(outbox.waiting(), 0, "each was logged");
}

async fn count(outbox: &Outbox, change: UsageChange, pace: &Pace) {
    match outbox.gathers(pace) {
        true => outbox.gather(change),
        false => outbox.change_usage(change).await,
    }
}

#[tokio::test(start_paused = true)]
async fn many_changes_in_a_short_time_are_told_together() {
    let fake = with_accounts(&["bob", "eve"]);
    let (outbox, pace) = (Outbox::start(Arc::clone(&fake) as _), Pace::default());
    for number in 0..1000 {
        count(&outbox, change(&format!("t{number}"), "bob"), &pace).await;
    }
    count(&outbox, change("other", "eve"), &pace).await;
    assert_eq!(certainty_of(&fake, "bob"), [(5, Certainty::Exact); 8], "one by one at first");
    outbox.all_told().await;
    let told = certainty_of(&fake, "bob");
    assert_eq!((told.len(), told.last()), (9, Some(&(992 * 5, Certainty::Exact))));
    assert_eq!(certainty_of(&fake, "eve"), [(5, Certainty::Exact)]);
    assert_eq!(fake.changes().iter().map(|change| change.files).sum::<i64>(), 1001);
}

#[tokio::test(start_paused = true)]
async fn gathered_changes_do_not_wait_for_long() {
    let fake = with_accounts(&["bob"]);
    let (outbox, pace) = (Outbox::start(Arc::clone(&fake) as _), Pace::default());
    for number in 0..10 {
        count(&outbox, change(&format!("t{number}"), "bob"), &pace).await;
    }
    tokio::time::sleep(Duration::from_millis(26)).await;
    assert_eq!(certainty_of(&fake, "bob").len(), 9);
    tokio::time::sleep(Duration::from_millis(250)).await;
    count(&outbox, change("slow again", "bob"), &pace).await;
    assert_eq!(certainty_of(&fake, "bob").len(), 10);
}

#[tokio::test(start_paused = true)]
async fn gathered_changes_outlast_an_absence_of_the_control_plane() {
    let fake = with_accounts(&["bob"]);
    let (outbox, pace) = (Outbox::start(Arc::clone(&fake) as _), Pace::default());
    for number in 0..20 {
        count(&outbox, change(&format!("t{number}"), "bob"), &pace).await;
    }
    fake.set_link(Link::Down);
    outbox.all_told().await;
    fake.set_link(Link::Up);
    outbox.drain(Duration::from_secs(60)).await;
    let told = certainty_of(&fake, "bob");
    assert_eq!(told.last(), Some(&(60, Certainty::Doubtful)), "late");
    assert_eq!(told.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_for_gathered_changes_loses_none() {
    let fake = with_accounts(&["bob"]);
    let outbox = Outbox::start(Arc::clone(&fake) as _);
    outbox.gather(change("t1", "bob"));
    let _ = tokio::time::timeout(Duration::ZERO, outbox.all_told()).await;
    outbox.drain(Duration::from_secs(60)).await;
    assert_eq!(certainty_of(&fake, "bob"), [(5, Certainty::Exact)]);
}
