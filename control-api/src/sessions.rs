//! Leases of sessions, cluster-wide: who is logged in, on which node, and until when that holds.
//! A lease that its node does not renew lapses after [`LIFETIME`]; when the node comes back, it
//! reclaims the leases of its sessions, unless other sessions have them now ([`eviction`]).

mod eviction;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{
    Admission, ConnectionId, NodeId, SessionLease, SessionStart, SessionStatus,
};
use ferryd_domain::policy::login;
use ferryd_domain::{Account, Fault, FaultKind, QuotaLimit, Username};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::doubts::Doubts;
use eviction::{Member, Standing};

pub(crate) use eviction::Eviction;

/// How long a lease holds without a report of its node.
pub const LIFETIME: Duration = Duration::from_secs(10);

/// The leases of all sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    leases: Mutex<LeaseTable>,
    /// Accounts with a session that was lost or found again.
    doubts: Arc<Doubts>,
    /// Tells of accounts that are put on the list of [`LeaseTable::reclaimed`].
    reclaimed: Notify,
}

#[derive(Debug, Default)]
struct LeaseTable {
    by_connection: HashMap<ConnectionId, Lease>,
    by_user: HashMap<Username, HashSet<ConnectionId>>,
    /// Accounts that had sessions on several nodes at once, until their last session ends.
    shared: HashSet<Username>,
    /// Closed a moment ago: a report that was written before must not bring them back.
    closed: HashMap<ConnectionId, Instant>,
    /// Accounts with sessions that came back and may be too many now.
    reclaimed: HashSet<Username>,
    /// When the last lease was given, in Unix milliseconds, so that each has a time of its own.
    last: i64,
}

#[derive(Debug)]
struct Lease {
    node: NodeId,
    username: Username,
    /// As it was at the login; `None` for a session that was taken over from a report.
    limit: Option<QuotaLimit>,
    renewed: Instant,
    admission: Admission,
    standing: Standing,
}

impl Lease {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) < LIFETIME
    }
}

impl Sessions {
    /// Takes a lease: checks the number of sessions, the method and the address, in this order.
    ///
    /// # Errors
    /// `TooManySessions`, or `Unauthenticated` with the reason in the chain.
    pub fn open(&self, account: &Account, start: &SessionStart) -> Result<SessionLease, Fault> {
        let mut leases = self.leases.lock();
        let now = Instant::now();
        if !leases.has_room(account, &start.connection, now) {
            return Err(Fault::new(FaultKind::TooManySessions, "too many sessions")
                .context("the account has as many sessions as it may have"));
        }
        login::check_way(account, start.method, start.client_address.ip())?;
        let admission = leases.admit(account);
        leases.insert(
            start.connection.clone(),
            Lease {
                node: start.node.clone(),
                username: start.username.clone(),
                limit: Some(account.quota_limit()),
                renewed: now,
                admission,
                standing: Standing::Settled,
            },
        );
        Ok(SessionLease { connection: start.connection.clone(), admission, lifetime: LIFETIME })
    }

    /// Gives a lease back.
    pub fn close(&self, connection: &ConnectionId) {
        let mut leases = self.leases.lock();
        leases.remove(connection);
        leases.closed.insert(connection.clone(), Instant::now());
    }

    /// Renews the leases of a node's sessions; those that have none (any more) get one. Whether
    /// there is room for them is to be looked at by who waits for [`Self::reclaimed`].
    pub fn renew(&self, node: &NodeId, sessions: &[SessionStatus]) {
        let mut leases = self.leases.lock();
        let now = Instant::now();
        for session in sessions {
            if leases.closed.contains_key(&session.connection) {
                continue;
            }
            if !leases.renew(&session.connection, now) {
                self.doubts.add(&session.username);
                leases.reclaim(node, session, now);
            }
        }
        if !leases.reclaimed.is_empty() {
            self.reclaimed.notify_one();
        }
    }

