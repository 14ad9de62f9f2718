//! Answers: data as JSON, and faults as `ApiResponse` with the fitting status.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ferryd_domain::{Fault, FaultKind};
use ferryd_rest::ApiResponse;
use serde::Serialize;

/// What a handler returns.
pub(super) type Answer = Result<Response, Problem>;

/// A fault on its way to the client.
#[derive(Debug)]
pub(super) struct Problem(Fault);

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = status_of(self.0.kind());
        if status.is_server_error() {
            tracing::error!(sender = "httpd", error = %self.0, "request failed");
        }
        json(status, &ApiResponse::failed(status.as_u16(), self.0.public().to_owned()))
    }
}

/// The API knows fewer kinds than there are: whatever is nobody's mistake is 500.
fn status_of(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::InvalidInput | FaultKind::BadMessage => StatusCode::BAD_REQUEST,
        FaultKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        FaultKind::PermissionDenied => StatusCode::FORBIDDEN,
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::AlreadyExists | FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        FaultKind::NotADirectory
        | FaultKind::IsADirectory
        | FaultKind::NotEmpty
        | FaultKind::QuotaExceeded
        | FaultKind::Unsupported
        | FaultKind::TooManySessions
        | FaultKind::Unavailable
        | FaultKind::Failed
        | FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns an answer with a message.
pub(super) fn message(status: StatusCode, message: &'static str) -> Response {
    json(status, &ApiResponse::done(status.as_u16(), message))
}

/// Returns an answer with data.
pub(super) fn data(value: &impl Serialize) -> Response {
    json(StatusCode::OK, value)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body)
            .into_response(),
        Err(error) => {
            tracing::error!(sender = "httpd", %error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
