//! Nobody leaves the home, by names, by links, or by changing things between check and use.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::{RawSftp, Server, Topology, User, both_topologies};

both_topologies!(
    a_home_with_the_same_beginning_is_another_home,
    a_link_to_outside_is_listed_and_nothing_more,
    a_dangling_link_to_outside_creates_nothing_there,
    a_link_may_be_swapped_for_a_folder_at_any_moment,
    chains_and_loops_of_links_end,
    links_inside_of_the_home_work,
    a_home_that_is_itself_behind_a_link_works,
);

fn outside(server: &Server) -> std::path::PathBuf {
    let folder = server.folder().join("outside");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("secret"), "secret").unwrap();
    folder
}

/// Nothing outside of the home may be read, changed, made or removed through a path.
async fn assert_closed(sftp: &mut RawSftp, path: &str) {
    let outcomes = [
        ("get", sftp.get(path).await.err()),
        ("put", sftp.put(path, b"overwritten").await.err()),
        ("append", sftp.open(path, flags::WRITE | flags::APPEND).await.err()),
        ("stat", sftp.stat(path).await.err()),
        ("list", sftp.list(path).await.err()),
        ("mkdir", sftp.mkdir(path).await.err()),
        ("rmdir", sftp.rmdir(path).await.err()),
        ("chmod", sftp.set(path, mode(0o777)).await.err()),
    ];
    for (name, refusal) in outcomes {
        let status = refusal.unwrap_or_else(|| panic!("{name} of {path} went through"));
        assert!((2..=4).contains(&status.code) || status.code == 8, "{name} {path}: {status:?}");
    }
}

fn mode(bits: u32) -> ferryd_tests::wire::Attributes {
    ferryd_tests::wire::Attributes { mode: Some(bits), ..Default::default() }
}

fn assert_untouched(folder: &std::path::Path) {
    let names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(std::fs::read(folder.join("secret")).unwrap(), b"secret");
}

async fn a_home_with_the_same_beginning_is_another_home(topology: Topology) {
    let server = Server::start(topology).await;
    let (u, u2) = (server.user("u").await, server.user("u2").await);
    u2.put("secret", "secret");
    symlink(&u2.home, u.path("neighbour")).unwrap();
    symlink("../u2/secret", u.path("file")).unwrap();
    let mut sftp = server.sftp_of(&u).await;
    for path in ["/neighbour", "/neighbour/secret", "/file", "/neighbour/new"] {
        assert_closed(&mut sftp, path).await;
    }
    for path in ["/../u2/secret", "../u2/secret", "/..2/secret"] {
        assert_eq!(sftp.get(path).await.unwrap_err().code, code::NO_FILE);
    }
    assert_untouched(&u2.home);
}

