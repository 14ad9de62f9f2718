//! What is done better than in the server that this one replaces. [`ANSWERS`] names the test of
//! each improvement, here or elsewhere; the first test sees to it that they exist.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ferryd_tests::binaries::workspace;
use ferryd_tests::keys::{KeyPair, client_key};
use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wait::until_within;
use ferryd_tests::wire::{Attributes, Fields};
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::json;

both_topologies!(
    a_handle_is_good_for_nothing_but_what_it_was_opened_for,
    a_missing_file_is_not_made_without_being_asked_for,
    attributes_of_an_open_download_can_be_set,
    a_size_needs_overwrite_and_upload,
    nothing_is_changed_when_one_attribute_is_not_permitted,
    removing_what_was_never_counted_leaves_the_counters_at_zero,
    a_signal_gives_a_running_transfer_a_time,
    what_the_end_of_the_server_breaks_leaves_the_old_file,
    a_short_command_is_answered_before_it_ends,
    a_key_is_counted_as_good_after_its_signature_only,
    an_idle_session_ends_and_a_slow_transfer_stays,
);

/// What is done instead, and the test that shows it.
const ANSWERS: [(&str, &str); 87] = [
    // SFTP and SSH.
    ("a place is taken at the login", "a_login_without_a_channel_holds_a_place"),
    ("descriptors, not paths", "a_link_may_be_swapped_for_a_folder_at_any_moment"),
    ("homes are compared by components", "a_home_with_the_same_beginning_is_another_home"),
    ("dangling links lead nowhere", "a_dangling_link_to_outside_creates_nothing_there"),
    ("permissions hold where links lead", "a_link_opens_no_restricted_folder"),
    ("texts name no server path", "texts_of_refusals_name_no_path_of_the_server"),
    ("overwriting needs upload as well", "overwriting_needs_upload_too"),
    ("renaming is looked up at the source", "renaming_needs_the_permission_at_both_ends"),
    ("replacing by rename needs overwrite", "renaming_over_a_file_needs_overwrite"),
    ("rules travel with nothing", "a_folder_with_rules_below_stays_where_it_is"),
    ("extensions in any case", "case_does_not_matter_either_way"),
    ("parents of virtual folders stay", "a_virtual_folder_stays_where_it_is"),
    ("no file without CREAT", "a_missing_file_is_not_made_without_being_asked_for"),
    ("wrong use of a handle", "a_handle_is_good_for_nothing_but_what_it_was_opened_for"),
    ("a real lstat", "lstat_shows_the_link_and_stat_what_it_points_to"),
    ("a real fstat", "fstat_follows_the_open_file"),
    ("links are read", "links_are_read_as_client_paths"),
    ("unknown packets", "unknown_packet_types_are_answered_as_unsupported"),
    ("packets of no length", "a_packet_of_no_length_ends_at_most_its_session"),
    ("random bytes", "random_bytes_end_at_most_their_session"),
    ("too long packets", "a_giant_length_closes_the_session_at_once"),
    ("every attribute of a request", "all_attributes_of_one_request_are_applied"),
    ("a size has its permissions", "a_size_needs_overwrite_and_upload"),
    ("a size is accounted", "a_size_that_is_set_is_accounted"),
    ("times survive the close", "attributes_of_an_open_upload_survive_its_end"),
    ("attributes of a download", "attributes_of_an_open_download_can_be_set"),
    ("FIFOs are not opened", "a_fifo_cannot_be_opened"),
    ("the old file stays until the end", "a_broken_atomic_upload_leaves_the_old_file"),
    ("leftovers of a crash go", "leftovers_are_swept_and_nothing_else"),
    ("a running upload is stopped", "a_running_upload_is_stopped_by_the_quota_in_every_mode"),
    ("uploads reserve", "concurrent_uploads_share_what_is_left"),
    ("uploads reserve bytes", "concurrent_uploads_share_the_bytes_that_are_left"),
    ("a replaced file is subtracted", "a_rename_over_a_file_subtracts_the_replaced_one"),
    ("the difference counts", "opening_without_truncation_counts_the_difference"),
    ("rewritten ranges count once", "rewritten_ranges_count_once"),
    ("counters stay above zero", "counters_are_added_and_never_fall_below_zero"),
    ("bandwidth is shared", "sessions_share_the_limit_of_their_user"),
    ("digests of all of the input", "a_digest_of_standard_input_takes_all_of_it"),
    ("answered, then started", "a_short_command_is_answered_before_it_ends"),
    ("idle time to the half minute", "an_idle_session_ends_and_a_slow_transfer_stays"),
    ("filters hold where links lead", "a_link_opens_no_restricted_folder"),
    ("all attributes or none", "nothing_is_changed_when_one_attribute_is_not_permitted"),
    ("links to outside are not read", "a_link_to_outside_is_listed_and_nothing_more"),
    ("handles of others", "handles_of_another_session_are_refused"),
    ("the old file is there meanwhile", "an_old_file_can_be_read_until_the_new_one_replaces_it"),
    ("the old file or the new part", "a_broken_overwrite_leaves_the_old_file_or_the_new_part"),
    ("appending works at the end", "appending_changes_the_file_at_its_end_only"),
    ("a broken append loses nothing", "a_broken_append_loses_nothing_of_the_old_file"),
    ("without truncation", "bytes_that_are_not_written_stay_without_truncation"),
    ("a crash leaves nothing", "a_killed_server_leaves_the_old_or_the_new_file_and_nothing_else"),
    ("never below zero", "removing_what_was_never_counted_leaves_the_counters_at_zero"),
    ("extensions in any case, for real", "extension_filters_hold_for_every_operation_on_content"),
    ("no SHA-1", "nothing_with_sha1_is_offered_and_key_exchange_is_strict"),
    ("RSA host keys with SHA-2", "an_rsa_host_key_signs_with_sha2_only"),
    ("transfers end in order", "a_signal_gives_a_running_transfer_a_time"),
    ("the end breaks like a cut", "what_the_end_of_the_server_breaks_leaves_the_old_file"),
    // REST.
    ("a taken name", "a_name_is_taken_once"),
    ("all prefixes of bcrypt", "hashes_of_other_systems_are_taken_as_they_are"),
    ("secrets under a key of the server", "what_was_sealed_can_be_opened_with_the_same_key_only"),
    ("names of credential files", "ids_cannot_leave_their_segment"),
    ("old names of credential files", "files_under_the_old_name_are_found"),
    ("a name is kept by an update", "an_update_keeps_name_counters_and_last_login"),
    ("an empty list clears", "an_empty_list_clears_and_empty_permissions_keep"),
    ("negative numbers", "bad_parameters_are_refused"),
    ("one entry until the last channel", "a_session_is_listed_from_its_first_channel_to_its_last"),
    ("a dump replaces at its end", "a_failed_dump_leaves_the_older_one"),
    ("restores by bad parameters", "bad_restores_are_refused"),
    (
        "restores by POST",
        "what_is_made_by_post_is_restored_by_post_and_the_older_paths_take_get_alone",
    ),
    // Configuration.
    ("sections of HCL", "one_block_of_hcl_is_a_list_as_well_as_two"),
    ("envfiles", "envfiles_have_quotes_and_comments"),
    (
        "a broken file ends the start",
        "a_configuration_that_cannot_be_read_ends_the_program_with_its_line",
    ),
    ("every key has a variable", "variables_set_every_key_also_without_a_file"),
    ("unknown keys are named", "an_unknown_key_is_named_with_its_nearest_like"),
    ("keys with SHA-2", "keys_of_every_type_let_in"),
    ("a reload is all or nothing", "a_reload_is_all_or_nothing_and_keeps_ids"),
    ("the end is in order", "a_first_start_makes_what_is_missing_and_a_signal_ends_it_in_order"),
    // Hooks.
    ("a NUL starts nothing", "a_nul_is_refused_before_anything_starts"),
    ("no hash for pre-login programs", "a_program_may_change_a_user_before_the_login"),
    ("no cloud secrets for them", "the_program_sees_no_secret_of_a_store"),
    (
        "one question after the other",
        "questions_that_are_printed_at_once_are_asked_one_after_the_other",
    ),
    ("one after the other, for real", "questions_of_two_lines_are_asked_one_after_the_other"),
    ("NUL in both topologies", "a_name_with_quotes_and_newlines_reaches_a_program_as_it_is"),
    ("standard error is logged", "what_a_program_complains_about_is_logged"),
    // Metrics and logs.
    ("a key counts after its signature", "a_key_is_counted_as_good_after_its_signature_only"),
    (
        "terse logs",
        "each_kind_has_its_fields_in_their_order_and_terse_logs_keep_failed_connections",
    ),
    ("the real time of the change", "each_change_is_recorded_under_its_name"),
    ("the same for every refusal", "a_refused_user_learns_the_same_for_every_reason"),
];

