//! External authentication with shell scripts.

use super::*;

/// Answers with the file `answer` and writes down what it was given.
const FROM_FILE: &str = r#"
echo x >> "$D/runs"
printf '%s|%s|%s|%s' "$SFTPGO_AUTHD_USERNAME" "$SFTPGO_AUTHD_PASSWORD" \
    "$FERRYD_AUTHD_PUBLIC_KEY" "$SFTPGO_AUTHD_KEYBOARD_INTERACTIVE" > "$D/given"
cat "$D/answer"
"#;

const ANSWER: &str = r#"{"status":1,"username":"bob","home_dir":"/srv/new","quota_files":9,
    "permissions":{"/":["*"],"/sub":["list"]},"public_keys":[]}"#;

async fn bed(scope: i32) -> Bed {
    let bed = Bed::new(Scripts { external: FROM_FILE, scope, ..Scripts::default() }).await;
    bed.write("answer", ANSWER);
    bed
}

impl Bed {
    fn runs(&self) -> usize {
        self.file("runs").lines().count()
    }
}

#[tokio::test]
async fn an_accepted_user_is_stored_with_the_offered_password() {
    let bed = bed(0).await;
    let outcome = bed.password("bob", "any thing").await.unwrap();
    assert_eq!(outcome.account.home_dir, "/srv/new");
    assert_eq!(bed.file("given"), "bob|any thing||");
    let stored = bed.stored("bob").await.unwrap();
    assert!(stored.id > 0 && stored.permissions.contains_key("/sub"));
    assert!(crate::passwords::verify(&stored.password, &Secret::new("any thing".into())).await);
}

#[tokio::test]
async fn a_password_that_looks_like_a_hash_is_hashed_all_the_same() {
    let bed = bed(1).await;
    bed.password("bob", HASH).await.unwrap();
    let stored = bed.stored("bob").await.unwrap().password;
    assert!(!crate::passwords::verify(&stored, &Secret::new("secret".into())).await);
}

#[tokio::test]
async fn an_offered_key_is_added_once() {
    let bed = bed(2).await;
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_eq!(bed.file("given"), format!("bob||{KEY}\n|"));
    assert_eq!(bed.stored("bob").await.unwrap().public_keys, [KEY]);
    let listed = ANSWER.replace("[]", &format!("[\"{KEY} comment\"]"));
    bed.write("answer", &listed);
    bed.key("bob", KEY, "c2").await.unwrap();
    assert_eq!(bed.stored("bob").await.unwrap().public_keys, [format!("{KEY} comment")]);
}

