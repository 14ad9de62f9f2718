//! `copy-data`: a part of one open file into another, on the server, within the same rules as an
//! upload.

use ferryd_tests::raw_sftp::{RawSftp, Status, code, flags};
use ferryd_tests::wire::{Fields, packet};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use serde_json::json;

both_topologies!(
    parts_are_copied_in_every_upload_mode,
    a_copy_onto_itself_is_refused,
    a_resumed_upload_takes_copies_behind_its_old_end,
    a_copy_beyond_the_quota_breaks_the_upload_in_every_mode,
    requests_behind_a_copy_wait_for_it,
    replies_before_a_copy_do_not_wait_for_it,
    a_copy_ends_with_its_client,
);

const MIB: usize = 1 << 20;
/// What `put` sends, open for reading as well.
const BOTH: u32 = flags::PUT | flags::READ;

struct Part<'a> {
    from: &'a [u8],
    at: u64,
    length: u64,
    to: &'a [u8],
    offset: u64,
}

fn request(part: &Part<'_>) -> Fields {
    let fields = Fields::new().string("copy-data").string(part.from);
    fields.u64(part.at).u64(part.length).string(part.to).u64(part.offset)
}

/// All of a file, to the beginning of another.
fn whole<'a>(from: &'a [u8], to: &'a [u8]) -> Part<'a> {
    Part { from, at: 0, length: 0, to, offset: 0 }
}

/// Opens `/file` and `/copy`.
async fn open_both(sftp: &mut RawSftp, how: u32) -> (Vec<u8>, Vec<u8>) {
    let from = sftp.open("/file", flags::READ).await.unwrap();
    (from, sftp.open("/copy", how).await.unwrap())
}

/// Adds a user for whom a copy of `/file` would take over a quarter of an hour.
async fn slow_user(server: &Server) -> User {
    let alice = server.user_with("alice", json!({ "upload_bandwidth": 100 })).await;
    alice.put("file", numbers(100 * MIB));
    alice
}

async fn copy(sftp: &mut RawSftp, part: Part<'_>) -> Result<(), u32> {
    let done = sftp.request(200, request(&part)).await;
    done.map(drop).map_err(|status: Status| status.code)
}

fn numbers(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number % 251) as u8).collect()
}

async fn parts_are_copied_in_every_upload_mode(topology: Topology) {
    let data = numbers(20 * MIB + 1);
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 100 * MIB })).await;
        alice.put("file", &data);
        let mut sftp = server.sftp_of(&alice).await;
        let (from, to) = open_both(&mut sftp, BOTH).await;
        let (from, to) = (from.as_slice(), to.as_slice());
        // To the end, in several steps.
        copy(&mut sftp, Part { from, at: 1, length: 0, to, offset: 2 }).await.unwrap();
        copy(&mut sftp, Part { from, at: 7, length: 2, to, offset: 0 }).await.unwrap();
        let beyond = Part { from, at: 21 * MIB as u64, length: 0, to, offset: 0 };
        copy(&mut sftp, beyond).await.unwrap();
        // The end comes before the length does: what there is was copied.
        let at = (20 * MIB) as u64;
        copy(&mut sftp, Part { from, at, length: 10, to, offset: at + 2 }).await.unwrap();
        // A file that is being written is a source as well.
        let third = sftp.open("/third", flags::PUT).await.unwrap();
        let back = Part { from: to, at: 0, length: 4, to: &third, offset: 0 };
        copy(&mut sftp, back).await.unwrap();
        sftp.close(&third).await.unwrap();
        sftp.close(to).await.unwrap();
        let mut expected = [&data[7..9], &data[1..]].concat();
        expected.push(data[20 * MIB]);
        assert!(alice.read("copy") == expected, "mode {mode}");
        assert_eq!(alice.read("third"), expected[..4]);
        let stored = (expected.len() + 4) as i64;
        server.until_used(&alice, (2, stored)).await;
        for (from, to) in [(to, from), (from, from), (from, b"none".as_slice())] {
            let refused = copy(&mut sftp, Part { from, at: 0, length: 1, to, offset: 0 }).await;
            assert_eq!(refused, Err(code::FAILURE));
        }
    }
}

async fn a_copy_onto_itself_is_refused(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "0123456789");
    let mut sftp = server.sftp_of(&alice).await;
    let from = sftp.open("/file", flags::READ).await.unwrap();
    let to = sftp.open("/file", flags::WRITE | flags::READ).await.unwrap();
    let (from, to) = (from.as_slice(), to.as_slice());
    // Without an end it would go on for ever behind its own.
    for (at, length, offset) in [(0, 0, 1), (0, 5, 4), (4, 5, 0), (3, 1, 3)] {
        let refused = copy(&mut sftp, Part { from, at, length, to, offset }).await;
        assert_eq!(refused, Err(code::FAILURE), "{at} {length} {offset}");
    }
    let one_handle = copy(&mut sftp, Part { from: to, at: 0, length: 1, to, offset: 5 }).await;
    assert_eq!(one_handle, Err(code::FAILURE));
    assert_eq!(alice.read("file"), b"0123456789");
    copy(&mut sftp, Part { from, at: 0, length: 5, to, offset: 5 }).await.unwrap();
    copy(&mut sftp, Part { from, at: 0, length: 0, to, offset: 10 }).await.unwrap();
    sftp.close(to).await.unwrap();
    assert_eq!(alice.read("file"), b"01234012340123401234");
}

