//! `/version`, `/providerstatus`, `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::RestState;
use super::problem::{Answer, data, message};

pub(super) async fn version(State(state): State<RestState>) -> Response {
    data(&state.version)
}

pub(super) async fn provider(State(state): State<RestState>) -> Answer {
    state.accounts.check().await?;
    Ok(message(StatusCode::OK, "Alive"))
}

pub(super) async fn metrics() -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], ferryd_telemetry::metrics::render()).into_response()
}
