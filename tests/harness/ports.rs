//! Free ports. They lie below the range from which the system takes the ports of clients, and no
//! port is given out twice in a run.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Returns a port of the loopback address that nobody listens on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that start one after another take their ports far from each other.
    let start = (std::process::id().wrapping_mul(0x9E37_79B1) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = (NEXT.fetch_add(1, Ordering::Relaxed) % COUNT + start) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no port is free");
}