#[test]
fn every_test_that_is_named_exists() {
    let mut text = String::new();
    for folder in ["control-api", "sftp-node", "shared", "deploy", "proto", "tests"] {
        collect(&workspace().join(folder), &mut text);
    }
    for (what, test) in ANSWERS {
        assert!(text.contains(&format!("fn {test}(")), "{what}: there is no test {test}");
    }
}

fn collect(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

async fn a_handle_is_good_for_nothing_but_what_it_was_opened_for(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let reading = sftp.open("/file", flags::READ).await.unwrap();
    assert_eq!(sftp.write(&reading, 0, b"x").await.unwrap_err().code, code::FAILURE);
    let writing = sftp.open("/new", flags::PUT).await.unwrap();
    assert_eq!(sftp.read(&writing, 0, 10).await.unwrap_err().code, code::FAILURE);
    for handle in [&reading, &writing] {
        let fields = Fields::new().string(handle);
        assert_eq!(sftp.request(12, fields).await.unwrap_err().code, code::FAILURE);
    }
    assert_eq!(sftp.read(&reading, 0, 10).await.unwrap(), b"content");
    sftp.close(&writing).await.unwrap();
    assert_eq!(sftp.write(&writing, 0, b"x").await.unwrap_err().code, code::FAILURE);
    assert_eq!(sftp.close(&writing).await.unwrap_err().code, code::FAILURE);
    assert_eq!(alice.read("file"), b"content");
}

async fn a_missing_file_is_not_made_without_being_asked_for(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    for open in [flags::WRITE, flags::WRITE | flags::TRUNCATE, flags::WRITE | flags::APPEND] {
        assert_eq!(sftp.open("/missing", open).await.unwrap_err().code, code::NO_FILE, "{open}");
    }
    assert!(!alice.has("missing"));
}

async fn attributes_of_an_open_download_can_be_set(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::READ).await.unwrap();
    let times = Some((1_000_000_000, 1_100_000_000));
    sftp.set_open(&handle, Attributes { times, ..Attributes::default() }).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(sftp.stat("/file").await.unwrap().times.unwrap().1, 1_100_000_000);
}

