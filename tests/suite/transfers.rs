//! Whole files, up and down, by clients that keep little, much and very much in flight.

use ferryd_tests::files::{big, checksum, pattern, write_pattern};
use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::{Fields, Reader};
use ferryd_tests::{Server, Topology, User, both_topologies};
use serde_json::json;

both_topologies!(
    openssh_with_very_much_in_flight_carries_a_big_file,
    openssh_with_its_defaults_carries_a_big_file,
    openssh_with_one_request_at_a_time_carries_a_file,
    paramiko_fetches_with_everything_asked_for_at_once,
    paramiko_stores_without_waiting,
    asyncssh_carries_several_files_at_once_on_one_connection,
    an_interrupted_upload_and_download_are_resumed,
    a_tree_goes_there_and_back,
    files_of_odd_sizes_arrive_whole,
    blocks_may_come_in_any_order,
    a_write_may_carry_more_bytes_than_it_says,
    a_write_may_fill_its_packet,
    answers_belong_to_their_requests,
    several_channels_of_one_connection_work_at_once,
    a_broken_atomic_upload_leaves_the_old_file,
    an_atomic_upload_appears_at_its_end,
    of_two_atomic_uploads_of_a_new_name_the_last_to_end_stays,
    times_and_modes_of_a_put_arrive,
);

async fn there_and_back(server: &Server, user: &User, options: &[&str], size: u64) {
    let local = ferryd_tests::files::temporary_folder("client");
    let original = local.path().join("original");
    write_pattern(&original, size);
    let sum = checksum(&original);
    let back = local.path().join("back");
    let put = format!("put {} /big\n", original.display());
    server.sftp_batch(user, options, &put).await.assert_well();
    assert_eq!(checksum(&user.path("big")), sum, "upload");
    let get = format!("get /big {}\n", back.display());
    server.sftp_batch(user, options, &get).await.assert_well();
    assert_eq!(checksum(&back), sum, "download");
}

async fn openssh_with_very_much_in_flight_carries_a_big_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    there_and_back(&server, &alice, &["-R", "2000", "-B", "261120"], big()).await;
    assert!(server.resident() < 200 << 20, "{} bytes", server.resident());
}

async fn openssh_with_its_defaults_carries_a_big_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    there_and_back(&server, &alice, &["-R", "64"], big()).await;
}

async fn openssh_with_one_request_at_a_time_carries_a_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    there_and_back(&server, &alice, &["-R", "1"], big() / 16).await;
}

async fn paramiko_fetches_with_everything_asked_for_at_once(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let original = alice.path("big");
    write_pattern(&original, big() / 8);
    let sum = checksum(&original);
    let local = ferryd_tests::files::temporary_folder("client");
    let target = local.path().join("got").display().to_string();
    let said = server.python("paramiko_get.py", &alice, &["/big", &target, "3"]).await;
    said.assert_well();
    assert_eq!(said.output.lines().collect::<Vec<_>>(), [&sum, &sum, &sum]);
}

async fn paramiko_stores_without_waiting(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let original = local.path().join("original");
    write_pattern(&original, big() / 8);
    let source = original.display().to_string();
    let said = server.python("paramiko_put.py", &alice, &[&source, "/big"]).await;
    said.assert_well();
    assert_eq!(said.output.trim(), (big() / 8).to_string());
    assert_eq!(checksum(&alice.path("big")), checksum(&original));
}

async fn asyncssh_carries_several_files_at_once_on_one_connection(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let original = local.path().join("original");
    write_pattern(&original, big() / 16);
    let sum = checksum(&original);
    let source = original.display().to_string();
    let said = server.python("asyncssh_both.py", &alice, &[&source, "4"]).await;
    said.assert_well();
    assert_eq!(said.output.lines().collect::<Vec<_>>(), [&sum; 4]);
    for number in 0..4 {
        assert_eq!(checksum(&alice.path(&format!("there.{number}"))), sum);
    }
}