#[tokio::test]
async fn a_key_is_asked_about_once_per_connection() {
    let bed = bed(0).await;
    bed.key("bob", KEY, "c1").await.unwrap();
    bed.key("bob", KEY, "c1").await.unwrap();
    assert_eq!(bed.runs(), 1);
    bed.key("bob", OTHER_KEY, "c1").await.unwrap();
    bed.key("bob", KEY, "c2").await.unwrap();
    assert_eq!(bed.runs(), 3);
    bed.write("answer", r#"{"username":""}"#);
    assert_refused(bed.key("bob", KEY, "c3").await, "refused the login");
    assert_refused(bed.key("bob", KEY, "c3").await, "refused the login");
    assert_eq!(bed.runs(), 4);
}

#[tokio::test]
async fn what_only_the_server_changes_survives_and_the_rest_is_replaced() {
    let bed = bed(0).await;
    bed.add(Account { used_quota_size: 5, last_login: 7, upload_bandwidth: 3, ..bob() }).await;
    let id = bed.stored("bob").await.unwrap().id;
    bed.write(
        "answer",
        &ANSWER.replace("\"status\"", "\"used_quota_size\":0,\"id\":99,\"status\""),
    );
    bed.password("bob", "x").await.unwrap();
    let stored = bed.stored("bob").await.unwrap();
    assert_eq!((stored.id, stored.used_quota_size, stored.last_login), (id, 5, 7));
    assert_eq!((stored.upload_bandwidth, stored.home_dir.as_str()), (0, "/srv/new"));
}

#[tokio::test]
async fn refusals_and_nonsense_are_refused_and_store_nothing() {
    let bed = bed(0).await;
    for (answer, reason) in [
        (r#"{"username":""}"#, "refused the login"),
        ("{}", "refused the login"),
        ("", "no valid JSON"),
        ("nonsense", "no valid JSON"),
        (r#"{"username":"bob","password":"hidden""#, "no valid JSON"),
        (&ANSWER.replace("bob", "eve"), "another user name"),
        (&ANSWER.replace("/srv/new", "relative"), "home_dir"),
        (&ANSWER.replace("\"*\"", "\"fly\""), "permission"),
    ] {
        bed.write("answer", answer);
        let refused = bed.password("bob", "x").await;
        assert!(!format!("{refused:?}").contains("hidden"));
        assert_refused(refused, reason);
        assert!(bed.stored("bob").await.is_none() && bed.stored("eve").await.is_none());
    }
}

#[tokio::test]
async fn status_and_expiration_of_the_answer_count() {
    let bed = bed(0).await;
    bed.write("answer", &ANSWER.replace("\"status\":1", "\"status\":0"));
    assert_refused(bed.password("bob", "x").await, "disabled");
    bed.write("answer", &ANSWER.replace("\"status\":1", "\"status\":1,\"expiration_date\":1"));
    assert_refused(bed.key("bob", KEY, "c1").await, "expired");
}

#[tokio::test]
async fn failing_programs_are_refusals() {
    for (external, reason) in [
        (format!("echo '{}'; exit 3", ANSWER.replace('\n', "")), "a program failed"),
        ("exec cat /dev/zero".to_owned(), "too much"),
        ("echo '{\"username\":\"\"}'; sleep 300 &".to_owned(), "refused the login"),
    ] {
        let bed = Bed::new(Scripts { external: &external, ..Scripts::default() }).await;
        assert_refused(bed.password("bob", "x").await, reason);
    }
}

#[tokio::test]
async fn each_scope_asks_for_its_methods_only() {
    for scope in 0..=7 {
        let external = FROM_FILE;
        let bed =
            Bed::new(Scripts { external, scope, dialog: "exit 0", ..Scripts::default() }).await;
        bed.add(bob()).await;
        bed.write("answer", r#"{"username":""}"#);
        let decides = |bit| scope == 0 || scope & bit != 0;
        let asked = |runs_before: usize| bed.runs() > runs_before;
        assert_eq!(bed.password("bob", "secret").await.is_err(), decides(1));
        assert_eq!(asked(0), decides(1), "password, scope {scope}");
        let before = bed.runs();
        assert_eq!(bed.key("bob", KEY, "c1").await.is_err(), decides(2));
        assert_eq!(asked(before), decides(2), "key, scope {scope}");
        let before = bed.runs();
        assert_eq!(bed.dialog("bob").await.is_err(), decides(4));
        assert_eq!(asked(before), decides(4), "dialog, scope {scope}");
    }
}

#[tokio::test]
async fn a_dialog_needs_an_account_with_a_credential_of_its_own() {
    let scripts =
        Scripts { external: FROM_FILE, dialog: "echo '{\"auth_result\":1}'", ..Scripts::default() };
    let bed = Bed::new(scripts).await;
    bed.write("answer", ANSWER);
    assert_refused(bed.dialog("bob").await, "password or at least a public_key");
    assert_eq!(bed.file("given"), "bob|||1");
    bed.write("answer", &ANSWER.replace("[]", &format!("[\"{KEY}\"]")));
    let step = bed.dialog("bob").await.unwrap().next(Vec::new()).await.unwrap();
    assert!(matches!(step, ferryd_control_plane::DialogStep::Accepted(_)));
}

#[tokio::test]
async fn hostile_names_reach_the_program_as_they_are() {
    let bed = bed(0).await;
    let name = "a'b\"c $(id) `id`\n%s \\";
    let answer: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
    let mut answer = answer.as_object().unwrap().clone();
    answer.insert("username".into(), name.into());
    bed.write("answer", &serde_json::to_string(&answer).unwrap());
    bed.password(name, "p").await.unwrap();
    assert_eq!(bed.file("given"), format!("{name}|p||"));
    assert_refused(bed.password("bob", "a\0b").await, "NUL");
}

#[tokio::test]
async fn a_script_that_accepts_one_name_with_any_credential_works() {
    // The shape of the example in the manual that scripts in use are made after.
    let external = r#"
if test "$SFTPGO_AUTHD_USERNAME" = "test_user"; then
  echo '{"status":1,"username":"test_user","expiration_date":0,"home_dir":"/tmp/test_user","uid":0,"gid":0,"max_sessions":0,"quota_size":0,"quota_files":100000,"permissions":{"/":["*"],"/somedir":["list","download"]},"upload_bandwidth":0,"download_bandwidth":0,"filters":{"allowed_ip":[],"denied_ip":[]},"public_keys":[]}'
else
  echo '{"username":""}'
fi"#;
    let bed = Bed::new(Scripts { external, ..Scripts::default() }).await;
    let outcome = bed.password("test_user", "anything").await.unwrap();
    assert_eq!(outcome.account.permissions["/somedir"], ["list", "download"]);
    bed.key("test_user", KEY, "c1").await.unwrap();
    assert_refused(bed.password("other", "anything").await, "refused the login");
}