async fn a_size_needs_overwrite_and_upload(topology: Topology) {
    let server = Server::start(topology).await;
    let without = |missing: &str| {
        let all = ["list", "download", "upload", "overwrite", "chmod", "chown", "chtimes"];
        let granted: Vec<_> = all.into_iter().filter(|one| *one != missing).collect();
        json!({ "permissions": { "/": granted } })
    };
    let size = Attributes { size: Some(1), ..Attributes::default() };
    for missing in ["overwrite", "upload"] {
        let user = server.user_with(&format!("no-{missing}"), without(missing)).await;
        user.put("file", "content");
        let refused = server.sftp_of(&user).await.set("/file", size).await.unwrap_err();
        assert_eq!(refused.code, code::DENIED, "{missing}");
        assert_eq!(user.read("file"), b"content");
    }
    let user = server.user_with("both", without("nothing")).await;
    user.put("file", "content");
    server.sftp_of(&user).await.set("/file", size).await.unwrap();
    assert_eq!(user.read("file"), b"c");
}

async fn nothing_is_changed_when_one_attribute_is_not_permitted(topology: Topology) {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::start(topology).await;
    let all = Attributes {
        mode: Some(0o604),
        times: Some((1_000_000_000, 1_100_000_000)),
        size: Some(1),
        ..Attributes::default()
    };
    for missing in ["chmod", "chtimes", "overwrite"] {
        let granted = ["list", "download", "upload", "overwrite", "chmod", "chown", "chtimes"];
        let granted: Vec<_> = granted.into_iter().filter(|one| *one != missing).collect();
        let changes = json!({ "permissions": { "/": granted } });
        let user = server.user_with(&format!("no-{missing}"), changes).await;
        let before = std::fs::metadata(user.put("file", "content")).unwrap();
        let mut sftp = server.sftp_of(&user).await;
        assert_eq!(sftp.set("/file", all).await.unwrap_err().code, code::DENIED, "{missing}");
        let handle = sftp.open("/file", flags::READ).await.unwrap();
        assert_eq!(sftp.set_open(&handle, all).await.unwrap_err().code, code::DENIED, "{missing}");
        let after = std::fs::metadata(user.path("file")).unwrap();
        assert_eq!(after.mode(), before.mode(), "{missing}");
        assert_eq!((after.mtime(), after.size()), (before.mtime(), 7), "{missing}");
    }
}

async fn removing_what_was_never_counted_leaves_the_counters_at_zero(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let url = format!("/api/v1/user/{}", alice.id);
    let counters = async |expected: [i64; 2]| {
        until("the counters", async || {
            let user = server.call("GET", &url, "").await.1;
            let counts = [user["used_quota_files"].as_i64()?, user["used_quota_size"].as_i64()?];
            assert!(counts.iter().all(|count| *count >= 0), "{counts:?}");
            (counts == expected).then_some(())
        })
        .await;
    };
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/counted", b"12345").await.unwrap();
    counters([1, 5]).await;
    alice.put("uncounted", "a much longer content");
    sftp.remove("/uncounted").await.unwrap();
    counters([0, 0]).await;
    sftp.remove("/counted").await.unwrap();
    sftp.connection().close().await;
    until("the end of the session", async || {
        server.connections_of("alice").await.is_empty().then_some(())
    })
    .await;
    counters([0, 0]).await;
}

