//! Virtual folders over real directories, opened as an account is.
#![expect(clippy::disallowed_methods, reason = "the tests look at the disk from the other side")]

use std::fs;
use std::path::PathBuf;

use ferryd_domain::{Account, FaultKind, StorageProvider, VirtualFolder, VirtualPath};

use crate::contract::{Ground, kind};
use crate::open::{OpenOptions, count, open};
use crate::{FileKind, LinkTarget, Links, Storage};

struct Scene {
    top: tempfile::TempDir,
    account: Account,
}

impl Scene {
    /// An account whose home is missing, with folders at `/in/deep` and `/gone`.
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let mapped = top.path().join("mapped");
        fs::create_dir(&mapped).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let folder = |virtual_path: &str, mapped: PathBuf| VirtualFolder {
            virtual_path: virtual_path.to_owned(),
            mapped_path: text(mapped),
        };
        let account = Account {
            home_dir: text(top.path().join("homes/bob")),
            virtual_folders: vec![
                folder("/in/deep", mapped),
                folder("/gone", top.path().join("does-not-exist")),
            ],
            ..Account::default()
        };
        Self { top, account }
    }

    async fn ground(&self) -> Ground {
        Ground::new(open(&self.account, &OpenOptions { umask: 0o022 }).await.unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }
}

async fn opened() -> (Scene, std::sync::Arc<dyn Storage>) {
    let scene = Scene::new();
    let storage = open(&scene.account, &OpenOptions::default()).await.unwrap();
    (scene, storage)
}

/// The contract holds below a virtual folder as well.
mod inside {
    use async_trait::async_trait;
    use std::sync::Arc;

    use ferryd_domain::Fault;

    use super::*;
    use crate::mounts::{Mount, MountedStorage};
    use crate::{Capabilities, ResolvedPath};

    /// Shows a mounted storage whose root holds one hidden mount, so that all calls pass through.
    async fn mounted() -> (tempfile::TempDir, Arc<dyn Storage>) {
        let (directory, storage) = crate::contract::temporary_storage().await;
        let nowhere = VirtualPath::parse(b"/nowhere/at/all").unwrap();
        let mounted = MountedStorage::new(storage, vec![Mount::new(nowhere, None)]);
        (directory, Arc::new(mounted))
    }

    crate::storage_contract!(mounted);

    #[derive(Debug)]
    struct Unused;

    #[async_trait]
    impl Storage for Unused {
        fn capabilities(&self) -> Capabilities {
            panic!("not asked")
        }

        async fn resolve(&self, _: &VirtualPath, _: Links) -> Result<Arc<dyn ResolvedPath>, Fault> {
            panic!("not asked")
        }
    }

    #[tokio::test]
    async fn one_folder_that_may_keep_callers_waiting_is_enough() {
        let (_keep, home) = crate::contract::temporary_storage().await;
        let folder = |storage| Mount::new(VirtualPath::parse(b"/a").unwrap(), storage);
        let alone = home.answers_at_once();
        let with = |storage| MountedStorage::new(Arc::clone(&home), vec![folder(storage)]);
        assert_eq!(with(Some(Arc::clone(&home))).answers_at_once(), alone);
        assert_eq!(with(None).answers_at_once(), alone);
        assert!(!with(Some(Arc::new(Unused))).answers_at_once());
    }

    #[tokio::test]
    async fn the_longest_path_wins() {
        let (_keep, storage) = crate::contract::temporary_storage().await;
        let path = |raw: &str| VirtualPath::parse(raw.as_bytes()).unwrap();
        let unused = || Some(Arc::new(Unused) as Arc<dyn Storage>);
        let mounts =
            vec![Mount::new(path("/a"), unused()), Mount::new(path("/a/b"), Some(storage))];
        let mounted = MountedStorage::new(Arc::new(Unused), mounts);
        let resolved = mounted.resolve(&path("/a/b/file"), Links::Keep).await.unwrap();
        assert_eq!(resolved.path().to_text(), "/a/b/file");
    }
}

#[tokio::test]
async fn a_home_and_parents_of_folders_are_made() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let ground = scene.ground().await;
    assert!(scene.path("homes/bob/in").is_dir());
    let mode = fs::metadata(scene.path("homes/bob")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    ground.put("/in/deep/file", b"mapped").await;
    assert_eq!(fs::read(scene.path("mapped/file")).unwrap(), b"mapped");
    assert_eq!(ground.at("/in/deep/file").await.path().to_text(), "/in/deep/file");
    let real = fs::canonicalize(scene.path("mapped/file")).unwrap();
    assert_eq!(ground.at("/in/deep/file").await.real_path().to_text(), real.display().to_string());
}

