//! A client that plays a script against the loop of a channel and checks what comes back: one
//! reply to each request, in the order of the requests, of a kind that belongs to it.

use std::time::Duration;

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::sync::{Notify, mpsc, watch};

use super::script::{self, Ending, Setup, Step};
use super::world::World;
use crate::sftp::{MAX_PACKET, packet};

/// Far beyond what the slowest account needs; the clock is not a real one.
const EVER: Duration = Duration::from_secs(100_000_000);

/// What a client may expect.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    /// Type of the request.
    kind: u8,
    /// `None` for the answer to INIT.
    id: Option<u32>,
    /// Whether the version was agreed on before.
    initialized: bool,
}

/// All that is to be sent.
#[derive(Debug, Default)]
struct Plan {
    stream: Vec<u8>,
    expected: Vec<Expected>,
    /// Where in the stream the client waits, for how many replies.
    settles: Vec<(usize, usize)>,
    broken: bool,
}

/// What happened, for tests of the fuzzer itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests.
    pub requests: usize,
    /// Replies.
    pub replies: usize,
    /// Replies that are no refusal.
    pub successes: usize,
}

/// Plays the conversation that the bytes stand for.
///
/// # Panics
/// When the server breaks a rule.
pub fn converse(input: &[u8]) -> Outcome {
    let (setup, steps) = script::read(input);
    let plan = Plan::of(&steps);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let talk = tokio::time::timeout(EVER, play(&setup, &plan));
        talk.await.expect("the conversation ends")
    })
}

async fn play(setup: &Setup, plan: &Plan) -> Outcome {
    let world = World::new(setup).await;
    let (requests, incoming) = mpsc::channel(16);
    let (outgoing, replies) = mpsc::channel(2);
    let (seen, progress) = watch::channel(0);
    let all_sent = Notify::new();
    let feed = async {
        let kept = feed(setup, plan, requests, progress).await;
        all_sent.notify_one();
        kept
    };
    let collect = async {
        if setup.reads_late {
            all_sent.notified().await;
        }
        collect(&plan.expected, replies, seen).await
    };
    let ((), _kept, outcome) = tokio::join!(world.serve(incoming, outgoing), feed, collect);
    if setup.ending == Ending::Eof && !plan.broken {
        assert_eq!(outcome.replies, plan.expected.len(), "replies are missing");
    }
    world.check().await;
    outcome
}

/// Sends everything; what is returned keeps the channel open.
async fn feed(
    setup: &Setup,
    plan: &Plan,
    requests: mpsc::Sender<ChannelMsg>,
    mut progress: watch::Receiver<usize>,
) -> Option<mpsc::Sender<ChannelMsg>> {
    let ends = plan.settles.iter().map(|(at, _)| *at).chain([plan.stream.len()]);
    let mut sent = 0;
    for (number, end) in ends.enumerate() {
        for piece in plan.stream[sent..end].chunks(setup.piece) {
            let data = Bytes::copy_from_slice(piece);
            if requests.send(ChannelMsg::Data { data }).await.is_err() {
                return None;
            }
        }
        sent = end;
        if let Some((_, replies)) = plan.settles.get(number)
            && !setup.reads_late
            && progress.wait_for(|seen| seen >= replies).await.is_err()
        {
            return None;
        }
    }
    let last = match setup.ending {
        Ending::Eof => ChannelMsg::Eof,
        Ending::Close => ChannelMsg::Close,
        Ending::Vanish => return None,
    };
    requests.send(last).await.is_ok().then_some(requests)
}

/// Reads and checks replies until there are no more.
async fn collect(
    expected: &[Expected],
    mut replies: mpsc::Receiver<Bytes>,
    seen: watch::Sender<usize>,
) -> Outcome {
    let mut outcome = Outcome { requests: expected.len(), ..Outcome::default() };
    let mut buffer = Vec::new();
    while let Some(bytes) = replies.recv().await {
        buffer.extend_from_slice(&bytes);
        while let Some(reply) = cut(&mut buffer) {
            let request = expected.get(outcome.replies).expect("a reply to a request");
            outcome.replies += 1;
            outcome.successes += usize::from(request.check(&reply));
        }
        seen.send_replace(outcome.replies);
    }
    assert!(buffer.is_empty(), "half a reply is left");
    outcome
}