async fn a_signal_gives_a_running_transfer_a_time(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "drain_timeout": 15 } })).await;
    let alice = server.user("alice").await;
    let (address, mut sftp) = (server.sftp(), server.sftp_of(&alice).await);
    let mut idle = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, b"before").await.unwrap();
    let ending = end(server);
    assert!(idle.receive().await.is_none(), "who transfers nothing goes at once");
    sftp.write(&handle, 6, b" and after").await.unwrap();
    assert!(Connection::try_open(address).await.is_err(), "nobody new gets in");
    sftp.close(&handle).await.unwrap();
    assert!(sftp.receive().await.is_none(), "and then it goes as well");
    let _server = ended(ending).await;
    assert_eq!(alice.read("file"), b"before and after");
}

async fn what_the_end_of_the_server_breaks_leaves_the_old_file(topology: Topology) {
    let sftpd = json!({ "upload_mode": 1, "drain_timeout": 1 });
    let server = Server::with(topology, json!({ "sftpd": sftpd })).await;
    let alice = server.user("alice").await;
    alice.put("file", "old");
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, b"half of the new").await.unwrap();
    let _server = ended(end(server)).await;
    assert!(sftp.receive().await.is_none());
    assert_eq!(alice.read("file"), b"old");
    assert_eq!(std::fs::read_dir(&alice.home).unwrap().count(), 1, "nothing else is left");
}

/// Ends the processes of a server, which takes its time.
fn end(mut server: Server) -> JoinHandle<Server> {
    std::thread::spawn(move || {
        server.end();
        server
    })
}

async fn ended(ending: JoinHandle<Server>) -> Server {
    until_within(Duration::from_secs(40), "the end of the processes", async || {
        ending.is_finished().then_some(())
    })
    .await;
    ending.join().unwrap()
}

async fn a_short_command_is_answered_before_it_ends(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let connection = server.login(&alice).await;
    for _ in 0..300 {
        let said = connection.exec("pwd").await.expect("the request is answered");
        assert_eq!((said.output.as_slice(), said.status), (b"/\n".as_slice(), Some(0)));
    }
}

async fn a_key_is_counted_as_good_after_its_signature_only(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    // Only the public half: the client asks whether it would do and cannot sign.
    let public = server.folder().join("half.pub");
    std::fs::write(&public, format!("{}\n", client_key().line)).unwrap();
    let half = KeyPair { file: public, line: client_key().line.clone() };
    assert!(!server.ssh(&alice, &half, &["pwd"]).await.well);
    until("the attempt", async || {
        let attempts = server.metric("sftpgo_public_key_login_attempts_total").await?;
        (attempts == 1.0).then_some(())
    })
    .await;
    assert_eq!(server.metric("sftpgo_public_key_login_ok_total").await, Some(0.0));
    server.login(&alice).await;
    assert_eq!(server.metric("sftpgo_public_key_login_ok_total").await, Some(1.0));
}

/// Takes two minutes; runs with `FERRYD_TEST_SLOW=1`.
async fn an_idle_session_ends_and_a_slow_transfer_stays(topology: Topology) {
    if std::env::var_os("FERRYD_TEST_SLOW").is_none() {
        println!("skipped: FERRYD_TEST_SLOW is not set");
        return;
    }
    let server = Server::with(topology, json!({ "sftpd": { "idle_timeout": 1 } })).await;
    let alice = server.user_with("alice", json!({ "download_bandwidth": 64 })).await;
    std::fs::File::create(alice.path("file")).unwrap().set_len(1 << 30).unwrap();
    let (mut idle, mut busy) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    idle.list("/").await.unwrap();
    let handle = busy.open("/file", flags::READ).await.unwrap();
    let begin = Instant::now();
    let mut at = 0;
    let mut ended = None;
    while begin.elapsed() < Duration::from_secs(115) {
        at += busy.read(&handle, at, 32_768).await.unwrap().len() as u64;
        if ended.is_none() && idle.connection().is_closed().await {
            ended = Some(begin.elapsed());
        }
    }
    let ended = ended.expect("the idle session has ended");
    assert!((59..=92).contains(&ended.as_secs()), "{ended:?}");
    until_within(Duration::from_secs(5), "one session", async || {
        (server.connections_of("alice").await.len() == 1).then_some(())
    })
    .await;
}
