//! What channels have received and their readers have not taken. russh hands data over in the task of
//! the connection and widens windows (WINDOW_ADJUST, RFC 4254 section 5.2) when data arrive, not when
//! they are read. So a channel keeps what its window allowed, a slow reader makes the windows of its
//! connection small, and only a client that has sent more than that finds the connection held up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use russh::{ChannelId, ChannelMsg, ChannelReadHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Receive window of a channel: wide, so that one stream fills a long path.
pub(crate) const WINDOW: u32 = 16 << 20;
/// The window beside a slow reader. Some clients send whole packets only and would wait for ever
/// behind a smaller one: russh widens it when less than half is left, which is a packet.
const SMALL_WINDOW: u32 = 128 << 10;
/// Largest data packet that clients may send.
pub(crate) const PACKET: u32 = 65_535;
/// Messages that russh keeps for a reader; what they may amount to is counted here.
pub(crate) const MESSAGES: usize = 1 << 18;

/// What a fast reader leaves.
const LOW: i64 = 256 << 10;
/// With more waiting the connection pauses for a moment, so that fast readers do not need memory.
const HIGH: i64 = 1 << 20;
/// A reader that needs longer to come down to [`HIGH`] is slow.
const MOMENT: Duration = Duration::from_millis(10);
/// With more waiting each further packet behind a small window costs its client a pause.
const PLENTY: i64 = 8 << 20;
/// Longest time that the rest of a connection waits for such a pause.
const PAUSE: Duration = Duration::from_secs(1);
/// What may wait on the channels of one connection.
const CONNECTION_MOST: i64 = 40 << 20;
/// What may wait on all connections.
const TOTAL_MOST: i64 = 256 << 20;
/// Memory of a message beside its content.
const OVERHEAD: usize = 256;

/// What waits on all connections of a process, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Received(AtomicI64);

/// What waits for one reader.
#[derive(Debug)]
struct Backlog {
    all: Arc<Received>,
    /// Below zero for a moment, when a message is taken before it is counted.
    waiting: AtomicI64,
    reader_gone: AtomicBool,
    is_watched: AtomicBool,
    taken: Notify,
}

impl Backlog {
    fn new(all: &Arc<Received>) -> Self {
        Self {
            all: Arc::clone(all),
            waiting: AtomicI64::new(0),
            reader_gone: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            taken: Notify::new(),
        }
    }

    fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Counts a message that has arrived; returns what waits now.
    fn add(&self, bytes: i64) -> i64 {
        if self.reader_gone.load(Ordering::SeqCst) {
            return 0;
        }
        self.all.0.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.fetch_add(bytes, Ordering::SeqCst) + bytes
    }

    fn take(&self, bytes: i64) {
        self.all.0.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        self.wake();
    }

    fn give_back_rest(&self) {
        self.reader_gone.store(true, Ordering::SeqCst);
        let rest = self.waiting.swap(0, Ordering::SeqCst);
        self.all.0.fetch_sub(rest, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if self.is_watched.load(Ordering::SeqCst) {
            self.taken.notify_one();
        }
    }

    /// Waits until no more than this waits; tells whether that came in time.
    async fn comes_down_to(&self, mark: i64, time: Duration) -> bool {
        let down = async {
            self.is_watched.store(true, Ordering::SeqCst);
            while self.waiting() > mark {
                self.taken.notified().await;
            }
        };
        let in_time = timeout(time, down).await.is_ok();
        self.is_watched.store(false, Ordering::SeqCst);
        in_time
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.give_back_rest();
    }
}

/// What a channel receives, for its reader.
#[derive(Debug)]
pub(crate) struct ChannelInput {
    messages: ChannelReadHalf,
    backlog: Arc<Backlog>,
}

impl ChannelInput {
    /// Returns the next message, `None` when the channel is gone.
    pub async fn next(&mut self) -> Option<ChannelMsg> {
        let message = self.messages.wait().await?;
        self.backlog.take(cost(content(&message)));
        Some(message)
    }
}

impl Drop for ChannelInput {
    fn drop(&mut self) {
        self.backlog.give_back_rest();
    }
}

/// Returns what a message with this much content counts.
fn cost(content: usize) -> i64 {
    i64::try_from(content.saturating_add(OVERHEAD)).unwrap_or(i64::MAX)
}

/// Returns the bytes that a message brings along: what [`Intake::arrived`] was told of it.
fn content(message: &ChannelMsg) -> usize {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len(),
        ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
            variable_name.len() + variable_value.len()
        }
        ChannelMsg::RequestX11 {
            x11_authentication_protocol, x11_authentication_cookie, ..
        } => x11_authentication_protocol.len() + x11_authentication_cookie.len(),
        ChannelMsg::RequestPty { term, terminal_modes, .. } => {
            term.len() + size_of_val(terminal_modes.as_slice())
        }
        ChannelMsg::Exec { command, .. } => command.len(),
        ChannelMsg::RequestSubsystem { name, .. } => name.len(),
        _ => 0,
    }
}

