//! What retained topics say: latest-wins, one slot per topic, said again whenever
//! it changed or a connection is new. The class gives the order after a connect:
//! availability, discovery, states; and of a class the device comes before its cameras.

use std::collections::BTreeMap;

use super::message::Class;

/// A topic's payload and how much of it the broker has been told.
#[derive(Debug, Default)]
struct Slot {
    payload: Vec<u8>,
    version: u64,
    /// Version that was handed to this connection; 0 is none.
    sent: u64,
}

/// Class, how many levels the topic has, topic.
type Place = (Class, usize, String);

fn place(class: Class, topic: String) -> Place {
    (class, topic.split('/').count(), topic)
}

#[derive(Debug, Default)]
pub(super) struct Retained {
    slots: BTreeMap<Place, Slot>,
    hold_discovery: bool,
}

impl Retained {
    pub(super) fn set(&mut self, class: Class, topic: String, payload: Vec<u8>) {
        let slot = self.slots.entry(place(class, topic)).or_default();
        if slot.version == 0 || slot.payload != payload {
            slot.payload = payload;
            slot.version += 1;
        }
    }

    /// Whether discovery waits while all else is said.
    pub(super) fn hold_discovery(&mut self, hold: bool) {
        self.hold_discovery = hold;
    }

    /// Says everything again.
    pub(super) fn repeat(&mut self) {
        for slot in self.slots.values_mut() {
            slot.sent = 0;
        }
    }

    /// The next to be said: class, topic and payload.
    pub(super) fn next(&mut self) -> Option<(Class, String, Vec<u8>)> {
        let held = self.hold_discovery;
        let ((class, _, topic), slot) = self.slots.iter_mut().find(|((class, ..), slot)| {
            slot.sent != slot.version && !(held && *class == Class::Discovery)
        })?;
        slot.sent = slot.version;
        Some((*class, topic.clone(), slot.payload.clone()))
    }

    /// The broker knows that this topic is gone: forget it, unless it is back.
    pub(super) fn removed(&mut self, class: Class, topic: String) {
        let key = place(class, topic);
        if self.slots.get(&key).is_some_and(|slot| slot.payload.is_empty()) {
            self.slots.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_comes_before_its_cameras_whatever_they_are_called() {
        for camera in ["front", "attic", "Door", "1"] {
            let mut all = Retained::default();
            let topics =
                [format!("home/e/hall/{camera}/availability"), "home/e/hall/availability".into()];
            for topic in &topics {
                all.set(Class::Availability, topic.clone(), b"online".to_vec());
            }
            all.set(Class::State, "a".into(), b"{}".to_vec());
            let said: Vec<String> =
                std::iter::from_fn(|| all.next()).map(|(_, topic, _)| topic).collect();
            assert_eq!(said, [&topics[1], &topics[0], "a"]);
        }
    }
}
