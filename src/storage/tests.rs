//! Files that must survive a power cut, and the thread that waits for the disk.

use std::sync::mpsc;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("kept.json");
    // As an interrupted run leaves it.
    fs::write(path.with_extension("new"), "half of something longer").expect("written");
    for (text, mode) in [("one", PRIVATE), ("two", READABLE)] {
        replace(&path, text.as_bytes(), mode).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("there"), text);
        let found = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(found & 0o777, mode);
        assert!(!path.with_extension("new").exists());
    }
}

/// The folder is a service's, and who writes there may be root.
#[test]
fn no_link_beside_it_is_followed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let [path, other] = ["kept.json", "other"].map(|name| folder.path().join(name));
    fs::write(&other, "somebody else's").expect("written");
    std::os::unix::fs::symlink(&other, path.with_extension("new")).expect("linked");
    replace(&path, b"ours", PRIVATE).expect("replaced");
    assert_eq!(fs::read_to_string(&other).expect("there"), "somebody else's");
    assert!(fs::symlink_metadata(&path).expect("there").is_file());
}

#[test]
fn what_is_not_installed_takes_no_room() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("kept.json");
    let mut fresh = Replacement::beside(&path, PRIVATE).expect("begun");
    fresh.file().write_all(b"half of it").expect("written");
    drop(fresh);
    // One that cannot take its place.
    fs::create_dir(&path).expect("made");
    assert!(replace(&path, b"all of it", PRIVATE).is_err());
    let left = fs::read_dir(folder.path()).expect("readable").map(|entry| entry.map(|e| e.path()));
    assert_eq!(left.collect::<io::Result<Vec<_>>>().expect("readable"), [path]);
}

#[test]
fn an_installed_file_goes_on_under_its_new_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("log");
    fs::write(&path, "old").expect("written");
    let mut fresh = Replacement::beside(&path, PRIVATE).expect("begun");
    fresh.file().write_all(b"new").expect("written");
    let mut file = fresh.install().expect("installed");
    file.write_all(b", and more").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("there"), "new, and more");
}

#[test]
fn jobs_run_in_their_order_and_of_each_name_only_the_last_waits() {
    let worker = Worker::start("test").expect("a thread");
    let (done, order) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let (begun, first) = mpsc::channel();
    worker.submit("first", move || {
        begun.send(()).expect("the test waits");
        gate.recv_timeout(LIMIT).expect("opened");
    });
    first.recv_timeout(LIMIT).expect("begun");
    for (name, number) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
        let done = done.clone();
        worker.submit(name, move || done.send(number).expect("the test waits"));
    }
    assert!(!worker.finish(Duration::ZERO), "the first one still runs");
    go.send(()).expect("it waits");
    assert!(worker.finish(LIMIT));
    drop((worker, done));
    assert_eq!(order.iter().collect::<Vec<_>>(), [4, 2]);
}

/// A job that goes well at the last of so many tries, and what tells of each; it is at its end
/// when the job is gone.
fn failing(tries: usize) -> (impl FnMut() -> bool + Send + 'static, mpsc::Receiver<usize>) {
    let (tried, told) = mpsc::channel();
    let mut left = tries;
    let job = move || {
        left -= 1;
        // Whoever waited for the first try only is gone.
        let _ = tried.send(left);
        left == 0
    };
    (job, told)
}

#[test]
fn what_fails_is_tried_again_until_it_goes_well() {
    let worker = Worker::trying_every(Duration::from_millis(1), "test").expect("a thread");
    let (job, tries) = failing(3);
    worker.insist("a", job);
    let told = || tries.recv_timeout(LIMIT);
    assert_eq!([told(), told(), told()], [Ok(2), Ok(1), Ok(0)]);
    assert_eq!(told(), Err(mpsc::RecvTimeoutError::Disconnected), "it is done");
}

#[test]
fn what_failed_makes_way_for_something_newer_and_is_tried_once_more_at_the_end() {
    let worker = Worker::trying_every(LIMIT, "test").expect("a thread");
    let [(old, old_tries), (new, new_tries)] = [failing(9), failing(2)];
    worker.insist("a", old);
    assert_eq!(old_tries.recv_timeout(LIMIT), Ok(8));
    worker.insist("a", new);
    assert_eq!(new_tries.recv_timeout(LIMIT), Ok(1));
    assert_eq!(old_tries.try_recv(), Err(mpsc::TryRecvError::Disconnected), "it is gone");
    drop(worker);
    assert_eq!(new_tries.recv_timeout(LIMIT), Ok(0));
}

#[test]
fn of_errors_that_follow_each_other_all_are_counted() {
    let mut errors = WriteErrors::default();
    let full = || Err(io::Error::from_raw_os_error(28));
    for (outcome, count, go_on) in [
        (Ok(()), 0, false),
        (full(), 1, true),
        (full(), 2, true),
        (Ok(()), 2, false),
        (full(), 3, true),
    ] {
        errors.note(&outcome, "cannot write");
        assert_eq!((errors.count(), errors.are_going_on()), (count, go_on));
    }
}

/// The outbox waited for a card that hangs, and then its worker did once more.
#[tokio::test]
async fn a_disk_that_did_not_answer_at_the_end_is_not_waited_for_again() {
    let worker = Worker::start("test").expect("a thread");
    worker.submit("answers", || {});
    worker.end().await;
    assert_eq!(worker.patience(), END_LIMIT, "what comes now is waited for");
    let (go, gate) = mpsc::channel::<()>();
    worker.submit("hangs", move || {
        let _ = gate.recv_timeout(LIMIT);
    });
    worker.end_within(Duration::from_millis(1)).await;
    assert_eq!(worker.patience(), Duration::ZERO);
    drop(worker);
    drop(go);
}
