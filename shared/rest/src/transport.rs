//! How a request gets to the API: over HTTP, or straight into its router in the same process.

use std::fmt;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, HttpBody};
use base64::Engine;
use bytes::Bytes;
use ferryd_domain::{Fault, Secret};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use tower::ServiceExt;

/// The largest answer that a client takes, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Carries requests to the API. The URI of a request has path and query alone.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request and returns the whole answer.
    ///
    /// # Errors
    /// `Unavailable` when no answer comes.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Fault>;
}

/// Requests over HTTP or HTTPS.
#[derive(Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    address: String,
    authorization: Option<HeaderValue>,
}

impl HttpTransport {
    /// Sends to a server, e.g. `http://127.0.0.1:8080`.
    pub fn new(client: reqwest::Client, address: &str) -> Self {
        Self { client, address: address.trim_end_matches('/').to_owned(), authorization: None }
    }

    /// Adds HTTP basic authentication.
    ///
    /// # Errors
    /// `InvalidInput` for a name with a colon.
    pub fn with_basic_auth(mut self, name: &str, password: &Secret<String>) -> Result<Self, Fault> {
        self.authorization = Some(basic_auth(name, password)?);
        Ok(self)
    }
}

fn basic_auth(name: &str, password: &Secret<String>) -> Result<HeaderValue, Fault> {
    if name.contains(':') {
        return Err(Fault::invalid("the name of an HTTP user cannot contain a colon"));
    }
    let pair = format!("{name}:{}", password.expose());
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(text)
        .map_err(|error| Fault::internal("authorization header").because(error))?;
    value.set_sensitive(true);
    Ok(value)
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let (parts, body) = request.into_parts();
        let mut outgoing = self
            .client
            .request(parts.method, format!("{}{}", self.address, parts.uri))
            .headers(parts.headers)
            .body(body);
        if let Some(authorization) = &self.authorization {
            outgoing = outgoing.header(header::AUTHORIZATION, authorization);
        }
        let answer = outgoing.send().await.map_err(unreachable_api)?;
        let answer: Response<reqwest::Body> = answer.into();
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, collect(body).await?))
    }
}

fn unreachable_api(error: reqwest::Error) -> Fault {
    // The address may hold a password.
    Fault::unavailable("REST API").because(error.without_url())
}

/// Marks a request that code of this process makes. It cannot come over the network, so the API
/// asks it for no credentials: its maker has authenticated the caller.
#[derive(Clone, Copy, Debug)]
pub struct InProcessCall;

/// Requests straight into the router: no socket, no second form of the API.
#[derive(Clone, Debug)]
pub struct InProcess {
    router: Router,
}

impl InProcess {
    /// Sends to this router.
    pub fn new(router: Router) -> Self {
        Self { router }
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(InProcessCall);
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, collect(body).await?))
    }
}

async fn collect<B>(body: B) -> Result<Bytes, Fault>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(Fault::unavailable(format!("answer of the REST API: {error}"))),
    }
}
