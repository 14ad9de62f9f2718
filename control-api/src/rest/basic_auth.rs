//! Who may use the API: everybody, or the users of an htpasswd file by basic authentication.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use ferryd_domain::Secret;
use ferryd_rest::transport::InProcessCall;
use ferryd_rest::{ApiResponse, paths};

use super::htpasswd::Htpasswd;

const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"ferryd\"");

/// Decides about requests. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard(Option<Arc<Htpasswd>>);

impl Guard {
    /// Lets everybody in.
    pub fn open() -> Self {
        Self(None)
    }

    /// Lets the users of the file in.
    pub fn with(file: Htpasswd) -> Self {
        Self(Some(Arc::new(file)))
    }

    /// Tells whether the bearer of these credentials is let in.
    async fn lets_in(&self, offered: Offered) -> bool {
        match (&self.0, offered) {
            (None, _) | (Some(_), Offered::InProcess) => true,
            (Some(_), Offered::Nothing) => false,
            (Some(file), Offered::Basic(name, password)) => file.accepts(&name, &password).await,
        }
    }
}

/// What a request shows.
enum Offered {
    /// It comes from code of this process, whose caller has checked who asks.
    InProcess,
    /// Name and password.
    Basic(String, Secret<String>),
    /// Nothing that is understood.
    Nothing,
}

impl Offered {
    fn by(request: &Request<Body>) -> Self {
        if request.extensions().get::<InProcessCall>().is_some() {
            return Self::InProcess;
        }
        match credentials(request.headers()) {
            Some((name, password)) => Self::Basic(name, password),
            None => Self::Nothing,
        }
    }
}

/// Passes a request on, or answers 401. Use it as a layer of routes.
pub async fn check(State(guard): State<Guard>, request: Request<Body>, next: Next) -> Response {
    let offered = Offered::by(&request);
    if guard.lets_in(offered).await {
        return next.run(request).await;
    }
    refusal(request.uri().path())
}

fn refusal(path: &str) -> Response {
    let mut answer = if path.starts_with(paths::BASE) {
        let body = ApiResponse::failed(StatusCode::UNAUTHORIZED.as_u16(), "Unauthorized");
        let kind = "application/json; charset=utf-8";
        let body = serde_json::to_vec(&body).unwrap_or_default();
        (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, kind)], body).into_response()
    } else {
        (StatusCode::UNAUTHORIZED, "Unauthorized").into_response()
    };
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    answer
}

/// Reads `Authorization: Basic ...` (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, Secret<String>)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (name, password) = pair.split_once(':')?;
    Some((name.to_owned(), Secret::new(password.to_owned())))
}
