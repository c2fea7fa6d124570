//! Free TCP ports for programs that cannot choose one themselves and say which.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nothing listened on a moment ago, never the same twice in this process. It lies below the ports
/// that outgoing connections take, so that none of them can take it in the meantime, and none that is made to
/// it while nobody listens can get it as its own port and so meet itself.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let range = below_ephemeral();
    let count = range.end - range.start;
    for _ in 0..count {
        // Test programs that run at the same time begin at different places.
        let begin = process::id().wrapping_mul(331) % u32::from(count);
        let step = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((begin + step) % u32::from(count)).unwrap();
        let port = range.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {range:?}");
}

fn below_ephemeral() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = text
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap();
    let range = first.saturating_sub(16_000).max(1024)..first;
    assert!(
        !range.is_empty(),
        "outgoing connections take all ports from {first}"
    );
    range
}
