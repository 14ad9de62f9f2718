use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;

/// Pages of a server that runs until it is told to end.
struct Bed {
    address: SocketAddr,
    shutdown: CancellationToken,
    end: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
}

impl Bed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pages = Pages { listener: Some(listener) };
        let address = pages.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (end, ended) = oneshot::channel();
        let token = shutdown.clone();
        let server = tokio::spawn(async move {
            pages.beside(async { ended.await.unwrap() }, &token).await;
        });
        Self { address, shutdown, end, server }
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn metrics_and_health_are_told_and_nothing_else() {
    let bed = Bed::start().await;
    let metrics = bed.ask("GET /metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("sftpgo_uploads_total"), "{metrics}");
    let health = bed.ask("GET /healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    assert!(bed.ask("HEAD /healthz").await.starts_with("HTTP/1.1 200"));
    assert!(bed.ask("POST /metrics").await.starts_with("HTTP/1.1 405"));
    assert!(bed.ask("GET /").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_server_that_ends_is_not_healthy_and_takes_the_pages_with_it() {
    let bed = Bed::start().await;
    bed.shutdown.cancel();
    assert!(bed.ask("GET /healthz").await.starts_with("HTTP/1.1 503"));
    assert!(bed.ask("GET /metrics").await.starts_with("HTTP/1.1 200"));
    bed.end.send(()).unwrap();
    bed.server.await.unwrap();
    assert!(TcpStream::connect(bed.address).await.is_err());
}

#[tokio::test]
async fn silent_watchers_do_not_keep_others_out_for_ever() {
    let bed = Bed::start().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(bed.address).await.unwrap());
    }
    tokio::time::pause();
    let answer = bed.ask("GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn without_a_port_the_server_runs_alone() {
    let pages = Pages::bind(&TelemetryConfig::default()).unwrap();
    assert_eq!(pages.local_addr(), None);
    assert_eq!(pages.beside(async { 7 }, &CancellationToken::new()).await, 7);
}
