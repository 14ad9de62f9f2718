//! The suite of every control plane, with the link between it and the one for unit tests.

use std::sync::Arc;

use async_trait::async_trait;
use ferryd_control_plane::contract::Fixture;
use ferryd_control_plane::fake::FakeControlPlane;
use ferryd_control_plane::{ConnectionId, ControlPlane, NodeCommand};
use ferryd_domain::{Account, Secret, Username};
use ferryd_proto::{GrpcControlPlane, GrpcServer};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::setup::{certificates, client, on_free_port};

#[derive(Debug)]
struct Linked {
    near: Arc<GrpcControlPlane>,
    far: Arc<FakeControlPlane>,
    _stop: DropGuard,
}

async fn linked() -> Arc<Linked> {
    let far = FakeControlPlane::new();
    let bound = GrpcServer::bind(&on_free_port(), &certificates()).await.unwrap();
    let near = Arc::new(client(&bound.url()));
    let shutdown = CancellationToken::new();
    tokio::spawn(bound.run(far.clone(), shutdown.clone()));
    Arc::new(Linked { near, far, _stop: shutdown.drop_guard() })
}

#[async_trait]
impl Fixture for Linked {
    fn control_plane(&self) -> Arc<dyn ControlPlane> {
        Arc::clone(&self.near) as _
    }

    async fn add_account(&self, account: Account, password: &str) {
        let password = Secret::new(password.to_owned());
        self.far.put_account(Account { password, ..account });
    }

    async fn close_connection(&self, connection: &ConnectionId) {
        self.far.command(&NodeCommand::CloseConnection(connection.clone()));
    }

    async fn start_scan(&self, username: &Username) {
        self.far.start_scan(username);
    }
}

ferryd_control_plane::control_plane_contract!(linked().await);
