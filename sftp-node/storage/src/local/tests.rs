//! Tests of the local storage.
