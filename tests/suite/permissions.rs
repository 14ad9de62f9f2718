//! Which permission each operation needs, and where it is looked up.

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::{Attributes, Fields};
use ferryd_tests::{RawSftp, Server, Status, Topology, User, both_topologies};
use serde_json::{Value, json};

both_topologies!(
    each_operation_needs_its_permission_and_no_other,
    the_nearest_entry_counts_alone,
    overwriting_needs_upload_too,
    a_refused_open_leaves_everything_as_it_was,
    a_denied_user_cannot_learn_whether_a_file_exists,
    renaming_needs_the_permission_at_both_ends,
    renaming_over_a_file_needs_overwrite,
    a_folder_with_rules_below_stays_where_it_is,
    a_link_opens_no_restricted_folder,
    a_second_name_of_a_file_allows_no_more_than_the_first,
    extension_filters_hold_for_every_operation_on_content,
    a_change_of_permissions_holds_from_the_next_login_on,
);

const ALL: [&str; 11] = [
    "list",
    "download",
    "upload",
    "overwrite",
    "delete",
    "rename",
    "create_dirs",
    "create_symlinks",
    "chmod",
    "chown",
    "chtimes",
];

/// The operations and the permissions that each needs.
const NEEDS: [(&str, &[&str]); 14] = [
    ("opendir", &["list"]),
    ("stat", &["list"]),
    ("lstat", &["list"]),
    ("download", &["download"]),
    ("upload", &["upload"]),
    ("overwrite", &["overwrite", "upload"]),
    ("remove", &["delete"]),
    ("rmdir", &["delete"]),
    ("rename", &["rename"]),
    ("mkdir", &["create_dirs"]),
    ("symlink", &["create_symlinks"]),
    ("chmod", &["chmod"]),
    ("chtimes", &["chtimes"]),
    // It tells whether the file is there.
    ("set nothing", &["list"]),
];

async fn attempt(sftp: &mut RawSftp, operation: &str) -> Result<(), Status> {
    let mode = Attributes { mode: Some(0o600), ..Attributes::default() };
    let times = Attributes { times: Some((1, 2)), ..Attributes::default() };
    match operation {
        "opendir" => sftp.list("/d").await.map(drop),
        "stat" => sftp.stat("/d/file").await.map(drop),
        "lstat" => sftp.lstat("/d/file").await.map(drop),
        "download" => sftp.get("/d/file").await.map(drop),
        "upload" => sftp.put("/d/new", b"x").await,
        "overwrite" => sftp.put("/d/file", b"x").await,
        "remove" => sftp.remove("/d/doomed").await,
        "rmdir" => sftp.rmdir("/d/empty").await,
        "rename" => sftp.rename("/d/mover", "/d/moved").await,
        "mkdir" => sftp.mkdir("/d/made").await,
        "symlink" => sftp.symlink("/d/file", "/d/link").await,
        "chmod" => sftp.set("/d/file", mode).await,
        "chtimes" => sftp.set("/d/file", times).await,
        "set nothing" => sftp.set("/d/file", Attributes::default()).await,
        other => panic!("{other}"),
    }
}

fn furnish(user: &User) {
    for file in ["d/file", "d/doomed", "d/mover"] {
        user.put(file, "content");
    }
    user.make_folder("d/empty");
}

async fn user_in(server: &Server, name: &str, permissions: Value) -> User {
    let user = server.user_with(name, json!({ "permissions": permissions })).await;
    furnish(&user);
    user
}

fn denied<T: std::fmt::Debug>(outcome: Result<T, Status>) {
    assert_eq!(outcome.expect_err("a refusal").code, code::DENIED);
}

async fn each_operation_needs_its_permission_and_no_other(topology: Topology) {
    let server = Server::start(topology).await;
    for (operation, needed) in NEEDS {
        let exact = json!({ "/": ["list"], "/d": needed });
        let exact = user_in(&server, &format!("exact-{operation}"), exact).await;
        let outcome = attempt(&mut server.sftp_of(&exact).await, operation).await;
        outcome.unwrap_or_else(|status| panic!("{operation} with {needed:?}: {status:?}"));
        for missing in needed {
            let others: Vec<_> = ALL.iter().filter(|name| *name != missing).collect();
            let name = format!("without-{missing}-{operation}");
            let user = user_in(&server, &name, json!({ "/": ["*"], "/d": others })).await;
            let outcome = attempt(&mut server.sftp_of(&user).await, operation).await;
            let status = outcome.expect_err(&name);
            assert_eq!(status.code, code::DENIED, "{name}");
        }
    }
}

