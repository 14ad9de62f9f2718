use std::os::unix::fs::PermissionsExt;

use ferryd_data_provider::DataProviderConfig;
use serde_json::{Value, json};

use super::bed::{Bed, HASH, body, body_with};

fn read(bed: &Bed, name: &str) -> String {
    std::fs::read_to_string(bed.dir.path().join("backups").join(name)).unwrap()
}

fn write(bed: &Bed, name: &str, users: &Value) -> String {
    let file = bed.dir.path().join(name);
    std::fs::write(&file, json!({ "users": users }).to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn load(bed: &Bed, query: &str) -> u16 {
    bed.get(&format!("/api/v1/loaddata?{query}")).await.status
}

#[tokio::test]
async fn a_dump_has_every_user_with_hashes_for_the_owner_alone() {
    let bed = Bed::new().await;
    for name in ["a", "b"] {
        bed.add(&body(name)).await;
    }
    let answer = bed.get("/api/v1/dumpdata?output_file=x/y/dump.json").await;
    assert_eq!(answer.json, json!({"error": "", "message": "Data saved", "status": 200}));
    let text = read(&bed, "x/y/dump.json");
    assert_eq!(text.lines().count(), 1);
    let dump: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(dump["users"][1]["username"], "b");
    assert_eq!(dump["users"][0]["password"], HASH);
    let mode = |path: &str| {
        let found = std::fs::metadata(bed.dir.path().join("backups").join(path)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!((mode("x/y/dump.json"), mode("x/y"), mode("x")), (0o600, 0o700, 0o700));
    assert_eq!(std::fs::read_dir(bed.dir.path().join("backups/x/y")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_indented_dump_says_the_same_and_replaces_the_older_one() {
    let bed = Bed::new().await;
    bed.add(&body("a")).await;
    bed.get("/api/v1/dumpdata?output_file=d").await;
    let compact: Value = serde_json::from_str(&read(&bed, "d")).unwrap();
    assert_eq!(bed.call("POST", "/api/v1/backup?output_file=d&indent=1", "").await.status, 200);
    let text = read(&bed, "d");
    assert!(text.starts_with("{\n  \"users\": [\n    {\n      \"id\": 1,"), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), compact);
}

#[tokio::test]
async fn what_is_made_by_post_is_restored_by_post_and_the_older_paths_take_get_alone() {
    let bed = Bed::new().await;
    bed.add(&body("a")).await;
    assert_eq!(bed.call("POST", "/api/v1/backup?output_file=d", "").await.status, 200);
    bed.call("DELETE", "/api/v1/user/1", "").await;
    let answer = bed.call("POST", "/api/v1/restore?input_file=d", "").await;
    assert_eq!(answer.json, json!({"error": "", "message": "Data restored", "status": 200}));
    assert_eq!(bed.get("/api/v1/user").await.json[0]["username"], "a");
    for (method, path) in
        [("POST", "dumpdata"), ("POST", "loaddata"), ("GET", "backup"), ("GET", "restore")]
    {
        let answer = bed.call(method, &format!("/api/v1/{path}?output_file=e"), "").await;
        assert_eq!(answer.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_dump_without_users_is_a_dump() {
    let bed = Bed::new().await;
    bed.get("/api/v1/dumpdata?output_file=d&indent=1").await;
    assert_eq!(serde_json::from_str::<Value>(&read(&bed, "d")).unwrap(), json!({"users": []}));
}

#[tokio::test]
async fn dumps_stay_below_their_folder() {
    let bed = Bed::new().await;
    for query in [
        "",
        "output_file=",
        "output_file=/tmp/x",
        "output_file=../x",
        "output_file=a/../../x",
        "output_file=a..b",
        "output_file=%00",
        "output_file=x/",
        "output_file=x&indent=2",
        "output_file=x&indent=yes",
        "output_file=x&indent=",
    ] {
        assert_eq!(bed.get(&format!("/api/v1/dumpdata?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_failed_dump_leaves_the_older_one() {
    let bed = Bed::new().await;
    std::fs::create_dir_all(bed.dir.path().join("backups/d/in-the-way")).unwrap();
    assert_eq!(bed.get("/api/v1/dumpdata?output_file=d").await.status, 500);
    assert_eq!(std::fs::read_dir(bed.dir.path().join("backups")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_restore_adds_and_updates_and_keeps_what_the_server_counts() {
    let bed = Bed::new().await;
    bed.add(&body("a")).await;
    let users = json!([
        body_with("a", &json!({"id": 50, "uid": 7, "last_login": 5})),
        body_with("b", &json!({"used_quota_size": 9}))
    ]);
    let file = write(&bed, "in.json", &users);
    let answer = bed.get(&format!("/api/v1/loaddata?input_file={file}")).await;
    assert_eq!(answer.json, json!({"error": "", "message": "Data restored", "status": 200}));
    let a = bed.get("/api/v1/user/1").await.json;
    assert_eq!((&a["uid"], &a["last_login"]), (&json!(7), &json!(0)));
    assert_eq!(bed.get("/api/v1/user/2").await.json["used_quota_size"], 0);
}

#[tokio::test]
async fn mode_1_leaves_existing_users_alone() {
    let bed = Bed::new().await;
    bed.add(&body("a")).await;
    let users = json!([body_with("a", &json!({"uid": 7})), body("b")]);
    let file = write(&bed, "in.json", &users);
    assert_eq!(load(&bed, &format!("input_file={file}&mode=1")).await, 200);
    assert_eq!(bed.get("/api/v1/user/1").await.json["uid"], 0);
    assert_eq!(bed.get("/api/v1/user/2").await.json["username"], "b");
}

#[tokio::test]
async fn a_restore_stops_at_the_first_bad_user() {
    let bed = Bed::new().await;
    for bad in [body_with("x", &json!({"home_dir": ""})), json!(7), json!({"status": "x"})] {
        let file = write(&bed, "in.json", &json!([body("good"), bad, body("later")]));
        assert_eq!(load(&bed, &format!("input_file={file}")).await, 400, "{bad}");
        let users = bed.get("/api/v1/user").await.json;
        assert_eq!(users.as_array().unwrap().len(), 1);
        assert_eq!(users[0]["username"], "good");
    }
}

#[tokio::test]
async fn bad_restores_are_refused() {
    let bed = Bed::new().await;
    let file = write(&bed, "in.json", &json!([body("a")]));
    let large = bed.dir.path().join("large");
    std::fs::write(&large, " ".repeat(10 * 1024 * 1024 + 1)).unwrap();
    std::fs::write(bed.dir.path().join("empty"), "").unwrap();
    std::fs::write(bed.dir.path().join("broken"), "{\"users\":").unwrap();
    let dir = bed.dir.path().display();
    for query in [
        String::new(),
        "input_file=".into(),
        "input_file=in.json".into(),
        "input_file=../in.json".into(),
        "input_file=/nonexistent".into(),
        format!("input_file={dir}"),
        format!("input_file={dir}/large"),
        format!("input_file={dir}/empty"),
        format!("input_file={dir}/broken"),
        "input_file=/dev/zero".into(),
        format!("input_file={file}%00"),
        format!("input_file={file}&scan_quota=3"),
        format!("input_file={file}&scan_quota=x&mode=0"),
        format!("input_file={file}&mode=2"),
        format!("input_file={file}&mode=-1"),
    ] {
        assert_eq!(load(&bed, &query).await, 400, "{query}");
    }
    assert_eq!(bed.get("/api/v1/user").await.json, json!([]));
}

#[tokio::test]
async fn a_dump_of_one_server_restores_on_another_with_its_secrets() {
    let (here, there) = (Bed::new().await, Bed::new().await);
    let s3 = json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "region": "r",
        "access_key": "key", "access_secret": "open sesame"}}});
    here.add(&body_with("s3", &s3)).await;
    let gcs =
        json!({"filesystem": {"provider": 2, "gcsconfig": {"bucket": "b", "credentials": "e30="}}});
    here.add(&body_with("gcs", &gcs)).await;
    here.get("/api/v1/dumpdata?output_file=d").await;
    assert!(!read(&here, "d").contains("open sesame"));
    let file = here.dir.path().join("backups/d").display().to_string();
    assert_eq!(load(&there, &format!("input_file={file}")).await, 200);
    let reveal = async |bed: &Bed, name: &str| {
        let accounts = bed.api.accounts();
        let account = accounts.find(&ferryd_domain::Username::stored(name)).await.unwrap();
        accounts.with_clear_secrets(account).await.unwrap().filesystem
    };
    assert_eq!(reveal(&there, "s3").await.s3config.access_secret.expose(), "open sesame");
    assert_eq!(reveal(&there, "gcs").await.gcsconfig.credentials.expose(), "e30=");
}

#[tokio::test]
async fn without_user_management_nothing_is_restored() {
    let config = DataProviderConfig { manage_users: 0, ..DataProviderConfig::default() };
    let bed = Bed::with(config, |_, _| {}).await;
    let file = write(&bed, "in.json", &json!([body("a")]));
    assert_eq!(load(&bed, &format!("input_file={file}")).await, 403);
}
