//! Calls an HTTP service for each event: GET for files, POST for accounts. Of the answer only the
//! status counts, for the log.

use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::{AccountEvent, Fault, FileEvent};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::time::Instant;

use super::queue::Receiver;
use super::report::{Destination, Event, Failure, failed, host_of, succeeded};

/// For an event, tries included.
const LIMIT: Duration = Duration::from_secs(15);
/// Pauses before another try, when no connection could be made: nothing was sent then.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// An address to call.
#[derive(Debug)]
pub(super) struct HttpReceiver {
    url: Url,
    host: String,
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
        Ok(Self { host: host_of(&url), url, client })
    }

    fn destination(&self) -> Destination<'_> {
        Destination::Host(&self.host)
    }

    /// Sends a request, again when the service could not be reached.
    async fn send(&self, event: &impl Event, request: impl Fn() -> RequestBuilder) {
        let deadline = Instant::now() + LIMIT;
        let mut pauses = PAUSES.into_iter();
        let mut number = 1;
        loop {
            let failure = match attempt(request(), deadline).await {
                Ok(status) if status.is_success() => return succeeded(self.destination()),
                Ok(status) => Attempt::Answered(status),
                Err(error) => Attempt::Broken(error),
            };
            let may_repeat = failure.was_not_sent();
            failed(event, self.destination(), number, &failure.into());
            let pause = pauses.next().filter(|pause| Instant::now() + *pause < deadline);
            let Some(pause) = pause.filter(|_| may_repeat) else { return };
            tokio::time::sleep(pause).await;
            number += 1;
        }
    }
}

/// An attempt that was no success.
enum Attempt {
    Answered(StatusCode),
    Broken(reqwest::Error),
}

impl Attempt {
    /// Tells whether no connection could be made.
    fn was_not_sent(&self) -> bool {
        matches!(self, Self::Broken(error) if error.is_connect())
    }
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Answered(status) => Self::Status(status.as_u16()),
            // The address may hold a token in its query.
            Attempt::Broken(error) => {
                Self::Fault(Fault::failed("no answer").because(error.without_url()))
            }
        }
    }
}

/// Sends a request once and returns the status of the answer.
async fn attempt(request: RequestBuilder, deadline: Instant) -> Result<StatusCode, reqwest::Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    request.timeout(left).send().await.map(|answer| answer.status())
}

#[async_trait]
impl Receiver<FileEvent> for HttpReceiver {
    fn destination(&self) -> Destination<'_> {
        self.destination()
    }

    async fn tell(&self, event: &FileEvent) {
        let url = file_url(&self.url, event);
        self.send(event, || self.client.get(url.clone())).await;
    }
}

#[async_trait]
impl Receiver<AccountEvent> for HttpReceiver {
    fn destination(&self) -> Destination<'_> {
        self.destination()
    }

    async fn tell(&self, event: &AccountEvent) {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("action", event.action.name());
        let body = event.account.without_secrets();
        self.send(event, || self.client.post(url.clone()).json(&body)).await;
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
