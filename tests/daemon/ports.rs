//! A port that nobody has, for a program that takes no other.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the kernel gives to whoever asks for any (ip(7),
/// `ip_local_port_range`): one of those may be somebody's connection a moment later.
const PORTS: std::ops::Range<u16> = 10_000..32_768;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Each is given once by this process, and others begin elsewhere.
pub fn free_port() -> u16 {
    let count = PORTS.end - PORTS.start;
    let first = (std::process::id() * 97 % u32::from(count)) as u16;
    let ports = (0..count).map(|_| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % count;
        PORTS.start + (first + number) % count
    });
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.into_iter().find(is_free).expect("a free port")
}
