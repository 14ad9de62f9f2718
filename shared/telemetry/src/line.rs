//! One log line: a JSON object whose fields keep the order in which they are added.

use std::borrow::Cow;
use std::cell::RefCell;

use ferryd_domain::raw_path::base64_unless_text;

use crate::{clock, sink};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Longer lines give their memory back.
const KEEP: usize = 16 * 1024;

/// A line that is being built.
pub(crate) struct Line<'a>(&'a mut Vec<u8>);

/// Builds a line and hands it to the log; does nothing before the log is set up.
pub(crate) fn emit(level: Level, fill: impl FnOnce(&mut Line<'_>)) {
    let Some(sink) = sink::installed() else { return };
    // A value whose formatting logs something itself would find the buffer taken.
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            build(&mut buffer, level, fill);
            sink.push(&buffer, level.priority());
            buffer.clear();
            buffer.shrink_to(KEEP);
        }
        Err(_) => {
            let mut buffer = Vec::new();
            build(&mut buffer, level, fill);
            sink.push(&buffer, level.priority());
        }
    });
}

fn build(buffer: &mut Vec<u8>, level: Level, fill: impl FnOnce(&mut Line<'_>)) {
    buffer.extend_from_slice(b"{\"level\":\"");
    buffer.extend_from_slice(level.name().as_bytes());
    buffer.extend_from_slice(b"\",\"time\":\"");
    clock::append_now(buffer);
    buffer.push(b'"');
    fill(&mut Line(buffer));
    buffer.extend_from_slice(b"}\n");
}

impl Line<'_> {
    /// Adds a text; it is escaped, so that it cannot start a new line.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        escape(self.0, value);
        self
    }

    /// Adds a number or a truth value.
    pub(crate) fn plain(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        use std::io::Write as _;
        self.key(key);
        let _ = write!(self.0, "{value}");
        self
    }

    /// Adds a field of a record.
    pub(crate) fn add(&mut self, key: &str, value: impl RecordValue) {
        value.put(self, key);
    }

    fn key(&mut self, key: &str) {
        self.0.push(b',');
        escape(self.0, key);
        self.0.push(b':');
    }
}

/// What a field of a record may be.
pub(crate) trait RecordValue {
    /// Adds it to a line.
    fn put(self, line: &mut Line<'_>, key: &str);
}

impl RecordValue for &str {
    fn put(self, line: &mut Line<'_>, key: &str) {
        line.text(key, self);
    }
}

/// A field that is left out when there is nothing to say.
impl RecordValue for Option<&str> {
    fn put(self, line: &mut Line<'_>, key: &str) {
        if let Some(text) = self {
            line.text(key, text);
        }
    }
}

macro_rules! plain_values {
    ($($kind:ty),+) => {
        $(impl RecordValue for $kind {
            fn put(self, line: &mut Line<'_>, key: &str) {
                line.plain(key, self);
            }
        })+
    };
}

plain_values!(u16, u64, i64);

/// A path as a log line shows it: a text, and the bytes in base64 when the text is not exact.
pub(crate) struct LoggedPath<'a> {
    text: Cow<'a, str>,
    base64: Option<String>,
}

impl<'a> LoggedPath<'a> {
    pub(crate) fn new(path: &'a [u8]) -> Self {
        let text = String::from_utf8_lossy(path);
        // The replaced text is a new one, so most paths are not looked at twice.
        let base64 = match text {
            Cow::Borrowed(_) => None,
            Cow::Owned(_) => base64_unless_text(path),
        };
        Self { text, base64 }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn base64(&self) -> Option<&str> {
        self.base64.as_deref()
    }
}

fn escape(out: &mut Vec<u8>, value: &str) {
    // Writing to memory cannot fail, and a text always has a JSON form.
    let _ = serde_json::to_writer(out, value);
}

/// How important a line is, in the words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    const fn priority(self) -> sink::Priority {
        match self {
            Self::Debug => sink::Priority::MayDrop,
            Self::Info | Self::Warn | Self::Error => sink::Priority::Keep,
        }
    }
}

impl From<&tracing::Level> for Level {
    fn from(level: &tracing::Level) -> Self {
        match *level {
            tracing::Level::TRACE | tracing::Level::DEBUG => Self::Debug,
            tracing::Level::INFO => Self::Info,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::ERROR => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_start_a_new_line_and_fields_keep_their_order() {
        let mut buffer = Vec::new();
        build(&mut buffer, Level::Info, |line| {
            line.text("sender", "x\n{\"level\":\"forged\"}\u{0}").plain("n", 7);
        });
        let text = String::from_utf8(buffer).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let order = ["\"level\"", "\"time\"", "\"sender\"", "\"n\":7}"].map(|key| text.find(key));
        assert!(order.is_sorted() && order.iter().all(Option::is_some), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
