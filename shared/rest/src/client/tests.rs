use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use ferryd_domain::FaultKind;

use super::*;
use crate::{InProcess, LoadMode, ScanAfterLoad};

fn client(router: Router) -> RestClient<InProcess> {
    RestClient::new(InProcess::new(router))
}

#[tokio::test]
async fn data_comes_back_as_data() {
    let router = Router::new().route(
        paths::USERS,
        get(|RawQuery(query): RawQuery| async move {
            assert_eq!(query.as_deref(), Some("limit=7&offset=0&order=ASC&username=a%26b"));
            Json(vec![serde_json::json!({"id": 3, "username": "a&b"})])
        }),
    );
    let query = UserQuery { limit: 7, username: Some("a&b".into()), ..UserQuery::default() };
    let users = client(router).users(&query).await.unwrap();
    assert_eq!((users[0].id, users[0].username.as_str()), (3, "a&b"));
}

#[tokio::test]
async fn refusals_come_back_as_faults_with_the_servers_text() {
    let router = Router::new().route(
        paths::CONNECTION,
        delete(|Path(id): Path<String>| async move {
            assert_eq!(id, "a/b");
            (StatusCode::NOT_FOUND, Json(ApiResponse::done(404, "Not Found")))
        }),
    );
    let fault = client(router).close_connection("a/b").await.unwrap_err();
    assert_eq!((fault.kind(), fault.public()), (FaultKind::NotFound, "Not Found"));
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_a_fault() {
    let router = Router::new()
        .route(paths::VERSION, get(|| async { "hello" }))
        .route(paths::PROVIDER_STATUS, get(|| async { StatusCode::BAD_GATEWAY }));
    let client = client(router);
    assert_eq!(client.version().await.unwrap_err().kind(), FaultKind::Unavailable);
    assert_eq!(client.provider_status().await.unwrap_err().kind(), FaultKind::Unavailable);
}

#[test]
fn choices_are_numbers_in_queries() {
    let query = LoadQuery {
        input_file: "x".into(),
        scan_quota: ScanAfterLoad::WithLimits,
        mode: LoadMode::KeepExisting,
    };
    let uri = with_query(paths::RESTORE, &query).unwrap();
    assert_eq!(uri, "/api/v1/restore?input_file=x&scan_quota=2&mode=1");
}
