//! The queue between those who log and the one thread that writes. A record costs its caller a
//! copy into memory; what has gathered is written at once. Bounded: when the disk cannot follow,
//! debug lines are dropped and counted, everything else waits.

use std::io::Write;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::complaint::Complaint;

/// Bytes that may wait for the disk.
const CAPACITY: usize = 4 * 1024 * 1024;

/// Lines of this span go out in one write, which saves a system call and a wake-up per line.
const GATHER: Duration = Duration::from_millis(25);

static SINK: OnceLock<Sink> = OnceLock::new();

/// Returns the log of this process, once it is set up.
pub(crate) fn installed() -> Option<&'static Sink> {
    SINK.get()
}

/// Where lines go.
pub(crate) trait Output: Write + Send {
    /// Opens it anew, for who has renamed the file.
    fn reopen(&mut self) {}
}

impl Output for std::io::Stdout {}

/// Starts the writing thread. Returns `None` when the log of this process is set up already.
pub(crate) fn install(output: Box<dyn Output>) -> std::io::Result<Option<JoinHandle<()>>> {
    if SINK.set(Sink::new()).is_err() {
        return Ok(None);
    }
    let Some(sink) = SINK.get() else { return Ok(None) };
    let builder = std::thread::Builder::new().name("ferryd-log".to_owned());
    builder.spawn(move || sink.write_to(output)).map(Some)
}

/// What happens to a line when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    MayDrop,
    Keep,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    dropped: u64,
    reopen: bool,
    writing: bool,
    closed: bool,
}

/// Lines that wait to be written.
#[derive(Debug)]
pub(crate) struct Sink {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
}

impl Sink {
    fn new() -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Adds whole lines.
    pub(crate) fn push(&self, lines: &[u8], priority: Priority) {
        let mut queue = self.lock();
        while !queue.closed && !queue.bytes.is_empty() && queue.bytes.len() + lines.len() > CAPACITY
        {
            if priority == Priority::MayDrop {
                queue.dropped += 1;
                return;
            }
            self.emptied.wait(&mut queue);
        }
        if queue.closed {
            return;
        }
        let wake = queue.bytes.is_empty();
        queue.bytes.extend_from_slice(lines);
        drop(queue);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Waits until everything that was added is written.
    pub(crate) fn flush(&self) {
        let mut queue = self.lock();
        while !queue.closed && (queue.writing || !queue.bytes.is_empty()) {
            self.emptied.wait(&mut queue);
        }
    }

    /// Lets the writing thread open the log anew before it writes again.
    pub(crate) fn reopen(&self) {
        self.lock().reopen = true;
        self.filled.notify_one();
    }

    /// Lets the writing thread end after what is queued; later lines go nowhere.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    fn write_to(&self, mut output: Box<dyn Output>) {
        let mut batch = Vec::new();
        let mut complaint = Complaint::about("the log cannot be written");
        while let Some(turn) = self.take(&mut batch) {
            if turn == Turn::Reopen {
                output.reopen();
            }
            complaint.note(output.write_all(&batch).and_then(|()| output.flush()));
            batch.clear();
            self.lock().writing = false;
            self.emptied.notify_all();
        }
    }

    /// Fills the batch; nothing is left at the end.
    fn take(&self, batch: &mut Vec<u8>) -> Option<Turn> {
        let mut queue = self.lock();
        while queue.bytes.is_empty() && !queue.closed && !queue.reopen {
            self.filled.wait(&mut queue);
        }
        if !queue.closed {
            drop(queue);
            std::thread::sleep(GATHER);
            queue = self.lock();
        }
        std::mem::swap(&mut queue.bytes, batch);
        queue.writing = !batch.is_empty();
        let dropped = std::mem::take(&mut queue.dropped);
        let reopen = std::mem::take(&mut queue.reopen);
        drop(queue);
        self.emptied.notify_all();
        if dropped > 0 {
            tell_dropped(batch, dropped);
        }
        match reopen {
            true => Some(Turn::Reopen),
            false => (!batch.is_empty()).then_some(Turn::Write),
        }
    }
}

/// What the writing thread has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Write,
    /// Open the log anew, then write.
    Reopen,
}

fn tell_dropped(batch: &mut Vec<u8>, dropped: u64) {
    batch.extend_from_slice(b"{\"level\":\"warn\",\"time\":\"");
    crate::clock::append_now(batch);
    let _ = writeln!(
        batch,
        "\",\"sender\":\"log\",\"connection_id\":\"\",\
         \"message\":\"debug lines were dropped, the disk is too slow\",\"dropped\":{dropped}}}"
    );
}

/// Lets formatters that want a writer add to the queue; each write is one whole line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkWriter;

impl Write for SinkWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if let Some(sink) = installed() {
            sink.push(line, Priority::Keep);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    impl Output for Gate {}

    /// Hands each write to the test and waits until the test lets it go on.
    struct Gate {
        seen: SyncSender<Vec<u8>>,
        go: Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.seen.send(bytes.to_vec());
            let _ = self.go.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Arc<Sink>, Receiver<Vec<u8>>, SyncSender<()>, JoinHandle<()>) {
        let (seen, writes) = sync_channel(64);
        let (let_go, go) = sync_channel(64);
        let sink = Arc::new(Sink::new());
        let shared = Arc::clone(&sink);
        let thread = std::thread::spawn(move || shared.write_to(Box::new(Gate { seen, go })));
        (sink, writes, let_go, thread)
    }

    #[test]
    fn what_gathers_during_a_write_goes_out_in_one() {
        let (sink, writes, let_go, thread) = gated();
        sink.push(b"a\n", Priority::Keep);
        assert_eq!(writes.recv().unwrap(), b"a\n");
        sink.push(b"b\n", Priority::Keep);
        sink.push(b"c\n", Priority::Keep);
        let_go.send(()).unwrap();
        assert_eq!(writes.recv().unwrap(), b"b\nc\n");
        let_go.send(()).unwrap();
        sink.flush();
        sink.close();
        thread.join().unwrap();
    }

    #[test]
    fn closing_writes_what_is_queued() {
        let (sink, writes, let_go, thread) = gated();
        sink.push(b"last\n", Priority::Keep);
        sink.close();
        assert_eq!(writes.recv().unwrap(), b"last\n");
        let_go.send(()).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn debug_lines_give_way_when_the_disk_is_stuck_and_are_counted() {
        let (sink, writes, let_go, thread) = gated();
        sink.push(b"stuck\n", Priority::Keep);
        writes.recv().unwrap();
        sink.push(&vec![b'x'; CAPACITY], Priority::Keep);
        sink.push(b"gone\n", Priority::MayDrop);
        let_go.send(()).unwrap();
        let next = writes.recv().unwrap();
        let_go.send(()).unwrap();
        sink.close();
        thread.join().unwrap();
        assert!(next.ends_with(b"\"dropped\":1}\n"));
    }
}
