//! deploy/standalone
fn main() {}
