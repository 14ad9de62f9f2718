//! The pre-login program with shell scripts.

use super::*;

const FROM_FILE: &str = r#"
echo x >> "$D/runs"
printf '%s' "$SFTPGO_LOGIND_USER" > "$D/user"
printf '%s' "$FERRYD_LOGIND_METHOD" > "$D/method"
if [ -f "$D/answer" ]; then cat "$D/answer"; fi
if [ -f "$D/fail" ]; then exit 1; fi
exit 0
"#;

async fn bed() -> Bed {
    let scripts = Scripts {
        pre_login: FROM_FILE,
        dialog: "echo '{\"auth_result\":1}'",
        ..Scripts::default()
    };
    let bed = Bed::new(scripts).await;
    bed.add(bob()).await;
    bed
}

#[tokio::test]
async fn an_empty_answer_changes_nothing() {
    let bed = bed().await;
    let before = bed.stored("bob").await;
    bed.password("bob", "secret").await.unwrap();
    for answer in [" \n\t", "null\n", r#"{"status":null,"password":null,"home_dir":null}"#] {
        bed.write("answer", answer);
        bed.password("bob", "secret").await.unwrap();
        assert_eq!(bed.stored("bob").await, before, "{answer}");
    }
}

#[tokio::test]
async fn the_program_sees_the_method_and_an_account_without_secrets() {
    let bed = bed().await;
    bed.password("bob", "secret").await.unwrap();
    assert_eq!(bed.file("method"), "password");
    let user = bed.file("user");
    assert!(user.contains(r#""username":"bob""#) && !user.contains("$2b$"), "{user}");
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_eq!(bed.file("method"), "publickey");
    bed.dialog("bob").await.unwrap();
    assert_eq!(bed.file("method"), "keyboard-interactive");
}

#[tokio::test]
async fn the_program_sees_no_secret_of_a_store() {
    let bed = bed().await;
    let mut filesystem = ferryd_domain::StorageSettings::default();
    filesystem.s3config.access_secret = Secret::new("$aes$key$first".into());
    filesystem.gcsconfig.credentials = Secret::new("second".into());
    bed.add(Account { username: Username::stored("cloud"), filesystem, ..bob() }).await;
    bed.password("cloud", "secret").await.unwrap();
    let user = bed.file("user");
    assert!(user.contains(r#""username":"cloud""#), "{user}");
    assert!(!user.contains("aes") && !user.contains("first") && !user.contains("second"), "{user}");
}

#[tokio::test]
async fn a_partial_answer_is_laid_over_stored_and_used() {
    let bed = bed().await;
    bed.write("answer", r#"{"status":0,"id":99,"last_login":5,"used_quota_size":5}"#);
    assert_refused(bed.password("bob", "secret").await, "disabled");
    let stored = bed.stored("bob").await.unwrap();
    assert_eq!((stored.status, stored.last_login, stored.used_quota_size), (0, 0, 0));
    assert_ne!(stored.id, 99);
    assert_eq!(stored.password.expose(), HASH);
    bed.write("answer", &format!(r#"{{"status":1,"public_keys":["{OTHER_KEY}"]}}"#));
    bed.key("bob", OTHER_KEY, "c1").await.unwrap();
}

#[tokio::test]
async fn failures_and_nonsense_are_refused_and_store_nothing() {
    let bed = bed().await;
    let before = bed.stored("bob").await;
    for answer in ["nonsense", "[]", r#"{"home_dir":"relative"}"#, r#"{"status":"x"}"#] {
        bed.write("answer", answer);
        assert_refused(bed.password("bob", "secret").await, "pre-login program");
    }
    bed.write("answer", r#"{"uid":5}"#);
    bed.write("fail", "");
    assert_refused(bed.password("bob", "secret").await, "pre-login program");
    assert_eq!(bed.stored("bob").await, before);
}

#[tokio::test]
async fn it_runs_once_per_attempt_and_not_for_unknown_names() {
    let bed = bed().await;
    assert_refused(bed.password("eve", "secret").await, "no such account");
    assert_eq!(bed.file("runs"), "");
    bed.password("bob", "secret").await.unwrap();
    bed.key("bob", KEY, "c1").await.unwrap();
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_eq!(bed.file("runs").lines().count(), 2);
}

#[tokio::test]
async fn the_external_program_wins_within_its_scope() {
    let scripts = Scripts {
        external: "echo '{\"username\":\"\"}'",
        scope: 1,
        pre_login: FROM_FILE,
        ..Scripts::default()
    };
    let bed = Bed::new(scripts).await;
    bed.add(bob()).await;
    assert_refused(bed.password("bob", "secret").await, "external program");
    assert_eq!(bed.file("runs"), "");
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_eq!(bed.file("runs").lines().count(), 1);
}

#[tokio::test]
async fn a_script_that_looks_for_a_name_in_the_json_works() {
    // The shape of the example in the manual, with the hour in a file instead of a clock.
    let pre_login = r#"
HOUR=$(cat "$D/hour")
case "$SFTPGO_LOGIND_USER" in
*'"bob"'*) if [ "$HOUR" -ge 18 ] || [ "$HOUR" -lt 10 ]; then echo '{"status":0}'; else echo '{"status":1}'; fi ;;
esac"#;
    let bed = Bed::new(Scripts { pre_login, ..Scripts::default() }).await;
    bed.add(bob()).await;
    bed.write("hour", "12");
    bed.password("bob", "secret").await.unwrap();
    bed.write("hour", "20");
    assert_refused(bed.password("bob", "secret").await, "disabled");
    bed.write("hour", "11");
    bed.password("bob", "secret").await.unwrap();
}
