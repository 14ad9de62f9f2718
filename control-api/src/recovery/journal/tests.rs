use std::sync::Arc;

use futures::FutureExt as _;

use super::*;

fn name(name: &str) -> Username {
    Username::stored(name)
}

fn names_in(path: &Path) -> Vec<Username> {
    let mut names: Vec<_> = file::read(path).into_iter().collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn names_are_there_after_a_crash_and_gone_a_while_after_they_were_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, found) = Journal::open(&path);
    assert!(found.is_empty());
    for added in ["bob", "a\n+\"x\"", "eve"] {
        journal.add(&name(added));
    }
    journal.write().await;
    tokio::time::advance(LINGER / 2).await;
    journal.add(&name("bob"));
    journal.retain(|_| false);
    tokio::time::advance(LINGER / 2).await;
    journal.retain(|kept| *kept != name("eve"));
    journal.add(&name("max"));
    journal.write().await;
    std::mem::forget(journal);
    let left = [name("a\n+\"x\""), name("bob"), name("max")];
    assert_eq!(names_in(&path), left);
    let (journal, mut found) = Journal::open(&path);
    found.sort();
    assert_eq!(found, left);
    journal.close(|kept| *kept == name("bob")).await;
    assert_eq!(names_in(&path), [name("bob")], "an orderly end waits for nothing");
}

#[tokio::test]
async fn who_waits_for_a_name_waits_until_it_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path);
    journal.stored(&name("unknown")).await;
    journal.add(&name("bob"));
    let bob = name("bob");
    let mut waiting = std::pin::pin!(journal.stored(&bob));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(names_in(&path).is_empty());
    journal.write().await;
    assert_eq!(names_in(&path), [name("bob")]);
    waiting.await;
    journal.add(&name("bob"));
    assert!(journal.stored(&bob).now_or_never().is_some(), "it is there already");
}

#[tokio::test]
async fn all_who_wait_share_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Arc::new(Journal::open(&path).0);
    for number in 0..1000 {
        journal.add(&name(&number.to_string()));
    }
    let writer = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.keep_written().await }
    });
    for number in 0..1000 {
        journal.stored(&name(&number.to_string())).await;
    }
    assert_eq!((names_in(&path).len(), journal.writes()), (1000, 1));
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn the_file_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path);
    for number in 0..4 * SLACK {
        journal.add(&name(&number.to_string()));
        tokio::time::advance(LINGER).await;
        journal.retain(|_| false);
        if number % 100 == 0 {
            journal.write().await;
        }
    }
    assert!(path.metadata().unwrap().len() < 32 * SLACK as u64);
    assert!(journal.state.lock().text.len() < 64 * SLACK);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "makes a broken file")]
fn a_line_that_was_cut_counts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, b"+\"bob\"\n\xff\n*\"x\"\n\n+\"ev").unwrap();
    assert_eq!(names_in(&path), [name("bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_holds_up_nobody_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/journal");
    let (journal, _) = KeptJournal::start(&path);
    journal.add(&name("bob"));
    journal.stored(&name("bob")).await;
    journal.add(&name("eve"));
    journal.stored(&name("eve")).await;
    journal.retain(|_| true);
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let mut stored = journal.stored.subscribe();
    stored.wait_for(|stored| *stored != NOTHING_KEPT).await.unwrap();
    assert_eq!(names_in(&path), [name("bob"), name("eve")]);
    journal.add(&name("max"));
    journal.stored(&name("max")).await;
    assert_eq!(names_in(&path), [name("bob"), name("eve"), name("max")]);
}

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_loses_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path);
    journal.add(&name("eve"));
    journal.write().await;
    *journal.file.lock().await = Some(JournalFile::read_only());
    journal.add(&name("bob"));
    journal.write().await;
    journal.stored(&name("bob")).await;
    assert_eq!(names_in(&path), [name("eve")]);
    journal.retain_after(Duration::ZERO, |kept| *kept != name("eve"));
    journal.write().await;
    assert_eq!(names_in(&path), [name("bob")]);
}
