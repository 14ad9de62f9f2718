//! What each SFTP operation does and how it refuses: the status codes that clients rely on.

use std::os::unix::fs::PermissionsExt;

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::{Attributes, Fields, Reader};
use ferryd_tests::{Server, Status, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    version_three_is_answered_to_every_version,
    open_flags_mean_what_they_say,
    directories_are_listed_with_attributes_and_a_line_for_people,
    listings_begin_with_the_directory_and_the_one_above,
    a_long_listing_is_complete,
    lstat_shows_the_link_and_stat_what_it_points_to,
    fstat_follows_the_open_file,
    realpath_cleans_and_asks_no_disk,
    links_are_read_as_client_paths,
    a_file_is_removed_and_a_folder_is_not,
    a_folder_is_removed_only_when_empty,
    making_a_folder_needs_a_parent_and_a_free_name,
    renaming_replaces_a_file_and_nothing_else,
    all_attributes_of_one_request_are_applied,
    attributes_of_an_open_upload_survive_its_end,
    setstat_mode_one_changes_nothing,
    special_permission_bits_are_dropped,
    texts_of_refusals_name_no_path_of_the_server,
    extensions_that_are_announced_work,
);

fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>) -> u32 {
    outcome.expect_err("a refusal").code
}

async fn version_three_is_answered_to_every_version(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for version in [0, 1, 2, 3, 4, 6, u32::MAX] {
        let mut sftp = server.login(&alice).await.bare_sftp().await;
        assert_eq!(sftp.initialize_as(version).await, 3);
        assert_eq!(sftp.extensions["posix-rename@openssh.com"], b"1");
        sftp.list("/").await.unwrap();
    }
}

async fn open_flags_mean_what_they_say(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    alice.make_folder("folder");
    let mut sftp = server.sftp_of(&alice).await;
    assert_eq!(refused(sftp.open("/file", 0).await), code::FAILURE);
    assert_eq!(refused(sftp.open("/missing", flags::READ).await), code::NO_FILE);
    assert_eq!(refused(sftp.open("/missing", flags::WRITE).await), code::NO_FILE);
    assert_eq!(refused(sftp.open("/folder", flags::PUT).await), code::UNSUPPORTED);
    assert_eq!(refused(sftp.open("/no/parent", flags::PUT).await), code::NO_FILE);
    let exclusive = flags::PUT | flags::EXCLUSIVE;
    assert_eq!(refused(sftp.open("/file", exclusive).await), code::FAILURE);
    assert!(!alice.has("missing") && !alice.has("no"));
    assert_eq!(alice.read("file"), b"content", "a refused open truncates nothing");
    let handle = sftp.open("/fresh", exclusive).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("fresh"), b"");
    let handle = sftp.open("/file", flags::WRITE | flags::CREATE).await.unwrap();
    sftp.write(&handle, 0, b"CON").await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("file"), b"CONtent");
    let handle = sftp.open("/file", flags::WRITE | flags::TRUNCATE).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("file"), b"");
}

async fn directories_are_listed_with_attributes_and_a_line_for_people(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "12345");
    alice.make_folder("folder");
    std::os::unix::fs::symlink("file", alice.path("link")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    let listed = sftp.list("/").await.unwrap();
    let names: Vec<_> = listed.iter().map(|entry| entry.name.as_slice()).collect();
    assert_eq!(names, [b"file".as_slice(), b"folder", b"link"]);
    assert_eq!(listed[0].attributes.size, Some(5));
    assert!(listed[1].attributes.is_folder() && listed[2].attributes.is_link());
    for (entry, first) in listed.iter().zip(['-', 'd', 'l']) {
        let name = String::from_utf8_lossy(&entry.name);
        assert!(entry.line.starts_with(first) && entry.line.ends_with(&*name), "{}", entry.line);
    }
    assert_eq!(refused(sftp.list("/file").await), code::FAILURE);
    assert_eq!(refused(sftp.list("/missing").await), code::NO_FILE);
}

