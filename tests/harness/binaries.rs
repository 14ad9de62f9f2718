//! Where the programs under test are. They are built once per run: cargo does not build the
//! programs of other packages for a test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What builds the programs with the features that `cargo test --workspace` gives every crate:
/// with others most of them would be compiled a second time. The test is there for its features.
const BUILD: [&str; 6] = ["build", "--quiet", "--workspace", "--bins", "--test", "serve"];

/// Returns a program by its name. `FERRYD_TEST_BIN_DIR` names a folder with programs that are
/// built already, e.g. `target/release`.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(folder).join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

fn folder() -> PathBuf {
    std::env::var_os("FERRYD_TEST_BIN_DIR").map_or_else(build, PathBuf::from)
}

/// The tests run from `TARGET/PROFILE/deps`.
fn build() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let profile = exe.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(BUILD);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.env("CARGO_TARGET_DIR", profile.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "the programs do not build");
    profile.to_owned()
}

/// Returns the root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
