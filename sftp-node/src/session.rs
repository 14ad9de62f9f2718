//! One logged-in connection: its account, what it is doing, when it last did something.

mod cut_off;
pub(crate) mod registry;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ferryd_control_plane::{Admission, ConnectionId, SessionStatus, TransferDirection};
use ferryd_domain::Account;
use ferryd_telemetry::records::{self, LogoutRecord};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::now_ms;
use crate::files::UserFiles;
use crate::protocol::Protocol;
use crate::transfers::Transfers;
pub(crate) use cut_off::CutOff;

/// How long the end of a session waits for its channels to end their uploads.
const CHANNELS_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
struct Activity {
    protocol: Protocol,
    command: String,
}

/// A logged-in connection.
pub(crate) struct Session {
    /// Id of logs and REST.
    pub id: ConnectionId,
    /// The account as it was at the login.
    pub account: Arc<Account>,
    /// When it got its lease.
    pub admission: Admission,
    /// Where the client is.
    pub address: SocketAddr,
    /// Its identification line.
    pub client_version: String,
    /// The only way to its files.
    pub files: UserFiles,
    connected_at: i64,
    started: Instant,
    last_activity: AtomicU64,
    last_activity_ms: AtomicI64,
    channels: Mutex<HashMap<u32, Activity>>,
    channels_ended: Notify,
    transfers: Arc<Transfers>,
    cut_off: Weak<CutOff>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session {
    /// Makes a session for a connection that has logged in.
    pub fn new(
        cut_off: &Arc<CutOff>,
        (id, address): (ConnectionId, SocketAddr),
        admission: Admission,
        account: Arc<Account>,
        client_version: String,
        files: UserFiles,
        transfers: Arc<Transfers>,
    ) -> Self {
        Self {
            admission,
            address,
            cut_off: Arc::downgrade(cut_off),
            ..Self::unconnected(id, account, client_version, files, transfers)
        }
    }

    /// Makes a session that no socket belongs to.
    pub fn unconnected(
        id: ConnectionId,
        account: Arc<Account>,
        client_version: String,
        files: UserFiles,
        transfers: Arc<Transfers>,
    ) -> Self {
        Self {
            id,
            account,
            admission: Admission::default(),
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
            client_version,
            files,
            connected_at: now_ms(),
            started: Instant::now(),
            last_activity: AtomicU64::new(0),
            last_activity_ms: AtomicI64::new(now_ms()),
            channels: Mutex::default(),
            channels_ended: Notify::new(),
            transfers,
            cut_off: Weak::new(),
        }
    }

    /// Notes that the client or one of its transfers did something.
    pub fn touch(&self) {
        let seconds = self.started.elapsed().as_secs();
        if self.last_activity.swap(seconds, Ordering::Relaxed) != seconds {
            self.last_activity_ms.store(now_ms(), Ordering::Relaxed);
        }
    }

    /// Returns how long nothing has happened, to the second.
    pub fn idle_for(&self) -> Duration {
        let last = Duration::from_secs(self.last_activity.load(Ordering::Relaxed));
        let last = last.max(self.transfers.last_activity(self.started));
        self.started.elapsed().saturating_sub(last)
    }

    /// Tells whether a transfer is running.
    pub fn is_transferring(&self) -> bool {
        !self.transfers.is_empty()
    }

    /// Notes that a channel runs a protocol; the session is listed until the guard is dropped.
    pub fn enter(
        self: &Arc<Self>,
        channel: u32,
        protocol: Protocol,
        command: String,
    ) -> ChannelGuard {
        let mut channels = self.channels.lock();
        if channels.is_empty() {
            ferryd_telemetry::metrics::connection_opened();
        }
        channels.insert(channel, Activity { protocol, command });
        ChannelGuard { session: Arc::clone(self), channel }
    }

    /// Closes the connection at once.
    pub fn kill(&self, reason: &'static str) {
        self.transfers.give_up();
        if let Some(cut_off) = self.cut_off.upgrade() {
            cut_off.cut(&self.id, reason);
        }
    }

    /// Writes the record of its end.
    pub fn log_end(&self, reason: &str) {
        self.files.tell_left_out();
        records::logout(&LogoutRecord {
            client: self.address,
            username: self.account.username.as_str(),
            elapsed: self.started.elapsed(),
            received_bytes: self.transfers.moved(TransferDirection::Upload),
            sent_bytes: self.transfers.moved(TransferDirection::Download),
            failed_operations: self.files.failures().total(),
            reason,
            connection_id: &self.id.0,
        });
    }

    /// Waits until its channels have said what they changed, and gives cached grants back.
    pub async fn end(&self) {
        self.transfers.give_up();
        if tokio::time::timeout(CHANNELS_PATIENCE, self.channels_end()).await.is_err() {
            tracing::warn!(sender = "sftpd", connection_id = %self.id, "a channel does not end");
        }
        self.files.give_back_cached_grants().await;
    }

    async fn channels_end(&self) {
        loop {
            let mut ended = std::pin::pin!(self.channels_ended.notified());
            // Registered before the look, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.channels.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Returns what REST shows.
    pub fn status(&self) -> SessionStatus {
        let channels = self.channels.lock();
        let shown =
            channels.iter().max_by_key(|(channel, _)| **channel).map(|(_, activity)| activity);
        SessionStatus {
            connection: self.id.clone(),
            username: self.account.username.clone(),
            admission: self.admission,
            client_version: self.client_version.clone(),
            client_address: self.address,
            connected_at: self.connected_at,
            last_activity: self
                .last_activity_ms
                .load(Ordering::Relaxed)
                .max(self.transfers.last_activity_ms()),
            protocol: shown.map(|activity| activity.protocol.name().to_owned()),
            transfers: self.transfers.status(),
            ssh_command: shown.map(|activity| activity.command.clone()).unwrap_or_default(),
        }
    }
}

/// Keeps a channel in the list of its session.
#[derive(Debug)]
pub(crate) struct ChannelGuard {
    session: Arc<Session>,
    channel: u32,
}

impl Drop for ChannelGuard {
    fn drop(&mut self) {
        let mut channels = self.session.channels.lock();
        channels.remove(&self.channel);
        if channels.is_empty() {
            ferryd_telemetry::metrics::connection_closed();
            self.session.channels_ended.notify_waiters();
        }
    }
}
