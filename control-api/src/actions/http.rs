//! Calls an HTTP service for each event: GET for files, POST for accounts. The answer is ignored.

use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::{AccountEvent, Fault, FileEvent};
use reqwest::{Client, RequestBuilder, Url};
use tokio::time::Instant;

use super::queue::Receiver;

/// For an event, tries included.
const LIMIT: Duration = Duration::from_secs(15);
/// Pauses before another try, when no connection could be made: nothing was sent then.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// An address to call.
#[derive(Debug)]
pub(super) struct HttpReceiver {
    url: Url,
    client: Client,
}

impl HttpReceiver {
    pub(super) fn new(url: &str) -> Result<Self, Fault> {
        let url: Url =
            url.parse().map_err(|_| Fault::invalid("http_notification_url is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Fault::invalid("http_notification_url is neither http nor https"));
        }
        // The process may have chosen already; tests have not.
        ferryd_runtime::program::choose_crypto();
        let client = Client::builder()
            .timeout(LIMIT)
            .build()
            .map_err(|error| Fault::internal("HTTP client").because(error))?;
        Ok(Self { url, client })
    }

    /// Sends a request, again when the service could not be reached.
    async fn send(&self, request: RequestBuilder) -> Result<(), Fault> {
        let deadline = Instant::now() + LIMIT;
        for pause in PAUSES {
            match attempt(&request, deadline).await {
                Err(error) if error.is_connect() && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                }
                result => return result.map_err(unreachable),
            }
        }
        attempt(&request, deadline).await.map_err(unreachable)
    }
}

async fn attempt(request: &RequestBuilder, deadline: Instant) -> Result<(), reqwest::Error> {
    let Some(request) = request.try_clone() else { return Ok(()) };
    let left = deadline.saturating_duration_since(Instant::now());
    request.timeout(left).send().await.map(drop)
}

fn unreachable(error: reqwest::Error) -> Fault {
    // The address may hold a token in its query.
    Fault::unavailable("HTTP notification").because(error.without_url())
}

#[async_trait]
impl Receiver<FileEvent> for HttpReceiver {
    async fn tell(&self, event: &FileEvent) -> Result<(), Fault> {
        self.send(self.client.get(file_url(&self.url, event))).await
    }
}

#[async_trait]
impl Receiver<AccountEvent> for HttpReceiver {
    async fn tell(&self, event: &AccountEvent) -> Result<(), Fault> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("action", event.action.name());
        self.send(self.client.post(url).json(&event.account.without_secrets())).await
    }
}

/// Returns the address with the event added to the query that it may have. Values are bytes, in
/// the form of `application/x-www-form-urlencoded`: a path need not be UTF-8.
fn file_url(base: &Url, event: &FileEvent) -> Url {
    let size = if event.file_size == 0 { String::new() } else { event.file_size.to_string() };
    let mut query = base.query().unwrap_or_default().to_owned();
    append(&mut query, "action", event.action.name().as_bytes());
    append(&mut query, "username", event.username.as_str().as_bytes());
    append(&mut query, "path", event.path.as_bytes());
    append(&mut query, "local_file", if event.local_file { b"true" } else { b"false" });
    let optional = [
        ("target_path", event.target_path.as_bytes()),
        ("ssh_cmd", event.ssh_command.as_bytes()),
        ("file_size", size.as_bytes()),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        append(&mut query, name, value);
    }
    let mut url = base.clone();
    url.set_query(Some(&query));
    url
}

fn append(query: &mut String, name: &str, value: &[u8]) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.extend(form_urlencoded::byte_serialize(value));
}
