//! What waited too long says so, wherever it waited: while the machine slept, and on a
//! connection that stands still.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use expressiond::clock::{Clock, Moment, SystemClock};
use expressiond::mqtt::protocol::Version;
use expressiond::mqtt::received::Receiver;
use expressiond::publish::{Publisher, Start};

use crate::fake::{ACCEPTED, acknowledge, listen, packet, publish_id, welcome};
use crate::running::LIMIT;
use crate::support::{begin, camera, event, speaking};

/// The machine's clocks, and so many seconds of sleep.
#[derive(Default)]
struct Sleeper(AtomicU64);

impl Clock for Sleeper {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn asleep(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// The machine's clocks, of which nobody has set the wall's for so many days.
#[derive(Default)]
struct Behind(AtomicU64);

impl Clock for Behind {
    fn now(&self) -> Moment {
        let (now, days) = (SystemClock.now(), self.0.load(Ordering::SeqCst));
        Moment { wall: now.wall - Duration::from_secs(days * 86_400), ..now }
    }
}

/// Id and payload of the next event; what comes before is acknowledged.
fn next_event(peer: &mut TcpStream) -> ([u8; 2], String) {
    loop {
        let (first, body) = packet(peer).expect("the client stays");
        if first == 0xc0 {
            peer.write_all(&[0xd0, 0]).expect("it listens");
        }
        let Some(id) = publish_id(first, &body) else { continue };
        let text = String::from_utf8_lossy(&body).into_owned();
        if text.contains("/event") {
            return (id, text);
        }
        acknowledge(peer, id);
    }
}

#[tokio::test]
async fn an_event_that_the_machine_slept_over_is_late() {
    let (listening, port) = listen();
    let clock = Arc::new(Sleeper::default());
    let mut start = begin(speaking(Version::V311, port));
    start.clock = Arc::<Sleeper>::clone(&clock);
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        let (_, before) = next_event(&mut peer);
        // It was not acknowledged when the machine fell asleep, and comes again after it.
        clock.0.store(60, Ordering::SeqCst);
        drop(peer);
        let (_, after) = next_event(&mut welcome(&listening, &ACCEPTED));
        (before, after)
    });
    let (publisher, _received) = Publisher::start(start).expect("starts");
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let told = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let (before, after) = told.expect("joined");
    assert!(!before.contains("\"late\":true"), "{before}");
    assert!(after.contains("\"late\":true"), "{after}");
}

#[tokio::test]
async fn a_connection_that_stands_still_is_given_no_more_events() {
    let (listening, port) = listen();
    let mut start = begin(speaking(Version::V311, port));
    start.settings.outbox.late_after_s = 1;
    let (stall, stalls) = mpsc::channel();
    let (push, pushed) = mpsc::channel::<()>();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        let (id, _) = next_event(&mut peer);
        stall.send(()).expect("the test goes on");
        pushed.recv().expect("the test goes on");
        // Long enough to be late; nothing is there to be waited for.
        peer.set_read_timeout(Some(Duration::from_millis(1500))).expect("set");
        while let Some((first, body)) = packet(&mut peer) {
            assert_eq!(publish_id(first, &body), None, "another one on top");
        }
        peer.set_read_timeout(Some(LIMIT)).expect("set");
        acknowledge(&mut peer, id);
        next_event(&mut peer).1
    });
    let (publisher, _received) = Publisher::start(start).expect("starts");
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let stalled = tokio::task::spawn_blocking(move || stalls.recv()).await;
    stalled.expect("joined").expect("an event came");
    // The time is the thing: so long without an acknowledgement is a stall.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    publisher.publish_event(&camera(), "2", &event(2, 2)).expect("taken");
    push.send(()).expect("the broker is there");
    let told = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let second = told.expect("joined");
    assert!(second.contains("\"late\":true"), "{second}");
}

/// As a new process would. Another test of this one may just be starting a program, which until
/// execve(2) has all that is open here, and the outbox's lock with it (flock(2)).
async fn start_again(start: impl Fn() -> Start) -> (Publisher, Receiver) {
    let end = Instant::now() + LIMIT;
    loop {
        match Publisher::start(start()) {
            Ok(started) => return started,
            Err(error) => assert!(Instant::now() < end, "not within {LIMIT:?}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A board without a clock of its own; the network comes, then the power goes before the broker
/// has answered. Of a week's age an event would have been given up.
#[tokio::test]
async fn an_event_from_before_the_clock_was_set_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let clock = Arc::new(Behind(AtomicU64::new(10)));
    let state_dir = Some(folder.path().to_owned());
    let mut start = begin(speaking(Version::V311, 1));
    (start.clock, start.state_dir) = (Arc::<Behind>::clone(&clock), state_dir.clone());
    let (publisher, received) = Publisher::start(start).expect("starts");
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    clock.0.store(0, Ordering::SeqCst);
    publisher.clock_was_set();
    publisher.shutdown().await;
    drop((publisher, received));

    let (listening, port) = listen();
    let broker = std::thread::spawn(move || next_event(&mut welcome(&listening, &ACCEPTED)).1);
    let (publisher, _received) = start_again(|| {
        let mut start = begin(speaking(Version::V311, port));
        (start.clock, start.state_dir) = (Arc::<Behind>::clone(&clock), state_dir.clone());
        start
    })
    .await;
    let told = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let told = told.expect("joined");
    assert!(told.contains("\"late\":true"), "{told}");
    assert_eq!(publisher.stats().dropped.expired, 0);
}
