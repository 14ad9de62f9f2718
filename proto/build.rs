//! Turns the `.proto` files into Rust; needs no protoc.

use std::error::Error;

const FILES: [&str; 3] = [
    "ferryd/control/v1/account.proto",
    "ferryd/control/v1/control_plane.proto",
    "ferryd/control/v1/fault.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let files = protox::compile(FILES, ["."])?;
    // No message gets a Debug form: some of them hold passwords and keys in clear.
    tonic_prost_build::configure().skip_debug(["."]).btree_map(".").compile_fds(files)?;
    Ok(())
}
