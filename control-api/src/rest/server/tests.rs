mod tls;

use std::time::Duration;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Fault>>,
}

async fn start(router: Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, None, shutdown.clone()));
    Running { address, shutdown, task }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Sends bytes and returns everything that comes back until the server closes.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered() {
    let server = start(hello()).await;
    let answer = talk(server.address, REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn large_headers_and_malformed_requests_are_refused_and_the_server_goes_on() {
    let server = start(hello()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEADERS + 1));
    assert!(talk(server.address, large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    for malformed in
        [b"GET /\0 HTTP/1.1\r\n\r\n".as_slice(), b"\0\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let answer = talk(server.address, malformed).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(talk(server.address, REQUEST).await.contains("hello"));
}

#[tokio::test]
async fn a_running_request_ends_before_the_server_does() {
    let (entered_tx, mut entered) = tokio::sync::mpsc::channel::<()>(1);
    let release = CancellationToken::new();
    let released = release.clone();
    let router = Router::new().route(
        "/",
        get(move || async move {
            entered_tx.send(()).await.unwrap();
            released.cancelled().await;
            "late"
        }),
    );
    let server = start(router).await;
    let asking = tokio::spawn(async move { talk(server.address, REQUEST).await });
    entered.recv().await.unwrap();
    server.shutdown.cancel();
    release.cancel();
    assert!(asking.await.unwrap().ends_with("late"));
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_or_idle_is_cut_off() {
    for (sent, limit) in [
        (b"GET / HT".as_slice(), 60),
        (b"".as_slice(), 60),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), 120),
    ] {
        let (mut client, served) = tokio::io::duplex(1024);
        let running = GracefulShutdown::new();
        let connection = Connection {
            router: hello(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            watcher: running.watcher(),
        };
        let started = tokio::time::Instant::now();
        let task = tokio::spawn(connection.run(served, "http"));
        client.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        task.await.unwrap();
        let elapsed = started.elapsed();
        let limit = Duration::from_secs(limit);
        assert!(elapsed >= limit && elapsed < limit + Duration::from_secs(5), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_of_ours_does_not_cut_the_client_off() {
    let router = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(Duration::from_secs(300)).await;
            "slow"
        }),
    );
    let (mut client, served) = tokio::io::duplex(1024);
    let running = GracefulShutdown::new();
    let connection = Connection {
        router,
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        watcher: running.watcher(),
    };
    tokio::spawn(connection.run(served, "http"));
    client.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("slow"), "{answer}");
}
