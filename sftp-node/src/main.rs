//! sftp-node
fn main() {}
