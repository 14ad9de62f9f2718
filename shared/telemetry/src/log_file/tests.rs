use std::io::Read as _;

use super::*;
use crate::rotation::{Compress, old_files};

fn small(max_backups: usize, compress: Compress) -> Rotation {
    Rotation { max_size: 100, max_backups, max_age_days: 28, compress }
}

fn content(path: &Path) -> String {
    let mut bytes = Vec::new();
    File::options().read(true).open(path).unwrap().read_to_end(&mut bytes).unwrap();
    if path.extension().is_some_and(|last| last == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

fn all_lines(path: &Path) -> Vec<String> {
    let mut files = old_files(path);
    files.reverse();
    files.push(path.to_owned());
    files
        .iter()
        .flat_map(|file| content(file).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn no_line_is_lost_or_torn_over_many_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs/ferryd.log");
    let mut log = LogFile::open(&path, small(0, Compress::Gzip)).unwrap();
    let lines: Vec<_> = (0..40).map(|number| format!("line {number:020}")).collect();
    for batch in lines.chunks(7) {
        log.write_all((batch.join("\n") + "\n").as_bytes()).unwrap();
    }
    drop(log);
    assert_eq!(all_lines(&path), lines);
    assert!(old_files(&path).len() >= 8);
    assert!(old_files(&path).iter().all(|file| file.extension().unwrap() == "gz"));
}

#[test]
fn only_the_newest_old_files_stay_and_strangers_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferryd.log");
    let stranger = dir.path().join("ferryd-notes.log");
    open(&stranger).unwrap();
    let mut log = LogFile::open(&path, small(2, Compress::No)).unwrap();
    for number in 0..20 {
        log.write_all(format!("{number:060}\n").as_bytes()).unwrap();
    }
    drop(log);
    assert_eq!(old_files(&path).len(), 2);
    assert!(all_lines(&path).last().unwrap().ends_with("19"));
    assert!(stranger.exists());
}

#[test]
fn a_line_longer_than_a_file_is_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferryd.log");
    let mut log = LogFile::open(&path, small(0, Compress::No)).unwrap();
    let long = "x".repeat(500);
    log.write_all(format!("a\n{long}\nb\n").as_bytes()).unwrap();
    drop(log);
    assert_eq!(all_lines(&path), ["a", &long, "b"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "does what others do to the log")]
fn a_file_that_was_renamed_or_removed_is_left_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferryd.log");
    let away = dir.path().join("ferryd.log.1");
    let mut log = LogFile::open(&path, Rotation::default()).unwrap();
    log.write_all(b"before\n").unwrap();
    rename(&path, &away).unwrap();
    log.write_all(b"after\n").unwrap();
    assert_eq!((content(&away).as_str(), content(&path).as_str()), ("before\n", "after\n"));
    std::fs::remove_file(&path).unwrap();
    log.write_all(b"once more\n").unwrap();
    assert_eq!(content(&path), "once more\n");
    rename(&path, &away).unwrap();
    std::fs::write(&path, "made by another\n").unwrap();
    log.write_all(b"appended\n").unwrap();
    assert_eq!(content(&path), "made by another\nappended\n");
}

#[test]
fn a_file_that_was_emptied_has_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferryd.log");
    let mut log = LogFile::open(&path, small(0, Compress::No)).unwrap();
    log.write_all(format!("{:080}\n", 1).as_bytes()).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    log.write_all(format!("{:080}\n", 2).as_bytes()).unwrap();
    assert_eq!((all_lines(&path).len(), old_files(&path).len()), (1, 0));
}

#[test]
fn a_name_that_cannot_be_opened_loses_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferryd.log");
    let away = dir.path().join("ferryd.log.1");
    let mut log = LogFile::open(&path, Rotation::default()).unwrap();
    rename(&path, &away).unwrap();
    std::fs::create_dir(&path).unwrap();
    log.write_all(b"a\n").unwrap();
    std::fs::remove_dir(&path).unwrap();
    log.write_all(b"b\n").unwrap();
    log.reopen();
    log.write_all(b"c\n").unwrap();
    assert_eq!((content(&away).as_str(), content(&path).as_str()), ("a\nb\n", "c\n"));
}

#[test]
fn a_device_is_never_full_and_never_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("ferryd.log");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let mut log = LogFile::open(&link, small(0, Compress::No)).unwrap();
    (0..20).for_each(|number| log.write_all(format!("{number:060}\n").as_bytes()).unwrap());
    drop(log);
    assert!(link.is_symlink() && old_files(&link).is_empty());
}
