//! Places of sessions, cluster-wide: who is logged in, on which node, and until when that holds.
//! A place whose node does not report is free again after [`LIFETIME`]; when the node comes back, its
//! sessions get their places again, unless others have them now ([`surplus`]).

mod surplus;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ferryd_control_plane::{
    Admission, ConnectionId, NodeId, SessionLease, SessionStart, SessionStatus,
};
use ferryd_domain::policy::login;
use ferryd_domain::{Account, Fault, FaultKind, QuotaLimit, Username};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::recovery::Doubts;
use surplus::{Member, Standing};

pub(crate) use surplus::Surplus;

/// How long a place is kept without a report.
pub const LIFETIME: Duration = Duration::from_secs(10);

/// The places of all sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    places: Mutex<Places>,
    /// Accounts with a session that was lost or found again.
    doubts: Arc<Doubts>,
    /// Tells of accounts that are put on the list of [`Places::returned`].
    returned: Notify,
}

#[derive(Debug, Default)]
struct Places {
    by_connection: HashMap<ConnectionId, Place>,
    by_user: HashMap<Username, HashSet<ConnectionId>>,
    /// Who has had sessions on several nodes at once, until the last of his sessions ends.
    shared: HashSet<Username>,
    /// Closed a moment ago: a report that was written before must not bring them back.
    closed: HashMap<ConnectionId, Instant>,
    /// Accounts with sessions that came back and may be too many now.
    returned: HashSet<Username>,
    /// When the last place was given, in Unix milliseconds, so that each has a time of its own.
    last: i64,
}

#[derive(Debug)]
struct Place {
    node: NodeId,
    username: Username,
    /// As it was at the login; `None` for a session that was taken over from a report.
    limit: Option<QuotaLimit>,
    renewed: Instant,
    admission: Admission,
    standing: Standing,
}

impl Place {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) < LIFETIME
    }
}

