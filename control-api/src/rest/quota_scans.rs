//! `/quota_scan`: scans that run; starting one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ferryd_domain::account::json::parse_account;
use ferryd_rest::QuotaScan;

use super::RestState;
use super::body::WholeBody;
use super::problem::{Answer, data, message};

pub(super) async fn list(State(state): State<RestState>) -> Response {
    let scans: Vec<QuotaScan> = state
        .quota_scans
        .running()
        .into_iter()
        .map(|(username, start_time)| QuotaScan { username: username.to_string(), start_time })
        .collect();
    data(&scans)
}

pub(super) async fn start(State(state): State<RestState>, WholeBody(body): WholeBody) -> Answer {
    let asked = parse_account(&body)?;
    let account = state.accounts.find(&asked.username).await?;
    state.quota_scans.start(account).await?;
    Ok(message(StatusCode::CREATED, "Scan started"))
}
