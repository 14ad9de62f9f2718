//! Extensions of SFTP at their edges: ranges beyond the end of a file, lists that break off.

use ferryd_tests::files::pattern;
use ferryd_tests::raw_sftp::code;
use ferryd_tests::wire::{Fields, Reader};
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;
use sha2::{Digest as _, Sha256};

both_topologies!(
    lists_of_ids_end_with_an_id,
    blocks_of_check_file_end_with_the_file,
    paramiko_gets_digests_of_an_open_file,
);

async fn blocks_of_check_file_end_with_the_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", [7; 1000]);
    let mut sftp = server.sftp_of(&alice).await;
    let mut ask = async |at: u64, length: u64, block: u32| {
        let fields = Fields::new().string("check-file-name").string("/file").string("sha256");
        let body = sftp.request(200, fields.u64(at).u64(length).u32(block)).await?;
        let mut fields = Reader(&body);
        assert_eq!(fields.string(), b"sha256");
        Ok(fields.0.to_vec())
    };
    let whole = Sha256::digest([7; 256]).to_vec();
    let rest = |length: usize| Sha256::digest(vec![7; length]).to_vec();
    // A length beyond the end is none: what counts is what the file has.
    for length in [0, 1000, 1001, 1 << 40, u64::MAX] {
        let blocks = ask(0, length, 256).await.unwrap();
        assert_eq!(blocks, [&whole, &whole, &whole, &rest(232)].map(Vec::as_slice).concat());
    }
    assert_eq!(ask(900, u64::MAX, 256).await.unwrap(), rest(100));
    assert_eq!(ask(u64::MAX, u64::MAX, 256).await.unwrap(), rest(0));
    assert_eq!(
        ask(0, 0, 255).await.map_err(|status: ferryd_tests::Status| status.code),
        Err(code::FAILURE)
    );
}

async fn paramiko_gets_digests_of_an_open_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let content = pattern(1200);
    alice.put("file", &content);
    let said = server.python("paramiko_check.py", &alice, &["/file"]).await;
    said.assert_well();
    let digest = |block: &[u8]| hex::encode(Sha256::digest(block));
    let blocks = [&content[..500], &content[500..1000]].map(digest);
    let expected = [digest(&content), blocks.concat()];
    assert_eq!(said.output.lines().collect::<Vec<_>>(), expected);
}

async fn lists_of_ids_end_with_an_id(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "uid": 1001, "gid": 1002 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let mut ask = async |users: &[u8], groups: &[u8]| {
        let fields = Fields::new().string("users-groups-by-id@openssh.com");
        sftp.request(200, fields.string(users).string(groups)).await
    };
    let ids = Fields::new().u32(1001).u32(1002).0;
    let named = ask(&ids, &ids).await.unwrap();
    let (alice, none) = (Fields::new().string("alice").0, Fields::new().string("").0);
    let names = [[alice.as_slice(), &none].concat(), [none.as_slice(), &alice].concat()];
    assert_eq!(named, Fields::new().string(&names[0]).string(&names[1]).0);
    assert_eq!(ask(b"", b"").await.unwrap(), [0; 8]);
    for length in [1, 2, 3, 5, 6, 7] {
        for (users, groups) in [(&ids[..length], &ids[..]), (&ids[..], &ids[..length])] {
            assert_eq!(ask(users, groups).await.unwrap_err().code, code::BAD_MESSAGE, "{length}");
        }
    }
}