impl Sessions {
    /// Takes a place: checks the number of sessions, the method and the address, in this order.
    ///
    /// # Errors
    /// `TooManySessions`, or `Unauthenticated` with the reason in the chain.
    pub fn open(&self, account: &Account, start: &SessionStart) -> Result<SessionLease, Fault> {
        let mut places = self.places();
        let now = Instant::now();
        if !places.has_room(account, &start.connection, now) {
            return Err(Fault::new(FaultKind::TooManySessions, "too many sessions")
                .context("the account has as many sessions as it may have"));
        }
        login::check_way(account, start.method, start.client_address.ip())?;
        let admission = places.admit(account);
        places.insert(
            start.connection.clone(),
            Place {
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

    /// Gives a place back.
    pub fn close(&self, connection: &ConnectionId) {
        let mut places = self.places();
        places.remove(connection);
        places.closed.insert(connection.clone(), Instant::now());
    }

    /// Renews the places of a node's sessions; those that have none (any more) get one. Whether
    /// there is room for them is to be looked at by who waits for [`Self::returned`].
    pub fn renew(&self, node: &NodeId, sessions: &[SessionStatus]) {
        let mut places = self.places();
        let now = Instant::now();
        for session in sessions {
            if places.closed.contains_key(&session.connection) {
                continue;
            }
            if !places.renew(&session.connection, now) {
                self.doubts.add(&session.username);
                places.take_back(node, session, now);
            }
        }
        if !places.returned.is_empty() {
            self.returned.notify_one();
        }
    }

    /// Waits for sessions that came back, and returns their accounts.
    pub(crate) async fn returned(&self) -> HashSet<Username> {
        loop {
            let returned = std::mem::take(&mut self.places().returned);
            if !returned.is_empty() {
                return returned;
            }
            self.returned.notified().await;
        }
    }

    /// Lets the sessions of an account that came back stay, when nobody got in only because they
    /// were away; returns whether that is so.
    pub(crate) fn settle_uncrowded(&self, username: &Username) -> bool {
        let mut places = self.places();
        let members = places.members(username);
        let fits = !surplus::is_crowded(members.clone());
        if fits {
            places.confirm(surplus::confirmed(members, 0));
        }
        fits
    }

    /// Returns the sessions of an account that have to go, under this limit.
    pub(crate) fn surplus(&self, username: &Username, max_sessions: i32) -> Vec<Surplus> {
        surplus::surplus(self.places().members(username), max_sessions)
    }

    /// Takes the place of a session away whose node was told to close it.
    pub(crate) fn give_up(&self, surplus: &Surplus) {
        let mut places = self.places();
        let Some(gone) = places.remove(&surplus.connection) else { return };
        places.closed.insert(surplus.connection.clone(), Instant::now());
        let heir = surplus.heir.as_ref().and_then(|heir| places.by_connection.get_mut(heir));
        if let Some(heir) = heir {
            heir.admission = gone.admission;
        }
    }

    /// Lets the sessions of an account that came back stay, once none has to go under this limit.
    pub(crate) fn settle(&self, username: &Username, max_sessions: i32) {
        let mut places = self.places();
        let members = places.members(username);
        if surplus::surplus(members.clone(), max_sessions).is_empty() {
            places.confirm(surplus::confirmed(members, max_sessions));
        }
    }

    /// Returns the node that serves a connection.
    pub fn node_of(&self, connection: &ConnectionId) -> Option<NodeId> {
        let now = Instant::now();
        let places = self.places();
        places.by_connection.get(connection).filter(|p| p.is_live(now)).map(|p| p.node.clone())
    }

    /// Tells whether a connection holds a place.
    pub fn holds(&self, connection: &ConnectionId) -> bool {
        self.node_of(connection).is_some()
    }

    /// Returns the limits that a user's session had at its login, if there is such a session.
    pub fn limit_of(
        &self,
        username: &Username,
        session: Option<&ConnectionId>,
    ) -> Option<QuotaLimit> {
        let places = self.places();
        let of = |connection: &ConnectionId| {
            let place = places.by_connection.get(connection)?;
            place.limit.filter(|_| place.username == *username)
        };
        match session {
            Some(connection) => of(connection),
            None => places.by_user.get(username)?.iter().find_map(of),
        }
    }

    /// Frees the places whose lifetime is over.
    pub fn sweep(&self) {
        let now = Instant::now();
        let mut places = self.places();
        places.closed.retain(|_, at| now.saturating_duration_since(*at) < LIFETIME);
        let lapsed: Vec<_> = places
            .by_connection
            .iter()
            .filter(|(_, place)| !place.is_live(now))
            .map(|(connection, _)| connection.clone())
            .collect();
        for connection in lapsed {
            tracing::info!(sender = "sessions", connection_id = %connection, "a session lapsed");
            if let Some(place) = places.by_connection.get(&connection) {
                self.doubts.add(&place.username);
            }
            places.remove(&connection);
        }
    }

    /// Tells whether sessions of a user were on several nodes at once. Nodes that change one file
    /// at the same time do not know of each other.
    pub fn is_shared(&self, username: &Username) -> bool {
        self.places().shared.contains(username)
    }

    /// Tells whether a user has a session.
    pub fn has(&self, username: &Username) -> bool {
        self.places().by_user.contains_key(username)
    }

    /// Returns the nodes that have sessions.
    pub fn nodes(&self) -> HashSet<NodeId> {
        self.places().by_connection.values().map(|place| place.node.clone()).collect()
    }

    /// Returns the accounts whose counters may be wrong because of their sessions.
    pub fn doubts(&self) -> Arc<Doubts> {
        Arc::clone(&self.doubts)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// A call that is repeated finds its own place and does not count it.
    fn has_room(&self, account: &Account, connection: &ConnectionId, now: Instant) -> bool {
        let Some(limit) = surplus::places(account.max_sessions) else { return true };
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

    /// Renews a place that has not lapsed.
    fn renew(&mut self, connection: &ConnectionId, now: Instant) -> bool {
        let Some(place) = self.by_connection.get_mut(connection) else { return false };
        if !place.is_live(now) {
            return false;
        }
        place.renewed = now;
        if place.standing == Standing::Returned {
            self.returned.insert(place.username.clone());
        }
        true
    }

    /// Gives a session that came back its place again.
    fn take_back(&mut self, node: &NodeId, session: &SessionStatus, now: Instant) {
        let lapsed = self.by_connection.get(&session.connection);
        let place = Place {
            node: node.clone(),
            username: session.username.clone(),
            limit: lapsed.and_then(|place| place.limit),
            renewed: now,
            admission: lapsed.map_or(session.admission, |place| place.admission),
            standing: Standing::Returned,
        };
        self.returned.insert(session.username.clone());
        self.insert(session.connection.clone(), place);
    }

    fn confirm(&mut self, members: Vec<Member>) {
        for member in members {
            if let Some(place) = self.by_connection.get_mut(&member.connection) {
                place.admission = member.admission;
                place.standing = member.standing;
            }
        }
    }

    /// Returns the sessions of an account whose places have not lapsed.
    fn members(&self, username: &Username) -> Vec<Member> {
        let now = Instant::now();
        let connections = self.by_user.get(username).into_iter().flatten();
        let places = connections
            .filter_map(|connection| Some((connection, self.by_connection.get(connection)?)));
        places
            .filter(|(_, place)| place.is_live(now))
            .map(|(connection, place)| Member {
                connection: connection.clone(),
                admission: place.admission,
                standing: place.standing,
            })
            .collect()
    }

    fn is_elsewhere(&self, username: &Username, node: &NodeId) -> bool {
        let others = self.by_user.get(username).into_iter().flatten();
        others
            .filter_map(|connection| self.by_connection.get(connection))
            .any(|place| place.node != *node)
    }

    fn insert(&mut self, connection: ConnectionId, place: Place) {
        self.remove(&connection);
        if self.is_elsewhere(&place.username, &place.node) {
            self.shared.insert(place.username.clone());
        }
        self.by_user.entry(place.username.clone()).or_default().insert(connection.clone());
        self.by_connection.insert(connection, place);
    }

    fn remove(&mut self, connection: &ConnectionId) -> Option<Place> {
        let place = self.by_connection.remove(connection)?;
        if let Some(connections) = self.by_user.get_mut(&place.username) {
            connections.remove(connection);
            if connections.is_empty() {
                self.by_user.remove(&place.username);
                self.shared.remove(&place.username);
            }
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests;
