//! Request bodies: bounded in size and time. Their `Content-Type` is not looked at.

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::Request;
use bytes::{Bytes, BytesMut};
use ferryd_domain::{Fault, FaultKind};
use http_body_util::BodyExt;

use super::problem::Problem;

/// The largest body, in bytes.
const MAX_SIZE: usize = 1024 * 1024;
/// What is read and thrown away of a larger one: many clients read no answer while they send.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;
/// How long a client may take to send it.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// A whole body.
pub(super) struct WholeBody(pub(super) Bytes);

impl<S: Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, Problem> {
        match tokio::time::timeout(READ_LIMIT, read(request.into_body())).await {
            Ok(body) => Ok(Self(body?)),
            Err(_) => {
                Err(Fault::new(FaultKind::DeadlineExceeded, "the request body came too slowly")
                    .into())
            }
        }
    }
}

async fn read(mut body: Body) -> Result<Bytes, Fault> {
    let mut whole = BytesMut::new();
    let mut size: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Fault::invalid("the request body cannot be read").because(error))?;
        let Ok(data) = frame.into_data() else { continue };
        size = size.saturating_add(data.len());
        if size <= MAX_SIZE {
            whole.extend_from_slice(&data);
        } else if size > MAX_DISCARDED {
            break;
        }
    }
    if size > MAX_SIZE {
        return Err(Fault::invalid("the request body is larger than 1 MiB"));
    }
    Ok(whole.freeze())
}
