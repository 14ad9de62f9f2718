//! Bandwidth per user and direction: shared by sessions, smooth, exact.

use std::time::{Duration, Instant};

use ferryd_tests::raw_sftp::{RawSftp, flags};
use ferryd_tests::wait::until;
use ferryd_tests::wire::Fields;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    the_average_of_a_download_is_the_limit,
    sessions_share_the_limit_of_their_user,
    an_upload_has_no_bursts,
    an_upload_with_many_writes_in_flight_has_no_bursts,
    a_large_write_is_stored_at_the_rate,
    directions_have_limits_of_their_own,
    what_is_read_of_an_upload_counts_as_a_download,
);

const WINDOW: Duration = Duration::from_millis(250);

/// Reads as a pipelining client does until the time is over; returns when how much arrived.
async fn download(sftp: &mut RawSftp, time: Duration) -> Vec<(Duration, usize)> {
    let handle = sftp.open("/file", flags::READ).await.unwrap();
    let begin = Instant::now();
    let mut arrived = Vec::new();
    let mut at = 0_u64;
    for _ in 0..16 {
        post_read(sftp, &handle, &mut at).await;
    }
    while begin.elapsed() < time {
        let reply = sftp.receive().await.unwrap();
        arrived.push((begin.elapsed(), reply.body.len() - 8));
        post_read(sftp, &handle, &mut at).await;
    }
    arrived
}

async fn post_read(sftp: &mut RawSftp, handle: &[u8], at: &mut u64) {
    let fields = Fields::new().string(handle).u64(*at).u32(32_768);
    sftp.post(5, &fields).await;
    *at += 32_768;
}

/// Bytes per second behind the first half second, where a pause may be made up for.
fn rate(arrived: &[(Duration, usize)]) -> f64 {
    let start = Duration::from_millis(500);
    let steady: Vec<_> = arrived.iter().filter(|(at, _)| *at >= start).collect();
    let bytes: usize = steady.iter().skip(1).map(|(_, bytes)| bytes).sum();
    let (first, last) = (steady.first().unwrap().0, steady.last().unwrap().0);
    bytes as f64 / (last - first).as_secs_f64()
}

fn largest_window(arrived: &[(Duration, usize)]) -> usize {
    let sum = |from: Duration| {
        let inside = arrived.iter().filter(|(at, _)| (from..from + WINDOW).contains(at));
        inside.map(|(_, bytes)| bytes).sum()
    };
    arrived.iter().map(|(at, _)| sum(*at)).max().unwrap_or(0)
}

async fn the_average_of_a_download_is_the_limit(topology: Topology) {
    for limit in [64, 1_000, 8_000] {
        let server = Server::start(topology).await;
        let alice = server.user_with("alice", json!({ "download_bandwidth": limit })).await;
        std::fs::File::create(alice.path("file")).unwrap().set_len(1 << 30).unwrap();
        let mut sftp = server.sftp_of(&alice).await;
        let arrived = download(&mut sftp, Duration::from_secs(5)).await;
        let (rate, wanted) = (rate(&arrived), f64::from(limit) * 1000.0);
        let window = largest_window(&arrived);
        println!("{limit} KB/s: {rate:.0} bytes a second, at most {window} in 250 ms");
        assert!((0.9..1.1).contains(&(rate / wanted)), "{rate} instead of {wanted}");
        let most = (wanted / 4.0 * 2.0).max(2.0 * 33_000.0);
        assert!((window as f64) <= most, "{window} bytes in 250 ms, {most} allowed");
    }
}

async fn sessions_share_the_limit_of_their_user(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "download_bandwidth": 1_000 })).await;
    std::fs::File::create(alice.path("file")).unwrap().set_len(1 << 30).unwrap();
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let time = Duration::from_secs(4);
    let (first, second) = tokio::join!(download(&mut one, time), download(&mut two, time));
    let sum = rate(&first) + rate(&second);
    assert!((850_000.0..1_150_000.0).contains(&sum), "{sum}");
    assert!(rate(&first) > 200_000.0 && rate(&second) > 200_000.0, "both get their part");
}

