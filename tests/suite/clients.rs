//! Other people's clients: each carries a tree there and back in its own way.

use std::path::{Path, PathBuf};

use ferryd_tests::files::{pattern, temporary_folder};
use ferryd_tests::keys::{KeyPair, client_key, host_key};
use ferryd_tests::openssh::{Said, run};
use ferryd_tests::{Server, Topology, User, both_topologies};
use tokio::process::Command;

both_topologies!(
    curl_carries_a_file,
    lftp_mirrors_a_tree,
    rclone_copies_and_compares_a_tree,
    psftp_carries_a_file,
    sshfs_mounts_a_home,
);

/// A tree with files of several sizes.
fn tree(folder: &Path) -> PathBuf {
    let tree = folder.join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    for (name, size) in [("empty", 0), ("a/small", 1), ("a/b/block", 32_768), ("large", 3_000_001)]
    {
        std::fs::write(tree.join(name), pattern(size)).unwrap();
    }
    tree
}

fn assert_same(one: &Path, other: &Path) {
    for name in ["empty", "a/small", "a/b/block", "large"] {
        let content = std::fs::read(other.join(name));
        let content = content.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(content == std::fs::read(one.join(name)).unwrap(), "{name}");
    }
}

/// Tells why a scenario cannot run when its client is not installed.
fn is_missing(program: &str) -> bool {
    let missing = std::process::Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

async fn start(topology: Topology) -> (Server, User) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    (server, alice)
}

async fn say(program: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("SSH_AUTH_SOCK");
    run(command, b"").await
}

fn key_file() -> &'static str {
    client_key().file.to_str().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn curl_carries_a_file(topology: Topology) {
    if is_missing("curl") {
        return;
    }
    let (server, alice) = start(topology).await;
    let local = temporary_folder("client");
    let (there, back) = (local.path().join("there"), local.path().join("back"));
    std::fs::write(&there, pattern(1_000_003)).unwrap();
    // libssh2 knows no Ed25519 key without its public half.
    let public = client_key().file.with_extension("pub");
    let common = ["-sS", "-k", "--key", key_file(), "--pubkey", text(&public), "-u", "alice:"];
    let url = format!("sftp://{}/dir/file", server.sftp());
    let put = ["--ftp-create-dirs", "-T", text(&there), &url];
    say("curl", &[&common[..], &put].concat()).await.assert_well();
    assert!(alice.read("dir/file") == pattern(1_000_003));
    say("curl", &[&common[..], &["-o", text(&back), &url]].concat()).await.assert_well();
    assert!(std::fs::read(&back).unwrap() == pattern(1_000_003));
}

async fn lftp_mirrors_a_tree(topology: Topology) {
    if is_missing("lftp") {
        return;
    }
    let (server, alice) = start(topology).await;
    let local = temporary_folder("client");
    let (tree, back) = (tree(local.path()), local.path().join("back"));
    let connect = format!(
        "ssh -a -x -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i {}",
        key_file()
    );
    let script = format!(
        "set cmd:fail-exit yes; set net:max-retries 1; set sftp:connect-program '{connect}'; \
         open -u alice,x sftp://{}; mirror -R {} /tree; mirror --parallel=3 /tree {}; \
         mv /tree/a/small /tree/a/moved; cls -1 /tree/a; bye",
        server.sftp(),
        tree.display(),
        back.display()
    );
    let said = say("lftp", &["--norc", "-c", &script]).await;
    said.assert_well();
    assert!(said.output.contains("moved"), "{said:?}");
    assert_same(&tree, &back);
    assert!(alice.has("tree/a/moved") && !alice.has("tree/a/small"));
}

async fn rclone_copies_and_compares_a_tree(topology: Topology) {
    if is_missing("rclone") {
        return;
    }
    let (server, alice) = start(topology).await;
    let local = temporary_folder("client");
    let (tree, back) = (tree(local.path()), local.path().join("back"));
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user=alice,key_file={}:/tree",
        server.sftp().port(),
        key_file()
    );
    let rclone = async |arguments: &[&str]| {
        let common = ["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"];
        let said = say("rclone", &[&common[..], arguments].concat()).await;
        said.assert_well();
        said
    };
    rclone(&["copy", text(&tree), &remote]).await;
    assert_same(&tree, &alice.path("tree"));
    rclone(&["copy", &remote, text(&back)]).await;
    assert_same(&tree, &back);
    // The sums come from the digest commands of the server.
    rclone(&["check", text(&tree), &remote]).await;
    std::fs::write(alice.path("tree/a/small"), "!").unwrap();
    let common = ["--config", "/dev/null", "check", text(&tree), &remote];
    assert!(!say("rclone", &common).await.well, "a difference in content alone is found");
}