async fn the_nearest_entry_counts_alone(topology: Topology) {
    let server = Server::start(topology).await;
    let permissions = json!({ "/": ["*"], "/d": ["list"], "/d/e": ["download"], "/dd": [] });
    let alice = user_in(&server, "alice", permissions).await;
    for file in ["d/e/f/deep", "dd/file", "ddd/file"] {
        alice.put(file, "content");
    }
    let mut sftp = server.sftp_of(&alice).await;
    sftp.list("/d").await.unwrap();
    denied(sftp.get("/d/file").await);
    assert_eq!(sftp.get("/d/e/f/deep").await.unwrap(), b"content");
    denied(sftp.list("/d/e").await);
    denied(sftp.list("/dd").await);
    denied(sftp.get("/dd/file").await);
    assert_eq!(sftp.get("/ddd/file").await.unwrap(), b"content");
    denied(sftp.get("/x/../d/./file").await);
}

async fn overwriting_needs_upload_too(topology: Topology) {
    let server = Server::start(topology).await;
    for (name, permissions) in [("one", ["list", "overwrite"]), ("two", ["list", "upload"])] {
        let user = user_in(&server, name, json!({ "/": ["*"], "/d": permissions })).await;
        let mut sftp = server.sftp_of(&user).await;
        for flags in [flags::PUT, flags::WRITE, flags::WRITE | flags::APPEND] {
            denied(sftp.open("/d/file", flags).await);
        }
        assert_eq!(user.read("d/file"), b"content");
    }
}

async fn a_refused_open_leaves_everything_as_it_was(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = user_in(&server, "alice", json!({ "/": ["*"], "/d": ["list"] })).await;
    let mut sftp = server.sftp_of(&alice).await;
    denied(sftp.put("/d/file", b"x").await);
    denied(sftp.put("/d/new", b"x").await);
    denied(sftp.mkdir("/d/made").await);
    assert_eq!(alice.read("d/file"), b"content");
    assert!(!alice.has("d/new") && !alice.has("d/made"));
}

async fn a_denied_user_cannot_learn_whether_a_file_exists(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = user_in(&server, "alice", json!({ "/": ["*"], "/d": [] })).await;
    let mut sftp = server.sftp_of(&alice).await;
    for name in ["file", "missing"] {
        let path = format!("/d/{name}");
        denied(sftp.get(&path).await);
        denied(sftp.stat(&path).await);
        denied(sftp.lstat(&path).await);
        denied(sftp.remove(&path).await);
        denied(sftp.rename(&path, "/stolen").await);
    }
    alice.put("present", "x");
    for name in ["present", "absent"] {
        denied(sftp.rename(&format!("/{name}"), "/d/new").await);
        denied(sftp.posix_rename(&format!("/{name}"), "/d/new").await);
    }
    assert!(!alice.has("stolen"));
}

async fn renaming_needs_the_permission_at_both_ends(topology: Topology) {
    let server = Server::start(topology).await;
    let all_but_rename: Vec<_> = ALL.iter().filter(|name| **name != "rename").collect();
    let permissions = json!({ "/": ["*"], "/d": all_but_rename });
    let alice = user_in(&server, "alice", permissions).await;
    alice.put("free", "x");
    let mut sftp = server.sftp_of(&alice).await;
    denied(sftp.rename("/free", "/d/free").await);
    denied(sftp.rename("/d/file", "/file").await);
    denied(sftp.posix_rename("/d/file", "/file").await);
    assert!(alice.has("free") && alice.has("d/file"));
}

async fn renaming_over_a_file_needs_overwrite(topology: Topology) {
    let server = Server::start(topology).await;
    let all_but_overwrite: Vec<_> = ALL.iter().filter(|name| **name != "overwrite").collect();
    let permissions = json!({ "/": ["*"], "/d": all_but_overwrite });
    let alice = user_in(&server, "alice", permissions).await;
    let mut sftp = server.sftp_of(&alice).await;
    denied(sftp.rename("/d/mover", "/d/file").await);
    denied(sftp.posix_rename("/d/mover", "/d/file").await);
    sftp.rename("/d/mover", "/d/fresh").await.unwrap();
    assert_eq!(alice.read("d/file"), b"content");
}

