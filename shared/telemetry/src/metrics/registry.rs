//! Names and help texts of all metrics, made once.

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Error, IntCounter, IntGauge, Opts, Registry};

use super::cpu_time;
use super::runtime::RuntimeCollector;
use crate::Outcome;

const PREFIX: &str = "sftpgo";

/// All metrics that somebody sets.
pub(super) struct Counters {
    pub(super) provider_available: IntGauge,
    pub(super) active_connections: IntGauge,
    pub(super) transfers: TransferCounters,
    pub(super) ssh_commands: Counted,
    pub(super) action_commands: Counted,
    pub(super) action_notifications: Counted,
    pub(super) action_events_dropped: IntCounter,
    pub(super) logins: LoginCounters,
    pub(super) password_logins: LoginCounters,
    pub(super) password_checks_refused: IntCounter,
    pub(super) public_key_logins: LoginCounters,
    pub(super) keyboard_interactive_logins: LoginCounters,
    pub(super) http: HttpCounters,
    pub(super) s3: StorageCounters,
    pub(super) gcs: StorageCounters,
}

/// Something that ends well or badly.
pub(super) struct Counted {
    ok: IntCounter,
    errors: IntCounter,
}

impl Counted {
    pub(super) fn finished(&self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok.inc(),
            Outcome::Failed => self.errors.inc(),
        }
    }
}

pub(super) struct TransferCounters {
    pub(super) uploads: Counted,
    pub(super) downloads: Counted,
    pub(super) upload_size: IntCounter,
    pub(super) download_size: IntCounter,
}

pub(super) struct LoginCounters {
    pub(super) attempts: IntCounter,
    pub(super) ok: IntCounter,
    pub(super) ko: IntCounter,
}

pub(super) struct HttpCounters {
    pub(super) total: IntCounter,
    pub(super) ok: IntCounter,
    pub(super) client_errors: IntCounter,
    pub(super) server_errors: IntCounter,
}

pub(super) struct StorageCounters {
    pub(super) transfers: TransferCounters,
    pub(super) list_objects: Counted,
    pub(super) copy_object: Counted,
    pub(super) delete_object: Counted,
    pub(super) head_bucket: Counted,
}

static METRICS: LazyLock<Result<(Registry, Counters), Error>> = LazyLock::new(build);

pub(super) fn counters() -> Option<&'static Counters> {
    METRICS.as_ref().ok().map(|(_, counters)| counters)
}

pub(super) fn gather() -> Vec<MetricFamily> {
    let mut families = METRICS.as_ref().map(|(registry, _)| registry.gather()).unwrap_or_default();
    cpu_time::make_exact(&mut families);
    families
}

fn build() -> Result<(Registry, Counters), Error> {
    let names = Names(Registry::new());
    names.0.register(Box::new(RuntimeCollector::new()?))?;
    names.0.register(Box::new(ProcessCollector::for_self()))?;
    let counters = names.counters()?;
    Ok((names.0, counters))
}

struct Names(Registry);

impl Names {
    fn counters(&self) -> Result<Counters, Error> {
        Ok(Counters {
            provider_available: self
                .gauge("dataprovider_availability", "1 when the data provider answers, else 0")?,
            active_connections: self
                .gauge("active_connections", "Connections in the connection list")?,
            transfers: self.transfers("", "")?,
            ssh_commands: Counted {
                ok: self.counter("ssh_commands_total", "SSH commands that succeeded")?,
                errors: self.counter("ssh_command_errors_total", "SSH commands that failed")?,
            },
            action_commands: Counted {
                ok: self.counter("action_commands_total", "Action programs that succeeded")?,
                errors: self
                    .counter("action_command_errors_total", "Action programs that failed")?,
            },
            action_notifications: Counted {
                ok: self.counter(
                    "action_notifications_total",
                    "Notifications that were answered with 2xx",
                )?,
                errors: self.counter(
                    "action_notification_errors_total",
                    "Notifications that were answered otherwise or not at all, per attempt",
                )?,
            },
            action_events_dropped: self
                .counter("action_events_dropped_total", "Events that an action was not told of")?,
            logins: self.logins("", "with any method")?,
            password_logins: self.logins("password_", "with a password")?,
            password_checks_refused: self.counter(
                "password_checks_refused_total",
                "Passwords that were refused unchecked, because too many wait",
            )?,
            public_key_logins: self.logins("public_key_", "with a public key")?,
            keyboard_interactive_logins: self
                .logins("keyboard_interactive_", "by questions and answers")?,
            http: self.http()?,
            s3: self.storage("s3_", " of S3 objects")?,
            gcs: self.storage("gcs_", " of Google Cloud Storage objects")?,
        })
    }

    fn transfers(&self, prefix: &str, of: &str) -> Result<TransferCounters, Error> {
        let counter = |name: &str, help: &str| {
            self.counter(&format!("{prefix}{name}"), &format!("{help}{of}"))
        };
        Ok(TransferCounters {
            uploads: Counted {
                ok: counter("uploads_total", "Successful uploads")?,
                errors: counter("upload_errors_total", "Broken uploads")?,
            },
            downloads: Counted {
                ok: counter("downloads_total", "Successful downloads")?,
                errors: counter("download_errors_total", "Broken downloads")?,
            },
            upload_size: counter("upload_size", "Bytes of all uploads")?,
            download_size: counter("download_size", "Bytes of all downloads")?,
        })
    }

    fn logins(&self, method: &str, with: &str) -> Result<LoginCounters, Error> {
        let counter = |name: &str, help: &str| {
            self.counter(&format!("{method}login_{name}_total"), &format!("{help} {with}"))
        };
        Ok(LoginCounters {
            attempts: counter("attempts", "Login attempts")?,
            ok: counter("ok", "Successful logins")?,
            ko: counter("ko", "Failed logins")?,
        })
    }

    fn http(&self) -> Result<HttpCounters, Error> {
        Ok(HttpCounters {
            total: self.counter("http_req_total", "HTTP requests")?,
            ok: self.counter("http_req_ok_total", "HTTP requests answered with 2xx")?,
            client_errors: self
                .counter("http_client_errors_total", "HTTP requests answered with 4xx")?,
            server_errors: self
                .counter("http_server_errors_total", "HTTP requests answered with 5xx")?,
        })
    }

    fn storage(&self, prefix: &str, of: &str) -> Result<StorageCounters, Error> {
        let call = |name: &str, what: &str| {
            Ok::<_, Error>(Counted {
                ok: self.counter(&format!("{prefix}{name}"), &format!("{what}{of}"))?,
                errors: self
                    .counter(&format!("{prefix}{name}_errors"), &format!("Failed {what}{of}"))?,
            })
        };
        Ok(StorageCounters {
            transfers: self.transfers(prefix, of)?,
            list_objects: call("list_objects", "list calls")?,
            copy_object: call("copy_object", "copy calls")?,
            delete_object: call("delete_object", "delete calls")?,
            head_bucket: call("head_bucket", "bucket checks")?,
        })
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::with_opts(Opts::new(name, help).namespace(PREFIX))?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::with_opts(Opts::new(name, help).namespace(PREFIX))?)
    }

    fn registered<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