#[derive(Debug)]
struct Flow {
    backlog: Arc<Backlog>,
    is_slow: bool,
}

/// What the channels of one connection receive, for the task of the connection.
#[derive(Debug)]
pub(crate) struct Intake {
    all: Arc<Received>,
    flows: HashMap<ChannelId, Flow>,
}

impl Intake {
    /// Starts without channels.
    pub fn new(all: &Arc<Received>) -> Self {
        Self { all: Arc::clone(all), flows: HashMap::new() }
    }

    /// Counts a channel from now on; its messages are read with what [`Self::input`] returns.
    pub fn open(&mut self, channel: ChannelId) {
        // A client need not tell that it saw our close.
        self.flows.retain(|_, flow| !flow.backlog.reader_gone.load(Ordering::Relaxed));
        let backlog = Arc::new(Backlog::new(&self.all));
        self.flows.insert(channel, Flow { backlog, is_slow: false });
    }

    /// Returns the reader's side of a channel.
    pub fn input(&self, channel: ChannelId, messages: ChannelReadHalf) -> ChannelInput {
        let known = self.flows.get(&channel).map(|flow| Arc::clone(&flow.backlog));
        let backlog = known.unwrap_or_else(|| Arc::new(Backlog::new(&self.all)));
        ChannelInput { messages, backlog }
    }

    /// Forgets a channel that is closed.
    pub fn close(&mut self, channel: ChannelId) {
        self.flows.remove(&channel);
    }

    /// Returns how wide windows are to be.
    pub fn window(&self) -> u32 {
        if self.flows.values().any(|flow| flow.is_slow) { SMALL_WINDOW } else { WINDOW }
    }

    /// Counts a message with this much content. Waits when too much waits for the reader; `left` is
    /// what the client may still send, `gone` ends when it goes.
    ///
    /// # Errors
    /// `Disconnect` when the client goes meanwhile.
    pub async fn arrived(
        &mut self,
        channel: ChannelId,
        content: usize,
        left: u32,
        gone: impl Future<Output = ()>,
    ) -> Result<(), russh::Error> {
        let Some(flow) = self.flows.get_mut(&channel) else { return Ok(()) };
        let waiting = flow.backlog.add(cost(content));
        if waiting <= HIGH {
            flow.is_slow &= waiting > LOW;
            return Ok(());
        }
        if !flow.is_slow {
            flow.is_slow = !flow.backlog.comes_down_to(HIGH, MOMENT).await;
        } else if waiting > PLENTY && left <= SMALL_WINDOW {
            flow.backlog.comes_down_to(PLENTY, PAUSE).await;
        }
        let backlog = Arc::clone(&flow.backlog);
        if !self.is_too_much() {
            return Ok(());
        }
        tokio::select! {
            () = self.comes_down(&backlog) => Ok(()),
            () = gone => Err(russh::Error::Disconnect),
        }
    }

    async fn comes_down(&self, backlog: &Backlog) {
        while backlog.waiting() > HIGH && self.is_too_much() {
            backlog.comes_down_to(HIGH, PAUSE).await;
        }
    }

    fn is_too_much(&self) -> bool {
        let here: i64 = self.flows.values().map(|flow| flow.backlog.waiting()).sum();
        here > CONNECTION_MOST || self.all.0.load(Ordering::Relaxed) > TOTAL_MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_reader_takes_or_leaves_is_given_back() {
        let all = Arc::new(Received::default());
        let backlog = Arc::new(Backlog::new(&all));
        assert_eq!(backlog.add(cost(1000)), 1256);
        backlog.take(cost(1000));
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
        backlog.add(HIGH + 1);
        assert!(!backlog.comes_down_to(HIGH, MOMENT).await);
        backlog.give_back_rest();
        assert!(backlog.comes_down_to(0, MOMENT).await);
        assert_eq!(backlog.add(1000), 0, "nobody reads it");
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_reader() {
        let backlog = Arc::new(Backlog::new(&Arc::default()));
        backlog.add(HIGH + 1000);
        let waits = Arc::clone(&backlog);
        let waits = tokio::spawn(async move { waits.comes_down_to(HIGH, Duration::MAX).await });
        while !backlog.is_watched.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        for _ in 0..4 {
            backlog.take(250);
        }
        assert!(waits.await.unwrap());
    }

    #[test]
    fn a_small_window_leaves_room_for_a_packet_of_the_largest_size() {
        const { assert!(SMALL_WINDOW / 2 >= PACKET) };
    }
}
