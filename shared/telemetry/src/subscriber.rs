//! Sets the log of a process up: where lines go, which ones, and in which form.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use ferryd_domain::Fault;
use ferryd_runtime::Requests;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::line::{Level, Line, emit};
use crate::log_file::LogFile;
use crate::rotation::Rotation;
use crate::sink::{self, Output, SinkWriter};

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Objects with `level`, `time`, `sender` and the fields of the kind, in a fixed order.
    #[default]
    Json,
    /// Objects as the tools of node-bunyan read them.
    Bunyan,
}

/// Section `log` of the configuration; the rest of the log is set by flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// `json` or `bunyan`.
    pub format: LogFormat,
}

/// Whether debug lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// With debug lines.
    #[default]
    Verbose,
    /// From info on.
    Terse,
}

/// Where lines go and which.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// The file; `None` means standard output.
    pub file: Option<PathBuf>,
    /// When the file is replaced and which old ones stay.
    pub rotation: Rotation,
    /// With debug lines or without.
    pub verbosity: Verbosity,
    /// Form of the lines.
    pub format: LogFormat,
}

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Returns the form of the lines of this process.
pub(crate) fn format() -> LogFormat {
    FORMAT.get().copied().unwrap_or_default()
}

/// Writes what is queued when it is dropped. Hold it until the process ends.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard {
    writer: Option<JoinHandle<()>>,
}

impl LogGuard {
    /// Waits until everything logged so far is written.
    pub fn flush(&self) {
        if let Some(sink) = sink::installed() {
            sink.flush();
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        if let Some(sink) = sink::installed() {
            sink.close();
        }
        let _ = writer.join();
    }
}

/// Sets the log of this process up; once.
///
/// # Errors
/// `Failed` when the file cannot be opened, `Conflict` when it is set up already.
pub fn init(settings: &LogSettings) -> Result<LogGuard, Fault> {
    let output: Box<dyn Output> = match &settings.file {
        Some(path) => Box::new(LogFile::open(path, settings.rotation)?),
        None => Box::new(std::io::stdout()),
    };
    let writer = sink::install(output)
        .map_err(|error| Fault::failed("the log thread cannot be started").because(error))?;
    let Some(writer) = writer else {
        return Err(Fault::new(ferryd_domain::FaultKind::Conflict, "the log is set up already"));
    };
    let _ = FORMAT.set(settings.format);
    subscribe(settings)?;
    log_panics();
    Ok(LogGuard { writer: Some(writer) })
}

/// Opens the log anew at each SIGUSR1, as scripts that rotate logs ask for. Must be called within a
/// runtime.
///
/// # Errors
/// `Failed` when the signal cannot be caught.
pub fn reopen_on_request() -> Result<(), Fault> {
    let mut requests = Requests::to_reopen_log()?;
    tokio::spawn(async move {
        while requests.next().await.is_some() {
            if let Some(sink) = sink::installed() {
                sink.reopen();
            }
            tracing::info!(target: "ferryd", sender = "log", "SIGUSR1: the log was opened anew");
        }
    });
    Ok(())
}

/// A panic is a defect that somebody has to see, and nobody watches the terminal of a service.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or_default();
        tracing::error!(target: "ferryd", sender = "panic", place, reason, "a defect");
        before(panic);
    }));
}

fn subscribe(settings: &LogSettings) -> Result<(), Fault> {
    let filter = filter(settings.verbosity);
    let registry = tracing_subscriber::registry();
    // Not `init()`: that would also fetch the records of the `log` crate, whose users call it
    // for every packet.
    let result = match settings.format {
        LogFormat::Json => {
            tracing::subscriber::set_global_default(registry.with(JsonLayer.with_filter(filter)))
        }
        LogFormat::Bunyan => {
            let layer =
                tracing_bunyan_formatter::BunyanFormattingLayer::new("ferryd".to_owned(), || {
                    SinkWriter
                });
            let storage = tracing_bunyan_formatter::JsonStorageLayer;
            let subscriber = registry.with(storage).with(layer.with_filter(filter));
            tracing::subscriber::set_global_default(subscriber)
        }
    };
    result.map_err(|error| Fault::failed("the log is set up already").because(error))
}

/// Components that we use speak only when something is wrong: what they say of single packets and
/// statements is of no use here, and costs time.
fn filter(verbosity: Verbosity) -> Targets {
    let ours = match verbosity {
        Verbosity::Verbose => LevelFilter::DEBUG,
        Verbosity::Terse => LevelFilter::INFO,
    };
    ["ferryd", "sftp_node", "control_api", "admin_web"]
        .into_iter()
        .fold(Targets::new().with_default(LevelFilter::WARN), |filter, target| {
            filter.with_target(target, ours)
        })
        .with_target("russh", LevelFilter::ERROR)
        .with_target("ferryd_record", LevelFilter::DEBUG)
}

/// Turns events into lines of the application kind.
#[derive(Debug)]
struct JsonLayer;

impl<S: tracing::Subscriber> Layer<S> for JsonLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.sender.is_empty() {
            fields.sender = component(event.metadata().target()).to_owned();
        }
        emit(Level::from(event.metadata().level()), |line| fields.write(line));
    }
}

/// `ferryd_config::formats` and `sftp_node::listener` speak for `config` and `sftp_node`.
fn component(target: &str) -> &str {
    let package = target.split("::").next().unwrap_or(target);
    package.strip_prefix("ferryd_").unwrap_or(package)
}

/// The fields of an event, in the order of a line.
#[derive(Default)]
struct Fields {
    sender: String,
    connection_id: String,
    message: String,
    others: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    Plain(String),
}

impl Fields {
    fn write(&self, line: &mut Line<'_>) {
        line.text("sender", &self.sender)
            .text("connection_id", &self.connection_id)
            .text("message", &self.message);
        for (key, value) in &self.others {
            match value {
                Value::Text(text) => line.text(key, text),
                Value::Plain(text) => line.plain(key, text),
            };
        }
    }

    fn add(&mut self, field: &Field, text: String) {
        match field.name() {
            "sender" => self.sender = text,
            "connection_id" => self.connection_id = text,
            "message" => self.message = text,
            // These two are at the head of the line.
            "level" => self.others.push(("field_level", Value::Text(text))),
            "time" => self.others.push(("field_time", Value::Text(text))),
            other => self.others.push((other, Value::Text(text))),
        }
    }

    fn add_plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.others.push((field.name(), Value::Plain(value.to_string())));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_plain(field, value);
    }
}
