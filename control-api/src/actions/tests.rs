#![expect(clippy::disallowed_methods, reason = "tests write their own scripts")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ferryd_domain::{Account, EventId, Secret, Username};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn file_event(id: &str) -> FileEvent {
    FileEvent {
        id: EventId(id.into()),
        action: FileAction::Upload,
        username: Username::stored("bob & co"),
        path: "/srv/bob/a b&c=é.txt".into(),
        target_path: "".into(),
        ssh_command: String::new(),
        file_size: 5,
        local_file: true,
    }
}

fn account_event() -> AccountEvent {
    let mut account = Account {
        id: 7,
        status: 1,
        username: Username::stored("bob"),
        password: Secret::new("$argon2id$hash".into()),
        home_dir: "/srv/bob".into(),
        uid: 1000,
        max_sessions: 3,
        ..Account::default()
    };
    account.filesystem.s3config.access_secret = Secret::new("$aes$0badc0de$5ea1ed".into());
    account.filesystem.gcsconfig.credentials = Secret::new("c2VjcmV0".into());
    AccountEvent { id: EventId("a1".into()), action: AccountAction::Update, account }
}

fn config(names: &[&str], command: &str, url: &str) -> ActionsConfig {
    ActionsConfig {
        execute_on: names.iter().map(|&name| name.to_owned()).collect(),
        command: command.to_owned(),
        http_notification_url: url.to_owned(),
    }
}

/// A script that appends its arguments and one variable to `log` beside it.
fn logger(folder: &Path, variable: &str) -> String {
    let path = folder.join("log.sh");
    let log = folder.join("log");
    let body =
        format!("#!/bin/sh\n(printf '[%s]' \"$@\" \"${variable}\"; echo) >> {}\n", log.display());
    std::fs::write(&path, body).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Answers one request and returns it.
async fn receive(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let length = |text: &str| -> usize {
        let header = text.lines().find(|l| l.to_lowercase().starts_with("content-length:"));
        header.map_or(0, |l| l.split_once(':').unwrap().1.trim().parse().unwrap())
    };
    loop {
        stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(request).unwrap()
}

const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_command_gets_arguments_and_variables_of_a_file_event() {
    let folder = tempfile::tempdir().unwrap();
    let command = logger(folder.path(), "SFTPGO_ACTION_FILE_SIZE");
    let actions = Actions::start(&config(&["upload"], &command, ""), &ActionsConfig::default());
    actions.file_changed(file_event("1")).unwrap();
    actions.file_changed(file_event("1")).expect("sent twice, told once");
    let other = FileEvent { action: FileAction::Download, ..file_event("2") };
    actions.file_changed(other).expect("not in the list, not told");
    actions.shutdown(PATIENT).await;
    let expected = "[upload][bob & co][/srv/bob/a b&c=é.txt][][][5]\n";
    assert_eq!(log(folder.path()), expected);
}

#[tokio::test]
async fn a_command_gets_arguments_and_the_hash_of_an_account_event() {
    let folder = tempfile::tempdir().unwrap();
    let command = logger(folder.path(), "FERRYD_USER_PASSWORD");
    let actions = Actions::start(&ActionsConfig::default(), &config(&["update"], &command, ""));
    actions.account_changed(account_event());
    actions.account_changed(AccountEvent { action: AccountAction::Add, ..account_event() });
    actions.shutdown(PATIENT).await;
    assert_eq!(log(folder.path()), "[update][bob][7][1][0][/srv/bob][1000][0][$argon2id$hash]\n");
}

#[tokio::test]
async fn a_file_event_is_a_get_with_a_query_and_is_sent_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=a%20b", listener.local_addr().unwrap());
    let actions = Actions::start(&config(&["upload"], "", &url), &ActionsConfig::default());
    actions.file_changed(file_event("1")).unwrap();
    let request = receive(listener).await;
    let line = request.lines().next().unwrap();
    let target = line.split(' ').nth(1).unwrap();
    let url: reqwest::Url = format!("http://host{target}").parse().unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let expected = [
        ("token", "a b"),
        ("action", "upload"),
        ("username", "bob & co"),
        ("path", "/srv/bob/a b&c=é.txt"),
        ("local_file", "true"),
        ("file_size", "5"),
    ];
    assert!(line.starts_with("GET /hook?"));
    assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    actions.shutdown(PATIENT).await;
}

#[tokio::test]
async fn a_name_that_is_not_utf8_goes_into_the_query_byte_for_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook#part", listener.local_addr().unwrap());
    let actions = Actions::start(&config(&["rename"], "", &url), &ActionsConfig::default());
    actions
        .file_changed(FileEvent {
            action: FileAction::Rename,
            path: b"/srv/caf\xe9 &=+%#".to_vec().into(),
            target_path: b"/srv/\xff".to_vec().into(),
            ..file_event("1")
        })
        .unwrap();
    let request = receive(listener).await;
    let line = request.lines().next().unwrap();
    let expected = "GET /hook?action=rename&username=bob+%26+co&path=%2Fsrv%2Fcaf%E9+%26%3D%2B%25%23\
        &local_file=true&target_path=%2Fsrv%2F%FF&file_size=5 HTTP/1.1";
    assert_eq!(line, expected);
    actions.shutdown(PATIENT).await;
}

#[tokio::test]
async fn an_account_event_is_a_post_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let actions = Actions::start(&ActionsConfig::default(), &config(&["update"], "", &url));
    actions.account_changed(account_event());
    let request = receive(listener).await;
    assert!(request.starts_with("POST /hook?action=update "));
    assert!(request.to_lowercase().contains("content-type: application/json"));
    assert!(request.contains(r#""username":"bob""#));
    for secret in ["hash", "c2VjcmV0", "0badc0de"] {
        assert!(!request.contains(secret), "{secret}");
    }
    actions.shutdown(PATIENT).await;
}

#[tokio::test]
async fn a_service_that_is_away_for_a_moment_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let actions = Actions::start(
        &config(&["upload"], "", &format!("http://{port}/")),
        &ActionsConfig::default(),
    );
    actions.file_changed(file_event("1")).unwrap();
    tokio::task::yield_now().await;
    let listener = TcpListener::bind(port).await.unwrap();
    assert!(receive(listener).await.starts_with("GET /?action=upload"));
    actions.shutdown(PATIENT).await;
}

#[tokio::test]
async fn a_slow_command_delays_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.sh");
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 300\n").unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let config = config(&["upload"], slow.to_str().unwrap(), &url);
    let actions = Actions::start(&config, &ActionsConfig::default());
    actions.file_changed(file_event("1")).unwrap();
    assert!(receive(listener).await.starts_with("GET "));
    let started = std::time::Instant::now();
    actions.shutdown(Duration::from_millis(200)).await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_full_queue_takes_an_event_everywhere_or_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.sh");
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 300\n").unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = config(&["upload"], slow.to_str().unwrap(), "");
    let actions = Actions::start(&config, &ActionsConfig::default());
    let mut taken = 0;
    let refused = loop {
        match actions.file_changed(file_event(&taken.to_string())) {
            Ok(()) => taken += 1,
            Err(fault) => break fault,
        }
    };
    assert!(refused.is_transient());
    assert!((10_000..11_000).contains(&taken), "{taken}");
    actions.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn receivers_that_cannot_work_are_left_out() {
    for (command, url) in [("log.sh", ""), ("", "no url"), ("", "ftp://host/")] {
        let actions = Actions::start(&config(&["upload"], command, url), &ActionsConfig::default());
        assert!(actions.files.0.is_empty(), "{command} {url}");
        actions.file_changed(file_event("1")).unwrap();
    }
}
