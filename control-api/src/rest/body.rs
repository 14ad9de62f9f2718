//! Request bodies: bounded in size and time. Their `Content-Type` is not looked at.

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::Request;
use bytes::Bytes;
use ferryd_domain::{Fault, FaultKind};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;

/// The largest body, in bytes.
const MAX_SIZE: usize = 1024 * 1024;
/// How long a client may take to send it.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// A whole body.
pub(super) struct WholeBody(pub(super) Bytes);

impl<S: Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, Problem> {
        let reading = Limited::new(request.into_body(), MAX_SIZE).collect();
        match tokio::time::timeout(READ_LIMIT, reading).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(Fault::invalid("the request body is larger than 1 MiB").into())
            }
            Ok(Err(error)) => Err(Fault::invalid("the request body cannot be read")
                .context(error.to_string())
                .into()),
            Err(_) => {
                Err(Fault::new(FaultKind::DeadlineExceeded, "the request body came too slowly")
                    .into())
            }
        }
    }
}
