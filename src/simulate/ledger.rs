//! Which events were made, which arrived, and when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::events::Event;

/// Shared by the devices, which enter what they make, and the listener.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Deliveries>);

/// What was made and what arrived.
#[derive(Default)]
pub(crate) struct Deliveries {
    events: HashMap<String, Delivery>,
    /// Sequence of the last event of each track that arrived.
    tracks: HashMap<String, u64>,
    /// Messages, also those that came twice.
    pub received: u64,
    /// Events marked late.
    pub late: u64,
    /// Events behind a later one of the same track.
    pub out_of_order: u64,
    /// Events, each counted once.
    pub arrived: usize,
}

struct Delivery {
    made: Instant,
    arrived: Option<Instant>,
}

impl Ledger {
    pub(crate) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        // No method panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The publisher has taken this event.
    pub(crate) fn made(&self, event: &Event) {
        let delivery = Delivery { made: Instant::now(), arrived: None };
        self.deliveries().events.insert(event.id.clone(), delivery);
    }

    /// The listener has heard this event. One that nobody made is of an earlier run.
    pub(crate) fn heard(&self, event: &Event) {
        let mut deliveries = self.deliveries();
        let deliveries = &mut *deliveries;
        let Some(delivery) = deliveries.events.get_mut(&event.id) else { return };
        deliveries.received += 1;
        if delivery.arrived.replace(delivery.arrived.unwrap_or_else(Instant::now)).is_some() {
            return;
        }
        deliveries.arrived += 1;
        deliveries.late += u64::from(event.late);
        let before = deliveries.tracks.insert(event.track.clone(), event.sequence);
        deliveries.out_of_order += u64::from(before > Some(event.sequence));
    }

    /// Waits until every event that was made by `until` has arrived, at most `limit`. False where
    /// that was not enough.
    pub(crate) async fn caught_up(&self, until: Instant, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.deliveries().owed(until) > 0 {
            if Instant::now() >= end {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

impl Deliveries {
    /// Events that devices made.
    pub(crate) fn made(&self) -> usize {
        self.events.len()
    }

    /// Events that have not arrived (yet).
    pub(crate) fn lost(&self) -> usize {
        self.events.len() - self.arrived
    }

    /// Messages beyond one for each event.
    pub(crate) fn duplicates(&self) -> u64 {
        self.received - self.arrived as u64
    }

    /// Times from making to arriving, of the events made in this time, ascending.
    pub(crate) fn latencies(&self, from: Instant, to: Instant) -> Vec<Duration> {
        let inside = self.events.values().filter(|delivery| (from..to).contains(&delivery.made));
        let mut times: Vec<_> =
            inside.filter_map(|delivery| Some(delivery.arrived? - delivery.made)).collect();
        times.sort_unstable();
        times
    }

    /// Events made by `until` that have not arrived.
    pub(crate) fn owed(&self, until: Instant) -> usize {
        let owed = |delivery: &&Delivery| delivery.arrived.is_none() && delivery.made <= until;
        self.events.values().filter(owed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Origin, Recorder};
    use crate::geometry::{Rect, Size};
    use crate::tracks::{Change, ChangeKind};

    /// So many events of one track.
    fn events<const N: usize>() -> [Event; N] {
        let origin = Origin {
            device: "device".to_owned(),
            camera: "camera".to_owned(),
            model: "m@1+00".to_owned(),
            classes: vec!["happy".to_owned()],
        };
        let mut number = 0u8;
        let count = Box::new(move || {
            number += 1;
            [number; 10]
        });
        let mut recorder = Recorder::new(origin, count);
        let change = Change {
            track: 1,
            kind: ChangeKind::FaceAppeared,
            rect: Rect::default(),
            class: 0,
            confidence: 1.0,
            lasted: Duration::ZERO,
        };
        let (now, frame) = (crate::clock::at(1), Size::new(640, 480));
        std::array::from_fn(|_| recorder.record(&change, now, frame, Vec::new()))
    }

    #[test]
    fn lost_doubled_late_and_disordered_events_are_counted() {
        let ledger = Ledger::default();
        let [first, second, third, foreign] = events();
        [&first, &second, &third].into_iter().for_each(|event| ledger.made(event));
        ledger.heard(&Event { late: true, ..second.clone() });
        ledger.heard(&first);
        ledger.heard(&first);
        ledger.heard(&foreign);
        let now = Instant::now();
        let deliveries = ledger.deliveries();
        assert_eq!((deliveries.made(), deliveries.arrived, deliveries.lost()), (3, 2, 1));
        assert_eq!((deliveries.received, deliveries.duplicates()), (3, 1), "not the foreign one");
        assert_eq!((deliveries.late, deliveries.out_of_order), (1, 1), "first behind second");
        assert_eq!(deliveries.owed(now), 1);
        assert_eq!(deliveries.latencies(now - Duration::from_secs(60), now).len(), 2);
        assert_eq!(deliveries.latencies(now, now + Duration::from_secs(60)), []);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_limit_or_with_the_last_event() {
        let ledger = Ledger::default();
        let [event] = events();
        ledger.made(&event);
        let (begun, limit) = (Instant::now(), Duration::from_millis(30));
        assert!(!ledger.caught_up(begun, limit).await);
        assert!(begun.elapsed() >= limit && ledger.deliveries().lost() == 1);
        ledger.heard(&event);
        // It would not end within the test's time if it waited for this limit.
        assert!(ledger.caught_up(Instant::now(), Duration::from_secs(24 * 3600)).await);
        assert_eq!(ledger.deliveries().lost(), 0);
    }
}
