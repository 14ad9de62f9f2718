use ferryd_data_provider::DataProviderConfig;
use serde_json::json;

use super::bed::{Bed, HASH, body, body_with};

#[tokio::test]
async fn adding_answers_with_the_user_as_stored_and_no_secret() {
    let bed = Bed::new().await;
    let user = body_with("bob", &json!({"id": 77, "used_quota_files": 5, "password": "clear"}));
    let answer = bed.call("POST", "/api/v1/user", user.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["id"], 1);
    assert_eq!(answer.json["used_quota_files"], 0);
    assert_eq!(answer.json["filters"], json!({}));
    assert_eq!(answer.json["filesystem"], json!({"provider": 0, "s3config": {}, "gcsconfig": {}}));
    for absent in ["password", "public_keys", "virtual_folders"] {
        assert!(answer.json.get(absent).is_none(), "{absent}");
    }
    assert!(!answer.text.contains("argon2"));
    assert_eq!(bed.get("/api/v1/user/1").await.json, answer.json);
}

#[tokio::test]
async fn a_missing_status_means_disabled() {
    let bed = Bed::new().await;
    bed.add(&body_with("bob", &json!({"status": null}))).await;
    assert_eq!(bed.get("/api/v1/user/1").await.json["status"], 0);
}

#[tokio::test]
async fn invalid_users_are_refused_and_not_stored() {
    let bed = Bed::new().await;
    let list: Vec<_> = (0..13).map(|_| "list").collect();
    for changes in [
        json!({"username": ""}),
        json!({"username": "x".repeat(256)}),
        json!({"home_dir": ""}),
        json!({"home_dir": "rel"}),
        json!({"password": null}),
        json!({"permissions": null}),
        json!({"permissions": {"/a": ["*"]}}),
        json!({"permissions": {"/": []}}),
        json!({"permissions": {"/": ["fly"]}}),
        json!({"permissions": {"/": list}}),
        json!({"permissions": {"/": ["*"], "rel": ["*"]}}),
        json!({"permissions": {"/": ["*"], "/.": ["*"]}}),
        json!({"permissions": ["*"]}),
        json!({"status": 2}),
        json!({"status": "1"}),
        json!({"uid": 1.5}),
        json!({"public_keys": ["nonsense"]}),
        json!({"filters": {"allowed_ip": ["192.0.2.1"]}}),
        json!({"filters": {"denied_ip": ["x/8"]}}),
        json!({"filters": {"denied_login_methods": ["none"]}}),
        json!({"filters": {"denied_login_methods": ["publickey", "password", "keyboard-interactive"]}}),
        json!({"filters": {"file_extensions": [{"path": "/"}]}}),
        json!({"filters": {"file_extensions": [{"path": "rel", "allowed_extensions": [".a"]}]}}),
        json!({"filesystem": {"provider": 3}}),
        json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b"}}}),
        json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "region": "r", "access_key": "k"}}}),
        json!({"filesystem": {"provider": 2, "gcsconfig": {"bucket": "b"}}}),
        json!({"filesystem": {"provider": 2, "gcsconfig": {"bucket": "b", "credentials": "!"}}}),
        json!({"virtual_folders": [{"virtual_path": "/", "mapped_path": "/m"}]}),
        json!({"virtual_folders": [{"virtual_path": "/v", "mapped_path": "/srv/home/m"}]}),
    ] {
        let user = body_with("bob", &changes);
        let answer = bed.call("POST", "/api/v1/user", user.to_string()).await;
        assert_eq!(answer.status, 400, "{changes}: {}", answer.text);
        assert_eq!(answer.json["status"], 400);
        assert!(!answer.json["error"].as_str().unwrap().is_empty(), "{changes}");
    }
    assert_eq!(bed.get("/api/v1/user").await.json, json!([]));
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let bed = Bed::new().await;
    bed.add(&body("bob")).await;
    let answer = bed.call("POST", "/api/v1/user", body("bob").to_string()).await;
    assert_eq!(answer.status, 409);
    bed.add(&body("Bob")).await;
}