async fn listings_begin_with_the_directory_and_the_one_above(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.make_folder("folder/empty");
    for (path, mode) in [("", 0o711), ("folder", 0o750), ("folder/empty", 0o705)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(alice.path(path), mode).unwrap();
    }
    let mut sftp = server.sftp_of(&alice).await;
    for (path, modes) in [("/folder/empty", [0o705, 0o750]), ("/", [0o711, 0o711])] {
        let listed = sftp.list_all(path).await.unwrap();
        for ((entry, name), mode) in listed.iter().zip([".", ".."]).zip(modes) {
            assert_eq!(entry.name, name.as_bytes(), "{path}");
            assert_eq!(entry.attributes.mode, Some(0o040_000 | mode), "{path} {name}");
            assert!(entry.line.starts_with('d') && entry.line.ends_with(name), "{}", entry.line);
        }
        let more = usize::from(path == "/");
        assert_eq!(listed.len(), 2 + more, "{path}");
    }
}

async fn a_long_listing_is_complete(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for number in 0..5000 {
        alice.put(&format!("file-{number:04}"), "");
    }
    let mut sftp = server.sftp_of(&alice).await;
    let listed = sftp.list("/").await.unwrap();
    assert_eq!(listed.len(), 5000);
    for (number, entry) in listed.iter().enumerate() {
        assert_eq!(entry.name, format!("file-{number:04}").as_bytes());
    }
}

async fn lstat_shows_the_link_and_stat_what_it_points_to(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "12345");
    std::os::unix::fs::symlink("file", alice.path("link")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    assert!(sftp.lstat("/link").await.unwrap().is_link());
    let followed = sftp.stat("/link").await.unwrap();
    assert!(!followed.is_link());
    assert_eq!(followed.size, Some(5));
    assert_eq!(refused(sftp.stat("/missing").await), code::NO_FILE);
    assert_eq!(refused(sftp.lstat("/missing").await), code::NO_FILE);
    assert!(sftp.stat("/").await.unwrap().is_folder());
}

async fn fstat_follows_the_open_file(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"12345").await.unwrap();
        assert_eq!(sftp.fstat(&handle).await.unwrap().size, Some(5), "mode {mode}");
        sftp.close(&handle).await.unwrap();
        let handle = sftp.open("/file", flags::READ).await.unwrap();
        sftp.rename("/file", "/moved").await.unwrap();
        assert_eq!(sftp.fstat(&handle).await.unwrap().size, Some(5), "mode {mode}");
    }
}

async fn realpath_cleans_and_asks_no_disk(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let cases = [
        (".", "/"),
        ("", "/"),
        ("a/../b", "/b"),
        ("/missing/./x//", "/missing/x"),
        ("../../..", "/"),
        ("//", "/"),
    ];
    for (asked, answer) in cases {
        assert_eq!(sftp.realpath(asked).await.unwrap(), answer.as_bytes(), "{asked}");
    }
}

