//! control-api
fn main() {}