#[tokio::test]
async fn ids_are_whole_numbers_of_users() {
    let bed = Bed::new().await;
    for (path, status) in [
        ("/api/v1/user/x", 400),
        ("/api/v1/user/1.5", 400),
        ("/api/v1/user/99999999999999999999", 400),
        ("/api/v1/user/%00", 400),
        ("/api/v1/user/%ff", 400),
        ("/api/v1/user/7", 404),
        ("/api/v1/user/-1", 404),
        ("/api/v1/user/0", 404),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = bed.call(method, path, "{}").await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.json["status"], status, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_name() {
    let bed = Bed::new().await;
    let rich = body_with(
        "bob",
        &json!({
            "uid": 5, "permissions": {"/": ["*"], "/a": ["list"]},
            "virtual_folders": [{"virtual_path": "/v", "mapped_path": "/m"}],
            "filters": {"allowed_ip": ["10.0.0.0/8"],
                "file_extensions": [{"path": "/", "allowed_extensions": [".a"], "denied_extensions": []}]}
        }),
    );
    let id = bed.add(&rich).await;
    let before = bed.get("/api/v1/user/1").await.json;
    let answer =
        bed.call("PUT", "/api/v1/user/1", json!({"id": id, "username": "eve"}).to_string()).await;
    assert_eq!(answer.json, json!({"error": "", "message": "User updated", "status": 200}));
    assert_eq!(bed.get("/api/v1/user/1").await.json, before);
    let changes = json!({"permissions": {"/": ["list"]}, "virtual_folders": [],
        "filters": {"file_extensions": []}});
    bed.call("PUT", "/api/v1/user/1", changes.to_string()).await;
    let after = bed.get("/api/v1/user/1").await.json;
    assert_eq!(after["permissions"], json!({"/": ["list"]}));
    assert!(after.get("virtual_folders").is_none());
    assert_eq!(after["filters"], json!({"allowed_ip": ["10.0.0.0/8"]}));
    assert_eq!(after["uid"], 5);
}

#[tokio::test]
async fn an_invalid_update_changes_nothing() {
    let bed = Bed::new().await;
    bed.add(&body("bob")).await;
    let before = bed.get("/api/v1/user/1").await.json;
    for bad in ["", "null", "[]", "\"x\"", "{", r#"{"id":2}"#, r#"{"home_dir":"rel"}"#] {
        assert_eq!(bed.call("PUT", "/api/v1/user/1", bad.to_owned()).await.status, 400, "{bad}");
    }
    assert_eq!(bed.get("/api/v1/user/1").await.json, before);
}

#[tokio::test]
async fn a_removed_user_is_gone() {
    let bed = Bed::new().await;
    bed.add(&body("bob")).await;
    let answer = bed.call("DELETE", "/api/v1/user/1", "").await;
    assert_eq!(answer.json, json!({"error": "", "message": "User deleted", "status": 200}));
    assert_eq!(bed.call("DELETE", "/api/v1/user/1", "").await.status, 404);
}

#[tokio::test]
async fn without_user_management_changes_are_forbidden_and_views_work() {
    let config = DataProviderConfig { manage_users: 0, ..DataProviderConfig::default() };
    let bed = Bed::with(config, |_, _| {}).await;
    for (method, path) in
        [("POST", "/api/v1/user"), ("PUT", "/api/v1/user/1"), ("DELETE", "/api/v1/user/1")]
    {
        assert_eq!(bed.call(method, path, body("bob").to_string()).await.status, 403, "{method}");
    }
    assert_eq!(bed.get("/api/v1/user").await.status, 200);
}

#[tokio::test]
async fn an_s3_secret_is_shown_sealed_and_kept_when_sent_back() {
    let bed = Bed::new().await;
    let s3 = json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "region": "r",
        "access_key": "key", "access_secret": "open sesame", "key_prefix": "a/b"}}});
    bed.add(&body_with("bob", &s3)).await;
    let shown = bed.get("/api/v1/user/1").await.json;
    let secret = shown["filesystem"]["s3config"]["access_secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("$aes$") && secret.matches('$').count() == 2, "{secret}");
    assert_eq!(shown["filesystem"]["s3config"]["key_prefix"], "a/b/");
    assert_eq!(bed.call("PUT", "/api/v1/user/1", shown.to_string()).await.status, 200);
    assert_eq!(bed.get("/api/v1/user/1").await.json, shown);
    let empty = json!({"filesystem": {"s3config": {"access_secret": ""}}});
    assert_eq!(bed.call("PUT", "/api/v1/user/1", empty.to_string()).await.status, 200);
    assert_eq!(bed.get("/api/v1/user/1").await.json, shown);
    let other = json!({"filesystem": {"s3config": {"access_secret": "other"}}});
    assert_eq!(bed.call("PUT", "/api/v1/user/1", other.to_string()).await.status, 200);
    assert_ne!(bed.get("/api/v1/user/1").await.json, shown);
}

#[tokio::test]
async fn gcs_credentials_are_in_no_answer() {
    let bed = Bed::new().await;
    let gcs = json!({"filesystem": {"provider": 2,
        "gcsconfig": {"bucket": "b", "credentials": "eyJhIjoxfQ=="}}});
    bed.add(&body_with("bob", &gcs)).await;
    let shown = bed.get("/api/v1/user/1").await.json;
    assert_eq!(shown["filesystem"]["gcsconfig"], json!({"bucket": "b"}));
    assert_eq!(bed.call("PUT", "/api/v1/user/1", shown.to_string()).await.status, 200);
    let files = std::fs::read_dir(bed.dir.path().join("credentials")).unwrap().count();
    assert_eq!(files, 1);
}

#[tokio::test]
async fn hashes_of_every_known_form_are_stored_as_sent() {
    let bed = Bed::new().await;
    for (index, hash) in [
        "$argon2id$v=19$m=65536,t=3,p=2$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$2a$04$x", "$2b$04$x", HASH, "$pbkdf2-sha1$1$s$x", "$pbkdf2-sha256$1$s$x",
        "$pbkdf2-sha512$1$s$x", "$1$s$x", "$apr1$s$x", "$6$s$x",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{index}");
        bed.add(&body_with(&name, &json!({"password": hash}))).await;
        bed.get(&format!("/api/v1/dumpdata?output_file={name}")).await;
        let dump = std::fs::read_to_string(bed.dir.path().join("backups").join(&name)).unwrap();
        assert!(dump.contains(&format!("\"password\":\"{hash}\"")), "{hash}");
    }
}
