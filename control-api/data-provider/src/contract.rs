//! The suite that every provider passes. `data_provider_contract!` makes one test per case from
//! an expression that opens an empty provider.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

use ferryd_domain::{Account, FaultKind, QuotaUsage, Secret, Username};

use crate::{DataProvider, Order, QuotaChange, UserPage};

/// Makes a test for each case of the suite. `$open` is an async expression that returns a pair: an
/// empty `Arc<dyn DataProvider>` and whatever must live as long as it.
#[macro_export]
macro_rules! data_provider_contract {
    ($open:expr) => {
        $crate::data_provider_contract!(@cases $open;
            an_added_user_is_found_by_name_and_id,
            every_field_is_stored,
            names_are_case_sensitive_and_unique,
            any_characters_may_be_in_a_name,
            an_update_keeps_name_counters_and_last_login,
            unknown_users_are_not_found,
            a_deleted_user_is_gone_and_its_id_is_not_given_again,
            pages_are_in_byte_order_of_the_name,
            pages_with_a_name_hold_only_that_user,
            far_pages_and_empty_pages_are_empty,
            counters_are_added_and_never_fall_below_zero,
            counters_are_set,
            changes_of_unknown_users_are_skipped,
            counters_do_not_overflow,
            concurrent_changes_are_all_counted,
            a_login_is_recorded,
            the_store_answers,
        );
    };
    (@cases $open:expr; $($case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (provider, _kept) = $open.await;
                $crate::contract::$case(provider).await;
            }
        )*
    };
}

type Provider = std::sync::Arc<dyn DataProvider>;

fn name(raw: &str) -> Username {
    Username::stored(raw)
}

fn sample(username: &str) -> Account {
    let mut account = Account {
        username: name(username),
        password: Secret::new("$2a$04$hash".into()),
        home_dir: format!("/srv/{username}"),
        status: 1,
        ..Account::default()
    };
    account.permissions.insert("/".into(), vec!["*".into()]);
    account
}

async fn add(provider: &Provider, username: &str) -> Account {
    provider.add_user(&sample(username)).await.unwrap()
}

fn page(limit: u32, offset: u64, order: Order) -> UserPage {
    UserPage { limit, offset, order, username: None }
}

async fn names(provider: &Provider, page: &UserPage) -> Vec<String> {
    let users = provider.users(page).await.unwrap();
    users.into_iter().map(|account| account.username.to_string()).collect()
}

fn kind<T>(answer: Result<T, ferryd_domain::Fault>) -> Option<FaultKind> {
    answer.err().map(|fault| fault.kind())
}

/// Both ways lead to the same user.
pub async fn an_added_user_is_found_by_name_and_id(provider: Provider) {
    let stored = add(&provider, "bob").await;
    assert!(stored.id > 0);
    assert_eq!(provider.user(&name("bob")).await.unwrap(), stored);
    assert_eq!(provider.user_by_id(stored.id).await.unwrap(), stored);
}

/// Nothing of an account is lost or changed.
pub async fn every_field_is_stored(provider: Provider) {
    let text = br#"{"status":1,"username":"full","expiration_date":1700000000000,
        "password":"$1$x$y","public_keys":["ssh-ed25519 AAAA x"],"home_dir":"/srv/full",
        "virtual_folders":[{"virtual_path":"/v","mapped_path":"/m"}],"uid":1000,"gid":1001,
        "max_sessions":3,"quota_size":9000000000,"quota_files":4,
        "permissions":{"/":["*"],"/a":["list"],"/b":[]},"used_quota_size":9000000001,
        "used_quota_files":2,"last_quota_update":5,"upload_bandwidth":6,"download_bandwidth":7,
        "last_login":8,"filters":{"allowed_ip":["10.0.0.0/8"],"denied_ip":["10.1.0.0/16"],
        "denied_login_methods":["password"],"file_extensions":[{"path":"/","allowed_extensions":
        [".a"],"denied_extensions":[".b"]}]},"filesystem":{"provider":1,"s3config":{"bucket":"b",
        "key_prefix":"k/","region":"r","access_key":"a","access_secret":"$aes$00","endpoint":"e",
        "storage_class":"c"},"gcsconfig":{}}}"#;
    let account = ferryd_domain::account::json::parse_account(text).unwrap();
    let stored = provider.add_user(&account).await.unwrap();
    assert_eq!(stored, Account { id: stored.id, ..account });
    assert_eq!(provider.user(&stored.username).await.unwrap(), stored);
}

