//! Symbolic links keep the text that the client sent, and lead from where they are.

use std::path::Path;

use ferryd_tests::files::temporary_folder;
use ferryd_tests::keys::client_key;
use ferryd_tests::openssh::run;
use ferryd_tests::raw_sftp::code;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;
use tokio::process::Command;

both_topologies!(
    a_relative_link_keeps_its_text_and_leads_from_where_it_is,
    a_link_that_leads_outside_is_not_made,
    links_of_a_virtual_folder_stay_in_it,
    openssh_makes_links_from_its_directory,
    lftp_mirrors_links_twice,
);

async fn a_relative_link_keeps_its_text_and_leads_from_where_it_is(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("sl/data", "hello");
    alice.make_folder("sl/sub");
    let mut sftp = server.sftp_of(&alice).await;
    for (target, link) in [
        ("data", "/sl/link"),
        ("../data", "/sl/sub/up"),
        ("./..//sub/../data", "/sl/sub/long"),
        ("sl/sub/up", "/chain"),
    ] {
        sftp.symlink(target, link).await.unwrap();
        assert_eq!(std::fs::read_link(alice.path(link)).unwrap(), Path::new(target));
        assert_eq!(sftp.readlink(link).await.unwrap(), target.as_bytes());
        assert_eq!(sftp.get(link).await.unwrap(), b"hello", "{link}");
        assert_eq!(sftp.stat(link).await.unwrap().size, Some(5), "{link}");
        assert_eq!(sftp.lstat(link).await.unwrap().size, Some(target.len() as u64), "{link}");
    }
    // Through a link to a directory the text counts from the real place.
    sftp.symlink("sl/sub", "/way").await.unwrap();
    sftp.symlink("../data", "/way/new").await.unwrap();
    assert_eq!(sftp.get("/sl/sub/new").await.unwrap(), b"hello");
    sftp.rename("/sl", "/moved").await.unwrap();
    assert_eq!(sftp.get("/moved/sub/up").await.unwrap(), b"hello", "it moves along");
    sftp.symlink("later", "/moved/dangling").await.unwrap();
    assert_eq!(sftp.get("/moved/dangling").await.unwrap_err().code, code::NO_FILE);
    sftp.put("/moved/dangling", b"there").await.unwrap();
    assert_eq!(alice.read("moved/later"), b"there");
}

async fn a_link_that_leads_outside_is_not_made(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let neighbour = server.user("neighbour").await;
    neighbour.put("secret", "secret");
    alice.make_folder("a");
    let mut sftp = server.sftp_of(&alice).await;
    for (target, link) in [
        ("../neighbour/secret", "/link"),
        ("../../neighbour/secret", "/a/link"),
        ("../../../../../etc/passwd", "/link"),
        ("a/../../neighbour", "/link"),
        ("../alice/a", "/link"),
        ("", "/link"),
    ] {
        let refused = sftp.symlink(target, link).await.unwrap_err();
        assert_eq!(refused.code, code::FAILURE, "{target}: {refused:?}");
        assert!(!alice.has(link), "{target}");
    }
    for target in ["..", "./../a/.."] {
        assert_eq!(sftp.symlink(target, "/a/link").await.unwrap_err().code, code::DENIED);
    }
    // One that another program has made and that comes back shows no name from above the root.
    std::os::unix::fs::symlink("../alice/a", alice.path("around")).unwrap();
    assert_eq!(sftp.readlink("/around").await.unwrap(), b"/a");
    std::os::unix::fs::symlink("../neighbour/secret", alice.path("out")).unwrap();
    assert_eq!(sftp.readlink("/out").await.unwrap_err().code, code::FAILURE);
    // One that leads outside once it has been moved is not followed.
    alice.put("file", "content");
    sftp.symlink("../file", "/a/up").await.unwrap();
    assert_eq!(sftp.get("/a/up").await.unwrap(), b"content");
    sftp.rename("/a/up", "/up").await.unwrap();
    assert_eq!(sftp.get("/up").await.unwrap_err().code, code::FAILURE);
    assert_eq!(sftp.readlink("/up").await.unwrap_err().code, code::FAILURE);
}

async fn links_of_a_virtual_folder_stay_in_it(topology: Topology) {
    let server = Server::start(topology).await;
    let mapped = server.folder().join("mapped");
    std::fs::create_dir_all(mapped.join("sub")).unwrap();
    std::fs::write(mapped.join("file"), "mapped").unwrap();
    let folders = json!([{ "virtual_path": "/deep/shared", "mapped_path": mapped }]);
    let alice = server.user_with("alice", json!({ "virtual_folders": folders })).await;
    alice.put("file", "home");
    let mut sftp = server.sftp_of(&alice).await;
    for (target, link) in
        [("../file", "/deep/shared/sub/up"), ("/deep/shared/file", "/deep/shared/sub/absolute")]
    {
        sftp.symlink(target, link).await.unwrap();
        assert_eq!(sftp.readlink(link).await.unwrap(), target.as_bytes());
        assert_eq!(sftp.get(link).await.unwrap(), b"mapped", "{link}");
    }
    for (target, link) in [
        ("../../file", "/deep/shared/out"),
        ("/file", "/deep/shared/out"),
        ("deep/shared/file", "/in"),
        ("/deep/shared/file", "/in"),
    ] {
        let refused = sftp.symlink(target, link).await.unwrap_err();
        assert_eq!(refused.code, code::FAILURE, "{target} at {link}");
    }
    assert_eq!(sftp.symlink("shared", "/deep/x").await.unwrap_err().code, code::DENIED);
}

async fn openssh_makes_links_from_its_directory(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("sl/data", "hello");
    let local = temporary_folder("client");
    let back = local.path().join("back");
    let batch = format!("cd sl\nln -s data link\nls -l\nget link {}\n", back.display());
    let said = server.sftp_batch(&alice, &[], &batch).await;
    said.assert_well();
    assert_eq!(std::fs::read(&back).unwrap(), b"hello");
    assert_eq!(std::fs::read_link(alice.path("sl/link")).unwrap(), Path::new("data"));
}

async fn lftp_mirrors_links_twice(topology: Topology) {
    if std::process::Command::new("lftp").arg("--version").output().is_err() {
        println!("skipped: lftp is not installed");
        return;
    }
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = temporary_folder("client");
    let (tree, back) = (local.path().join("tree"), local.path().join("back"));
    std::fs::create_dir_all(tree.join("sub")).unwrap();
    std::fs::write(tree.join("data"), "hello").unwrap();
    let links = [("link", "data"), ("sub/up", "../data"), ("sub/way", ".."), ("lost", "nowhere")];
    for (link, target) in links {
        std::os::unix::fs::symlink(target, tree.join(link)).unwrap();
    }
    let ssh = format!(
        "ssh -a -x -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i {}",
        client_key().file.display()
    );
    for _ in 0..2 {
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; set sftp:connect-program '{ssh}'; \
             open -u alice,x sftp://{}; mirror -R {} /tree; mirror /tree {}; bye",
            server.sftp(),
            tree.display(),
            back.display()
        );
        let mut lftp = Command::new("lftp");
        lftp.args(["--norc", "-c", &script]).env_remove("SSH_AUTH_SOCK");
        run(lftp, b"").await.assert_well();
        for (link, target) in links {
            for copy in [alice.path("tree"), back.clone()] {
                let text = std::fs::read_link(copy.join(link)).unwrap();
                assert_eq!(text, Path::new(target), "{link}");
            }
        }
    }
}
