//! Where the answers of OpenSSH's server are what clients count on. What differed was found by giving
//! both servers the same requests.

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::{Attributes, Fields};
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    an_exclusive_open_refuses_a_link_that_leads_nowhere,
    fsync_works_on_a_file_open_for_reading,
    fstatvfs_answers_for_a_file_whose_name_is_gone,
    copy_data_ends_well_where_its_source_ends,
    an_append_goes_on_at_the_end_that_was_set,
    a_file_that_is_opened_and_not_written_keeps_its_times,
    a_hard_link_to_a_folder_is_not_permitted,
);

async fn an_exclusive_open_refuses_a_link_that_leads_nowhere(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        sftp.symlink("/nowhere", "/link").await.unwrap();
        for open in [flags::WRITE, flags::PUT, flags::PUT | flags::READ] {
            let open = open | flags::CREATE | flags::EXCLUSIVE;
            let refused = sftp.open("/link", open).await.unwrap_err();
            assert_eq!(refused.code, code::FAILURE, "mode {mode}, flags {open}");
            assert!(!alice.has("nowhere"));
        }
        // Without EXCL the link is followed.
        sftp.put("/link", b"there").await.unwrap();
        assert_eq!(alice.read("nowhere"), b"there");
    }
}

async fn fsync_works_on_a_file_open_for_reading(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::READ).await.unwrap();
    let fsync = |handle: &[u8]| Fields::new().string("fsync@openssh.com").string(handle);
    sftp.request(200, fsync(&handle)).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(sftp.request(200, fsync(&handle)).await.unwrap_err().code, code::FAILURE);
}

async fn fstatvfs_answers_for_a_file_whose_name_is_gone(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("folder/file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let reading = sftp.open("/folder/file", flags::READ).await.unwrap();
    let writing = sftp.open("/folder/file", flags::WRITE).await.unwrap();
    sftp.remove("/folder/file").await.unwrap();
    for _ in 0..2 {
        for handle in [&reading, &writing] {
            let fields = Fields::new().string("fstatvfs@openssh.com").string(handle);
            assert_eq!(sftp.request(200, fields).await.unwrap().len(), 11 * 8);
        }
        // The folder goes as well before the second time.
        let _ = sftp.rmdir("/folder").await;
    }
}

async fn copy_data_ends_well_where_its_source_ends(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let from = sftp.open("/file", flags::READ).await.unwrap();
    for (at, length, copied) in [(0, 100, "content"), (3, 5, "tent"), (7, 1, ""), (1000, 5, "")] {
        let to = sftp.open("/copy", flags::PUT).await.unwrap();
        let part = Fields::new().string("copy-data").string(&from).u64(at).u64(length);
        sftp.request(200, part.string(&to).u64(0)).await.unwrap();
        sftp.close(&to).await.unwrap();
        assert_eq!(alice.read("copy"), copied.as_bytes());
    }
}

async fn an_append_goes_on_at_the_end_that_was_set(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        alice.put("log", "old lines");
        let mut sftp = server.sftp_of(&alice).await;
        let log = sftp.open("/log", flags::WRITE | flags::APPEND).await.unwrap();
        sftp.set_open(&log, Attributes { size: Some(4), ..Attributes::default() }).await.unwrap();
        sftp.write(&log, 4, b"and new").await.unwrap();
        sftp.close(&log).await.unwrap();
        assert_eq!(alice.read("log"), b"old and new", "mode {mode}");
        let log = sftp.open("/log", flags::WRITE | flags::APPEND).await.unwrap();
        sftp.set_open(&log, Attributes { size: Some(20), ..Attributes::default() }).await.unwrap();
        sftp.write(&log, 10, b"x").await.unwrap();
        sftp.close(&log).await.unwrap();
        assert_eq!(alice.read("log"), b"old and new\0\0\0\0\0\0\0\0\0x", "mode {mode}");
    }
}

async fn a_file_that_is_opened_and_not_written_keeps_its_times(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        alice.put("file", "content");
        let mut sftp = server.sftp_of(&alice).await;
        let old = Attributes { times: Some((1000, 2000)), ..Attributes::default() };
        sftp.set("/file", old).await.unwrap();
        for open in [flags::WRITE, flags::WRITE | flags::APPEND, flags::READ | flags::WRITE] {
            let handle = sftp.open("/file", open).await.unwrap();
            assert_eq!(sftp.fstat(&handle).await.unwrap().times, old.times, "mode {mode}");
            sftp.close(&handle).await.unwrap();
            assert_eq!(sftp.stat("/file").await.unwrap().times, old.times, "mode {mode}");
        }
        let handle = sftp.open("/file", flags::WRITE).await.unwrap();
        sftp.write(&handle, 0, b"C").await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_ne!(sftp.stat("/file").await.unwrap().times.unwrap().1, 2000, "mode {mode}");
    }
}

async fn a_hard_link_to_a_folder_is_not_permitted(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.make_folder("folder");
    let mut sftp = server.sftp_of(&alice).await;
    let link = Fields::new().string("hardlink@openssh.com").string("/folder").string("/second");
    assert_eq!(sftp.request(200, link).await.unwrap_err().code, code::DENIED);
    assert!(!alice.has("second"));
}
