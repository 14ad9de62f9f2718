//! What a program says to a person. Nobody may be there: what cannot be printed is not printed,
//! and a reader that takes nothing holds nothing up.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a reader may take. A pipe that is full and not read would hold the program up for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether somebody has stopped reading; nothing more is printed then.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Prints a line on standard error: how the program is doing. Standard output may be the log.
pub fn say(text: impl Display) {
    print(std::io::stderr(), format!("{text}\n"));
}

/// Prints a line on standard output: what somebody has asked for.
pub fn answer(text: impl Display) {
    print(std::io::stdout(), format!("{text}\n"));
}

/// The write has a thread of its own, which may be left behind.
fn print(mut stream: impl Write + Send + 'static, text: String) {
    if STUCK.load(Ordering::Relaxed) {
        return;
    }
    let (done, written) = mpsc::channel();
    let printing = move || {
        // Broken pipe, full disk: there is nobody to tell.
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
        let _ = done.send(());
    };
    let started = thread::Builder::new().name("terminal".to_owned()).spawn(printing);
    if started.is_ok() && written.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        STUCK.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Instant;

    use super::*;

    /// Takes nothing for a long time.
    struct Unread;

    impl Write for Unread {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_secs(60));
            Ok(0)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_holds_the_program_up_only_once() {
        let begin = Instant::now();
        (0..20).for_each(|_| print(Unread, "x".to_owned()));
        assert!(begin.elapsed() < PATIENCE * 5, "{:?}", begin.elapsed());
    }
}
