//! One record and one count per request that came over the network.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use ferryd_telemetry::metrics;
use ferryd_telemetry::records::{HttpRecord, http};

/// From where a connection comes and what it speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) scheme: &'static str,
}

/// Logs and counts a request once its answer is known.
pub(super) async fn record(
    State(peer): State<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let started = Instant::now();
    let proto = protocol(request.version());
    let method = request.method().clone();
    let user_agent = text(request.headers(), header::USER_AGENT);
    let uri = uri(peer.scheme, &request);
    let answer = next.run(request).await;
    metrics::http_request(answer.status().as_u16());
    http(&HttpRecord {
        remote_addr: &peer.address.to_string(),
        proto,
        method: method.as_str(),
        user_agent: &user_agent,
        uri: &uri,
        resp_status: answer.status().as_u16(),
        resp_size: answer.body().size_hint().exact().unwrap_or_default(),
        elapsed: started.elapsed(),
        request_id: &uuid::Uuid::new_v4().simple().to_string(),
    });
    answer
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn uri(scheme: &str, request: &Request<Body>) -> String {
    let host = match request.uri().authority() {
        // A client may send its password in front of the host.
        Some(authority) => {
            let text = authority.as_str();
            text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned()
        }
        None => text(request.headers(), header::HOST),
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{host}{path}")
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value =
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(target: &str) -> String {
        let request = Request::builder().uri(target).header("host", "h:1").body(Body::empty());
        uri("http", &request.unwrap())
    }

    #[test]
    fn the_uri_is_whole_and_shows_no_password() {
        assert_eq!(shown("/a?b=c"), "http://h:1/a?b=c");
        assert_eq!(shown("http://user:secret@other:2/a"), "http://other:2/a");
    }
}
