//! The control plane: accounts, logins, sessions, REST
