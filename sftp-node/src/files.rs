//! `UserFiles`: the only door to a user's files. SFTP, SCP, hashes and programs hold one and
//! nothing else. Every operation has the same five visible steps:
//!
//! 1. name: the raw path becomes a [`VirtualPath`];
//! 2. permit: policy allows the operation, before any I/O;
//! 3. resolve: the path is resolved to a descriptor; where a link leads must be permitted too;
//! 4. do: the only lines that touch storage, through quota and throttle;
//! 5. settle: log record, metric, usage change, event. What fails on the way is told in `door`.

mod audit;
mod change_attributes;
pub(crate) mod context;
mod copy;
mod door;
mod failures;
mod filters;
mod grant_cache;
mod list;
mod make;
mod names;
pub(crate) mod open_files;
mod permit;
mod quota;
mod read;
mod stat;
pub(crate) mod throttle;
mod visible;
mod write;

use std::fmt;
use std::sync::Arc;

use ferryd_control_plane::ConnectionId;
use ferryd_domain::policy::AccessPolicy;
use ferryd_domain::{Account, Fault, Operation, VirtualPath};
use ferryd_storage::{Links, ResolvedPath, Storage, WriteMode};

use crate::outbox::Pace;
use crate::protocol::Protocol;
use crate::transfers::Transfers;
use audit::Audit;
use context::FilesContext;
use failures::Failures;
use grant_cache::GrantCache;
use open_files::OpenFileTable;
use permit::Permit;
use throttle::UserThrottle;
use visible::Written;

pub(crate) use copy::{Range, Source};
pub(crate) use door::copy;
pub(crate) use list::Directory;
pub(crate) use read::Download;
pub(crate) use visible::Visible;
pub(crate) use write::{Upload, UploadFlags, split_front};

/// A user's files, as one session sees them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct UserFiles {
    shared: Arc<Shared>,
    protocol: Protocol,
}

struct Shared {
    storage: Arc<dyn Storage>,
    policy: AccessPolicy,
    account: Arc<Account>,
    context: Arc<FilesContext>,
    connection: ConnectionId,
    transfers: Arc<Transfers>,
    throttle: Arc<UserThrottle>,
    open_files: Arc<OpenFileTable>,
    pace: Pace,
    grant_cache: Arc<GrantCache>,
    failures: Failures,
    written: Written,
    write_mode: WriteMode,
    ignore_attributes: bool,
    stats_at_once: bool,
}

impl fmt::Debug for UserFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFiles").field("username", &self.shared.account.username).finish()
    }
}

impl UserFiles {
    /// Opens the files of an account that has logged in; makes its home when it is missing.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn open(
        context: &Arc<FilesContext>,
        account: &Arc<Account>,
        connection: &ConnectionId,
        transfers: Arc<Transfers>,
    ) -> Result<Self, Fault> {
        let umask = context.config.umask_bits();
        let options = ferryd_storage::open::OpenOptions { umask };
        let storage = ferryd_storage::open::open(account, &options).await?;
        context.sweep.visit(account);
        Ok(Self::over(storage, context, account, connection, transfers))
    }

    /// Returns the files of an account in a storage that is open.
    pub fn over(
        storage: Arc<dyn Storage>,
        context: &Arc<FilesContext>,
        account: &Arc<Account>,
        connection: &ConnectionId,
        transfers: Arc<Transfers>,
    ) -> Self {
        let write_mode = match context.config.upload_mode {
            1 => WriteMode::Atomic,
            2 => WriteMode::AtomicKeepPart,
            _ => WriteMode::Direct,
        };
        let shared = Shared {
            stats_at_once: storage.answers_at_once(),
            storage,
            policy: AccessPolicy::of(account),
            throttle: context.throttles.of(account),
            open_files: context.open_files.of(&account.username),
            pace: Pace::default(),
            grant_cache: Arc::default(),
            written: Written::default(),
            account: Arc::clone(account),
            context: Arc::clone(context),
            connection: connection.clone(),
            transfers,
            failures: Failures::default(),
            write_mode,
            ignore_attributes: context.config.setstat_mode == 1,
        };
        Self { shared: Arc::new(shared), protocol: Protocol::Sftp }
    }

    /// Returns the same files for a channel that speaks another protocol.
    pub fn speaking(&self, protocol: Protocol) -> Self {
        Self { shared: Arc::clone(&self.shared), protocol }
    }

    /// Returns the account that the files belong to.
    pub fn account(&self) -> &Account {
        &self.shared.account
    }

    /// Allows an operation or refuses it. The only maker of permits.
    fn permit(&self, operation: Operation, path: &VirtualPath) -> Result<Permit, Fault> {
        Permit::new(&self.shared.policy, operation, path)
    }

    /// Resolves a permitted path; where links lead must be permitted as well.
    async fn resolve(&self, permit: &Permit, links: Links) -> Result<Arc<dyn ResolvedPath>, Fault> {
        let resolved = self.shared.storage.resolve(permit.path(), links).await?;
        self.permit_at(permit.operation(), permit.path(), resolved.as_ref())?;
        Ok(resolved)
    }

    /// Allows an operation on a resolved path that a link may have led to.
    fn permit_at(
        &self,
        operation: Operation,
        asked: &VirtualPath,
        resolved: &dyn ResolvedPath,
    ) -> Result<(), Fault> {
        if self.shared.policy.is_uniform() || resolved.path() == asked {
            return Ok(());
        }
        self.shared.policy.check_behind_links(operation, asked, resolved.path())
    }

    /// Returns the failures of the session.
    pub fn failures(&self) -> &Failures {
        &self.shared.failures
    }

    /// Tells at the end of the session how many failures have no record.
    pub fn tell_left_out(&self) {
        self.audit().left_out(self.shared.failures.left_out());
    }

    fn audit(&self) -> Audit<'_> {
        Audit { shared: &self.shared, protocol: self.protocol }
    }
}