    /// Waits for sessions that came back, and returns their accounts.
    pub(crate) async fn reclaimed(&self) -> HashSet<Username> {
        loop {
            let reclaimed = std::mem::take(&mut self.leases.lock().reclaimed);
            if !reclaimed.is_empty() {
                return reclaimed;
            }
            self.reclaimed.notified().await;
        }
    }

    /// Lets the sessions of an account that came back stay, when nobody got in only because they
    /// were away; returns whether that is so.
    pub(crate) fn settle_uncrowded(&self, username: &Username) -> bool {
        let mut leases = self.leases.lock();
        let members = leases.members(username);
        let fits = !eviction::is_crowded(members.clone());
        if fits {
            leases.confirm(eviction::confirmed(members, 0));
        }
        fits
    }

    /// Returns the sessions of an account that have to go, under this limit.
    pub(crate) fn evictions(&self, username: &Username, max_sessions: i32) -> Vec<Eviction> {
        eviction::evictions(self.leases.lock().members(username), max_sessions)
    }

    /// Ends the lease of a session whose node was told to close it.
    pub(crate) fn evict(&self, eviction: &Eviction) {
        let mut leases = self.leases.lock();
        let Some(gone) = leases.remove(&eviction.connection) else { return };
        leases.closed.insert(eviction.connection.clone(), Instant::now());
        let heir = eviction.heir.as_ref().and_then(|heir| leases.by_connection.get_mut(heir));
        if let Some(heir) = heir {
            heir.admission = gone.admission;
        }
    }

    /// Lets the sessions of an account that came back stay, once none has to go under this limit.
    pub(crate) fn settle(&self, username: &Username, max_sessions: i32) {
        let mut leases = self.leases.lock();
        let members = leases.members(username);
        if eviction::evictions(members.clone(), max_sessions).is_empty() {
            leases.confirm(eviction::confirmed(members, max_sessions));
        }
    }

    /// Returns the node that serves a connection.
    pub fn node_of(&self, connection: &ConnectionId) -> Option<NodeId> {
        let now = Instant::now();
        let leases = self.leases.lock();
        leases.by_connection.get(connection).filter(|p| p.is_live(now)).map(|p| p.node.clone())
    }

    /// Tells whether a connection holds a lease.
    pub fn holds(&self, connection: &ConnectionId) -> bool {
        self.node_of(connection).is_some()
    }

    /// Returns the limits that a user's session had at its login, if there is such a session.
    pub fn limit_of(
        &self,
        username: &Username,
        session: Option<&ConnectionId>,
    ) -> Option<QuotaLimit> {
        let leases = self.leases.lock();
        let of = |connection: &ConnectionId| {
            let lease = leases.by_connection.get(connection)?;
            lease.limit.filter(|_| lease.username == *username)
        };
        match session {
            Some(connection) => of(connection),
            None => leases.by_user.get(username)?.iter().find_map(of),
        }
    }

    /// Ends the leases whose lifetime is over.
    pub fn sweep(&self) {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        leases.closed.retain(|_, at| now.saturating_duration_since(*at) < LIFETIME);
        let lapsed: Vec<_> = leases
            .by_connection
            .iter()
            .filter(|(_, lease)| !lease.is_live(now))
            .map(|(connection, _)| connection.clone())
            .collect();
        for connection in lapsed {
            tracing::info!(sender = "sessions", connection_id = %connection, "a session lapsed");
            if let Some(lease) = leases.by_connection.get(&connection) {
                self.doubts.add(&lease.username);
            }
            leases.remove(&connection);
        }
    }

    /// Tells whether sessions of a user were on several nodes at once. Nodes that change one file
    /// at the same time do not know of each other.
    pub fn is_shared(&self, username: &Username) -> bool {
        self.leases.lock().shared.contains(username)
    }

    /// Tells whether a user has a session.
    pub fn has(&self, username: &Username) -> bool {
        self.leases.lock().by_user.contains_key(username)
    }

