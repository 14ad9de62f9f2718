//! The control plane: accounts, logins, sessions, quota, REST.

pub mod rest;