async fn an_interrupted_upload_and_download_are_resumed(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let content = pattern(3_000_001);
    let original = local.path().join("original");
    std::fs::write(&original, &content).unwrap();
    alice.put("up", &content[..1_234_567]);
    let said = server.sftp_batch(&alice, &[], &format!("reput {} /up\n", original.display())).await;
    said.assert_well();
    assert!(alice.read("up") == content, "upload");
    let partial = local.path().join("partial");
    std::fs::write(&partial, &content[..765_432]).unwrap();
    let said = server.sftp_batch(&alice, &[], &format!("reget /up {}\n", partial.display())).await;
    said.assert_well();
    assert!(std::fs::read(&partial).unwrap() == content, "download");
}

async fn a_tree_goes_there_and_back(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let tree = local.path().join("tree");
    for folder in ["a/b/c", "empty", "with space"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    for number in 0..150 {
        std::fs::write(tree.join(format!("a/file{number}")), pattern(number * 100)).unwrap();
    }
    std::fs::write(tree.join("with space/ümlaut"), "x").unwrap();
    let back = local.path().join("back");
    let batch = format!("put -R {} /\nget -R /tree {}\n", tree.display(), back.display());
    server.sftp_batch(&alice, &[], &batch).await.assert_well();
    for folder in [&alice.path("tree"), &back] {
        for number in 0..150 {
            let content = std::fs::read(folder.join(format!("a/file{number}"))).unwrap();
            assert!(content == pattern(number * 100));
        }
        assert!(folder.join("a/b/c").is_dir() && folder.join("empty").is_dir());
        assert_eq!(std::fs::read(folder.join("with space/ümlaut")).unwrap(), b"x");
    }
}

async fn files_of_odd_sizes_arrive_whole(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    for size in [0, 1, 32_767, 32_768, 32_769, 65_536, 262_143, 262_145] {
        let content = pattern(size);
        sftp.put("/file", &content).await.unwrap();
        assert!(alice.read("file") == content, "{size} up");
        assert!(sftp.get("/file").await.unwrap() == content, "{size} down");
    }
}

async fn blocks_may_come_in_any_order(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let content = pattern(64 * 1000);
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    let order: Vec<usize> = (0..64).map(|number| number * 37 % 64).collect();
    for &block in &order {
        let at = block * 1000;
        let fields = Fields::new().string(&handle).u64(at as u64).string(&content[at..at + 1000]);
        sftp.post(6, &fields).await;
    }
    for _ in &order {
        sftp.receive().await.unwrap().outcome().unwrap();
    }
    sftp.close(&handle).await.unwrap();
    assert!(alice.read("file") == content);
    let handle = sftp.open("/holes", flags::PUT).await.unwrap();
    sftp.write(&handle, 100_000, b"end").await.unwrap();
    sftp.close(&handle).await.unwrap();
    let holes = alice.read("holes");
    assert_eq!(holes.len(), 100_003);
    assert!(holes[..100_000].iter().all(|&byte| byte == 0) && holes.ends_with(b"end"));
}

/// The last block of a file comes like this from older clients in Go, rclone among them.
async fn a_write_may_carry_more_bytes_than_it_says(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    let fields = Fields::new().string(&handle).u64(0).u32(5).bytes(b"short").bytes(&[7; 32_000]);
    sftp.request(6, fields).await.unwrap();
    sftp.write(&handle, 5, b"er").await.unwrap();
    let less = Fields::new().string(&handle).u64(0).u32(100).bytes(b"too few");
    assert_eq!(sftp.request(6, less).await.unwrap_err().code, code::BAD_MESSAGE);
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("file"), b"shorter");
}

async fn a_write_may_fill_its_packet(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    // The fields before the data: kind, id, handle, offset, length.
    let content = pattern(256 * 1024 - (1 + 4 + 4 + handle.len() + 8 + 4));
    sftp.write(&handle, 0, &content).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("file"), content);
}

