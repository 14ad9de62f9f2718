//! A client that does anything on an SFTP channel over files in memory: each request gets one
//! reply, in order, nothing is left behind, the counters are right, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sftp_node::testkit::fuzzing::converse;

fuzz_target!(|input: &[u8]| {
    converse(input);
});