async fn a_link_to_outside_is_listed_and_nothing_more(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let outside = outside(&server);
    symlink(&outside, alice.path("absolute")).unwrap();
    symlink("../../outside", alice.path("relative")).unwrap();
    symlink(outside.join("secret"), alice.path("file")).unwrap();
    symlink("/etc/passwd", alice.path("passwd")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    assert_eq!(sftp.list("/").await.unwrap().len(), 4);
    for path in
        ["/absolute", "/absolute/secret", "/relative/secret", "/file", "/passwd", "/absolute/n"]
    {
        assert_closed(&mut sftp, path).await;
    }
    for path in ["/absolute", "/file"] {
        assert_eq!(sftp.get(path).await.unwrap_err().code, code::FAILURE, "{path}");
        assert_eq!(sftp.stat(path).await.unwrap_err().code, code::FAILURE, "{path}");
        assert_eq!(sftp.readlink(path).await.unwrap_err().code, code::FAILURE, "{path}");
    }
    alice.put("own", "own");
    for path in ["/absolute", "/relative", "/file", "/passwd"] {
        assert_eq!(sftp.rename(path, "/moved").await.unwrap_err().code, code::FAILURE, "{path}");
        assert_eq!(sftp.remove(path).await.unwrap_err().code, code::FAILURE, "{path}");
        assert_eq!(sftp.rename("/own", path).await.unwrap_err().code, code::FAILURE, "{path}");
    }
    assert_eq!(sftp.list("/").await.unwrap().len(), 5);
    assert!(sftp.remove("/absolute/secret").await.is_err());
    assert!(sftp.rename("/absolute/secret", "/stolen").await.is_err());
    assert!(!alice.has("stolen"));
    assert_untouched(&outside);
}

async fn a_dangling_link_to_outside_creates_nothing_there(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let outside = outside(&server);
    symlink(outside.join("new"), alice.path("dangling")).unwrap();
    symlink("../../outside/new2", alice.path("relative")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    for path in ["/dangling", "/relative", "/dangling/x"] {
        assert!(sftp.put(path, b"x").await.is_err(), "{path}");
        assert!(sftp.mkdir(path).await.is_err(), "{path}");
    }
    // An absolute link that the user makes leads below the account's root, a relative one may not
    // lead above it.
    sftp.symlink("/etc/passwd", "/mine").await.unwrap();
    assert_eq!(sftp.get("/mine").await.unwrap_err().code, code::NO_FILE);
    let above = sftp.symlink("../../../../etc/passwd", "/above").await;
    assert_eq!(above.unwrap_err().code, code::FAILURE);
    assert_untouched(&outside);
}

async fn a_link_may_be_swapped_for_a_folder_at_any_moment(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let outside = outside(&server);
    alice.put("real/secret", "public");
    symlink(&outside, alice.path("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn(swap(alice.clone(), stop.clone()));
    let mut sftp = server.sftp_of(&alice).await;
    let mut seen = 0;
    for _ in 0..10_000 {
        match sftp.open("/spot/secret", flags::READ).await {
            Ok(handle) => {
                let content = sftp.read(&handle, 0, 100).await.unwrap();
                assert_eq!(content, b"public", "the file outside was read");
                sftp.close(&handle).await.unwrap();
                seen += 1;
            }
            Err(status) => assert!((2..=4).contains(&status.code), "{status:?}"),
        }
        // The writes race too.
        if let Ok(handle) = sftp.open("/spot/new", flags::PUT).await {
            sftp.close(&handle).await.unwrap();
        }
        let _ = sftp.remove("/spot/new").await;
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(seen > 0, "the folder was never in its place");
    assert_untouched(&outside);
}

/// Puts by turns the real folder and the link to outside at `/spot`.
fn swap(user: User, stop: Arc<AtomicBool>) -> impl FnOnce() + Send {
    move || {
        let (real, link, spot) = (user.path("real"), user.path("link"), user.path("spot"));
        while !stop.load(Ordering::Relaxed) {
            std::fs::rename(&real, &spot).unwrap();
            std::fs::rename(&spot, &real).unwrap();
            std::fs::rename(&link, &spot).unwrap();
            std::fs::rename(&spot, &link).unwrap();
        }
    }
}

async fn chains_and_loops_of_links_end(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let outside = outside(&server);
    symlink("b", alice.path("a")).unwrap();
    symlink("a", alice.path("b")).unwrap();
    symlink(".", alice.path("self")).unwrap();
    symlink(&outside, alice.path("chain0")).unwrap();
    for number in 0..60 {
        symlink(format!("chain{number}"), alice.path(&format!("chain{}", number + 1))).unwrap();
    }
    let mut sftp = server.sftp_of(&alice).await;
    assert_eq!(sftp.get("/a").await.unwrap_err().code, code::FAILURE);
    assert_eq!(sftp.put("/a", b"x").await.unwrap_err().code, code::FAILURE);
    for path in ["/chain1", "/chain20/secret", "/chain60"] {
        assert_closed(&mut sftp, path).await;
    }
    alice.put("own", "own");
    sftp.rename("/a", "/c").await.unwrap();
    sftp.rename("/own", "/c").await.unwrap();
    assert_eq!(alice.read("c"), b"own");
    sftp.remove("/b").await.unwrap();
    let many = "/self".repeat(200);
    match sftp.stat(&many).await {
        Ok(attributes) => assert!(attributes.is_folder()),
        Err(status) => assert_eq!(status.code, code::FAILURE),
    }
    assert_untouched(&outside);
}

async fn links_inside_of_the_home_work(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("folder/file", "content");
    symlink("folder", alice.path("relative")).unwrap();
    symlink(alice.path("folder"), alice.path("absolute")).unwrap();
    symlink("../folder/file", alice.path("folder/up")).unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    for path in ["/relative/file", "/absolute/file", "/folder/up", "/relative/up"] {
        assert_eq!(sftp.get(path).await.unwrap(), b"content", "{path}");
    }
    sftp.put("/absolute/new", b"new").await.unwrap();
    assert_eq!(alice.read("folder/new"), b"new");
}

async fn a_home_that_is_itself_behind_a_link_works(topology: Topology) {
    let server = Server::start(topology).await;
    let real = server.folder().join("elsewhere");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, server.home_of("alice")).unwrap();
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/file", b"content").await.unwrap();
    assert_eq!(std::fs::read(real.join("file")).unwrap(), b"content");
    sftp.symlink("/file", "/link").await.unwrap();
    assert_eq!(sftp.get("/link").await.unwrap(), b"content");
}
