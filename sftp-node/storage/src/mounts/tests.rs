//! Tests of virtual folders.
