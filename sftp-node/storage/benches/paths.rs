//! Paths: parsing what a client sends, finding what it names on a disk in memory.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark that cannot go on fails loudly, and makes its files itself"
)]

use std::path::Path;

use divan::{Bencher, black_box};
use ferryd_domain::VirtualPath;
use ferryd_storage::local::{LocalOptions, LocalStorage, Root};
use ferryd_storage::{Links, Storage as _};
use tempfile::TempDir;

fn main() {
    divan::main();
}

#[divan::bench(args = ["/file", "/one/two/three/file", "/one/./two//../two/three/../three/file"])]
fn parse(path: &str) -> VirtualPath {
    VirtualPath::parse(black_box(path.as_bytes())).unwrap()
}

/// A file in the root, one three folders down, one through a link to a folder, one that is missing.
#[divan::bench(args = ["/file", "/one/two/three/file", "/link/file", "/one/two/missing"])]
fn resolve(bencher: Bencher<'_, '_>, path: &str) {
    let home = home();
    let storage = LocalStorage::new(Root::open(home.path(), LocalOptions::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let path = VirtualPath::parse(path.as_bytes()).unwrap();
    bencher.bench_local(|| {
        runtime.block_on(storage.resolve(black_box(&path), Links::Follow)).unwrap()
    });
}

/// Lies on tmpfs where there is one.
fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    std::fs::create_dir_all(home.path().join("one/two/three")).unwrap();
    for file in ["file", "one/two/three/file"] {
        std::fs::write(home.path().join(file), "content").unwrap();
    }
    std::os::unix::fs::symlink("one/two/three", home.path().join("link")).unwrap();
    home
}
