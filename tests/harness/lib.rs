//! Starts servers, makes users, speaks to them.
