//! The fair queue of password checks, as plain data. A check stands the further back, the more checks
//! of the same name and address wait, the more addresses wait for this name, and the more names wait
//! from this address. So the owner of an attacked account, coming from elsewhere, is next, as is
//! everybody whom the attack does not concern; and no check waits for ever, because later ones queue
//! behind it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{Line, Origin};

/// Checks of one name from one address that may wait. Few: honest clients of an account have the same
/// password, which is one check, and those who guess are to learn of it soon and leave.
const MOST_OF_BOTH: usize = 8;
/// Checks of one name that may wait.
const MOST_OF_NAME: usize = 128;
/// Checks that may wait.
const MOST: usize = 1_024;
/// What a check is thought to take before one has been measured.
const FIRST_GUESS: Duration = Duration::from_millis(100);

/// What a check is and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub line: Line,
    pub origin: Origin,
    /// In MiB.
    pub memory: u32,
}

#[derive(Debug)]
struct Waiter<G> {
    number: u64,
    /// The order of queue.
    turn: u64,
    job: Job,
    grant: G,
}

/// The queue and what is free. `G` tells a waiter that it is its turn; dropped, that it will not be.
#[derive(Debug)]
pub(super) struct FairQueue<G> {
    waiting: Vec<Waiter<G>>,
    running: HashMap<Line, usize>,
    threads: usize,
    memory: u32,
    /// Checks of one name at once.
    share: usize,
    /// The turn that was given last.
    clock: u64,
    next_number: u64,
    /// What checks take, on average.
    usual: Duration,
    #[cfg(test)]
    given: u64,
}

impl<G> FairQueue<G> {
    pub(super) fn new(threads: usize, memory: u32, share: usize) -> Self {
        Self {
            waiting: Vec::new(),
            running: HashMap::new(),
            threads,
            memory,
            share,
            clock: 0,
            next_number: 0,
            usual: FIRST_GUESS,
            #[cfg(test)]
            given: 0,
        }
    }

    /// Lets a check wait for its turn. Where too many wait, the one whose turn is last goes; none
    /// is returned when that is the new one.
    pub(super) fn join(&mut self, job: Job, grant: G) -> Option<u64> {
        let turn = self.clock + 1 + self.rank(&job);
        if job.line != Line::New && !self.make_room(&job, turn) {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.push(Waiter { number, turn, job, grant });
        Some(number)
    }

    /// Forgets a check that waits.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.retain(|waiter| waiter.number != number);
    }

    /// Takes the check whose turn it is, when what it needs is free. A large one is not overtaken
    /// for ever by small ones: they wait behind it.
    pub(super) fn next(&mut self) -> Option<(Job, G)> {
        if self.threads == 0 {
            return None;
        }
        let free =
            |job: &Job| self.running.get(&job.line).is_none_or(|running| *running < self.share);
        let waiting = self.waiting.iter().enumerate().filter(|(_, waiter)| free(&waiter.job));
        let (index, first) = waiting.min_by_key(|(_, waiter)| (waiter.turn, waiter.number))?;
        if first.job.memory > self.memory {
            return None;
        }
        let Waiter { turn, job, grant, .. } = self.waiting.swap_remove(index);
        self.clock = self.clock.max(turn);
        #[cfg(test)]
        {
            self.given += 1;
        }
        self.threads -= 1;
        self.memory -= job.memory;
        *self.running.entry(job.line.clone()).or_default() += 1;
        Some((job, grant))
    }

