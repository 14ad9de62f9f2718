//! Whole trees there and back by other people's clients, and a working copy on a mount.

use std::path::{Path, PathBuf};

use ferryd_tests::files::{pattern, temporary_folder};
use ferryd_tests::keys::client_key;
use ferryd_tests::openssh::{Said, run};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use tempfile::TempDir;
use tokio::process::Command;

both_topologies!(
    scp_over_sftp_carries_a_tree,
    sftp_carries_a_tree_and_keeps_its_times,
    lftp_mirrors_changes_and_removals_both_ways,
    rclone_syncs_changes_and_removals_both_ways,
    paramiko_carries_a_tree,
    asyncssh_carries_a_tree,
    git_and_a_compiler_work_on_a_mount,
);

/// A server, a user, and a tree on the client's side.
struct Scene {
    server: Server,
    alice: User,
    local: TempDir,
}

impl Scene {
    async fn new(topology: Topology) -> Self {
        let server = Server::start(topology).await;
        let alice = server.user("alice").await;
        let local = temporary_folder("client");
        make_tree(&local.path().join("tree"));
        Self { server, alice, local }
    }

    fn tree(&self) -> PathBuf {
        self.local.path().join("tree")
    }

    fn back(&self) -> PathBuf {
        self.local.path().join("back")
    }

    fn port(&self) -> String {
        self.server.sftp().port().to_string()
    }
}

/// Folders in folders, odd names, sizes around the limits of packets, one script that can be run.
fn make_tree(tree: &Path) {
    for folder in ["deep/er/still", "empty", "with space"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    let sizes = [0, 1, 4_095, 32_767, 32_768, 32_769, 261_120, 262_145, 1_500_001];
    for (number, size) in sizes.into_iter().enumerate() {
        std::fs::write(tree.join(format!("deep/er/size-{number}")), pattern(size)).unwrap();
    }
    for number in 0..40 {
        std::fs::write(tree.join(format!("many-{number}")), pattern(number * 37)).unwrap();
    }
    std::fs::write(tree.join("with space/ümläut & 'quotes'"), "text").unwrap();
}

/// `diff -r` knows what a difference of trees is: names, kinds and contents.
async fn assert_same(one: &Path, other: &Path) {
    say("diff", &["-r", text(one), text(other)]).await.assert_well();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn key_file() -> &'static str {
    text(&client_key().file)
}

async fn say(program: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("SSH_AUTH_SOCK");
    run(command, b"").await
}

/// Tells why a scenario cannot run when its client is not installed.
fn is_missing(program: &str) -> bool {
    let missing = std::process::Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

const QUIET: [&str; 10] = [
    "-F",
    "/dev/null",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "BatchMode=yes",
    "-o",
    "LogLevel=ERROR",
];

async fn scp_over_sftp_carries_a_tree(topology: Topology) {
    let scene = Scene::new(topology).await;
    let (tree, back, port) = (scene.tree(), scene.back(), scene.port());
    // Clients older than 9.0 speak SFTP only when told to.
    let common = [&QUIET[..], &["-s", "-r", "-p", "-i", key_file(), "-P", &port]].concat();
    let put = [&common[..], &[text(&tree), "alice@127.0.0.1:there"]].concat();
    say("scp", &put).await.assert_well();
    assert_same(&tree, &scene.alice.path("there")).await;
    let get = [&common[..], &["alice@127.0.0.1:/there", text(&back)]].concat();
    say("scp", &get).await.assert_well();
    assert_same(&tree, &back).await;
    let missing = [&common[..], &["alice@127.0.0.1:/missing", text(&back)]].concat();
    assert!(!say("scp", &missing).await.well, "a missing file is told");
}

async fn sftp_carries_a_tree_and_keeps_its_times(topology: Topology) {
    let scene = Scene::new(topology).await;
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let aged = std::fs::File::options().write(true).open(scene.tree().join("many-7")).unwrap();
    aged.set_modified(old).unwrap();
    let batch = format!(
        "put -Rp {} /\nrename /tree/many-8 /tree/moved\nrm /tree/many-9\nget -Rp /tree {}\n",
        scene.tree().display(),
        scene.back().display()
    );
    scene.server.sftp_batch(&scene.alice, &[], &batch).await.assert_well();
    std::fs::rename(scene.tree().join("many-8"), scene.tree().join("moved")).unwrap();
    std::fs::remove_file(scene.tree().join("many-9")).unwrap();
    assert_same(&scene.tree(), &scene.alice.path("tree")).await;
    assert_same(&scene.tree(), &scene.back()).await;
    for path in [scene.alice.path("tree/many-7"), scene.back().join("many-7")] {
        assert_eq!(path.metadata().unwrap().modified().unwrap(), old, "{}", path.display());
    }
}

async fn lftp_mirrors_changes_and_removals_both_ways(topology: Topology) {
    if is_missing("lftp") {
        return;
    }
    let scene = Scene::new(topology).await;
    let (tree, back) = (scene.tree(), scene.back());
    let ssh = format!("ssh -a -x {} -i {}", QUIET.join(" "), key_file());
    let lftp = async |script: String| {
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; set sftp:connect-program '{ssh}'; \
             open -u alice,x sftp://127.0.0.1:{}; {script}; bye",
            scene.port()
        );
        say("lftp", &["--norc", "-c", &script]).await.assert_well();
    };
    lftp(format!("mirror -R --parallel=2 {} /tree", tree.display())).await;
    assert_same(&tree, &scene.alice.path("tree")).await;
    lftp(format!("mirror --parallel=2 /tree {}", back.display())).await;
    assert_same(&tree, &back).await;
    change(&tree);
    lftp(format!("mirror -R --delete {} /tree", tree.display())).await;
    assert_same(&tree, &scene.alice.path("tree")).await;
    lftp(format!("mirror --delete /tree {}", back.display())).await;
    assert_same(&tree, &back).await;
}

/// Grows a file, adds one, removes a file and a folder.
fn change(tree: &Path) {
    std::fs::write(tree.join("many-3"), pattern(50_001)).unwrap();
    std::fs::write(tree.join("deep/new"), pattern(70_001)).unwrap();
    std::fs::remove_file(tree.join("many-4")).unwrap();
    std::fs::remove_dir_all(tree.join("with space")).unwrap();
}

async fn rclone_syncs_changes_and_removals_both_ways(topology: Topology) {
    if is_missing("rclone") {
        return;
    }
    let scene = Scene::new(topology).await;
    let (tree, back) = (scene.tree(), scene.back());
    // Without digest commands configured it asks the server which ones there are.
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user=alice,key_file={}:/tree",
        scene.port(),
        key_file()
    );
    let rclone = async |arguments: &[&str]| {
        let common = ["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"];
        let said = say("rclone", &[&common[..], arguments].concat()).await;
        said.assert_well();
        said
    };
    let sync = ["sync", "--create-empty-src-dirs"];
    rclone(&[&sync[..], &[text(&tree), &remote]].concat()).await;
    assert_same(&tree, &scene.alice.path("tree")).await;
    rclone(&[&sync[..], &[&remote, text(&back)]].concat()).await;
    assert_same(&tree, &back).await;
    change(&tree);
    rclone(&[&sync[..], &["--checksum", text(&tree), &remote]].concat()).await;
    assert_same(&tree, &scene.alice.path("tree")).await;
    rclone(&[&sync[..], &["--checksum", &remote, text(&back)]].concat()).await;
    assert_same(&tree, &back).await;
    let listed = rclone(&["lsf", "-R", "--files-only", &remote]).await;
    assert!(listed.output.lines().any(|line| line == "deep/new"), "{listed:?}");
}

