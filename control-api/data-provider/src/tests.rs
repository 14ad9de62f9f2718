//! The suite over every provider that is built, and what only one of them has.

#![allow(clippy::disallowed_methods, reason = "tests make their own files")]

mod memory;
mod open;
mod sqlite;
