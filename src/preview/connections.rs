//! How many connections are open at once, and how many of them are one machine's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Connections at once: a browser opens six.
const MOST: usize = 64;
/// Connections of one address: whoever opens more keeps nobody else out. Those of this machine
/// are not told apart: behind a proxy all are one's.
const MOST_OF_ONE: usize = 32;
/// Connections that are kept for addresses with few: one machine has several addresses, such as
/// one of IPv4 and some of IPv6.
const KEPT: usize = 16;
/// So many are few: a browser's, and the live picture.
const FEW: usize = 8;

/// How many connections each [`sender`] has open.
#[derive(Debug, Default)]
pub(super) struct Connections(BTreeMap<IpAddr, usize>);

/// As whom an address counts. Of IPv6 the first 64 bits: within them a machine has as many
/// addresses as it likes (RFC 4291, 2.5.4; RFC 8981).
fn sender(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(own) if !own.is_loopback() => {
            let interface = u128::from(u64::MAX);
            IpAddr::V6((own.to_bits() & !interface).into())
        }
        other => other,
    }
}

/// One that is open, until this is dropped.
pub(super) struct Connection {
    all: Arc<Mutex<Connections>>,
    peer: IpAddr,
}

impl Connection {
    /// One more of `peer`; none where there are as many as may be.
    pub(super) fn open(all: &Arc<Mutex<Connections>>, peer: IpAddr) -> Option<Self> {
        let entered = all.lock().expect("no panic under this lock").enter(peer);
        entered.then(|| Self { all: Arc::clone(all), peer })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.lock().expect("no panic under this lock").leave(self.peer);
    }
}

impl Connections {
    /// Counts one more of `peer`, if it may be.
    fn enter(&mut self, peer: IpAddr) -> bool {
        let (sender, all) = (sender(peer), self.0.values().sum::<usize>());
        let own = self.0.get(&sender).copied().unwrap_or_default();
        let has_room = match own {
            _ if sender.is_loopback() => all < MOST,
            0..FEW => all < MOST,
            _ => own < MOST_OF_ONE && all < MOST - KEPT,
        };
        if has_room {
            self.0.insert(sender, own + 1);
        }
        has_room
    }

    fn leave(&mut self, peer: IpAddr) {
        let sender = sender(peer);
        match self.0.get_mut(&sender) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                self.0.remove(&sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `tries` connections of an address are let in.
    fn entered(all: &mut Connections, peer: &str, tries: usize) -> usize {
        let peer = peer.parse().expect("an address");
        (0..tries).filter(|_| all.enter(peer)).count()
    }

    #[test]
    fn one_machine_keeps_nobody_out() {
        let mut all = Connections::default();
        assert_eq!(entered(&mut all, "192.168.1.66", 100), 32);
        assert_eq!(entered(&mut all, "192.168.1.7", 6), 6);
        assert_eq!(entered(&mut all, "fd00::7", 100), 10, "48 of those with many");
        assert_eq!(entered(&mut all, "192.168.1.66", 1), 0);
        assert_eq!(entered(&mut all, "192.168.1.8", 100), 8);
        assert_eq!(entered(&mut all, "192.168.1.9", 100), 8, "64 in all");
        assert_eq!(entered(&mut all, "192.168.1.10", 1), 0);
        all.leave("192.168.1.7".parse().expect("an address"));
        assert_eq!(entered(&mut all, "192.168.1.10", 2), 1);
    }

    /// By privacy extensions it has a new one every day, and by hand as many as it likes.
    #[test]
    fn one_machine_with_many_addresses_keeps_nobody_out_either() {
        let mut all = Connections::default();
        let many = (0..100).map(|number| entered(&mut all, &format!("fd00::{number:x}:7"), 1));
        assert_eq!(many.sum::<usize>(), 32);
        assert_eq!(entered(&mut all, "192.168.1.66", 100), 16, "its IPv4");
        assert_eq!(entered(&mut all, "192.168.1.7", 6), 6);
        assert_eq!(entered(&mut all, "fd00:0:0:1::7", 1), 1, "another network");
        assert_eq!(entered(&mut all, "::ffff:192.168.1.7", 6), 2, "as IPv4");
        all.leave("fd00::5:7".parse().expect("an address"));
        assert_eq!(all.0[&"fd00::".parse::<IpAddr>().expect("an address")], 31);
    }

    #[test]
    fn a_proxy_on_this_machine_speaks_for_all() {
        for address in ["127.0.0.1", "::1"] {
            assert_eq!(entered(&mut Connections::default(), address, 100), 64, "{address}");
        }
    }

    #[test]
    fn what_has_ended_leaves_room() {
        let all = Arc::default();
        let peer = "192.168.1.7".parse().expect("an address");
        let open: Vec<_> = (0..40).map_while(|_| Connection::open(&all, peer)).collect();
        assert_eq!(open.len(), 32);
        drop(open);
        assert!(all.lock().expect("whole").0.is_empty());
        assert!(Connection::open(&all, peer).is_some());
    }
}