#[tokio::test]
async fn folders_are_shown_and_hide_what_has_their_name() {
    let scene = Scene::new();
    let ground = scene.ground().await;
    fs::write(scene.path("homes/bob/gone"), b"hidden").unwrap();
    fs::write(scene.path("homes/bob/file"), b"x").unwrap();
    fs::create_dir(scene.path("homes/bob/in/deep")).unwrap();
    fs::write(scene.path("homes/bob/in/deep/hidden"), b"x").unwrap();
    assert_eq!(ground.names("/").await, [b"file".as_slice(), b"gone", b"in"]);
    assert_eq!(ground.names("/in").await, [b"deep"]);
    assert!(ground.names("/in/deep").await.is_empty());
    let mut listing = ground.at("/").await.list().await.unwrap();
    let mut kinds = Vec::new();
    loop {
        let batch = listing.next(1).await.unwrap();
        let Some((name, metadata)) = batch.into_iter().next() else { break };
        kinds.push((String::from_utf8(name).unwrap(), metadata.kind));
    }
    assert!(kinds.contains(&("gone".to_owned(), FileKind::Directory)));
    assert_eq!(kinds.len(), 3);
    assert_eq!(kind(ground.resolve(b"/gone", Links::Keep).await), FaultKind::NotFound);
    assert_eq!(kind(ground.resolve(b"/gone/x", Links::Keep).await), FaultKind::NotFound);
    assert_eq!(kind(ground.get("/in/deep/hidden").await), FaultKind::NotFound);
}

#[tokio::test]
async fn no_link_leads_from_one_folder_into_another() {
    let scene = Scene::new();
    let ground = scene.ground().await;
    fs::create_dir_all(scene.path("homes/bob/in/deep")).unwrap();
    fs::write(scene.path("homes/bob/in/deep/hidden"), b"hidden").unwrap();
    fs::write(scene.path("homes/bob/file"), b"home").unwrap();
    let link = |target: PathBuf, name: &str| {
        std::os::unix::fs::symlink(target, scene.path(name)).unwrap();
    };
    link(scene.path("mapped"), "homes/bob/to-mapped");
    link(PathBuf::from("in/deep/hidden"), "homes/bob/to-hidden");
    link(scene.path("homes/bob/file"), "mapped/to-home");
    for path in ["/to-mapped", "/to-hidden", "/in/deep/to-home"] {
        let located = ground.resolve(path.as_bytes(), Links::Follow).await;
        assert_eq!(kind(located), FaultKind::Failed, "{path}");
        assert_eq!(kind(ground.at(path).await.read_link().await), FaultKind::Failed, "{path}");
    }
    for (link, across) in [
        ("/link", "/in/deep/x"),
        ("/link", "in/deep/x"),
        ("/in/deep/link", "/file"),
        ("/in/deep/link", "../../file"),
    ] {
        let across = LinkTarget::parse(across.as_bytes()).unwrap();
        assert!(ground.at(link).await.make_symlink(&across).await.is_err(), "{link} {across:?}");
    }
    ground.make_link("/in/deep/link", "/in/deep/x").await;
    let target = ground.at("/in/deep/link").await.read_link().await.unwrap();
    assert_eq!(target.as_bytes(), b"/in/deep/x");
    ground.make_link("/in/deep/relative", "./x").await;
    let target = ground.at("/in/deep/relative").await.read_link().await.unwrap();
    assert_eq!(target.as_bytes(), b"./x");
    assert_eq!(ground.behind("/in/deep/link").await.path().to_text(), "/in/deep/x");
}

#[tokio::test]
async fn files_move_between_folders_and_folders_stay() {
    let scene = Scene::new();
    let ground = scene.ground().await;
    ground.put("/file", b"x").await;
    let target = ground.at("/in/deep/moved").await;
    ground.at("/file").await.rename(target.as_ref()).await.unwrap();
    assert!(scene.path("mapped/moved").exists());
    let folder = ground.at("/in/deep").await;
    assert_eq!(folder.path().to_text(), "/in/deep");
    assert_eq!(kind(folder.remove_directory().await), FaultKind::PermissionDenied);
    assert_eq!(kind(folder.make_directory(0o777).await), FaultKind::AlreadyExists);
    let elsewhere = ground.at("/elsewhere").await;
    assert_eq!(kind(folder.rename(elsewhere.as_ref()).await), FaultKind::PermissionDenied);
}

#[tokio::test]
async fn a_scan_counts_the_home_and_all_folders() {
    let scene = Scene::new();
    assert_eq!(count(&scene.account, || true).await.unwrap(), Default::default());
    let ground = scene.ground().await;
    ground.put("/file", b"123").await;
    ground.put("/in/deep/file", b"45678").await;
    ground.make_link("/link", "/file").await;
    let usage = count(&scene.account, || true).await.unwrap();
    assert_eq!((usage.files, usage.size), (2, 8));
}

#[tokio::test]
async fn homes_that_cannot_be_served_are_refused() {
    let (scene, _storage) = opened().await;
    let open_with = async |change: &dyn Fn(&mut Account)| {
        let mut account = scene.account.clone();
        change(&mut account);
        kind(open(&account, &OpenOptions::default()).await)
    };
    let refused = open_with(&|account| account.home_dir = "relative/home".to_owned()).await;
    assert_eq!(refused, FaultKind::InvalidInput);
    let refused = open_with(&|account| account.filesystem.provider = StorageProvider::S3).await;
    assert_eq!(refused, FaultKind::Unsupported);
    fs::write(scene.path("file"), b"x").unwrap();
    let file = scene.path("file").to_str().unwrap().to_owned();
    let refused = open_with(&|account| account.home_dir.clone_from(&file)).await;
    assert_eq!(refused, FaultKind::NotADirectory);
    let below = format!("{file}/home");
    let refused = open_with(&|account| account.home_dir.clone_from(&below)).await;
    assert_ne!(refused, FaultKind::Internal);
}
