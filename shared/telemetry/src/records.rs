//! One function per kind of log record, so that field names and their order cannot drift.
//! Log readers and ban filters depend on both; `docs/log.md` shows every kind.

mod actions;
mod commands;
mod connections;
mod http;
mod operations;
mod transfers;

use std::time::Duration;

pub use crate::Direction;
pub use actions::{ActionRecord, action};
pub use commands::{CommandRecord, CommandSender, command};
pub use connections::{
    ConnectionFailedRecord, LoginRecord, LogoutRecord, NO_AUTH_TRIED, connection_failed, login,
    logout,
};
pub use http::{HttpRecord, http};
pub use operations::{
    FailuresLeftOutRecord, Obstacle, OperationFailedRecord, failures_left_out, operation_failed,
};
pub use transfers::{TransferRecord, transfer};

/// Writes a record in the form of the log, with these fields in this order. The target is written
/// whatever the verbosity is.
macro_rules! write_record {
    (@level debug) => {
        $crate::line::Level::Debug
    };
    (@level info) => {
        $crate::line::Level::Info
    };
    (@level warn) => {
        $crate::line::Level::Warn
    };
    ($level:ident, $message:literal, $($field:ident: $value:expr),+ $(,)?) => {
        if $crate::subscriber::format() == $crate::subscriber::LogFormat::Bunyan {
            tracing::$level!(target: "ferryd_record", $($field = $value,)+ $message);
        } else {
            $crate::line::emit(write_record!(@level $level), |line| {
                $(line.add(stringify!($field), $value);)+
            });
        }
    };
}

use write_record;

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