/// Takes a whole packet off the front.
fn cut(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = number(buffer.get(..4)?) as usize;
    assert!((1..=MAX_PACKET + 1024).contains(&length), "a reply of {length} bytes");
    (buffer.len() >= 4 + length).then(|| buffer.drain(..4 + length).skip(4).collect())
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

impl Plan {
    /// Puts the steps together. What they mean is read off the stream anew: a step may have broken
    /// the framing of those that follow.
    fn of(steps: &[Step]) -> Self {
        let mut plan = Self::default();
        for step in steps {
            match step {
                Step::Send(bytes) => plan.stream.extend_from_slice(bytes),
                Step::Settle => plan.settles.push((plan.stream.len(), 0)),
            }
        }
        let mut ends = Vec::new();
        let mut rest = plan.stream.as_slice();
        let mut initialized = false;
        while rest.len() >= 4 {
            let length = number(&rest[..4]) as usize;
            if length == 0 || length > MAX_PACKET {
                plan.broken = true;
                break;
            }
            let Some(body) = rest.get(4..4 + length) else { break };
            rest = &rest[4 + length..];
            ends.push(plan.stream.len() - rest.len());
            let is_init = body[0] == packet::INIT;
            let id = body.get(1..5).map_or(0, number);
            let id = (!is_init).then_some(id);
            plan.expected.push(Expected { kind: body[0], id, initialized });
            initialized |= is_init;
        }
        for (at, replies) in &mut plan.settles {
            *replies = ends.iter().filter(|end| *end <= at).count();
        }
        plan
    }
}

impl Expected {
    /// Checks a reply; tells whether it is a success.
    fn check(&self, reply: &[u8]) -> bool {
        let kind = reply[0];
        let Some(id) = self.id else {
            assert_eq!(kind, packet::VERSION, "the answer to INIT");
            return true;
        };
        assert_eq!(number(&reply[1..5]), id, "the answer to another request than {self:?}");
        if kind != packet::STATUS {
            assert!(self.initialized && self.may_get(kind), "{self:?} was answered by {kind}");
            return true;
        }
        let code = number(&reply[5..9]);
        assert!(code <= 8, "a status of {code}");
        assert!(code != 0 || self.initialized, "{self:?} was done before INIT");
        code <= 1
    }

    fn may_get(&self, reply: u8) -> bool {
        match self.kind {
            packet::OPEN | packet::OPENDIR => reply == packet::HANDLE,
            packet::READ => reply == packet::DATA,
            packet::READDIR | packet::REALPATH | packet::READLINK => reply == packet::NAME,
            packet::STAT | packet::LSTAT | packet::FSTAT => reply == packet::ATTRS,
            packet::EXTENDED => reply == packet::EXTENDED_REPLY || reply == packet::NAME,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sent at once, read to the end, an account that may do anything.
    const PLAIN: [u8; 3] = [0, 4, 0];
    const INIT: u8 = 24;
    const SETTLE: u8 = 0xe0;

    fn outcome(requests: usize, successes: usize) -> Outcome {
        Outcome { requests, replies: requests, successes }
    }

    #[test]
    fn a_conversation_does_what_its_bytes_say() {
        let open = [0, 15, 2 | 8 | 16, 0];
        let (write, close, stat) = ([2, 0, 0, 3], [3, 0], [20, 15]);
        let steps = [&[INIT][..], &open, &[SETTLE], &write, &close, &stat].concat();
        for upload_mode in 0..3 {
            for habits in 0..8 {
                let setup = [upload_mode, habits, 0];
                assert_eq!(converse(&[&setup[..], &steps].concat()), outcome(5, 5));
            }
            let without_init = [&[upload_mode, 4, 0][..], &open, &write, &stat].concat();
            assert_eq!(converse(&without_init), outcome(3, 0));
        }
    }

    #[test]
    fn a_broken_stream_ends_the_conversation() {
        let broken = [&PLAIN[..], &[INIT, SETTLE, 0xf8, 4, 0, 0, 0, 0, 20, 15]].concat();
        assert_eq!(converse(&broken), outcome(1, 1));
    }

    /// What the fuzzer found worth keeping runs with every test as well.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the inputs are files")]
    fn the_corpus_of_conversations_ends_well() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/sftp_conversation");
        let mut played = Outcome::default();
        for input in std::fs::read_dir(folder).unwrap() {
            let outcome = converse(&std::fs::read(input.unwrap().path()).unwrap());
            played.requests += outcome.requests;
            played.successes += outcome.successes;
        }
        assert!(played.requests > 1000 && played.successes > 300, "{played:?}");
    }

    proptest! {
        #[test]
        fn any_conversation_ends_well(
            setup in any::<[u8; 3]>(),
            steps in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            converse(&[&setup[..], &[INIT], &steps].concat());
        }
    }
}
