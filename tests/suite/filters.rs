//! Extension filters are passed neither by renaming a directory nor by links.

use ferryd_tests::raw_sftp::{RawSftp, Status, code, flags};
use ferryd_tests::wire::Fields;
use ferryd_tests::{Server, Topology, User, both_topologies};
use serde_json::json;

both_topologies!(
    a_directory_takes_nothing_denied_into_a_filtered_path,
    a_directory_takes_nothing_denied_out_of_a_filtered_path,
    a_directory_too_large_to_look_at_is_not_renamed,
    a_link_is_judged_by_its_name_and_by_what_it_leads_to,
    a_link_gives_no_other_names_to_an_unfiltered_directory,
    an_upload_that_runs_does_not_pass_with_its_directory,
);

async fn start(topology: Topology, mode: i64) -> (Server, User, RawSftp) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
    let filters = json!({ "file_extensions": [
        { "path": "/web", "allowed_extensions": [], "denied_extensions": [".php"] },
    ] });
    let alice = server.user_with("alice", json!({ "filters": filters })).await;
    for (name, content) in [
        ("web/a.txt", "x"),
        ("free/y.php", "code"),
        ("free/t.txt", "x"),
        ("free/d/sub/z.PHP", "code"),
        ("free/good/sub/z.txt", "x"),
    ] {
        alice.put(name, content);
    }
    let sftp = server.sftp_of(&alice).await;
    (server, alice, sftp)
}

fn denied<T: std::fmt::Debug>(outcome: Result<T, Status>) {
    assert_eq!(outcome.expect_err("a refusal").code, code::DENIED);
}

async fn a_directory_takes_nothing_denied_into_a_filtered_path(topology: Topology) {
    let (_server, alice, mut sftp) = start(topology, 0).await;
    denied(sftp.rename("/free/d", "/web/d").await);
    denied(sftp.posix_rename("/free/d", "/web/d").await);
    denied(sftp.rename("/free/d/sub", "/web/d").await);
    assert!(alice.has("free/d/sub/z.PHP") && !alice.has("web/d"));
    sftp.rename("/free/good", "/web/good").await.unwrap();
    sftp.rename("/web/good", "/web/better").await.unwrap();
    sftp.rename("/free/d", "/free/e").await.unwrap();
    // Links below are judged as well.
    std::fs::create_dir(alice.path("free/l")).unwrap();
    for (target, name, may_move) in [
        ("../t.txt", "s.php", false),
        ("../y.php", "s.txt", false),
        ("../../free/e", "dir", false),
        ("sub", "dir", true),
        ("later.php", "s.txt", false),
        ("later.txt", "s.txt", true),
    ] {
        let link = alice.path("free/l").join(name);
        std::fs::create_dir_all(alice.path("free/l/sub")).unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
        let moved = sftp.rename("/free/l", "/web/l").await;
        assert_eq!(moved.is_ok(), may_move, "{name} -> {target}");
        if may_move {
            sftp.rename("/web/l", "/free/l").await.unwrap();
        }
        std::fs::remove_file(link).unwrap();
    }
}

async fn a_directory_takes_nothing_denied_out_of_a_filtered_path(topology: Topology) {
    let (_server, alice, mut sftp) = start(topology, 0).await;
    alice.put("web/in/deep/hidden.php", "secret");
    denied(sftp.get("/web/in/deep/hidden.php").await);
    denied(sftp.rename("/web/in", "/free/in").await);
    denied(sftp.rename("/web/in/deep", "/web/other").await);
    assert!(alice.has("web/in/deep/hidden.php"));
}

async fn a_directory_too_large_to_look_at_is_not_renamed(topology: Topology) {
    let (_server, alice, mut sftp) = start(topology, 0).await;
    for folder in 0..100 {
        let folder = alice.make_folder(&format!("free/large/{folder}"));
        std::fs::write(folder.join("0"), "").unwrap();
        for number in 1..1000 {
            std::fs::hard_link(folder.join("0"), folder.join(number.to_string())).unwrap();
        }
    }
    denied(sftp.rename("/free/large", "/web/large").await);
    sftp.rename("/free/large", "/free/larger").await.unwrap();
    std::fs::remove_dir_all(alice.path("free/larger/0")).unwrap();
    sftp.rename("/free/larger", "/web/large").await.unwrap();
}

async fn a_link_is_judged_by_its_name_and_by_what_it_leads_to(topology: Topology) {
    let (_server, alice, mut sftp) = start(topology, 0).await;
    for (target, link) in [
        ("/free/y.php", "/web/s.php"),
        ("/free/t.txt", "/web/s.php"),
        ("/free/y.php", "/web/s.txt"),
        ("../free/y.php", "/web/s.txt"),
        ("/free/later.php", "/web/s.txt"),
        ("/web/later.php", "/free/s.txt"),
    ] {
        denied(sftp.symlink(target, link).await);
        assert!(!alice.has(link), "{target} at {link}");
    }
    sftp.symlink("/free/t.txt", "/web/s.txt").await.unwrap();
    assert_eq!(sftp.get("/web/s.txt").await.unwrap(), b"x");
    // A link that is moved is judged where it arrives.
    sftp.symlink("y.php", "/free/l.txt").await.unwrap();
    denied(sftp.rename("/free/l.txt", "/web/l.txt").await);
    sftp.rename("/free/l.txt", "/free/m.txt").await.unwrap();
    // One that is there already opens nothing of another name.
    std::os::unix::fs::symlink("../free/y.php", alice.path("web/old.txt")).unwrap();
    denied(sftp.get("/web/old.txt").await);
    denied(sftp.put("/web/old.txt", b"x").await);
    // Hard links go by the same names.
    let hard = |target: &str, link: &str| {
        Fields::new().string("hardlink@openssh.com").string(target).string(link)
    };
    denied(sftp.request(200, hard("/free/t.txt", "/web/h.php")).await);
    sftp.request(200, hard("/free/t.txt", "/web/h.txt")).await.unwrap();
}

async fn a_link_gives_no_other_names_to_an_unfiltered_directory(topology: Topology) {
    let (_server, alice, mut sftp) = start(topology, 0).await;
    sftp.mkdir("/free/empty").await.unwrap();
    for target in ["/free", "/free/good", "/free/empty", "../free", "/free/later"] {
        denied(sftp.symlink(target, "/web/dir").await);
        assert!(!alice.has("web/dir"), "{target}");
    }
    sftp.mkdir("/web/sub").await.unwrap();
    sftp.symlink("sub", "/web/dir").await.unwrap();
    sftp.symlink("/web/sub", "/free/dir").await.unwrap();
    denied(sftp.put("/free/dir/x.php", b"x").await);
    sftp.symlink("/free/d", "/free/way").await.unwrap();
    denied(sftp.rename("/free/way", "/web/way").await);
}

async fn an_upload_that_runs_does_not_pass_with_its_directory(topology: Topology) {
    for mode in [0, 1, 2] {
        let (_server, _alice, mut sftp) = start(topology, mode).await;
        let long = format!("{}.php", "n".repeat(251));
        for name in ["s.php", &long] {
            let handle = sftp.open(format!("/free/good/{name}"), flags::PUT).await.unwrap();
            denied(sftp.rename("/free/good", "/web/good").await);
            sftp.close(&handle).await.unwrap();
            sftp.remove(format!("/free/good/{name}")).await.unwrap();
        }
        sftp.rename("/free/good", "/web/good").await.unwrap();
    }
}
