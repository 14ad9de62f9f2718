//! The suite over every provider that is built, and what only one of them has.

mod memory;
mod open;
mod sqlite;
