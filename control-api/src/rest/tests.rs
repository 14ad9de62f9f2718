//! Every row of the API through its router, in process.

#![allow(clippy::disallowed_methods, reason = "tests make their own files")]

mod auth;
mod backups;
mod bed;
mod connections;
mod hostile;
mod listing;
mod schema;
mod users;

use bed::{Bed, body};
use serde_json::json;

#[tokio::test]
async fn the_version_is_one_object() {
    let bed = Bed::new().await;
    let answer = bed.get("/api/v1/version").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.json, json!({"version": "1.2.3", "build_date": "", "commit_hash": "abc"}));
}

#[tokio::test]
async fn a_provider_that_answers_is_alive() {
    let answer = Bed::new().await.get("/api/v1/providerstatus").await;
    assert_eq!(answer.json, json!({"error": "", "message": "Alive", "status": 200}));
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_say_so() {
    let bed = Bed::new().await;
    for path in ["/api/v1/nothing", "/nothing", "/api/v1/user/1/x", "/api/v1/user/"] {
        let answer = bed.get(path).await;
        assert_eq!(
            answer.json,
            json!({"error": "", "message": "Not Found", "status": 404}),
            "{path}"
        );
        assert_eq!(answer.status, 404);
    }
    for (method, path) in
        [("POST", "/api/v1/version"), ("PATCH", "/api/v1/user/1"), ("GET", "/api/v1/connection/x")]
    {
        let answer = bed.call(method, path, "").await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.json["message"], "Method not allowed");
        assert_eq!((&answer.json["error"], &answer.json["status"]), (&json!(""), &json!(405)));
    }
}

#[tokio::test]
async fn the_root_leads_to_the_web_admin() {
    let bed = Bed::new().await;
    for path in ["/", "/web"] {
        let answer = bed.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (301, "/web/users".to_owned()));
    }
}

#[tokio::test]
async fn metrics_are_plain_text_without_the_prefix() {
    let answer = Bed::new().await.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("sftpgo_http_req_total"), "{}", answer.text);
}

#[tokio::test]
async fn a_user_is_seen_as_a_client_sees_it() {
    let bed = Bed::new().await;
    let client = ferryd_rest::RestClient::new(ferryd_rest::InProcess::new(bed.router()));
    let added = client.add_user(&body("bob")).await.unwrap();
    assert_eq!(client.user(added.id).await.unwrap(), added);
    client.update_user(added.id, &json!({"uid": 5})).await.unwrap();
    let query = ferryd_rest::UserQuery::default();
    assert_eq!(client.users(&query).await.unwrap()[0].uid, 5);
    client.delete_user(added.id).await.unwrap();
    assert!(client.user(added.id).await.is_err());
}