async fn an_upload_has_no_bursts(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "upload_bandwidth": 1_000 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    let begin = Instant::now();
    let mut arrived = Vec::new();
    let mut at = 0_u64;
    while begin.elapsed() < Duration::from_secs(4) {
        sftp.write(&handle, at, &[7; 16_384]).await.unwrap();
        at += 16_384;
        arrived.push((begin.elapsed(), 16_384));
    }
    let rate = rate(&arrived);
    assert!((900_000.0..1_100_000.0).contains(&rate), "{rate}");
    let window = largest_window(&arrived);
    assert!(window <= 500_000, "{window} bytes in 250 ms");
}

/// Writes as a pipelining client does until the time is over; returns when how much was
/// acknowledged.
async fn upload(sftp: &mut RawSftp, block: usize, time: Duration) -> Vec<(Duration, usize)> {
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    let data = vec![7; block];
    let begin = Instant::now();
    let mut stored = Vec::new();
    let mut at = 0_u64;
    for _ in 0..16 {
        post_write(sftp, &handle, &mut at, &data).await;
    }
    while begin.elapsed() < time {
        sftp.receive().await.unwrap().outcome().unwrap();
        stored.push((begin.elapsed(), block));
        post_write(sftp, &handle, &mut at, &data).await;
    }
    stored
}

async fn post_write(sftp: &mut RawSftp, handle: &[u8], at: &mut u64, data: &[u8]) {
    sftp.post(6, &Fields::new().string(handle).u64(*at).string(data)).await;
    *at += data.len() as u64;
}

async fn an_upload_with_many_writes_in_flight_has_no_bursts(topology: Topology) {
    for (limit, block) in [(64, 2_048), (1_000, 16_384), (8_000, 32_768)] {
        let server = Server::start(topology).await;
        let alice = server.user_with("alice", json!({ "upload_bandwidth": limit })).await;
        let mut sftp = server.sftp_of(&alice).await;
        let stored = upload(&mut sftp, block, Duration::from_secs(5)).await;
        let (rate, wanted) = (rate(&stored), f64::from(limit) * 1000.0);
        let window = largest_window(&stored);
        println!("{limit} KB/s: {rate:.0} bytes a second, at most {window} in 250 ms");
        assert!((0.9..1.1).contains(&(rate / wanted)), "{rate} instead of {wanted}");
        assert!((window as f64) <= wanted / 4.0 * 2.0, "{window} bytes in 250 ms");
    }
}

async fn a_large_write_is_stored_at_the_rate(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "upload_bandwidth": 100 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    let begin = Instant::now();
    post_write(&mut sftp, &handle, &mut 0, &[7; 250_000]).await;
    let size = || std::fs::metadata(alice.path("file")).unwrap().len();
    until("the first part to be stored", async || (size() > 0).then_some(())).await;
    assert!(size() < 250_000, "not all of it at once");
    sftp.receive().await.unwrap().outcome().unwrap();
    assert!(begin.elapsed() > Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(size(), 250_000);
}

async fn directions_have_limits_of_their_own(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "download_bandwidth": 100 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let begin = Instant::now();
    sftp.put("/file", &[7; 2_000_000]).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "uploads are not limited");
}

async fn what_is_read_of_an_upload_counts_as_a_download(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "download_bandwidth": 100 })).await;
    alice.put("file", vec![7; 300_000]);
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::READ | flags::WRITE).await.unwrap();
    let begin = Instant::now();
    for at in (0..300_000).step_by(100_000) {
        assert_eq!(sftp.read(&handle, at, 100_000).await.unwrap().len(), 100_000);
    }
    assert!(begin.elapsed() > Duration::from_millis(2_500), "{:?}", begin.elapsed());
}