async fn links_are_read_as_client_paths(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("folder/file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.symlink("/folder/file", "/link").await.unwrap();
    sftp.symlink("/nowhere", "/dangling").await.unwrap();
    assert_eq!(std::fs::read_link(alice.path("link")).unwrap(), alice.path("folder/file"));
    assert_eq!(sftp.readlink("/link").await.unwrap(), b"/folder/file");
    assert_eq!(sftp.get("/link").await.unwrap(), b"content");
    assert_eq!(sftp.readlink("/dangling").await.unwrap(), b"/nowhere");
    assert_eq!(refused(sftp.get("/dangling").await), code::NO_FILE);
    assert_eq!(refused(sftp.symlink("/folder", "/link").await), code::FAILURE);
    assert_eq!(refused(sftp.symlink("/", "/root").await), code::DENIED);
    assert_eq!(refused(sftp.readlink("/folder/file").await), code::FAILURE);
    assert_eq!(refused(sftp.readlink("/missing").await), code::NO_FILE);
}

async fn a_file_is_removed_and_a_folder_is_not(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "");
    alice.put("kept", "content");
    alice.make_folder("folder");
    std::os::unix::fs::symlink("kept", alice.path("link")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    sftp.remove("/file").await.unwrap();
    sftp.remove("/link").await.unwrap();
    assert!(!alice.has("file") && !alice.has("link"));
    assert_eq!(alice.read("kept"), b"content");
    assert_eq!(refused(sftp.remove("/missing").await), code::NO_FILE);
    assert_eq!(refused(sftp.remove("/folder").await), code::FAILURE);
    assert!(alice.has("folder"));
}

async fn a_folder_is_removed_only_when_empty(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("full/file", "");
    alice.make_folder("empty");
    std::os::unix::fs::symlink("empty", alice.path("link")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    assert_eq!(refused(sftp.rmdir("/").await), code::DENIED);
    assert_eq!(refused(sftp.rmdir("/missing").await), code::NO_FILE);
    for path in ["/full", "/full/file", "/link"] {
        assert_eq!(refused(sftp.rmdir(path).await), code::FAILURE, "{path}");
    }
    sftp.rmdir("/empty").await.unwrap();
    assert!(!alice.has("empty") && alice.has("full/file"));
}

async fn making_a_folder_needs_a_parent_and_a_free_name(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.mkdir("/new").await.unwrap();
    assert_eq!(std::fs::metadata(alice.path("new")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(refused(sftp.mkdir("/new").await), code::FAILURE);
    assert_eq!(refused(sftp.mkdir("/file").await), code::FAILURE);
    assert_eq!(refused(sftp.mkdir("/no/parent").await), code::NO_FILE);
    assert_eq!(refused(sftp.mkdir("/").await), code::FAILURE);
    let long = format!("/{}", "n".repeat(300));
    assert!([code::NO_FILE, code::FAILURE].contains(&refused(sftp.mkdir(long).await)));
}

async fn renaming_replaces_a_file_and_nothing_else(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("a", "a");
    alice.put("b", "b");
    alice.put("c", "c");
    alice.put("folder/inner", "");
    alice.make_folder("other");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.rename("/a", "/b").await.unwrap();
    sftp.posix_rename("/b", "/c").await.unwrap();
    assert_eq!(alice.read("c"), b"a");
    assert!(!alice.has("a") && !alice.has("b"));
    sftp.rename("/folder", "/moved").await.unwrap();
    assert!(alice.has("moved/inner"));
    assert_eq!(refused(sftp.rename("/c", "/other").await), code::FAILURE);
    assert_eq!(refused(sftp.rename("/moved", "/other").await), code::FAILURE);
    assert_eq!(refused(sftp.rename("/moved", "/moved/inside").await), code::FAILURE);
    assert_eq!(refused(sftp.rename("/missing", "/x").await), code::NO_FILE);
    assert_eq!(refused(sftp.rename("/c", "/no/parent").await), code::NO_FILE);
    assert_eq!(refused(sftp.rename("/", "/x").await), code::DENIED);
    assert_eq!(refused(sftp.rename("/c", "/").await), code::DENIED);
    assert_eq!(alice.read("c"), b"a");
}

async fn all_attributes_of_one_request_are_applied(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let path = alice.put("file", "content");
    let before = std::fs::metadata(&path).unwrap();
    // Only root may give files away.
    let owner = if before.uid() == 0 { (1234, 2345) } else { (before.uid(), before.gid()) };
    let mut sftp = server.sftp_of(&alice).await;
    let all = Attributes {
        size: Some(3),
        owner: Some(owner),
        mode: Some(0o100_604),
        times: Some((1_000_000_000, 1_100_000_000)),
    };
    sftp.set("/file", all).await.unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o604);
    assert_eq!((metadata.atime(), metadata.mtime()), (1_000_000_000, 1_100_000_000));
    assert_eq!((metadata.uid(), metadata.gid()), owner);
    assert_eq!(alice.read("file"), b"con");
    assert_eq!(refused(sftp.set("/missing", all).await), code::NO_FILE);
}

async fn attributes_of_an_open_upload_survive_its_end(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    for mode in [0, 1] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"content").await.unwrap();
        let to = Attributes {
            mode: Some(0o640),
            times: Some((1_000_000_000, 1_100_000_000)),
            ..Attributes::default()
        };
        sftp.set_open(&handle, to).await.unwrap();
        sftp.close(&handle).await.unwrap();
        let metadata = std::fs::metadata(alice.path("file")).unwrap();
        assert_eq!(metadata.mtime(), 1_100_000_000, "mode {mode}");
        assert_eq!(metadata.mode() & 0o777, 0o640, "mode {mode}");
    }
}

async fn setstat_mode_one_changes_nothing(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::with(topology, json!({ "sftpd": { "setstat_mode": 1 } })).await;
    let alice = server.user_with("alice", json!({ "permissions": { "/": ["list"] } })).await;
    let path = alice.put("file", "content");
    let before = std::fs::metadata(&path).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    let to = Attributes { mode: Some(0o777), times: Some((1, 1)), ..Attributes::default() };
    sftp.set("/file", to).await.unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!((after.mode(), after.mtime()), (before.mode(), before.mtime()));
}

async fn special_permission_bits_are_dropped(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let path = alice.put("file", "");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.set("/file", Attributes { mode: Some(0o107_711), ..Attributes::default() }).await.unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o7777, 0o711);
}

