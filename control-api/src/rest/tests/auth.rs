use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use ferryd_data_provider::DataProviderConfig;
use ferryd_domain::{FaultKind, Secret};
use ferryd_rest::{HttpTransport, InProcess, RestClient, paths};
use serde_json::json;

use super::bed::{Answer, Bed, body};

async fn guarded() -> Bed {
    Bed::with(DataProviderConfig::default(), |dir, httpd| {
        let hash = bcrypt::hash("secret", 4).unwrap();
        std::fs::write(dir.path().join("users"), format!("admin:{hash}\n")).unwrap();
        httpd.auth_user_file = "users".into();
    })
    .await
}

async fn ask(bed: &Bed, path: &str, authorization: &str) -> Answer {
    let request = Request::builder()
        .uri(path)
        .header("authorization", authorization)
        .body(Body::empty())
        .unwrap();
    bed.send(request).await
}

fn basic(pair: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[tokio::test]
async fn the_right_password_lets_in() {
    let bed = guarded().await;
    for authorization in [basic("admin:secret"), basic("admin:secret").replace("Basic", "bASIC")] {
        assert_eq!(ask(&bed, paths::VERSION, &authorization).await.status, 200);
    }
}

#[tokio::test]
async fn everything_else_is_challenged() {
    let bed = guarded().await;
    for authorization in [
        String::new(),
        basic("admin:wrong"),
        basic("admin:"),
        basic("other:secret"),
        basic("admin"),
        "Basic !!!".into(),
        "Basic".into(),
        "Bearer secret".into(),
        basic("admin:secret").replace("Basic ", ""),
    ] {
        let answer = ask(&bed, paths::USERS, &authorization).await;
        assert_eq!(answer.status, 401, "{authorization}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm=\""));
        assert_eq!(answer.json, json!({"error": "Unauthorized", "message": "", "status": 401}));
    }
    for path in ["/metrics", "/web"] {
        let answer = bed.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (401, "Unauthorized"), "{path}");
    }
}

#[tokio::test]
async fn every_route_is_guarded_but_the_schema() {
    let bed = guarded().await;
    for (path, methods) in paths::ROUTES {
        for method in methods {
            let status = bed.call(method, &path.replace("{id}", "1"), "{}").await.status;
            let expected = if path == paths::OPENAPI { 200 } else { 401 };
            assert_eq!(status, expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_wrong_methods_and_the_root_are_open() {
    let bed = guarded().await;
    assert_eq!(bed.get("/api/v1/nothing").await.status, 404);
    assert_eq!(bed.call("POST", paths::VERSION, "").await.status, 405);
    assert_eq!(bed.get("/").await.status, 301);
}

#[tokio::test]
async fn calls_within_the_process_need_no_password() {
    let bed = guarded().await;
    let client = RestClient::new(InProcess::new(bed.router()));
    assert_eq!(client.version().await.unwrap().version, "1.2.3");
}

#[tokio::test]
async fn a_missing_file_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let httpd = crate::rest::HttpdConfig { auth_user_file: "users".into(), ..Default::default() };
    let settings = crate::ControlApiSettings {
        config_dir: dir.path().to_owned(),
        httpd,
        ..Default::default()
    };
    assert!(
        crate::ControlApi::build(settings).await.unwrap_err().public().contains("auth_user_file")
    );
}

#[tokio::test]
async fn the_client_over_http_shows_its_password() {
    ferryd_runtime::program::choose_crypto();
    let bed = guarded().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let shutdown = ferryd_runtime::CancellationToken::new();
    let server = tokio::spawn(crate::rest::serve(listener, bed.router(), None, shutdown.clone()));
    let transport = |password: &str| {
        HttpTransport::new(reqwest::Client::new(), &address)
            .with_basic_auth("admin", &Secret::new(password.to_owned()))
            .unwrap()
    };
    let client = RestClient::new(transport("secret"));
    let id = client.add_user(&body("bob")).await.unwrap().id;
    assert_eq!(client.user(id).await.unwrap().username.as_str(), "bob");
    let refused = RestClient::new(transport("wrong")).version().await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::Unauthenticated);
    shutdown.cancel();
    server.await.unwrap().unwrap();
    assert_eq!(client.version().await.unwrap_err().kind(), FaultKind::Unavailable);
}
