//! In which order the hosts behind one name are tried.

use std::collections::HashMap;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};

/// Where `what` stands for `device`: another order for each device, so that a fleet
/// spreads, and the same after a restart (rendezvous hashing: Thaler and Ravishankar 1998).
pub(super) fn rank(device: &str, what: &str) -> [u8; 8] {
    let digest = Sha256::new().chain_update(device).chain_update([0]).chain_update(what).finalize();
    std::array::from_fn(|index| digest[index])
}

/// What is known of the hosts behind one name.
pub(super) struct Endpoints {
    device: String,
    /// Those that failed after they had been good last, with the number of that failure.
    failed: HashMap<SocketAddr, u64>,
    failures: u64,
}

impl Endpoints {
    pub(super) fn new(device: &str) -> Self {
        Self { device: device.to_owned(), failed: HashMap::new(), failures: 0 }
    }

    /// It did not answer, or did not let us in, or the connection to it broke.
    pub(super) fn failed(&mut self, address: SocketAddr) {
        self.failures += 1;
        self.failed.insert(address, self.failures);
    }

    pub(super) fn good(&mut self, address: SocketAddr) {
        self.failed.remove(&address);
    }

    /// The addresses that the system gave, in the order in which they are tried: those that
    /// did not fail before those that did, the latest last; IPv6 and IPv4 in turn, beginning
    /// with the kind that the system prefers (RFC 8305, 4).
    pub(super) fn ordered(&mut self, mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        self.failed.retain(|address, _| found.contains(address));
        let preferred = found.first().is_some_and(SocketAddr::is_ipv6);
        found.sort_by_cached_key(|address| {
            let failure = self.failed.get(address).copied().unwrap_or(0);
            (failure, rank(&self.device, &address.to_string()))
        });
        found.dedup();
        let (first, second): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| address.is_ipv6() == preferred);
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        let mut ordered = Vec::new();
        while first.len() + second.len() > 0 {
            ordered.extend(first.next());
            ordered.extend(second.next());
        }
        // A stable sort: whatever kind it is, one that failed waits for those that did not.
        ordered.sort_by_key(|address| self.failed.get(address).copied().unwrap_or(0));
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn both_kinds_take_turns_beginning_with_the_preferred_one() {
        let found =
            addresses(&["[fd00::1]:1", "10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:1", "[fd00::2]:1"]);
        let ordered = Endpoints::new("d1").ordered(found);
        let kinds: Vec<_> = ordered.iter().map(SocketAddr::is_ipv6).collect();
        assert_eq!(kinds, [true, false, true, false], "{ordered:?}");
        let ordered = Endpoints::new("d1").ordered(addresses(&["10.0.0.1:1", "[fd00::1]:1"]));
        assert!(ordered[0].is_ipv4());
    }

    #[test]
    fn whoever_failed_is_tried_last_until_it_is_good_again() {
        let found = addresses(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let mut endpoints = Endpoints::new("d1");
        let [first, second, third] = endpoints.ordered(found.clone())[..] else { panic!("three") };
        endpoints.failed(first);
        assert_eq!(endpoints.ordered(found.clone()), [second, third, first]);
        endpoints.failed(second);
        assert_eq!(endpoints.ordered(found.clone()), [third, first, second]);
        endpoints.good(first);
        assert_eq!(endpoints.ordered(found), [first, third, second]);
        assert_eq!(endpoints.ordered(vec![third]), [third]);
        assert!(endpoints.failed.is_empty(), "what the name lost is forgotten");
    }

    #[test]
    fn each_device_has_its_own_order() {
        let found = addresses(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let first = |device: u32| Endpoints::new(&format!("{device}")).ordered(found.clone())[0];
        for address in &found {
            let count = (0..300).filter(|device| first(*device) == *address).count();
            assert!((60..140).contains(&count), "{count} of 300 at {address}");
        }
    }
}