async fn a_folder_with_rules_below_stays_where_it_is(topology: Topology) {
    let server = Server::start(topology).await;
    let permissions = json!({ "/": ["*"], "/top/secret": ["list"], "/exact": ["*"] });
    let alice = server.user_with("alice", json!({ "permissions": permissions })).await;
    alice.put("top/secret/file", "content");
    alice.put("exact/file", "content");
    alice.put("free/file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    denied(sftp.rename("/top", "/open").await);
    denied(sftp.rename("/top/secret", "/open").await);
    denied(sftp.rename("/exact", "/open").await);
    sftp.rename("/free", "/open").await.unwrap();
    denied(sftp.get("/top/secret/file").await);
}

async fn a_link_opens_no_restricted_folder(topology: Topology) {
    let server = Server::start(topology).await;
    let filter = json!([{ "path": "/", "denied_extensions": [".zip"] }]);
    let changes = json!({
        "permissions": { "/": ["*"], "/closed": ["list"] },
        "filters": { "file_extensions": filter },
    });
    let alice = server.user_with("alice", changes).await;
    alice.put("closed/file", "content");
    alice.put("open/a.zip", "content");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.symlink("/closed", "/link").await.unwrap();
    sftp.symlink("/closed/file", "/direct").await.unwrap();
    denied(sftp.symlink("/open/a.zip", "/a.txt").await);
    std::os::unix::fs::symlink("open/a.zip", alice.path("a.txt")).unwrap();
    for path in ["/link/file", "/direct", "/a.txt"] {
        denied(sftp.get(path).await);
        denied(sftp.put(path, b"x").await);
    }
    denied(sftp.put("/link/new", b"x").await);
    assert_eq!(alice.read("closed/file"), b"content");
    assert!(!alice.has("closed/new"));
}

async fn a_second_name_of_a_file_allows_no_more_than_the_first(topology: Topology) {
    let server = Server::start(topology).await;
    let reading = ["list", "download"];
    let touching = ["list", "download", "upload", "create_symlinks", "chtimes"];
    let permissions = json!({ "/": ["*"], "/d": reading, "/all": ["*"], "/e": touching });
    let alice = user_in(&server, "alice", permissions).await;
    alice.put("all/file", "x");
    alice.put("e/file", "x");
    std::os::unix::fs::symlink("d", alice.path("way")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    let mut link = async |from: &str, to: &str| {
        let fields = Fields::new().string("hardlink@openssh.com").string(from).string(to);
        sftp.request(200, fields).await
    };
    denied(link("/d/file", "/copy").await);
    denied(link("/way/file", "/copy").await);
    denied(link("/d/file", "/e/copy").await);
    denied(link("/e/file", "/copy").await);
    link("/all/file", "/copy").await.unwrap();
    link("/e/file", "/e/copy").await.unwrap();
    assert!(alice.has("copy") && alice.has("e/copy"));
}

async fn extension_filters_hold_for_every_operation_on_content(topology: Topology) {
    let server = Server::start(topology).await;
    let filters = json!({ "file_extensions": [
        { "path": "/", "denied_extensions": [".ZIP"] },
        { "path": "/pictures", "allowed_extensions": [".jpg", ".png"] },
    ] });
    let alice = server.user_with("alice", json!({ "filters": filters })).await;
    for file in ["a.zip", "b.Zip", "c.txt", "pictures/a.jpg", "pictures/b.txt", "pictures/c.zip"] {
        alice.put(file, "content");
    }
    let mut sftp = server.sftp_of(&alice).await;
    for path in ["/a.zip", "/b.Zip", "/pictures/b.txt", "/pictures/c.zip"] {
        denied(sftp.get(path).await);
        denied(sftp.put(path, b"x").await);
        denied(sftp.remove(path).await);
        denied(sftp.rename(path, "/new.txt").await);
        sftp.stat(path).await.unwrap();
    }
    denied(sftp.rename("/c.txt", "/c.zip").await);
    denied(sftp.put("/new.zip", b"x").await);
    assert_eq!(sftp.get("/pictures/a.jpg").await.unwrap(), b"content");
    assert_eq!(sftp.list("/pictures").await.unwrap().len(), 3);
    sftp.mkdir("/folder.zip").await.unwrap();
}

async fn a_change_of_permissions_holds_from_the_next_login_on(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = user_in(&server, "alice", json!({ "/": ["*"] })).await;
    let mut running = server.sftp_of(&alice).await;
    let change = json!({ "permissions": { "/": ["list"] } });
    server.rest().update_user(alice.id, &change).await.unwrap();
    running.get("/d/file").await.unwrap();
    denied(server.sftp_of(&alice).await.get("/d/file").await);
}
