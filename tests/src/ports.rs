//! Free TCP ports on loopback, below the range from which the kernel takes ports for outgoing connections: a port that
//! is free when it is asked for stays free until the process that gets it binds it, also across a restart.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

const FIRST: u32 = 12_000;
const COUNT: u32 = 18_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that nothing listens on and that this process hasn't handed out before. Test processes that run side by side
/// begin at different places.
///
/// # Errors
/// All are taken.
pub fn free() -> Result<u16> {
    let start = std::process::id().wrapping_mul(97) % COUNT;
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}
