//! Remembers what a login program said of a key on a connection. Bounded; the oldest go first.

use std::collections::{HashMap, VecDeque};

use ferryd_control_plane::ConnectionId;
use ferryd_domain::{Fault, Username};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Far more than connections that are logging in at once.
const CAPACITY: usize = 16_384;

/// One key for one name on one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    connection: ConnectionId,
    username: Username,
    /// Digest of the key, as keys may be long.
    key: [u8; 32],
}

impl Question {
    pub(super) fn new(connection: &ConnectionId, username: &Username, line: &str) -> Self {
        Self {
            connection: connection.clone(),
            username: username.clone(),
            key: Sha256::digest(line.as_bytes()).into(),
        }
    }
}

/// Answers of the last logins.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    known: HashMap<Question, Result<(), Fault>>,
    order: VecDeque<Question>,
}

impl Answers {
    pub(super) fn get(&self, question: &Question) -> Option<Result<(), Fault>> {
        self.0.lock().known.get(question).cloned()
    }

    pub(super) fn put(&self, question: Question, answer: Result<(), Fault>) {
        let mut memory = self.0.lock();
        if memory.known.insert(question.clone(), answer).is_none() {
            memory.order.push_back(question);
        }
        if memory.order.len() > CAPACITY
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.known.remove(&oldest);
        }
    }
}
