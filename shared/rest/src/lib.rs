//! Paths, bodies and a client of the REST API
