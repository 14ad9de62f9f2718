//! Nothing leads out of the root: links of every kind, names that look alike, and races.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferryd_domain::{FaultKind, VirtualPath};

use super::super::{LocalOptions, LocalStorage, Root};
use crate::contract::{Ground, MODES, NEW, kind};
use crate::{Links, WriteHow, is_circle};

/// A home `bob` beside `bob-private` that holds a secret.
struct Scene {
    top: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        for directory in ["homes/bob/sub", "homes/bob-private"] {
            fs::create_dir_all(top.path().join(directory)).unwrap();
        }
        fs::write(top.path().join("homes/bob-private/secret"), b"secret").unwrap();
        Self { top }
    }

    fn home(&self) -> PathBuf {
        self.top.path().join("homes/bob")
    }

    fn outside(&self) -> PathBuf {
        self.top.path().join("homes/bob-private")
    }

    fn link(&self, target: impl AsRef<std::path::Path>, name: &str) {
        symlink(target, self.home().join(name)).unwrap();
    }

    /// Returns the storage in both ways of resolving.
    fn grounds(&self) -> [Ground; 2] {
        let open = || Root::open(&self.home(), LocalOptions::default()).unwrap();
        [open(), open().without_openat2()]
            .map(|root| Ground::new(Arc::new(LocalStorage::new(root))))
    }
}

async fn nothing_is_reached(ground: &Ground, path: &str) {
    assert_eq!(kind(ground.get(path).await), FaultKind::Failed, "{path}");
    for mode in MODES {
        let opened = ground.open(path, WriteHow { mode, ..NEW }).await;
        assert_eq!(kind(opened), FaultKind::Failed, "{path} {mode:?}");
    }
}

#[tokio::test]
async fn links_to_the_outside_lead_nowhere() {
    let scene = Scene::new();
    let secret = scene.outside().join("secret");
    scene.link(&secret, "absolute");
    scene.link("../bob-private/secret", "relative");
    scene.link("sub/../../bob-private/secret", "through");
    scene.link(scene.outside(), "directory");
    scene.link("directory/secret", "chain");
    scene.link("/proc/self/root/etc/passwd", "magic");
    scene.link("/", "top");
    scene.link("..", "parent");
    for ground in scene.grounds() {
        for path in ["/absolute", "/relative", "/through", "/directory/secret", "/chain", "/magic"]
        {
            nothing_is_reached(&ground, path).await;
        }
        for path in ["/top/etc/passwd", "/parent/bob-private/secret", "/directory", "/top"] {
            let fault = ground.resolve(path.as_bytes(), Links::Follow).await.unwrap_err();
            assert!(fault.kind() == FaultKind::Failed && !is_circle(&fault), "{path}: {fault}");
        }
        let link = ground.at("/absolute").await;
        assert!(link.stat().await.unwrap().is_symlink());
        assert_eq!(kind(link.read_link().await), FaultKind::Failed);
    }
    assert_eq!(fs::read(secret).unwrap(), b"secret");
}

#[tokio::test]
async fn a_sibling_with_a_longer_name_is_outside() {
    let scene = Scene::new();
    scene.link(scene.top.path().join("homes/bob-private"), "private");
    scene.link(scene.top.path().join("homes/bob"), "home");
    for ground in scene.grounds() {
        assert_eq!(kind(ground.resolve(b"/private/secret", Links::Keep).await), FaultKind::Failed);
        assert!(ground.behind("/home").await.path().is_root());
    }
}

