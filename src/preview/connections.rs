//! How many connections are open at once, and how many of them are one machine's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Connections at once: a browser opens six.
const MOST: usize = 64;
/// Connections of one address: whoever opens more keeps nobody else out. Those of this machine
/// are not told apart: behind a proxy all are one's.
const MOST_OF_ONE: usize = 32;

/// How many connections each address has open.
#[derive(Debug, Default)]
pub(super) struct Connections(BTreeMap<IpAddr, usize>);

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
        let own = self.0.get(&peer).copied().unwrap_or_default();
        let most = if peer.is_loopback() { MOST } else { MOST_OF_ONE };
        let has_room = own < most && self.0.values().sum::<usize>() < MOST;
        if has_room {
            self.0.insert(peer, own + 1);
        }
        has_room
    }

    fn leave(&mut self, peer: IpAddr) {
        match self.0.get_mut(&peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                self.0.remove(&peer);
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
        assert_eq!(entered(&mut all, "fd00::7", 100), 26, "64 in all");
        all.leave("192.168.1.7".parse().expect("an address"));
        assert_eq!(entered(&mut all, "192.168.1.66", 1), 0);
        assert_eq!(entered(&mut all, "192.168.1.8", 2), 1);
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