async fn psftp_carries_a_file(topology: Topology) {
    if is_missing("psftp") {
        return;
    }
    let (server, alice) = start(topology).await;
    let local = temporary_folder("client");
    let (there, back) = (local.path().join("there"), local.path().join("back"));
    std::fs::write(&there, pattern(1_000_003)).unwrap();
    let ppk = local.path().join("key.ppk");
    say("puttygen", &[key_file(), "-O", "private", "-o", text(&ppk)]).await.assert_well();
    let print = fingerprint(host_key()).await;
    let batch = local.path().join("batch");
    let script = format!("put {} file\nls\nget file {}\nquit\n", there.display(), back.display());
    std::fs::write(&batch, script).unwrap();
    let port = server.sftp().port().to_string();
    let said = say(
        "psftp",
        &[
            "-batch",
            "-noagent",
            "-P",
            &port,
            "-i",
            text(&ppk),
            "-hostkey",
            &print,
            "-b",
            text(&batch),
            "alice@127.0.0.1",
        ],
    )
    .await;
    said.assert_well();
    assert!(alice.read("file") == pattern(1_000_003), "{said:?}");
    assert!(std::fs::read(&back).unwrap() == pattern(1_000_003), "{said:?}");
}

async fn fingerprint(key: &KeyPair) -> String {
    let said = say("ssh-keygen", &["-l", "-f", text(&key.file)]).await;
    said.output.split(' ').nth(1).unwrap().to_owned()
}

async fn sshfs_mounts_a_home(topology: Topology) {
    if is_missing("sshfs") || !Path::new("/dev/fuse").exists() {
        println!("skipped: sshfs or /dev/fuse is missing");
        return;
    }
    let (server, alice) = start(topology).await;
    let local = temporary_folder("client");
    let mount = local.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let options = format!(
        "IdentityFile={},StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,BatchMode=yes",
        key_file()
    );
    let port = server.sftp().port().to_string();
    let common = ["-F", "/dev/null", "-p", &port, "-o", &options, "alice@127.0.0.1:/"];
    let mut sshfs = Command::new("sshfs");
    sshfs.args(common).arg(&mount).args(["-f"]).kill_on_drop(true);
    sshfs.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = sshfs.spawn().unwrap();
    alice.put("sign", "mounted");
    let sign = mount.join("sign");
    ferryd_tests::until("the mount", async || sign.exists().then_some(())).await;
    let target = mount.clone();
    let work = tokio::task::spawn_blocking(move || work_in(&target));
    let outcome = work.await;
    say("fusermount3", &["-u", text(&mount)]).await.assert_well();
    child.wait().await.unwrap();
    outcome.unwrap();
    assert_same(&alice.path("tree"), &alice.path("moved"));
}

/// What a file manager does.
fn work_in(mount: &Path) {
    let tree = tree(mount);
    std::fs::create_dir_all(mount.join("moving/a/b")).unwrap();
    for name in ["empty", "a/small", "a/b/block", "large"] {
        std::fs::copy(tree.join(name), mount.join("moving").join(name)).unwrap();
    }
    std::fs::rename(mount.join("moving"), mount.join("moved")).unwrap();
    let file = std::fs::File::options().append(true).open(tree.join("empty")).unwrap();
    std::io::Write::write_all(&mut &file, b"appended").unwrap();
    drop(file);
    assert_eq!(std::fs::read(tree.join("empty")).unwrap(), b"appended");
    std::fs::File::options().write(true).open(tree.join("empty")).unwrap().set_len(0).unwrap();
    assert_eq!(std::fs::read(tree.join("empty")).unwrap(), b"");
    // Not `../private`: patched releases of sshfs refuse links that have `..` in them themselves.
    let script = "umask 077; mkdir vault; cd vault; echo x > private; \
                  ln -s private link; cat link; readlink link; stat -c %a . private";
    let mut shell = std::process::Command::new("sh");
    let said = shell.args(["-ec", script]).current_dir(mount).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "x\nprivate\n700\n600\n", "{said:?}");
    std::fs::remove_dir_all(mount.join("vault")).unwrap();
    std::fs::remove_file(mount.join("sign")).unwrap();
    assert_eq!(std::fs::read_dir(mount).unwrap().count(), 2);
}
