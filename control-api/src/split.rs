//! What only the program needs: command line, settings, start and end.

pub(crate) mod check;
pub(crate) mod cli;
pub(crate) mod serve;
mod servers;
pub(crate) mod settings;