/// `bob` and `Bob` are two; a second `bob` is refused.
pub async fn names_are_case_sensitive_and_unique(provider: Provider) {
    let small = add(&provider, "bob").await;
    let large = add(&provider, "Bob").await;
    assert_ne!(small.id, large.id);
    assert_eq!(kind(provider.add_user(&sample("bob")).await), Some(FaultKind::AlreadyExists));
    assert_eq!(kind(provider.user(&name("BOB")).await), Some(FaultKind::NotFound));
}

/// Names are data, never text of a statement.
pub async fn any_characters_may_be_in_a_name(provider: Provider) {
    for raw in ["'; DROP TABLE users; --", "a b", "ünï", "%", "_", "\\", "\"q\"", "日本"] {
        add(&provider, raw).await;
        assert_eq!(provider.user(&name(raw)).await.unwrap().username.as_str(), raw);
    }
    assert_eq!(kind(provider.user(&name("x")).await), Some(FaultKind::NotFound));
}

/// What only the server changes is not the update's to change.
pub async fn an_update_keeps_name_counters_and_last_login(provider: Provider) {
    let stored = add(&provider, "bob").await;
    let usage = QuotaUsage { size: 10, files: 2 };
    provider.change_quotas(&[(name("bob"), QuotaChange::Set(usage))], 7).await.unwrap();
    provider.record_logins(&[(name("bob"), 8)]).await.unwrap();
    let mut changed = Account { id: stored.id, max_sessions: 5, ..sample("eve") };
    changed.public_keys = vec!["k".into()];
    changed.used_quota_size = 99;
    provider.update_user(&changed).await.unwrap();
    let now = provider.user_by_id(stored.id).await.unwrap();
    assert_eq!(now.username.as_str(), "bob");
    assert_eq!((now.max_sessions, now.public_keys.len()), (5, 1));
    assert_eq!(now.home_dir, "/srv/eve");
    assert_eq!(now.quota_usage(), usage);
    assert_eq!((now.last_quota_update, now.last_login), (7, 8));
    assert_eq!(kind(provider.user(&name("eve")).await), Some(FaultKind::NotFound));
}

/// Every call that names a user says so when there is none.
pub async fn unknown_users_are_not_found(provider: Provider) {
    let missing = Some(FaultKind::NotFound);
    assert_eq!(kind(provider.user(&name("nobody")).await), missing);
    assert_eq!(kind(provider.quota(&name("nobody")).await), missing);
    for id in [0, -1, 4711, i64::MAX, i64::MIN] {
        assert_eq!(kind(provider.user_by_id(id).await), missing);
        assert_eq!(kind(provider.delete_user(id).await), missing);
        assert_eq!(kind(provider.update_user(&Account { id, ..sample("x") }).await), missing);
    }
}

/// A stale id must not name another user.
pub async fn a_deleted_user_is_gone_and_its_id_is_not_given_again(provider: Provider) {
    let stored = add(&provider, "bob").await;
    provider.delete_user(stored.id).await.unwrap();
    assert_eq!(kind(provider.user(&name("bob")).await), Some(FaultKind::NotFound));
    assert_eq!(kind(provider.delete_user(stored.id).await), Some(FaultKind::NotFound));
    assert!(add(&provider, "bob").await.id > stored.id);
}

/// Byte order, in both directions, page by page.
pub async fn pages_are_in_byte_order_of_the_name(provider: Provider) {
    for raw in ["b", "a", "B", "ä", "Z", "aa"] {
        add(&provider, raw).await;
    }
    let all = ["B", "Z", "a", "aa", "b", "ä"];
    assert_eq!(names(&provider, &page(100, 0, Order::Ascending)).await, all);
    assert_eq!(names(&provider, &page(2, 1, Order::Ascending)).await, all[1..3]);
    let mut reversed = all;
    reversed.reverse();
    assert_eq!(names(&provider, &page(100, 0, Order::Descending)).await, reversed);
    assert_eq!(names(&provider, &page(3, 4, Order::Descending)).await, reversed[4..]);
}

/// The filter is exact, and paging applies to the one user.
pub async fn pages_with_a_name_hold_only_that_user(provider: Provider) {
    add(&provider, "bob").await;
    add(&provider, "bobby").await;
    let of = |raw: &str, limit, offset| UserPage {
        username: Some(name(raw)),
        ..page(limit, offset, Order::Ascending)
    };
    assert_eq!(names(&provider, &of("bob", 10, 0)).await, ["bob"]);
    assert!(names(&provider, &of("BOB", 10, 0)).await.is_empty());
    assert!(names(&provider, &of("bob", 10, 1)).await.is_empty());
    assert!(names(&provider, &of("bob", 0, 0)).await.is_empty());
}

