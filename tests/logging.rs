//! What the broker inside tells while messages pass through it, and how much of that is
//! let through to a sink: nothing, whichever sink it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use expressiond::logging::Filter;
use expressiond::mqtt::embedded::EmbeddedBroker;
use log::{LevelFilter, Log, Metadata, Record};

/// Longest wait for the broker to tell something.
const LIMIT: Duration = Duration::from_secs(30);

/// Records by their target.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<BTreeMap<String, usize>>>);

impl Counter {
    /// Records of other crates than this program's.
    fn foreign(&self) -> BTreeMap<String, usize> {
        let counts = self.0.lock().unwrap();
        counts
            .iter()
            .filter(|(target, _)| !target.starts_with("expressiond"))
            .map(|(target, count)| (target.clone(), *count))
            .collect()
    }
}

impl Log for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        *self.0.lock().unwrap().entry(record.target().to_owned()).or_default() += 1;
    }

    fn flush(&self) {}
}

/// All that is told, and what the filter leaves of it.
struct Both {
    all: Counter,
    shown: Filter<Counter>,
}

impl Log for Both {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.all.log(record);
        self.shown.log(record);
    }

    fn flush(&self) {}
}

#[test]
fn no_record_of_the_broker_inside_reaches_the_log() {
    let (all, shown) = (Counter::default(), Counter::default());
    let filter = Filter::new(shown.clone(), LevelFilter::Info);
    log::set_boxed_logger(Box::new(Both { all: all.clone(), shown: filter })).unwrap();
    log::set_max_level(LevelFilter::Info);
    log::info!(target: "expressiond", "the filter lets our own records through");

    let broker = EmbeddedBroker::start(0).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", broker.url().port)).unwrap();
    // MQTT 3.1.1, 3.1 CONNECT: a clean session of the client "x" that is kept for 60 s
    client.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x").unwrap();
    let end = Instant::now() + LIMIT;
    while all.foreign().values().sum::<usize>() < 20 {
        assert!(Instant::now() < end, "the broker tells nothing: {:?}", all.foreign());
        // 3.3 PUBLISH to the topic "t"
        client.write_all(b"\x30\x04\x00\x01tx").unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(client);
    drop(broker);
    assert_eq!(shown.foreign(), BTreeMap::new());
    assert_eq!(shown.0.lock().unwrap()["expressiond"], 1);
}