    /// Returns the nodes that have sessions.
    pub fn nodes(&self) -> HashSet<NodeId> {
        self.leases.lock().by_connection.values().map(|lease| lease.node.clone()).collect()
    }

    /// Returns the accounts whose counters may be wrong because of their sessions.
    pub fn doubts(&self) -> Arc<Doubts> {
        Arc::clone(&self.doubts)
    }
}

impl LeaseTable {
    /// A call that is repeated finds its own lease and does not count it.
    fn has_room(&self, account: &Account, connection: &ConnectionId, now: Instant) -> bool {
        let Some(limit) = eviction::most_sessions(account.max_sessions) else { return true };
        let Some(taken) = self.by_user.get(&account.username) else { return true };
        let live = |other: &&ConnectionId| {
            *other != connection && self.by_connection.get(other).is_some_and(|p| p.is_live(now))
        };
        taken.iter().filter(live).count() < limit
    }

    fn admit(&mut self, account: &Account) -> Admission {
        self.last = crate::clock::now_ms().max(self.last.saturating_add(1));
        Admission { at: self.last, max_sessions: account.max_sessions }
    }

    /// Renews a lease that has not lapsed.
    fn renew(&mut self, connection: &ConnectionId, now: Instant) -> bool {
        let Some(lease) = self.by_connection.get_mut(connection) else { return false };
        if !lease.is_live(now) {
            return false;
        }
        lease.renewed = now;
        if lease.standing == Standing::Reclaimed {
            self.reclaimed.insert(lease.username.clone());
        }
        true
    }

    /// Gives a session that came back its lease again.
    fn reclaim(&mut self, node: &NodeId, session: &SessionStatus, now: Instant) {
        let lapsed = self.by_connection.get(&session.connection);
        let lease = Lease {
            node: node.clone(),
            username: session.username.clone(),
            limit: lapsed.and_then(|lease| lease.limit),
            renewed: now,
            admission: lapsed.map_or(session.admission, |lease| lease.admission),
            standing: Standing::Reclaimed,
        };
        self.reclaimed.insert(session.username.clone());
        self.insert(session.connection.clone(), lease);
    }

    fn confirm(&mut self, members: Vec<Member>) {
        for member in members {
            if let Some(lease) = self.by_connection.get_mut(&member.connection) {
                lease.admission = member.admission;
                lease.standing = member.standing;
            }
        }
    }

    /// Returns the sessions of an account whose leases have not lapsed.
    fn members(&self, username: &Username) -> Vec<Member> {
        let now = Instant::now();
        let connections = self.by_user.get(username).into_iter().flatten();
        let leases = connections
            .filter_map(|connection| Some((connection, self.by_connection.get(connection)?)));
        leases
            .filter(|(_, lease)| lease.is_live(now))
            .map(|(connection, lease)| Member {
                connection: connection.clone(),
                admission: lease.admission,
                standing: lease.standing,
            })
            .collect()
    }

    fn is_elsewhere(&self, username: &Username, node: &NodeId) -> bool {
        let others = self.by_user.get(username).into_iter().flatten();
        others
            .filter_map(|connection| self.by_connection.get(connection))
            .any(|lease| lease.node != *node)
    }

    fn insert(&mut self, connection: ConnectionId, lease: Lease) {
        self.remove(&connection);
        if self.is_elsewhere(&lease.username, &lease.node) {
            self.shared.insert(lease.username.clone());
        }
        self.by_user.entry(lease.username.clone()).or_default().insert(connection.clone());
        self.by_connection.insert(connection, lease);
    }

    fn remove(&mut self, connection: &ConnectionId) -> Option<Lease> {
        let lease = self.by_connection.remove(connection)?;
        if let Some(connections) = self.by_user.get_mut(&lease.username) {
            connections.remove(connection);
            if connections.is_empty() {
                self.by_user.remove(&lease.username);
                self.shared.remove(&lease.username);
            }
        }
        Some(lease)
    }
}

#[cfg(test)]
mod tests;
