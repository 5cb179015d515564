//! What retained topics say: latest-wins, one slot per topic, said again whenever
//! it changed or a connection is new, in the order of [`Turn`]s.

use std::collections::BTreeMap;
use std::mem;

use super::message::{Class, ONLINE};

/// A topic's payload and how much of it the broker has been told.
#[derive(Debug, Default)]
struct Slot {
    payload: Vec<u8>,
    version: u64,
    /// Version that was handed to this connection; 0 is none.
    sent: u64,
    /// The broker did not take what it was handed.
    refused: bool,
}

/// When a topic's turn comes. Whoever reads them believes a state only while all
/// availabilities say `online`, and Home Assistant keeps what it hears meanwhile. So what goes
/// away says so first, and what comes back says so last: between the two nothing is believed
/// that was true before an outage. Discovery comes before both, for a reader who gets nothing
/// that was said before he subscribed (clusters that keep retained messages at one node).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Away,
    Discovery,
    State,
    Back,
}

/// Its turn, and the place in it: the device comes before its cameras, whose topics have a
/// level more, and comes back after them.
fn turn(class: Class, topic: &str, payload: &[u8]) -> (Turn, usize) {
    let levels = topic.split('/').count();
    match class {
        Class::Availability if payload == ONLINE => (Turn::Back, usize::MAX - levels),
        Class::Availability => (Turn::Away, levels),
        Class::Discovery => (Turn::Discovery, levels),
        Class::State | Class::Event | Class::Snapshot | Class::Trial => (Turn::State, levels),
    }
}

#[derive(Debug, Default)]
pub(super) struct Retained {
    slots: BTreeMap<(Class, String), Slot>,
    /// Whether only what goes away is said.
    held: bool,
}

impl Retained {
    pub(super) fn set(&mut self, class: Class, topic: String, payload: Vec<u8>) {
        let slot = self.slots.entry((class, topic)).or_default();
        if slot.version == 0 || slot.payload != payload {
            slot.payload = payload;
            slot.version += 1;
        }
    }

    /// Whether all waits but what goes away. Discovery alone would let a state be read by what
    /// an earlier run announced.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// This connection is not told of discovery unless it changes.
    pub(super) fn skip_discovery(&mut self) {
        for ((class, _), slot) in &mut self.slots {
            if *class == Class::Discovery {
                slot.sent = slot.version;
            }
        }
    }

    /// Says everything again.
    pub(super) fn repeat(&mut self) {
        for slot in self.slots.values_mut() {
            (slot.sent, slot.refused) = (0, false);
        }
    }

    /// Says this topic again.
    pub(super) fn say_again(&mut self, class: Class, topic: String) {
        if let Some(slot) = self.slots.get_mut(&(class, topic)) {
            slot.sent = 0;
        }
    }

    /// The broker did not take what this topic says: [`Self::offer_again`].
    pub(super) fn refused(&mut self, class: Class, topic: String) {
        if let Some(slot) = self.slots.get_mut(&(class, topic)) {
            slot.refused = true;
        }
    }

    /// Says again what the broker did not take.
    pub(super) fn offer_again(&mut self) {
        for slot in self.slots.values_mut() {
            if mem::take(&mut slot.refused) {
                slot.sent = 0;
            }
        }
    }

    /// The next to be said: class, topic and payload.
    pub(super) fn next(&mut self) -> Option<(Class, String, Vec<u8>)> {
        let held = self.held;
        let unsaid = self.slots.iter_mut().filter(|(_, slot)| slot.sent != slot.version);
        let turns = unsaid.map(|((class, topic), slot)| {
            (turn(*class, topic, &slot.payload), (class, topic, slot))
        });
        let due = turns.filter(|((turn, _), _)| !held || *turn == Turn::Away);
        let (_, (class, topic, slot)) = due.min_by_key(|(turn, _)| *turn)?;
        slot.sent = slot.version;
        Some((*class, topic.clone(), slot.payload.clone()))
    }

    /// The broker knows that this topic is gone: forget it, unless it is back.
    pub(super) fn removed(&mut self, class: Class, topic: String) {
        let key = (class, topic);
        if self.slots.get(&key).is_some_and(|slot| slot.payload.is_empty()) {
            self.slots.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &mut Retained) -> Vec<(String, String)> {
        std::iter::from_fn(|| all.next())
            .map(|(_, topic, payload)| (topic, String::from_utf8_lossy(&payload).into_owned()))
            .collect()
    }

    /// A device with this camera, of which the broker has been told nothing.
    fn device(camera: &str, available: &str) -> Retained {
        let mut all = Retained::default();
        let camera = |leaf: &str| format!("home/e/hall/{camera}/{leaf}");
        for (class, topic, payload) in [
            (Class::Availability, "home/e/hall/availability".into(), "online"),
            (Class::Availability, camera("availability"), available),
            (Class::State, "home/e/hall/status".into(), "{}"),
            (Class::State, camera("state"), "nobody"),
            (Class::Discovery, "homeassistant/device/hall/config".into(), "{}"),
        ] {
            all.set(class, topic, payload.into());
        }
        all
    }

    /// Home Assistant used to see `online` beside the state from before an outage.
    #[test]
    fn what_was_true_before_an_outage_is_replaced_before_it_is_believed() {
        for camera in ["front", "attic", "Door", "1"] {
            let order = said(&mut device(camera, "online"));
            let expected = [
                ("homeassistant/device/hall/config".to_owned(), "{}"),
                ("home/e/hall/status".into(), "{}"),
                (format!("home/e/hall/{camera}/state"), "nobody"),
                (format!("home/e/hall/{camera}/availability"), "online"),
                ("home/e/hall/availability".into(), "online"),
            ];
            assert_eq!(order, expected.map(|(topic, payload)| (topic, payload.to_owned())));
        }
    }

    #[test]
    fn what_goes_away_says_so_before_all_else() {
        let mut all = device("front", "offline");
        let away = ("home/e/hall/front/availability".to_owned(), "offline".to_owned());
        assert_eq!(said(&mut all)[0], away, "on a new connection");
        all.set(Class::Availability, away.0.clone(), b"online".to_vec());
        said(&mut all);
        all.set(Class::State, "home/e/hall/front/state".into(), b"nothing".to_vec());
        all.set(Class::Availability, away.0.clone(), b"offline".to_vec());
        assert_eq!(said(&mut all)[0], away, "while connected");
    }
}