async fn texts_of_refusals_name_no_path_of_the_server(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("full/file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/full/file", flags::READ).await.unwrap();
    let refusals = [
        sftp.open("/full", flags::READ).await.err(),
        sftp.list("/full/file").await.err(),
        sftp.rmdir("/full").await.err(),
        sftp.rename("/full", "/full/x").await.err(),
        sftp.stat("/full/file/x").await.err(),
        sftp.read(&handle, u64::MAX, 10).await.err(),
        sftp.readlink("/full/file").await.err(),
        sftp.mkdir("/full").await.err(),
    ];
    let folder = server.folder().to_str().unwrap();
    for (number, refusal) in refusals.into_iter().enumerate() {
        let status = refusal.unwrap_or_else(|| panic!("refusal {number}"));
        assert!(!status.text.contains(folder) && !status.text.contains("/homes/"), "{status:?}");
    }
}

async fn extensions_that_are_announced_work(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let announced = sftp.extensions.clone();
    if announced.contains_key("statvfs@openssh.com") {
        let body = sftp.request(200, Fields::new().string("statvfs@openssh.com").string("/")).await;
        assert_eq!(body.unwrap().len(), 11 * 8);
    }
    if announced.contains_key("hardlink@openssh.com") {
        let fields = Fields::new().string("hardlink@openssh.com").string("/file").string("/second");
        sftp.request(200, fields).await.unwrap();
        assert_eq!(alice.read("second"), b"content");
    }
    if announced.contains_key("limits@openssh.com") {
        let body = sftp.request(200, Fields::new().string("limits@openssh.com")).await.unwrap();
        let mut fields = Reader(&body);
        let (packet, read, write) = (fields.u64(), fields.u64(), fields.u64());
        assert!(packet >= 34_000 && read >= 32_768 && write >= 32_768);
        assert!(read <= packet && write <= packet);
    }
    if announced.contains_key("fsync@openssh.com") {
        let handle = sftp.open("/file", flags::WRITE).await.unwrap();
        let fields = Fields::new().string("fsync@openssh.com").string(&handle);
        sftp.request(200, fields).await.unwrap();
        sftp.close(&handle).await.unwrap();
    }
    if announced.contains_key("copy-data") {
        let from = sftp.open("/file", flags::READ).await.unwrap();
        let to = sftp.open("/copy", flags::PUT).await.unwrap();
        let fields =
            Fields::new().string("copy-data").string(&from).u64(3).u64(0).string(&to).u64(0);
        sftp.request(200, fields).await.unwrap();
        sftp.close(&to).await.unwrap();
        assert_eq!(alice.read("copy"), b"tent");
    }
}
