//! The node token: shown by nodes with each call, compared in constant time by the control plane.
//! Client certificates are checked by TLS before anything gets here.

use std::fmt;
use std::sync::Arc;

use ferryd_domain::{Fault, Secret};
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";

/// Lets calls in that show the token, or all calls when there is none.
#[derive(Clone)]
pub(crate) struct Gate {
    token: Option<Arc<Secret<String>>>,
}

impl Gate {
    /// Returns the gate for a token.
    pub(crate) fn new(token: Option<Secret<String>>) -> Self {
        Self { token: token.map(Arc::new) }
    }

    /// Tells whether the gate lets anybody in.
    pub(crate) fn is_open(&self) -> bool {
        self.token.is_none()
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(token) = &self.token else { return Ok(request) };
        let shown = request.metadata().get(HEADER).map(MetadataValue::as_encoded_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(SCHEME.as_bytes()));
        if shown.is_some_and(|shown| bool::from(shown.ct_eq(token.expose().as_bytes()))) {
            return Ok(request);
        }
        let node = request.remote_addr().map(|address| address.to_string());
        tracing::warn!(sender = "grpc", node, "a node without the right token was refused");
        Err(Status::unauthenticated("the node token is missing or wrong"))
    }
}

/// Shows the token with each call.
#[derive(Clone)]
pub(crate) struct Badge {
    header: Option<MetadataValue<Ascii>>,
}

impl Badge {
    /// Returns the badge for a token.
    pub(crate) fn new(token: Option<Secret<String>>) -> Result<Self, Fault> {
        let header = token.map(|token| header_value(&token)).transpose()?;
        Ok(Self { header })
    }
}

fn header_value(token: &Secret<String>) -> Result<MetadataValue<Ascii>, Fault> {
    let mut value = MetadataValue::<Ascii>::try_from(format!("{SCHEME}{}", token.expose()))
        .map_err(|error| Fault::invalid("the node token is no header value").because(error))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Interceptor for Badge {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.header {
            request.metadata_mut().insert(HEADER, header.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Badge")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Option<Secret<String>> {
        Some(Secret::new(text.to_owned()))
    }

    fn passes(gate: Option<Secret<String>>, badge: Option<Secret<String>>) -> bool {
        let request = Badge::new(badge).unwrap().call(Request::new(())).unwrap();
        Gate::new(gate).call(request).is_ok()
    }

    #[test]
    fn only_the_right_token_passes() {
        assert!(passes(secret("right-token-of-node"), secret("right-token-of-node")));
        assert!(!passes(secret("right-token-of-node"), secret("wrong-token-of-node")));
        assert!(!passes(secret("right-token-of-node"), secret("right-token")));
        assert!(!passes(secret("right-token-of-node"), None));
        assert!(passes(None, secret("any")) && passes(None, None));
    }
}