#[tokio::test]
async fn a_dangling_link_makes_nothing_outside() {
    let scene = Scene::new();
    scene.link(scene.outside().join("new"), "absolute");
    scene.link("../bob-private/new", "relative");
    scene.link("../new", "beside");
    scene.link(scene.top.path().join("none/new"), "nowhere");
    for ground in scene.grounds() {
        for path in ["/absolute", "/relative", "/beside", "/nowhere"] {
            nothing_is_reached(&ground, path).await;
        }
    }
    assert_eq!(fs::read_dir(scene.outside()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(scene.top.path().join("homes")).unwrap().count(), 2);
}

#[tokio::test]
async fn links_that_leave_and_come_back_are_inside() {
    let scene = Scene::new();
    fs::write(scene.home().join("file"), b"mine").unwrap();
    scene.link("../bob/file", "around");
    scene.link("../../homes/bob/sub/../file", "further");
    scene.link(scene.home().join("sub/../file"), "absolute");
    for ground in scene.grounds() {
        for path in ["/around", "/further", "/absolute"] {
            assert_eq!(ground.get(path).await.unwrap(), b"mine", "{path}");
            assert_eq!(ground.behind(path).await.path().to_text(), "/file");
            assert_eq!(ground.at(path).await.read_link().await.unwrap().as_bytes(), b"/file");
        }
    }
}

#[tokio::test]
async fn a_home_behind_a_link_understands_both_of_its_paths() {
    let scene = Scene::new();
    let alias = scene.top.path().join("alias");
    symlink(scene.home(), &alias).unwrap();
    fs::write(scene.home().join("file"), b"mine").unwrap();
    scene.link(alias.join("file"), "configured");
    scene.link(scene.home().join("file"), "real");
    let root = Root::open(&alias, LocalOptions::default()).unwrap();
    let ground = Ground::new(Arc::new(LocalStorage::new(root)));
    for path in ["/configured", "/real"] {
        assert_eq!(ground.get(path).await.unwrap(), b"mine", "{path}");
    }
}

#[tokio::test]
async fn a_hostile_chain_of_links_ends_soon() {
    let scene = Scene::new();
    let long = format!("{}sub", "sub/../".repeat(580));
    for number in 0..45 {
        scene.link(format!("{long}/../l{}", number + 1), &format!("l{number}"));
    }
    for ground in scene.grounds() {
        let located = ground.resolve(b"/l0/x", Links::Follow).await;
        assert_eq!(kind(located), FaultKind::Failed);
    }
}

/// A directory is swapped for a link to the outside and back while files are read, written,
/// renamed and listed through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_for_the_path_is_never_won() {
    let scene = Scene::new();
    let home = scene.home();
    fs::create_dir(home.join("real")).unwrap();
    fs::write(home.join("real/secret"), b"harmless").unwrap();
    scene.link(scene.outside(), "evil");
    fs::rename(home.join("real"), home.join("swap")).unwrap();
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swapper = std::thread::spawn({
        let (stop, swaps, home) = (Arc::clone(&stop), Arc::clone(&swaps), home.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(home.join("swap"), home.join("real")).unwrap();
                fs::rename(home.join("evil"), home.join("swap")).unwrap();
                fs::rename(home.join("swap"), home.join("evil")).unwrap();
                fs::rename(home.join("real"), home.join("swap")).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let [fast, walking] = scene.grounds();
    let (mut reads, mut round) = (0, 0);
    // On a busy machine the two may take turns for long.
    let deadline = Instant::now() + Duration::from_secs(60);
    while round < 10_000 || reads < 100 || swaps.load(Ordering::Relaxed) < 100 {
        assert!(Instant::now() < deadline, "{swaps:?} swaps, {reads} reads");
        round += 1;
        let ground = if round % 2 == 0 { &fast } else { &walking };
        match round % 5 {
            0 => drop(ground.open("/swap/planted", NEW).await),
            1 => drop(act(ground, "/swap/secret", "/taken").await),
            2 => {
                if let Ok(resolved) = ground.resolve(b"/swap", Links::Follow).await
                    && let Ok(mut listing) = resolved.list().await
                {
                    let batch = listing.next(10).await.unwrap();
                    assert!(batch.iter().all(|(_, entry)| entry.size != 6), "{batch:?}");
                }
            }
            _ => {
                if let Ok(data) = ground.get("/swap/secret").await {
                    assert_eq!(data, b"harmless");
                    reads += 1;
                }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    let outside: Vec<_> = fs::read_dir(scene.outside()).unwrap().collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert_eq!(fs::read(scene.outside().join("secret")).unwrap(), b"secret");
}

/// Takes a file away and puts it back.
async fn act(ground: &Ground, from: &str, to: &str) -> Result<(), ferryd_domain::Fault> {
    let resolved = ground.resolve(from.as_bytes(), Links::Keep).await?;
    let target = ground.resolve(to.as_bytes(), Links::Keep).await?;
    resolved.rename(target.as_ref()).await?;
    target.rename(resolved.as_ref()).await
}

mod model {
    //! Any tree of links against what the kernel finds when the root is its root.

    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn component() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just(".."), Just(".")]
    }

    fn path(most: usize) -> impl Strategy<Value = String> {
        proptest::collection::vec(component(), 1..most).prop_map(|names| names.join("/"))
    }

    #[derive(Clone, Debug)]
    enum Make {
        Directory(String),
        File(String),
        Relative(String, String),
        Absolute(String, String),
    }

    fn make() -> impl Strategy<Value = Make> {
        prop_oneof![
            3 => path(4).prop_map(Make::Directory),
            1 => path(4).prop_map(Make::File),
            2 => (path(3), path(5)).prop_map(|(name, target)| Make::Relative(name, target)),
            2 => (path(3), path(5)).prop_map(|(name, target)| Make::Absolute(name, target)),
        ]
    }

    /// Returns a path below the home whose parent is no way out: here the test itself follows links.
    fn inside(home: &Path, name: &str) -> Option<PathBuf> {
        let path = home.join(name);
        let parent = fs::canonicalize(path.parent()?).ok()?;
        (!name.contains("..") && parent.starts_with(home)).then_some(path)
    }

    /// Errors are fine: not every step fits what is there.
    fn build(home: &Path, step: &Make) {
        let inside = |name: &str| inside(home, name);
        match step {
            Make::Directory(name) => drop(inside(name).map(fs::create_dir)),
            Make::File(name) => drop(
                inside(name)
                    .map(|path| fs::OpenOptions::new().write(true).create_new(true).open(path)),
            ),
            Make::Relative(name, target) => {
                drop(inside(name).map(|path| symlink(target, path)));
            }
            Make::Absolute(name, target) => {
                drop(inside(name).map(|path| symlink(home.join(target), path)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_is_found_is_what_the_kernel_finds_when_it_is_inside(
            steps in proptest::collection::vec(make(), 1..14),
            paths in proptest::collection::vec(path(5), 1..8),
        ) {
            let top = tempfile::tempdir().unwrap();
            let home = fs::canonicalize(top.path()).unwrap().join("home");
            fs::create_dir(&home).unwrap();
            for name in NAMES {
                // Names beside the home that hostile links may aim at.
                fs::write(top.path().join(name), b"outside").unwrap();
            }
            steps.iter().for_each(|step| build(&home, step));
            let open = || Root::open(&home, LocalOptions::default()).unwrap();
            for root in [open(), open().without_openat2()].map(Arc::new) {
                for raw in &paths {
                    let path = VirtualPath::parse(raw.as_bytes()).unwrap();
                    let found = super::super::super::confine::resolve(&root, &path, Links::Follow);
                    let real = fs::canonicalize(home.join(&path.to_text()[1..]));
                    match (found, real) {
                        (Ok(found), Ok(real)) => {
                            // What exists is the same thing, and inside.
                            let inside = real.strip_prefix(&home);
                            prop_assert!(inside.is_ok(), "{} leads to {:?}", raw, real);
                            let expected = format!("/{}", inside.unwrap().display());
                            prop_assert_eq!(found.path.to_text(), expected);
                        }
                        (Err(fault), Ok(real)) => {
                            prop_assert!(!real.starts_with(&home), "{}: {:?} {:?}", raw, real, fault);
                        }
                        // Missing: at most its last name, and the parent is inside.
                        (Ok(found), Err(_)) => {
                            let parent = home.join(&found.path.directory().to_text()[1..]);
                            let real = fs::canonicalize(parent).unwrap();
                            prop_assert!(real.starts_with(&home));
                        }
                        (Err(_), Err(_)) => {}
                    }
                }
            }
        }
    }
}
