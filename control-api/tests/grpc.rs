//! The suite of every control plane over gRPC, as nodes on other hosts see this one; what
//! administrators do goes through REST.
#![cfg(feature = "grpc")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request};
use control_api::{ControlApi, ControlApiSettings, SftpdHooks};
use ferryd_control_plane::contract::Fixture;
use ferryd_control_plane::{ConnectionId, ControlPlane};
use ferryd_data_provider::DataProviderConfig;
use ferryd_domain::{Account, Secret, Username};
use ferryd_proto::{GrpcClientConfig, GrpcControlPlane, GrpcServer, GrpcServerConfig};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

/// Asks for the password and leaves the check to the server.
const DIALOG: &str = r#"#!/bin/sh
echo '{"questions":["Password: "],"echos":[false],"check_password":1}'
read ANSWER
[ "$ANSWER" = OK ] && echo '{"auth_result":1}'
"#;

#[derive(Debug)]
struct Split {
    near: Arc<GrpcControlPlane>,
    far: ControlApi,
    _stop: DropGuard,
    _folder: TempDir,
}

async fn split() -> Arc<Split> {
    let folder = tempfile::tempdir().unwrap();
    let far = ControlApi::build(settings(folder.path())).await.unwrap();
    let config = GrpcServerConfig { bind_port: 0, ..GrpcServerConfig::default() };
    let bound = GrpcServer::bind(&config, folder.path()).await.unwrap();
    let config = GrpcClientConfig { url: bound.url(), ..GrpcClientConfig::default() };
    let near = Arc::new(GrpcControlPlane::new(&config, folder.path()).unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(bound.run(Arc::clone(&far.control_plane), shutdown.clone()));
    Arc::new(Split { near, far, _stop: shutdown.drop_guard(), _folder: folder })
}

fn settings(folder: &Path) -> ControlApiSettings {
    ControlApiSettings {
        config_dir: folder.to_owned(),
        data_provider: DataProviderConfig {
            driver: "memory".into(),
            name: String::new(),
            track_quota: 1,
            ..DataProviderConfig::default()
        },
        sftpd: SftpdHooks {
            keyboard_interactive_auth_program: dialog_program(folder),
            ..SftpdHooks::default()
        },
        ..ControlApiSettings::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "tests write their own scripts")]
fn dialog_program(folder: &Path) -> String {
    let program = folder.join("dialog");
    std::fs::write(&program, DIALOG).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

impl Split {
    async fn rest(&self, method: Method, path: &str, body: String) {
        let path = format!("/api/v1/{path}");
        let request = Request::builder().method(method).uri(&path).body(Body::from(body)).unwrap();
        let answer = self.far.rest.clone().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

#[async_trait]
impl Fixture for Split {
    fn control_plane(&self) -> Arc<dyn ControlPlane> {
        Arc::clone(&self.near) as _
    }

    async fn add_account(&self, account: Account, password: &str) {
        let account = Account { password: Secret::new(password.to_owned()), ..account };
        self.rest(Method::POST, "user", serde_json::to_string(&account).unwrap()).await;
    }

    async fn close_connection(&self, connection: &ConnectionId) {
        self.rest(Method::DELETE, &format!("connection/{connection}"), String::new()).await;
    }

    async fn start_scan(&self, username: &Username) {
        let body = format!(r#"{{"username":"{username}"}}"#);
        self.rest(Method::POST, "quota_scan", body).await;
    }
}

ferryd_control_plane::control_plane_contract!(split().await);