    /// Gives back what a check had.
    pub(super) fn done(&mut self, job: &Job, took: Duration) {
        self.threads += 1;
        self.memory += job.memory;
        self.usual = (self.usual * 7 + took) / 8;
        if let Some(running) = self.running.get_mut(&job.line) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running.remove(&job.line);
            }
        }
    }

    /// Returns what a check takes that comes now, with its wait behind those of the same name that
    /// come before it.
    pub(super) fn expected(&self, job: &Job) -> Duration {
        let turn = self.clock + 1 + self.rank(job);
        let before = |waiter: &&Waiter<G>| waiter.job.line == job.line && waiter.turn <= turn;
        let before = self.waiting.iter().filter(before).count();
        let rounds = (before + self.running.get(&job.line).copied().unwrap_or(0)) / self.share;
        self.usual * u32::try_from(rounds + 1).unwrap_or(u32::MAX)
    }

    /// Returns how many turns were given.
    #[cfg(test)]
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Returns how far behind others a check has to stand.
    fn rank(&self, job: &Job) -> u64 {
        let (mut both, mut origins, mut lines) = (0, HashSet::new(), HashSet::new());
        for other in self.waiting.iter().map(|waiter| &waiter.job) {
            match (other.line == job.line, other.origin == job.origin) {
                (true, true) => both += 1,
                (true, false) => drop(origins.insert(other.origin)),
                (false, true) => drop(lines.insert(&other.line)),
                (false, false) => {}
            }
        }
        (both + origins.len() + lines.len()) as u64
    }

    fn make_room(&mut self, job: &Job, turn: u64) -> bool {
        let line = |other: &Job| other.line == job.line;
        let both = |other: &Job| line(other) && other.origin == job.origin;
        let most_of_both = if job.origin == Origin::Any { MOST_OF_NAME } else { MOST_OF_BOTH };
        self.has_room(most_of_both, both, turn)
            && self.has_room(MOST_OF_NAME, line, turn)
            && self.has_room(MOST, |_| true, turn)
    }

    /// Tells whether fewer than `most` of some checks wait; the last of them may have to go for it.
    fn has_room(&mut self, most: usize, of: impl Fn(&Job) -> bool, turn: u64) -> bool {
        let some = || self.waiting.iter().enumerate().filter(|(_, waiter)| of(&waiter.job));
        if some().count() < most {
            return true;
        }
        let can_go = some().filter(|(_, waiter)| waiter.job.line != Line::New);
        let last = can_go.max_by_key(|(_, waiter)| (waiter.turn, waiter.number));
        match last.filter(|(_, waiter)| waiter.turn > turn).map(|(index, _)| index) {
            Some(index) => {
                self.waiting.swap_remove(index);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, origin: u8) -> Job {
        let origin = Origin::V4([192, 0, 2, origin]);
        Job { line: Line::Name(name.to_owned()), origin, memory: 64 }
    }

    fn queue(threads: usize) -> FairQueue<&'static str> {
        FairQueue::new(threads, 256, threads.saturating_sub(1).max(1))
    }

    /// Returns whose turns come, when each check ends before the next begins.
    fn order(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        let mut order = Vec::new();
        while let Some((job, who)) = queue.next() {
            order.push(who);
            queue.done(&job, Duration::from_millis(100));
        }
        order
    }

    #[test]
    fn the_owner_from_elsewhere_and_those_not_concerned_come_before_a_flood() {
        let mut queue = queue(1);
        for _ in 0..MOST_OF_BOTH {
            assert!(queue.join(job("victim", 1), "flood").is_some());
        }
        assert!(queue.join(job("victim", 1), "flood").is_none(), "the line is full");
        queue.join(job("victim", 2), "owner").unwrap();
        queue.join(job("other", 3), "other").unwrap();
        queue.join(job("other", 1), "neighbor").unwrap();
        let order = order(&mut queue);
        for who in ["owner", "other", "neighbor"] {
            let place = order.iter().position(|served| *served == who).unwrap();
            assert!(place < 7, "{who} came at {place}");
        }
    }

    #[test]
    fn a_flood_of_names_from_one_address_stands_behind_others() {
        let mut queue = queue(1);
        for number in 0..MOST {
            assert!(queue.join(job(&format!("name-{number}"), 1), "flood").is_some());
        }
        assert!(queue.join(job("another", 1), "flood").is_none(), "the queue is full");
        queue.join(job("name-5", 2), "owner").unwrap();
        queue.join(job("other", 3), "other").unwrap();
        let order = order(&mut queue);
        assert_eq!(order.len(), MOST, "somebody had to go");
        assert!(
            order[..6].contains(&"owner") && order[..6].contains(&"other"),
            "{:?}",
            &order[..6]
        );
    }

    #[test]
    fn a_flood_is_served_while_others_keep_coming() {
        let mut queue = queue(1);
        for _ in 0..MOST_OF_BOTH {
            queue.join(job("victim", 1), "flood").unwrap();
        }
        let mut flood = 0;
        for _ in 0..4 * MOST_OF_BOTH {
            // Their line may be full as well.
            let _ = queue.join(job("other", 2), "other");
            let (job, who) = queue.next().unwrap();
            queue.done(&job, Duration::from_millis(100));
            flood += usize::from(who == "flood");
        }
        assert_eq!(flood, MOST_OF_BOTH);
    }

    #[test]
    fn one_name_never_gets_the_last_thread() {
        let mut queue = queue(2);
        for _ in 0..3 {
            queue.join(job("victim", 1), "flood").unwrap();
        }
        let (running, _) = queue.next().unwrap();
        assert!(queue.next().is_none());
        queue.join(job("other", 1), "other").unwrap();
        assert_eq!(queue.next().unwrap().1, "other");
        assert!(queue.next().is_none());
        queue.done(&running, Duration::from_millis(100));
        assert_eq!(queue.next().unwrap().1, "flood");
    }

    #[test]
    fn what_is_too_large_for_now_is_not_overtaken() {
        let mut queue = FairQueue::new(4, 256, 3);
        queue.join(Job { memory: 200, ..job("a", 1) }, "a").unwrap();
        let (running, _) = queue.next().unwrap();
        queue.join(Job { memory: 100, ..job("b", 2) }, "b").unwrap();
        queue.join(Job { memory: 1, ..job("c", 3) }, "c").unwrap();
        assert!(queue.next().is_none());
        queue.done(&running, Duration::from_millis(100));
        assert_eq!(order(&mut queue), ["b", "c"]);
    }

    #[test]
    fn what_is_expected_grows_with_the_line_and_those_who_left_are_forgotten() {
        let mut queue = queue(1);
        let alone = queue.expected(&job("bob", 1));
        let numbers: Vec<_> = (0..8).map(|_| queue.join(job("bob", 1), "bob").unwrap()).collect();
        assert_eq!(queue.expected(&job("bob", 1)), alone * 9);
        assert_eq!(queue.expected(&job("eve", 2)), alone);
        numbers.into_iter().for_each(|number| queue.leave(number));
        assert_eq!(queue.expected(&job("bob", 1)), alone);
        assert!(queue.next().is_none() && queue.running.is_empty());
    }
}
