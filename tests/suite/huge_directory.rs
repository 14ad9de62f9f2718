//! A folder with more entries than anybody wants to keep in memory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ferryd_tests::raw_sftp::code;
use ferryd_tests::wire::{Fields, Reader};
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(a_huge_folder_is_listed_once_and_in_little_memory);

const MIB: u64 = 1 << 20;

/// How many: `FERRYD_TEST_ENTRIES` (100,000).
fn entries() -> usize {
    let text = std::env::var("FERRYD_TEST_ENTRIES").unwrap_or_else(|_| "100000".to_owned());
    text.parse().expect("FERRYD_TEST_ENTRIES is a number")
}

/// Memory where there is some to be used as a disk: a million files are made quickly there.
fn ground() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

async fn a_huge_folder_is_listed_once_and_in_little_memory(topology: Topology) {
    let server = Server::start(topology).await;
    let home = tempfile::Builder::new().prefix("ferryd-huge-").tempdir_in(ground()).unwrap();
    let count = entries();
    for number in 0..count {
        std::fs::File::create(home.path().join(format!("entry-{number:07}"))).unwrap();
    }
    let alice = server.user_with("alice", json!({ "home_dir": home.path() })).await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.lstat("/").await.unwrap();
    let (before, begin) = (server.resident(), Instant::now());
    let body = sftp.request(11, Fields::new().string("/")).await.unwrap();
    let handle = Reader(&body).string().to_vec();
    let (mut names, mut most, mut first) = (HashSet::with_capacity(count), 0, None);
    loop {
        let reply = sftp.request(12, Fields::new().string(&handle)).await;
        first.get_or_insert_with(|| begin.elapsed());
        most = most.max(server.resident());
        match reply {
            Ok(body) => {
                for name in names_in(&body) {
                    assert!(names.insert(name), "a name came twice");
                }
            }
            Err(status) => {
                assert_eq!(status.code, code::EOF);
                break;
            }
        }
    }
    let grown = most.saturating_sub(before);
    println!(
        "{topology:?}: {count} entries, first reply after {:?}, all after {:?}, {} KiB more memory",
        first.unwrap(),
        begin.elapsed(),
        grown >> 10
    );
    names.retain(|name| name != b"." && name != b"..");
    assert_eq!(names.len(), count);
    assert!(grown < 8 * MIB, "{grown} bytes more");
}

fn names_in(body: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Reader(body);
    (0..fields.u32())
        .map(|_| {
            let name = fields.string().to_vec();
            fields.string();
            fields.attributes();
            name
        })
        .collect()
}
