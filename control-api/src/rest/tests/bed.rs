//! A control plane in a directory of its own, and its router.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use ferryd_data_provider::DataProviderConfig;
use ferryd_rest::VersionInfo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::rest::HttpdConfig;
use crate::{ControlApi, ControlApiSettings};

pub(super) struct Bed {
    pub(super) api: ControlApi,
    pub(super) dir: TempDir,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    /// `Null` for other bodies.
    pub(super) json: Value,
    headers: axum::http::HeaderMap,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::with(DataProviderConfig::default(), |_, _| {}).await
    }

    /// Lets a test write files and point the settings at them.
    pub(super) async fn with(
        data_provider: DataProviderConfig,
        prepare: impl FnOnce(&TempDir, &mut HttpdConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut httpd = HttpdConfig::default();
        prepare(&dir, &mut httpd);
        let version = VersionInfo {
            version: "1.2.3".into(),
            build_date: String::new(),
            commit_hash: "abc".into(),
        };
        let api = ControlApi::build(ControlApiSettings {
            config_dir: dir.path().to_owned(),
            data_provider,
            httpd,
            version,
            ..ControlApiSettings::default()
        })
        .await
        .unwrap();
        Self { api, dir }
    }

    pub(super) fn router(&self) -> Router {
        self.api.rest.clone()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        self.send(request).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.router().oneshot(request).await.unwrap()).await
    }

    /// Adds a user and returns its id.
    pub(super) async fn add(&self, user: &Value) -> i64 {
        let answer = self.call("POST", "/api/v1/user", user.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["id"].as_i64().unwrap()
    }
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status: parts.status.as_u16(), text, json, headers: parts.headers }
}

/// Hashing is slow on purpose; a hash spares it where it does not matter.
pub(super) const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuW1HQ7gwUGYRAN8Ss2HQL1nMD3uMDZTy";

/// The smallest user that can be added.
pub(super) fn body(name: &str) -> Value {
    json!({
        "username": name, "password": HASH, "home_dir": "/srv/home", "status": 1,
        "permissions": {"/": ["*"]}
    })
}

/// The same with some fields replaced; a `null` removes one.
pub(super) fn body_with(name: &str, changes: &Value) -> Value {
    let mut body = body(name);
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(key);
        } else {
            body[key] = value.clone();
        }
    }
    body
}
