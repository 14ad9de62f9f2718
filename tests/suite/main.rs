//! Scenarios: what users and administrators see, against real processes with real clients. Every
//! scenario runs once per topology.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails loudly, and tests start programs and make files"
)]

mod actions;
mod appending;
mod architecture;
mod as_openssh;
mod atomic;
mod audit;
mod bandwidth;
mod clients;
mod clients_trees;
mod cluster;
mod confinement;
mod copy_data;
mod crash;
mod creation_modes;
mod database_view;
mod dead_clients;
mod do_instead;
mod documents;
mod extensions;
mod filters;
mod floods;
mod hooks;
mod host_keys;
mod hostile;
mod hostile_programs;
mod huge_directory;
mod imported_accounts;
mod key_exchange;
mod limits;
mod locked_database;
mod login;
mod logs_and_metrics;
mod memory;
mod old_rows;
mod older_clients;
mod operations;
mod orphans;
mod outage;
mod packages;
mod permissions;
mod programs;
mod quota;
mod raw_names;
mod relative_links;
mod rest_users;
mod security_keys;
mod sessions;
mod settings;
mod signals;
mod slow_channels;
mod ssh_commands;
mod stall;
mod terminal;
mod transfers;
mod transport;
mod unlisted_uploads;
