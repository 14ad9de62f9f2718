//! The resolver of the local storage: whatever tree of directories, files and links there is and
//! whatever path is asked for, what is found lies below the root and holds no secret.
//! Input: lines `d PATH`, `f PATH`, `l PATH TARGET`, `a PATH TARGET` (absolute) or `q PATH`.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use ferryd_domain::VirtualPath;
use ferryd_storage::local::{LocalOptions, LocalStorage, Root};
use ferryd_storage::{Links, Storage, WriteHow, WriteMode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let top = tempfile::tempdir().expect("a directory");
    let home = fs::canonicalize(top.path()).expect("a path").join("home");
    fs::create_dir(&home).expect("a home");
    fs::write(top.path().join("secret"), b"secret").expect("a secret");
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').take(24).collect();
    for line in &lines {
        build(&home, line);
    }
    let root = Root::open(&home, LocalOptions::default()).expect("a root");
    let storage = LocalStorage::new(root);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for line in &lines {
        if let Some(path) = line.strip_prefix(b"q ") {
            runtime.block_on(ask(&storage, &home, path));
        }
    }
    let outside: Vec<_> = fs::read_dir(top.path()).expect("a listing").collect();
    assert_eq!(outside.len(), 2, "something was made outside: {outside:?}");
    assert_eq!(fs::read(top.path().join("secret")).expect("a secret"), b"secret");
});

/// Makes an entry below the home; what does not fit is left out.
fn build(home: &Path, line: &[u8]) {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (kind, name, target) = (words.next(), words.next(), words.next().unwrap_or_default());
    let Some(name) = name.and_then(|name| inside(home, name)) else { return };
    match kind {
        Some(b"d") => drop(fs::create_dir(name)),
        Some(b"f") => drop(fs::OpenOptions::new().write(true).create_new(true).open(name)),
        Some(b"l") => drop(symlink(OsStr::from_bytes(target), name)),
        Some(b"a") => drop(symlink(home.join(OsStr::from_bytes(target)), name)),
        Some(_) | None => {}
    }
}

/// Returns a path below the home whose parent is no way out: the test itself follows links.
fn inside(home: &Path, name: &[u8]) -> Option<PathBuf> {
    let name = Path::new(OsStr::from_bytes(name));
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    let path = home.join(name);
    let parent = fs::canonicalize(path.parent()?).ok()?;
    (plain && parent.starts_with(home)).then_some(path)
}

async fn ask(storage: &LocalStorage, home: &Path, path: &[u8]) {
    let Ok(path) = VirtualPath::parse(path) else { return };
    let Ok(resolved) = storage.resolve(&path, Links::Follow).await else { return };
    let below = resolved.path().directory();
    let parent = home.join(OsStr::from_bytes(&below.as_bytes()[1..]));
    let parent = fs::canonicalize(parent).expect("a parent that exists");
    assert!(parent.starts_with(home), "{path} was found in {parent:?}");
    if let Ok(file) = resolved.open_read().await {
        assert_ne!(file.read_at(0, 10, Vec::new()).await.expect("a read"), b"secret");
    }
    let how = WriteHow {
        mode: WriteMode::Direct,
        read: false,
        create: true,
        truncate: true,
        exclusive: false,
        append: false,
        permissions: 0o666,
    };
    drop(resolved.open_write(how).await);
}
