//! One SFTP channel over files in memory, with all behind it that a real one has: budgets, quota,
//! bandwidth, permissions. Made anew for each conversation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferryd_control_plane::fake::FakeControlPlane;
use ferryd_control_plane::{Certainty, ControlPlane};
use ferryd_domain::{Fault, QuotaUsage, VirtualPath};
use ferryd_storage::memory::MemoryStorage;
use ferryd_storage::mounts::{Mount, MountedStorage};
use ferryd_storage::{LinkTarget, Links, Storage, WriteHow, WriteMode};
use russh::ChannelMsg;
use tokio::sync::mpsc;

use super::script::Setup;
use crate::config::SftpdConfig;
use crate::context::NodeContext;
use crate::files::UserFiles;
use crate::key_exchange::offers::Offers;
use crate::session::Session;
use crate::sftp::pump::{self, Incoming};
use crate::sftp::writer::{Gone, Outgoing};
use crate::transfers::Transfers;

/// Bytes of the largest file: an upload that keeps old bytes copies them.
const LARGEST: u64 = 256 * 1024;
/// How long usage changes may be on their way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is there before a client comes.
const FILES: [(&str, usize); 4] = [("/f", 100), ("/d/g", 40_000), ("/x.zip", 10), ("/m/h", 5)];

/// A node with one session.
pub(super) struct World {
    context: Arc<NodeContext>,
    control: Arc<FakeControlPlane>,
    storage: Arc<dyn Storage>,
    transfers: Arc<Transfers>,
    session: Arc<Session>,
}

struct Requests(mpsc::Receiver<ChannelMsg>);

impl Incoming for Requests {
    async fn next(&mut self) -> Option<ChannelMsg> {
        self.0.recv().await
    }
}

struct Replies(mpsc::Sender<Bytes>);

impl Outgoing for Replies {
    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(bytes).await.map_err(|_| Gone)
    }
}

impl World {
    /// Makes one; must be called within a runtime.
    pub async fn new(setup: &Setup) -> Self {
        let storage = storage(setup.has_folder).await;
        let control = FakeControlPlane::new();
        let account = Arc::new(setup.account.clone());
        control.put_account(setup.account.clone());
        control.set_usage(&account.username, stored(storage.as_ref()).await);
        let config = SftpdConfig { upload_mode: setup.upload_mode, ..SftpdConfig::default() };
        let offers = Offers::build(&config, Vec::new()).unwrap();
        let context = NodeContext::of(config, offers, None, Arc::clone(&control) as _);
        let (context, connection) = (Arc::new(context), context_id());
        let transfers = Arc::new(Transfers::default());
        let (files, moving) = (Arc::clone(&storage), Arc::clone(&transfers));
        let files = UserFiles::over(files, &context.files, &account, &connection, moving);
        let version = setup.client_version.to_owned();
        let moving = Arc::clone(&transfers);
        let session = Session::unconnected(connection, account, version, files, moving);
        Self { context, control, storage, transfers, session: Arc::new(session) }
    }

    /// Serves a channel until it ends.
    pub async fn serve(&self, requests: mpsc::Receiver<ChannelMsg>, replies: mpsc::Sender<Bytes>) {
        let (mut requests, replies) = (Requests(requests), Arc::new(Replies(replies)));
        let budget = &self.context.reply_budget;
        pump::run(&mut requests, &replies, budget, &self.session).await;
    }

    /// Checks that the channel has left nothing behind and that the counters are right.
    pub async fn check(&self) {
        assert_eq!(self.context.reply_budget.used(), 0, "memory is still taken");
        assert!(self.transfers.is_empty(), "a transfer goes on: {:?}", self.transfers.status());
        self.context.files.outbox.drain(PATIENCE).await;
        let username = &self.session.account.username;
        assert_eq!(self.control.reserved_bytes(username), 0, "a grant is still held");
        let counted = self.control.quota_usage(username).await.unwrap();
        // Where it is not known what changed, an account is counted anew later.
        let changes = self.control.changes();
        if changes.iter().all(|change| change.certainty == Certainty::Exact) {
            assert_eq!(counted, stored(self.storage.as_ref()).await, "{changes:?}");
        }
    }
}

fn context_id() -> ferryd_control_plane::ConnectionId {
    ferryd_control_plane::ConnectionId("conversation".to_owned())
}

async fn storage(has_folder: bool) -> Arc<dyn Storage> {
    let memory = || Arc::new(MemoryStorage::with_files_up_to(LARGEST)) as Arc<dyn Storage>;
    let mut storage = memory();
    if has_folder {
        let mount = Mount::new(path("/m"), Some(memory()));
        storage = Arc::new(MountedStorage::new(storage, vec![mount]));
    } else {
        make_directory(storage.as_ref(), "/m").await;
    }
    make_directory(storage.as_ref(), "/d").await;
    for (name, size) in FILES {
        put(storage.as_ref(), name, size).await.unwrap();
    }
    for (link, target) in [("/l", "/d"), ("/circle", "/circle"), ("/dangling", "/d/none")] {
        let resolved = storage.resolve(&path(link), Links::Keep).await.unwrap();
        let target = LinkTarget::parse(target.as_bytes()).unwrap();
        resolved.make_symlink(&target).await.unwrap();
    }
    storage
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

async fn make_directory(storage: &dyn Storage, name: &str) {
    let resolved = storage.resolve(&path(name), Links::Keep).await.unwrap();
    resolved.make_directory(0o755).await.unwrap();
}

async fn put(storage: &dyn Storage, name: &str, size: usize) -> Result<(), Fault> {
    let how = WriteHow {
        mode: WriteMode::Direct,
        read: false,
        create: true,
        truncate: true,
        exclusive: true,
        append: false,
        permissions: 0o644,
    };
    let file = storage.resolve(&path(name), Links::Follow).await?.open_write(how).await?;
    file.write_at(0, vec![vec![7; size].into()]).await?;
    file.finish().await
}

/// Returns what the names of the storage amount to.
async fn stored(storage: &dyn Storage) -> QuotaUsage {
    let mut usage = QuotaUsage::default();
    let mut pending = vec![VirtualPath::root()];
    while let Some(directory) = pending.pop() {
        let resolved = storage.resolve(&directory, Links::Keep).await.unwrap();
        let mut listing = resolved.list().await.unwrap();
        loop {
            let entries = listing.next(100).await.unwrap();
            if entries.is_empty() {
                break;
            }
            for (name, entry) in entries {
                if entry.is_directory() {
                    pending.push(directory.child(&name));
                } else if entry.is_file() {
                    usage = usage.changed_by(i64::try_from(entry.size).unwrap(), 1);
                }
            }
        }
    }
    usage
}
