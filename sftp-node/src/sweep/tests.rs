#![expect(clippy::disallowed_methods, reason = "tests make their own files")]

use std::fs;
use std::path::Path;

use ferryd_domain::VirtualFolder;

use super::*;

const LEFT: &str = ".sftpgo-upload.0123456789abcdefghij.name";

fn account(home: &Path, mapped: &Path) -> Account {
    let folder = VirtualFolder {
        virtual_path: "/mapped".into(),
        mapped_path: mapped.to_str().unwrap().into(),
    };
    Account {
        home_dir: home.to_str().unwrap().into(),
        virtual_folders: vec![folder],
        ..Account::default()
    }
}

async fn gone(file: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while file.exists() {
        assert!(std::time::Instant::now() < deadline, "{} stays", file.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn home_and_folders_are_looked_at_once_and_new_uploads_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (home, mapped) = (directory.path().join("home"), directory.path().join("mapped"));
    let third = directory.path().join("third");
    for folder in [&home, &mapped, &third] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join(LEFT), "part").unwrap();
    }
    fs::write(home.join("file"), "whole").unwrap();
    let sweep = Sweep::start();
    sweep.visit(&account(&home, &mapped));
    gone(&home.join(LEFT)).await;
    gone(&mapped.join(LEFT)).await;
    fs::write(home.join(LEFT), "part of this run").unwrap();
    sweep.visit(&account(&home, &mapped));
    // What comes behind it in the queue is looked at, the home is not again.
    sweep.visit(&account(&third, &directory.path().join("missing")));
    gone(&third.join(LEFT)).await;
    assert_eq!(sweep.seen.lock().len(), 4);
    assert!(home.join(LEFT).exists() && home.join("file").exists());
}

#[tokio::test]
async fn a_full_queue_forgets_what_it_cannot_take() {
    let sweep = Sweep::start();
    // The worker has not run yet: this test has one thread and does not wait.
    for number in 0..QUEUE + 10 {
        sweep.note(&format!("/missing/{number}"));
    }
    assert_eq!(sweep.seen.lock().len(), QUEUE);
}
