//! Load for `tests/bench/flood` and `storm`: guesses passwords at a steady rate, whether answers come
//! or not, or logs in with a key, again and again, and prints what it saw as JSON.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool that fails loudly"
)]

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::{self, AuthResult, Handle};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Disconnect, Preferred, cipher, kex};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Connections that guess at once; a guess beyond is left out and counted.
const MOST: usize = 3_000;

const USAGE: &str = "login-load guess ADDRESS USER RATE SECONDS
login-load logins ADDRESS USER KEY COUNT PAUSE_MS
login-load storm ADDRESS USER KEY LANES SECONDS KEX";

struct Client;

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Counts of the guesses.
#[derive(Default)]
struct Counts {
    offered: Cell<u64>,
    refused: Cell<u64>,
    connections: Cell<u64>,
    broken: Cell<u64>,
    left_out: Cell<u64>,
    open: Cell<usize>,
    idle: RefCell<Vec<Handle<Client>>>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

fn config(kex: Option<kex::Name>) -> Arc<client::Config> {
    let preferred = Preferred {
        kex: vec![kex.unwrap_or(kex::CURVE25519)].into(),
        cipher: vec![cipher::AES_128_GCM].into(),
        ..Preferred::default()
    };
    Arc::new(client::Config { preferred, nodelay: true, ..client::Config::default() })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let local = tokio::task::LocalSet::new();
    let run = async {
        match words.as_slice() {
            ["guess", address, user, rate, seconds] => {
                guess(address.parse().unwrap(), user, number(rate), number(seconds)).await;
            }
            ["logins", address, user, key, count, pause] => {
                let pause = Duration::from_millis(number(pause));
                logins(address.parse().unwrap(), user, key, number(count), pause).await;
            }
            ["storm", address, user, key, lanes, seconds, kex] => {
                let end = Instant::now() + Duration::from_secs(number(seconds));
                storm(address.parse().unwrap(), user, key, number(lanes), end, kex).await;
            }
            _ => panic!("{USAGE}"),
        }
    };
    local.run_until(run).await;
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

/// Guesses at a steady rate. A connection guesses until the server ends it.
async fn guess(address: SocketAddr, user: &str, rate: u64, seconds: u64) {
    let (counts, config) = (Rc::new(Counts::default()), config(None));
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    for number in 0..rate * seconds {
        tick.tick().await;
        let idle = counts.idle.borrow_mut().pop();
        if idle.is_none() && counts.open.get() >= MOST {
            count(&counts.left_out);
            continue;
        }
        count(&counts.offered);
        let (counts, config, user) = (Rc::clone(&counts), Arc::clone(&config), user.to_owned());
        tokio::task::spawn_local(async move {
            let connection = match idle {
                Some(connection) => Ok(connection),
                None => {
                    count(&counts.connections);
                    counts.open.set(counts.open.get() + 1);
                    client::connect(config, address, Client).await
                }
            };
            match one_guess(connection, user, number).await {
                Ok(connection) => {
                    count(&counts.refused);
                    counts.idle.borrow_mut().push(connection);
                }
                Err(_) => {
                    count(&counts.broken);
                    counts.open.set(counts.open.get() - 1);
                }
            }
        });
    }
    println!(
        "{}",
        json!({ "offered": counts.offered.get(), "refused": counts.refused.get(),
                "connections": counts.connections.get(), "broken": counts.broken.get(),
                "left_out": counts.left_out.get(), "open": counts.open.get() })
    );
}

async fn one_guess(
    connection: Result<Handle<Client>, russh::Error>,
    user: String,
    number: u64,
) -> Result<Handle<Client>, russh::Error> {
    let mut connection = connection?;
    let answer = connection.authenticate_password(user, format!("guess {number}")).await?;
    assert!(!matches!(answer, AuthResult::Success), "a guess was right");
    Ok(connection)
}

/// Logs in one time after the other; prints how long each took, in milliseconds.
async fn logins(address: SocketAddr, user: &str, key: &str, count: u64, pause: Duration) {
    let (key, config) = (Arc::new(load_secret_key(key, None).unwrap()), config(None));
    let mut times = Vec::new();
    for _ in 0..count {
        let begin = Instant::now();
        let connection = login(address, user, &key, &config).await;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        connection.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
        tokio::time::sleep(pause).await;
    }
    println!("{}", json!({ "ms": times }));
}

/// Logs in in several lanes until the end.
async fn storm(address: SocketAddr, user: &str, key: &str, lanes: u64, end: Instant, kex: &str) {
    let (key, kex) =
        (Arc::new(load_secret_key(key, None).unwrap()), kex::Name::try_from(kex).unwrap());
    let (config, done) = (config(Some(kex)), Rc::new(Cell::new(0)));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..lanes {
        let (key, config, done) = (Arc::clone(&key), Arc::clone(&config), Rc::clone(&done));
        let user = user.to_owned();
        running.spawn_local(async move {
            while Instant::now() < end {
                let connection = login(address, &user, &key, &config).await;
                connection.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
                count(&done);
            }
        });
    }
    let begin = Instant::now();
    let mut asked_to_end = signal(SignalKind::terminate()).unwrap();
    loop {
        tokio::select! {
            lane = running.join_next() => match lane {
                Some(lane) => lane.unwrap(),
                None => break,
            },
            _ = asked_to_end.recv() => break,
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{}", json!({ "logins": done.get(), "seconds": seconds }));
}

async fn login(
    address: SocketAddr,
    user: &str,
    key: &Arc<russh::keys::PrivateKey>,
    config: &Arc<client::Config>,
) -> Handle<Client> {
    let mut connection = client::connect(Arc::clone(config), address, Client).await.unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), Some(HashAlg::Sha256));
    let answer = connection.authenticate_publickey(user, key).await.unwrap();
    assert!(matches!(answer, AuthResult::Success), "no login");
    connection
}