/// Limits of zero and offsets behind the end give nothing.
pub async fn far_pages_and_empty_pages_are_empty(provider: Provider) {
    add(&provider, "bob").await;
    for (limit, offset) in [(0, 0), (10, 1), (10, u64::MAX)] {
        assert!(names(&provider, &page(limit, offset, Order::Ascending)).await.is_empty());
    }
}

/// Below zero is zero.
pub async fn counters_are_added_and_never_fall_below_zero(provider: Provider) {
    add(&provider, "bob").await;
    let change = |size, files| [(name("bob"), QuotaChange::Add { size, files })];
    provider.change_quotas(&change(10, 1), 5).await.unwrap();
    provider.change_quotas(&change(5, 1), 6).await.unwrap();
    assert_eq!(provider.quota(&name("bob")).await.unwrap(), QuotaUsage { size: 15, files: 2 });
    provider.change_quotas(&change(-100, -1), 7).await.unwrap();
    assert_eq!(provider.quota(&name("bob")).await.unwrap(), QuotaUsage { size: 0, files: 1 });
    assert_eq!(provider.user(&name("bob")).await.unwrap().last_quota_update, 7);
}

/// A set replaces, also within one batch.
pub async fn counters_are_set(provider: Provider) {
    add(&provider, "bob").await;
    let usage = QuotaUsage { size: 1 << 40, files: 3 };
    let batch = [
        (name("bob"), QuotaChange::Add { size: 5, files: 5 }),
        (name("bob"), QuotaChange::Set(usage)),
        (name("bob"), QuotaChange::Add { size: 1, files: 0 }),
    ];
    provider.change_quotas(&batch, 5).await.unwrap();
    let now = provider.quota(&name("bob")).await.unwrap();
    assert_eq!(now, QuotaUsage { size: (1 << 40) + 1, files: 3 });
}

/// A user deleted meanwhile must not stop the others' changes.
pub async fn changes_of_unknown_users_are_skipped(provider: Provider) {
    add(&provider, "bob").await;
    let change = QuotaChange::Add { size: 1, files: 1 };
    provider.change_quotas(&[(name("gone"), change), (name("bob"), change)], 5).await.unwrap();
    assert_eq!(provider.quota(&name("bob")).await.unwrap(), QuotaUsage { size: 1, files: 1 });
    provider.change_quotas(&[], 6).await.unwrap();
}

/// The largest changes leave counters that can be read.
pub async fn counters_do_not_overflow(provider: Provider) {
    add(&provider, "bob").await;
    let change = |size, files| [(name("bob"), QuotaChange::Add { size, files })];
    for _ in 0..3 {
        provider.change_quotas(&change(i64::MAX, i64::MAX), 5).await.unwrap();
    }
    let now = provider.quota(&name("bob")).await.unwrap();
    assert!(now.size >= 1 << 62 && now.files >= 1 << 62, "{now:?}");
    for _ in 0..3 {
        provider.change_quotas(&change(i64::MIN, i64::MIN), 5).await.unwrap();
    }
    assert_eq!(provider.quota(&name("bob")).await.unwrap(), QuotaUsage::default());
}

/// No change is lost between two writers.
pub async fn concurrent_changes_are_all_counted(provider: Provider) {
    add(&provider, "bob").await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let provider = provider.clone();
            tokio::spawn(async move {
                let change = [(name("bob"), QuotaChange::Add { size: 2, files: 1 })];
                for _ in 0..10 {
                    provider.change_quotas(&change, 5).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(provider.quota(&name("bob")).await.unwrap(), QuotaUsage { size: 160, files: 80 });
}

/// The times of logins are those that were given, and never go back.
pub async fn a_login_is_recorded(provider: Provider) {
    let stored = [add(&provider, "bob").await, add(&provider, "eve").await];
    let times = [1_700_000_000_123, 1_700_000_000_456];
    let logins = [(name("bob"), times[0]), (name("nobody"), 1), (name("eve"), times[1])];
    provider.record_logins(&logins).await.unwrap();
    provider.record_logins(&[(name("eve"), 5)]).await.unwrap();
    for (account, time) in stored.iter().zip(times) {
        assert_eq!(provider.user_by_id(account.id).await.unwrap().last_login, time);
    }
}

/// A store that is up says so.
pub async fn the_store_answers(provider: Provider) {
    provider.check().await.unwrap();
    provider.reload().await.unwrap();
    assert!(!provider.name().is_empty());
}
