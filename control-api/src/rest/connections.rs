//! `/connection`: who is connected; closing a connection.

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ferryd_control_plane::{ConnectionId, SessionStatus, TransferStatus};
use ferryd_domain::FaultKind;
use ferryd_domain::raw_path::base64_unless_text;
use ferryd_rest::{ConnectionStatus, Transfer};

use super::RestState;
use super::problem::{Answer, data, message};
use super::query::PathText;

pub(super) async fn list(State(state): State<RestState>) -> Response {
    let sessions = state.nodes.sessions().await;
    let shown: Vec<ConnectionStatus> = sessions.into_iter().map(connection).collect();
    data(&shown)
}

pub(super) async fn close(State(state): State<RestState>, PathText(id): PathText) -> Answer {
    match state.nodes.close(&ConnectionId(id)).await {
        Ok(()) => Ok(message(StatusCode::OK, "Connection closed")),
        Err(fault) if fault.kind() == FaultKind::NotFound => {
            Ok(message(StatusCode::NOT_FOUND, "Not Found"))
        }
        Err(fault) => Err(fault.into()),
    }
}

fn connection(session: SessionStatus) -> ConnectionStatus {
    ConnectionStatus {
        username: session.username.to_string(),
        connection_id: session.connection.0,
        client_version: session.client_version,
        remote_address: address(session.client_address),
        connection_time: session.connected_at,
        last_activity: session.last_activity,
        protocol: session.protocol.unwrap_or_default(),
        active_transfers: session.transfers.into_iter().map(transfer).collect(),
        ssh_command: session.ssh_command,
    }
}

/// An IPv4 client of a listener for both families is shown as IPv4.
fn address(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

fn transfer(transfer: TransferStatus) -> Transfer {
    Transfer {
        operation_type: transfer.direction.name().to_owned(),
        path_base64: base64_unless_text(transfer.path.as_bytes()),
        path: transfer.path.to_text().into_owned(),
        start_time: transfer.started_at,
        last_activity: transfer.last_activity,
        size: transfer.size,
    }
}