async fn a_resumed_upload_takes_copies_behind_its_old_end(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        alice.put("file", "content");
        alice.put("old", "old");
        let mut sftp = server.sftp_of(&alice).await;
        let from = sftp.open("/file", flags::READ).await.unwrap();
        let from = from.as_slice();
        let to = sftp.open("/old", flags::WRITE | flags::APPEND).await.unwrap();
        copy(&mut sftp, Part { from, at: 3, length: 0, to: &to, offset: 3 }).await.unwrap();
        sftp.close(&to).await.unwrap();
        assert_eq!(alice.read("old"), b"oldtent", "mode {mode}");
        let to = sftp.open("/old", flags::WRITE | flags::APPEND).await.unwrap();
        let before = Part { from, at: 0, length: 0, to: &to, offset: 0 };
        copy(&mut sftp, before).await.unwrap();
        let own = sftp.open("/old", flags::READ).await.unwrap();
        copy(&mut sftp, Part { from: &own, at: 0, length: 3, to: &to, offset: 0 }).await.unwrap();
        sftp.close(&to).await.unwrap();
        assert_eq!(alice.read("old"), b"oldtentcontentold", "mode {mode}");
    }
}

async fn a_copy_beyond_the_quota_breaks_the_upload_in_every_mode(topology: Topology) {
    const LIMIT: usize = 20 * MIB;
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
        alice.put("file", numbers(50 * MIB));
        let mut sftp = server.sftp_of(&alice).await;
        let (from, to) = open_both(&mut sftp, flags::PUT).await;
        assert_eq!(copy(&mut sftp, whole(&from, &to)).await, Err(code::FAILURE));
        assert!(sftp.close(&to).await.is_err(), "mode {mode}");
        let stored = if alice.has("copy") { alice.read("copy").len() } else { 0 };
        assert!(stored <= LIMIT, "mode {mode}: {stored}");
        assert_eq!(alice.has("copy"), mode != 1, "mode {mode}");
        until("the counters", async || {
            (server.used_quota(&alice).await.1 == stored as i64).then_some(())
        })
        .await;
    }
}

async fn requests_behind_a_copy_wait_for_it(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", numbers(40 * MIB));
    let mut sftp = server.sftp_of(&alice).await;
    let (from, to) = open_both(&mut sftp, flags::PUT).await;
    let sent = [
        sftp.post(200, &request(&whole(&from, &to))).await,
        sftp.post(6, &Fields::new().string(&to).u64(0).string("written")).await,
        sftp.post(200, &Fields::new().string("fsync@openssh.com").string(&to)).await,
        sftp.post(4, &Fields::new().string(&from)).await,
        sftp.post(4, &Fields::new().string(&to)).await,
    ];
    for id in sent {
        let reply = sftp.receive().await.unwrap();
        assert_eq!(reply.id(), id);
        reply.outcome().unwrap();
    }
    let copied = alice.read("copy");
    assert_eq!(&copied[..7], b"written");
    assert!(copied[7..] == numbers(40 * MIB)[7..]);
}

async fn replies_before_a_copy_do_not_wait_for_it(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = slow_user(&server).await;
    let mut sftp = server.sftp_of(&alice).await;
    let (from, to) = open_both(&mut sftp, flags::PUT).await;
    let read = Fields::new().u32(2).string(&from).u64(0).u32(100);
    let together = [
        packet(16, &Fields::new().u32(1).string("/before").0),
        packet(5, &read.0),
        packet(200, &Fields::new().u32(3).bytes(&request(&whole(&from, &to)).0).0),
    ];
    sftp.send(&together.concat()).await;
    for id in [1, 2] {
        let reply = sftp.receive().await.unwrap();
        assert_eq!(reply.id(), id);
        reply.outcome().unwrap();
    }
    let transfers = server.connections_of("alice").await.remove(0).active_transfers;
    assert!(transfers.iter().any(|transfer| transfer.path == "/copy"), "the copy runs");
    sftp.connection().close().await;
}

async fn a_copy_ends_with_its_client(topology: Topology) {
    for mode in [0, 1] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = slow_user(&server).await;
        let mut sftp = server.sftp_of(&alice).await;
        let (from, to) = open_both(&mut sftp, flags::PUT).await;
        sftp.post(200, &request(&whole(&from, &to))).await;
        sftp.post(4, &Fields::new().string(&to)).await;
        until("the copy", async || {
            let mut transfers = server
                .connections_of("alice")
                .await
                .into_iter()
                .flat_map(|found| found.active_transfers);
            transfers.any(|transfer| transfer.size > 0).then_some(())
        })
        .await;
        sftp.connection().close().await;
        until("the end of the session", async || {
            server.connections_of("alice").await.is_empty().then_some(())
        })
        .await;
        if mode == 1 {
            assert!(!alice.has("copy"), "a part was put in place");
        } else {
            assert!(alice.read("copy").len() < 100 * MIB);
        }
    }
}
