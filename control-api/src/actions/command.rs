//! Starts a program for each event, with the event as arguments and variables.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::{Account, AccountEvent, Fault, FileEvent, RawPath};

use super::queue::Receiver;
use super::report::{Destination, Event, Failure, failed, succeeded};
use crate::programs::{Invocation, Programs, check_program};

const FILE_LIMIT: Duration = Duration::from_secs(30);
const ACCOUNT_LIMIT: Duration = Duration::from_secs(15);

/// A program to start.
#[derive(Debug)]
pub(super) struct CommandReceiver {
    program: PathBuf,
    name: String,
    programs: Programs,
}

impl CommandReceiver {
    pub(super) fn new(program: &str, programs: Programs) -> Result<Self, Fault> {
        check_program(Path::new(program))?;
        Ok(Self { program: program.into(), name: program.to_owned(), programs })
    }

    fn destination(&self) -> Destination<'_> {
        Destination::Program(&self.name)
    }

    async fn run(&self, event: &impl Event, invocation: &Invocation) {
        match self.programs.run(invocation).await {
            Ok(()) => succeeded(self.destination()),
            Err(fault) => failed(event, self.destination(), 1, &Failure::Fault(fault)),
        }
    }
}

#[async_trait]
impl Receiver<FileEvent> for CommandReceiver {
    fn destination(&self) -> Destination<'_> {
        self.destination()
    }

    async fn tell(&self, event: &FileEvent) {
        self.run(event, &file_invocation(&self.program, event)).await;
    }
}

#[async_trait]
impl Receiver<AccountEvent> for CommandReceiver {
    fn destination(&self) -> Destination<'_> {
        self.destination()
    }

    async fn tell(&self, event: &AccountEvent) {
        self.run(event, &account_invocation(&self.program, event)).await;
    }
}

fn file_invocation(program: &Path, event: &FileEvent) -> Invocation {
    let size = if event.file_size == 0 { String::new() } else { event.file_size.to_string() };
    Invocation::new(program, FILE_LIMIT)
        .argument(event.action.name())
        .argument(event.username.as_str())
        .argument(os(&event.path))
        .argument(os(&event.target_path))
        .argument(&event.ssh_command)
        .variable("ACTION", event.action.name())
        .variable("ACTION_USERNAME", event.username.as_str())
        .variable("ACTION_PATH", os(&event.path))
        .variable("ACTION_TARGET", os(&event.target_path))
        .variable("ACTION_SSH_CMD", &event.ssh_command)
        .variable("ACTION_FILE_SIZE", size)
        .variable("ACTION_LOCAL_FILE", event.local_file.to_string())
}

/// Returns a path byte for byte, so that the program finds the file.
fn os(path: &RawPath) -> &OsStr {
    OsStr::from_bytes(path.as_bytes())
}

fn account_invocation(program: &Path, event: &AccountEvent) -> Invocation {
    let account = &event.account;
    let arguments = Invocation::new(program, ACCOUNT_LIMIT)
        .argument(event.action.name())
        .argument(account.username.as_str())
        .argument(account.id.to_string())
        .argument(account.status.to_string())
        .argument(account.expiration_date.to_string())
        .argument(&account.home_dir)
        .argument(account.uid.to_string())
        .argument(account.gid.to_string())
        .variable("USER_ACTION", event.action.name());
    with_account(arguments, account)
}

fn with_account(invocation: Invocation, account: &Account) -> Invocation {
    invocation
        .variable("USER_USERNAME", account.username.as_str())
        .variable("USER_PASSWORD", account.password.expose())
        .variable("USER_ID", account.id.to_string())
        .variable("USER_STATUS", account.status.to_string())
        .variable("USER_EXPIRATION_DATE", account.expiration_date.to_string())
        .variable("USER_HOME_DIR", &account.home_dir)
        .variable("USER_UID", account.uid.to_string())
        .variable("USER_GID", account.gid.to_string())
        .variable("USER_QUOTA_FILES", account.quota_files.to_string())
        .variable("USER_QUOTA_SIZE", account.quota_size.to_string())
        .variable("USER_UPLOAD_BANDWIDTH", account.upload_bandwidth.to_string())
        .variable("USER_DOWNLOAD_BANDWIDTH", account.download_bandwidth.to_string())
        .variable("USER_MAX_SESSIONS", account.max_sessions.to_string())
        .variable("USER_FS_PROVIDER", i32::from(account.filesystem.provider).to_string())
}
