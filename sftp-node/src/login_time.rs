//! The CPU time of logins, by source. A key exchange with a large Diffie-Hellman group keeps a
//! thread for 10 to 80 ms (docs/decisions/0012), a stranger can ask for any number of them, and the
//! thread has other connections. So who has had much waits, on a timer, until its share allows more.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use russh_util::turns::Turns;
use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::time::{Instant, Sleep, sleep_until};

/// Steps that take less are not counted: what current clients ask for.
const DEAR: Duration = Duration::from_millis(4);
/// A source gets this part of one core for its dear steps.
const SHARE: u32 = 4;
/// Time without dear steps that a source is given credit for.
const CREDIT: Duration = Duration::from_secs(4);
/// Sources that are told apart; the rest counts as one.
const SOURCES: usize = 1 << 16;

/// What the sources of a process have used up.
#[derive(Debug, Default)]
pub(crate) struct LoginTime(Mutex<HashMap<IpAddr, Instant>>);

impl LoginTime {
    /// Returns until when a source has to wait, if it has to.
    fn wait(&self, source: IpAddr, now: Instant) -> Option<Instant> {
        let sources = self.0.lock();
        let even = sources.get(&source).or_else(|| sources.get(&REST)).copied();
        even.filter(|even| *even > now)
    }

    /// Notes a step of a source.
    fn spent(&self, source: IpAddr, time: Duration, now: Instant) {
        let mut sources = self.0.lock();
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let full = sources.len() >= SOURCES && !sources.contains_key(&source);
        if full {
            sources.retain(|_, even| *even > earliest);
        }
        let full = full && sources.len() >= SOURCES;
        let even = sources.entry(if full { REST } else { source }).or_insert(earliest);
        *even = (*even).max(earliest) + time * SHARE;
    }
}

/// Stands for the sources that are too many.
const REST: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Returns what counts as one source: an IPv4 address, or the network that a site has of IPv6.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

/// The turns of a connection until its login.
pub(crate) struct LoginTurns<F> {
    is_over: F,
    all: Arc<LoginTime>,
    source: IpAddr,
    began: Timespec,
    waits: Option<Pin<Box<Sleep>>>,
}

impl<F: Fn() -> bool> LoginTurns<F> {
    /// Starts with the first step of a connection from there; `is_over` tells of the login.
    pub fn new(peer: IpAddr, all: &Arc<LoginTime>, is_over: F) -> Self {
        Self {
            is_over,
            all: Arc::clone(all),
            source: source_of(peer),
            began: cpu_time(),
            waits: None,
        }
    }
}

impl<F: Fn() -> bool + Send + Unpin> Turns for LoginTurns<F> {
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if (self.is_over)() {
            return Poll::Ready(false);
        }
        while let Some(even) = self.all.wait(self.source, Instant::now()) {
            let timer = self.waits.get_or_insert_with(|| Box::pin(sleep_until(even)));
            ready!(timer.as_mut().poll(cx));
            self.waits = None;
        }
        self.began = cpu_time();
        Poll::Ready(true)
    }

    fn step_over(&mut self) {
        let time = since(self.began);
        if time >= DEAR {
            self.all.spent(self.source, time, Instant::now());
        }
    }
}

/// Returns the CPU time of this thread: a thread that is not run meanwhile spends nothing.
fn cpu_time() -> Timespec {
    clock_gettime(ClockId::ThreadCPUTime)
}

fn since(began: Timespec) -> Duration {
    let now = cpu_time();
    let nanoseconds =
        |time: Timespec| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    let spent = nanoseconds(now) - nanoseconds(began);
    Duration::from_nanos(u64::try_from(spent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_gets_its_share_and_no_other_waits_for_it() {
        let times = LoginTime::default();
        let (begin, mut used) = (Instant::now(), Duration::ZERO);
        while begin.elapsed() < Duration::from_secs(60) {
            if let Some(even) = times.wait(source(1), Instant::now()) {
                tokio::time::sleep_until(even).await;
            }
            times.spent(source(1), 80 * MS, Instant::now());
            used += 80 * MS;
            assert_eq!(times.wait(source(2), Instant::now()), None);
        }
        let share = used.as_secs_f64() / 64.0;
        assert!((0.24..0.27).contains(&share), "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_sources_share_what_one_may() {
        let times = LoginTime::default();
        for number in 0..=u32::try_from(SOURCES).unwrap() {
            let source = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            times.spent(source, Duration::from_secs(2), Instant::now());
        }
        assert!(times.0.lock().len() <= SOURCES + 1);
        assert!(times.wait(source(1), Instant::now()).is_some());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(times.wait(source(1), Instant::now()).is_none());
        times.spent(source(1), MS, Instant::now());
        assert_eq!(times.0.lock().len(), 1, "those that owe nothing are forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let address = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), source(1));
    }

    #[test]
    fn only_time_on_the_thread_counts() {
        let began = cpu_time();
        std::thread::sleep(20 * MS);
        assert!(since(began) < 10 * MS);
        while since(began) < 10 * MS {}
    }
}