async fn paramiko_carries_a_tree(topology: Topology) {
    let scene = Scene::new(topology).await;
    python(&scene, "paramiko_tree.py").await;
}

async fn asyncssh_carries_a_tree(topology: Topology) {
    let scene = Scene::new(topology).await;
    python(&scene, "asyncssh_tree.py").await;
}

async fn python(scene: &Scene, script: &str) {
    let (tree, back) = (scene.tree(), scene.back());
    let own = [text(&tree), "/there", text(&back)];
    scene.server.python(script, &scene.alice, &own).await.assert_well();
    assert_same(&tree, &scene.alice.path("there")).await;
    assert_same(&tree, &back).await;
}

async fn git_and_a_compiler_work_on_a_mount(topology: Topology) {
    if is_missing("sshfs") || is_missing("git") || is_missing("cc") {
        return;
    }
    if std::fs::File::options().read(true).write(true).open("/dev/fuse").is_err() {
        println!("skipped: /dev/fuse cannot be opened");
        return;
    }
    let scene = Scene::new(topology).await;
    let mount = Mount::new(&scene).await;
    let worked =
        say("sh", &["-euxc", WORK, "work", text(&mount.point), text(scene.local.path())]).await;
    mount.end().await;
    worked.assert_well();
    assert_eq!(worked.output.trim(), "hello from a mount");
    let checkout = scene.alice.path("checkout");
    assert!(checkout.join(".git/HEAD").is_file() && checkout.join("hello").is_file());
}

/// Makes a repository, clones it onto the mount, builds and commits there, fetches the commit back.
/// The server gives new files the modes of its umask, whatever the client asks for: git is told.
const WORK: &str = r#"
mount=$1 local=$2
export HOME=$local GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git config --global --add safe.directory '*'
mkdir "$local/repo" && cd "$local/repo"
git init -q .
printf '#include <stdio.h>\nint main(void) { puts("hello from a mount"); return 0; }\n' > hello.c
printf '#!/bin/sh\nset -e\ncc -c -o hello.o hello.c\ncc -o hello hello.o\n' > build
chmod +x build
for i in $(seq 1 30); do mkdir -p "part$i"; echo "$i" > "part$i/file"; done
git add . && git commit -q -m first
git clone -q --no-hardlinks -c core.fileMode=false "$local/repo" "$mount/checkout"
cd "$mount/checkout"
test -z "$(git status --porcelain)"
chmod +x build && ./build
./hello
mv part1 moved && rm -r part2
git add -A && git commit -q -m second
git fsck --strict >/dev/null 2>&1
test -z "$(git status --porcelain)"
cd "$local/repo"
git pull -q "$mount/checkout" HEAD
test -f moved/file && test ! -e part2
"#;

/// A mounted home.
struct Mount {
    point: PathBuf,
    sshfs: tokio::process::Child,
}

impl Mount {
    async fn new(scene: &Scene) -> Self {
        let point = scene.local.path().join("mount");
        std::fs::create_dir(&point).unwrap();
        scene.alice.put("sign", "mounted");
        let port = scene.port();
        let mut command = Command::new("sshfs");
        command.args(QUIET).args(["-p", &port, "-f", "-o", "workaround=rename"]);
        command.arg("-o").arg(format!("IdentityFile={}", key_file()));
        command.arg("alice@127.0.0.1:/").arg(&point).kill_on_drop(true);
        command.stdin(std::process::Stdio::null()).env_remove("SSH_AUTH_SOCK");
        let sshfs = command.spawn().unwrap();
        let sign = point.join("sign");
        until("the mount", async || sign.exists().then_some(())).await;
        Self { point, sshfs }
    }

    async fn end(mut self) {
        say("fusermount3", &["-u", text(&self.point)]).await.assert_well();
        self.sshfs.wait().await.unwrap();
    }
}