async fn answers_belong_to_their_requests(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let content = pattern(1 << 20);
    alice.put("file", &content);
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::READ).await.unwrap();
    let mut asked = std::collections::BTreeMap::new();
    for number in 0..500_usize {
        let at = number * 7919 % (1 << 20);
        let fields = Fields::new().string(&handle).u64(at as u64).u32(1000);
        asked.insert(sftp.post(5, &fields).await, at);
        asked.insert(sftp.post(17, &Fields::new().string("/file")).await, usize::MAX);
    }
    while !asked.is_empty() {
        let reply = sftp.receive().await.unwrap();
        let at = asked.remove(&reply.id()).expect("an answer to a request");
        if at == usize::MAX {
            assert_eq!(reply.kind, 105);
            continue;
        }
        assert_eq!(reply.kind, 103);
        let body = reply.outcome().unwrap();
        let data = Reader(&body).string();
        assert!(data == &content[at..(at + 1000).min(content.len())], "bytes at {at}");
    }
    let past_the_end = sftp.read(&handle, 1 << 20, 1).await.unwrap_err();
    assert_eq!(past_the_end.code, code::EOF);
}

async fn several_channels_of_one_connection_work_at_once(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let connection = server.login(&alice).await;
    let mut channels = Vec::new();
    for _ in 0..8 {
        channels.push(connection.sftp().await);
    }
    let work = channels.into_iter().enumerate().map(|(number, mut sftp)| {
        tokio::spawn(async move {
            let content = pattern(300_000 + number);
            let path = format!("/file{number}");
            sftp.put(&path, &content).await.unwrap();
            assert!(sftp.get(&path).await.unwrap() == content);
        })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn of_two_atomic_uploads_of_a_new_name_the_last_to_end_stays(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": 1 } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let first = sftp.open("/new", flags::PUT).await.unwrap();
    let second = sftp.open("/new", flags::PUT).await.unwrap();
    let alone = sftp.open("/new", flags::PUT | flags::EXCLUSIVE).await.unwrap();
    sftp.write(&first, 0, b"first").await.unwrap();
    sftp.write(&second, 0, b"second").await.unwrap();
    sftp.close(&first).await.unwrap();
    sftp.close(&second).await.unwrap();
    assert_eq!(alice.read("new"), b"second");
    assert_eq!(sftp.close(&alone).await.unwrap_err().code, code::FAILURE);
    assert_eq!(alice.read("new"), b"second");
}

async fn a_broken_atomic_upload_leaves_the_old_file(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": 1 } })).await;
    let alice = server.user("alice").await;
    alice.put("file", "old");
    let mut sftp = server.sftp_of(&alice).await;
    for path in ["/file", "/new"] {
        let handle = sftp.open(path, flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"something longer").await.unwrap();
    }
    assert_eq!(alice.read("file"), b"old");
    sftp.connection().close().await;
    drop(sftp);
    ferryd_tests::until("the temporary files to go", async || {
        let names = std::fs::read_dir(&alice.home).unwrap().count();
        (names == 1).then_some(())
    })
    .await;
    assert_eq!(alice.read("file"), b"old");
}

async fn an_atomic_upload_appears_at_its_end(topology: Topology) {
    for mode in [1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"content").await.unwrap();
        assert!(!alice.has("file"));
        sftp.close(&handle).await.unwrap();
        assert_eq!(alice.read("file"), b"content");
        assert_eq!(std::fs::read_dir(&alice.home).unwrap().count(), 1);
    }
}

async fn times_and_modes_of_a_put_arrive(topology: Topology) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(local.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_111_111_111);
    local.as_file().set_modified(time).unwrap();
    let batch = format!("put -p {} /file\n", local.path().display());
    server.sftp_batch(&alice, &[], &batch).await.assert_well();
    let metadata = std::fs::metadata(alice.path("file")).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o640);
    assert_eq!(metadata.mtime(), 1_111_111_111);
}
