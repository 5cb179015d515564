//! Which events were made, which arrived, and when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::events::Event;

#[derive(Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Default)]
pub struct Books {
    events: HashMap<String, Entry>,
    /// Sequence of the last event of each track that arrived.
    tracks: HashMap<String, u64>,
    pub received: u64,
    pub late: u64,
    pub out_of_order: u64,
    pub arrived: usize,
}

struct Entry {
    made: Instant,
    arrived: Option<Instant>,
}

impl Ledger {
    pub fn books(&self) -> MutexGuard<'_, Books> {
        // Every method leaves the books whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The publisher has taken this event.
    pub fn made(&self, event: &Event) {
        let entry = Entry { made: Instant::now(), arrived: None };
        self.books().events.insert(event.id.clone(), entry);
    }

    /// The listener has heard this event. One that nobody made is of an earlier run.
    pub fn heard(&self, event: &Event) {
        let mut books = self.books();
        let books = &mut *books;
        let Some(entry) = books.events.get_mut(&event.id) else { return };
        books.received += 1;
        if entry.arrived.replace(entry.arrived.unwrap_or_else(Instant::now)).is_some() {
            return;
        }
        books.arrived += 1;
        books.late += u64::from(event.late);
        let before = books.tracks.insert(event.track.clone(), event.sequence);
        books.out_of_order += u64::from(before > Some(event.sequence));
    }

    /// Waits until everything that was made by `until` has arrived, or the limit is
    /// over.
    pub async fn caught_up(&self, until: Instant, limit: Duration) {
        let end = Instant::now() + limit;
        while self.books().owed(until) > 0 && Instant::now() < end {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Books {
    pub fn made(&self) -> usize {
        self.events.len()
    }

    pub fn lost(&self) -> usize {
        self.events.len() - self.arrived
    }

    pub fn duplicates(&self) -> u64 {
        self.received - self.arrived as u64
    }

    /// From a device's hand to the listener's, for events made in this time, ascending.
    pub fn latencies(&self, from: Instant, to: Instant) -> Vec<Duration> {
        let inside = self.events.values().filter(|entry| (from..to).contains(&entry.made));
        let mut times: Vec<_> =
            inside.filter_map(|entry| Some(entry.arrived? - entry.made)).collect();
        times.sort_unstable();
        times
    }

    fn owed(&self, until: Instant) -> usize {
        let owed = |entry: &&Entry| entry.arrived.is_none() && entry.made <= until;
        self.events.values().filter(owed).count()
    }
}
