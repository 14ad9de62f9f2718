//! Remembers wrong passwords for a minute, so that the same guess again costs nothing. Exact: it knows
//! a password only together with the name and the stored hash. Safe: it keeps digests under a key
//! that never leaves the process.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use parking_lot::Mutex;

use super::Line;

/// How long a wrong password is remembered.
const LIFETIME: Duration = Duration::from_secs(60);
/// How many are remembered; the oldest go first.
const CAPACITY: usize = 8_192;

/// One clear text for one stored hash of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question([u8; 32]);

/// The wrong passwords of the last minute.
pub(super) struct Recent {
    key: hmac::Key,
    wrong: Mutex<Wrong>,
}

#[derive(Default)]
struct Wrong {
    known: HashSet<Question>,
    order: VecDeque<(Instant, Question)>,
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

impl Recent {
    pub(super) fn new() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
        Self { key, wrong: Mutex::default() }
    }

    /// Returns the digest that stands for a question.
    pub(super) fn question(&self, line: &Line, hash: &str, clear: &str) -> Question {
        let (kind, name) = match line {
            Line::Name(name) => (0, name.as_str()),
            Line::Api => (1, ""),
            Line::New => (2, ""),
        };
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind]);
        for part in [name, hash, clear] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        for (byte, made) in digest.iter_mut().zip(context.sign().as_ref()) {
            *byte = *made;
        }
        Question(digest)
    }

    /// Tells whether this very question was answered with no in the last minute.
    pub(super) fn is_wrong(&self, question: &Question, now: Instant) -> bool {
        let mut wrong = self.wrong.lock();
        wrong.forget(now);
        wrong.known.contains(question)
    }

    /// Remembers a wrong password.
    pub(super) fn note(&self, question: Question, now: Instant) {
        let mut wrong = self.wrong.lock();
        wrong.forget(now);
        if wrong.known.insert(question.clone()) {
            wrong.order.push_back((now, question));
        }
    }
}

impl Wrong {
    fn forget(&mut self, now: Instant) {
        while let Some((noted, question)) = self.order.front() {
            let old = now.saturating_duration_since(*noted) >= LIFETIME;
            if !old && self.order.len() < CAPACITY {
                return;
            }
            self.known.remove(question);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_the_name_the_hash_and_the_password_together() {
        let recent = Recent::new();
        let name = |name: &str| Line::Name(name.to_owned());
        let question = recent.question(&name("bob"), "hash", "clear");
        assert_eq!(question, recent.question(&name("bob"), "hash", "clear"));
        for other in [
            recent.question(&name("eve"), "hash", "clear"),
            recent.question(&name("bob"), "hash2", "clear"),
            recent.question(&name("bob"), "hash", "clear2"),
            recent.question(&name("bobh"), "ash", "clear"),
            recent.question(&name("bob"), "hashc", "lear"),
            recent.question(&Line::Api, "hash", "clear"),
            Recent::new().question(&name("bob"), "hash", "clear"),
        ] {
            assert_ne!(question, other);
        }
    }

    #[test]
    fn a_wrong_password_is_forgotten_after_a_minute() {
        let recent = Recent::new();
        let question = recent.question(&Line::Api, "hash", "clear");
        let begin = Instant::now();
        assert!(!recent.is_wrong(&question, begin));
        recent.note(question.clone(), begin);
        assert!(recent.is_wrong(&question, begin + Duration::from_secs(59)));
        assert!(!recent.is_wrong(&question, begin + LIFETIME));
        assert!(recent.wrong.lock().known.is_empty());
    }

    #[test]
    fn the_oldest_make_room() {
        let recent = Recent::new();
        let now = Instant::now();
        let question = |number: usize| recent.question(&Line::Api, "hash", &number.to_string());
        for number in 0..=CAPACITY {
            recent.note(question(number), now);
            recent.note(question(number), now);
        }
        let (order, known) = {
            let wrong = recent.wrong.lock();
            (wrong.order.len(), wrong.known.len())
        };
        assert!(order == known && known <= CAPACITY, "{order} {known}");
        assert!(!recent.is_wrong(&question(0), now));
        assert!(recent.is_wrong(&question(CAPACITY), now));
    }
}
