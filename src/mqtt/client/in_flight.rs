//! Which request each acknowledgement is for. rumqttc chooses the packet id and
//! tells it when the packet leaves, in the order of the requests.

use std::collections::{HashMap, VecDeque};

pub(super) struct InFlight<T> {
    handed_over: VecDeque<T>,
    unacknowledged: HashMap<u16, T>,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { handed_over: VecDeque::new(), unacknowledged: HashMap::new() }
    }
}

impl<T> InFlight<T> {
    pub fn handed_over(&mut self, item: T) {
        self.handed_over.push_back(item);
    }

    /// A packet left with this id. With QoS 0 (id 0) that is all there will be,
    /// so the item comes back.
    pub fn left(&mut self, id: u16) -> Option<T> {
        let item = self.handed_over.pop_front()?;
        if id == 0 {
            return Some(item);
        }
        self.unacknowledged.insert(id, item);
        None
    }

    pub fn acknowledged(&mut self, id: u16) -> Option<T> {
        self.unacknowledged.remove(&id)
    }

    pub fn len(&self) -> usize {
        self.handed_over.len() + self.unacknowledged.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_find_their_message() {
        let mut in_flight = InFlight::default();
        for item in ["a", "b", "c"] {
            in_flight.handed_over(item);
        }
        assert_eq!(in_flight.left(1), None);
        assert_eq!(in_flight.left(0), Some("b"), "QoS 0 is done when it has left");
        assert_eq!(in_flight.left(2), None);
        assert_eq!(in_flight.acknowledged(2), Some("c"));
        assert_eq!(in_flight.acknowledged(2), None);
        assert_eq!(in_flight.acknowledged(1), Some("a"));
        assert_eq!(in_flight.len(), 0);
    }
}
