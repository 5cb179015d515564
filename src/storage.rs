//! Files that must survive a power cut, and the thread that waits for the disk.
//!
//! fsync(2) takes from milliseconds to seconds on a memory card. It happens here, on a
//! thread of its own, never on the one that looks at pictures or the one that keeps the
//! connection to the broker.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Mode of files that are nobody else's business, whatever the umask is.
pub(crate) const PRIVATE: u32 = 0o600;

/// Mode of files that every user may read, whatever the umask is.
pub(crate) const READABLE: u32 = 0o644;

/// Makes the folder for state, with those above it. A new one is its owner's alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces the file at `path`, or makes it: after a power cut there is either all of the
/// old one or all of the new one. Waits for the disk.
///
/// # Errors
///
/// The disk's. The old file is there as before, unless the last step failed (forcing the
/// folder to disk), after which either file may be found at the next start.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut fresh = Replacement::beside(path, mode)?;
    fresh.file().write_all(bytes)?;
    fresh.sync()?;
    fresh.install()?;
    sync_folder_of(path)
}

/// A file that is written beside the one whose place it takes. It is removed when that
/// comes to nothing: half a file would keep a full disk full.
pub(crate) struct Replacement {
    path: PathBuf,
    beside: Beside,
    file: File,
}

/// The name of a file that goes with this, unless it was given another.
struct Beside {
    path: PathBuf,
    renamed: bool,
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.renamed {
            // Whatever keeps it there, the next one begins by emptying it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Replacement {
    /// Begins an empty one, for appending.
    pub(crate) fn beside(path: &Path, mode: u32) -> io::Result<Self> {
        let beside = path.with_extension("new");
        let file = File::options().create(true).read(true).append(true).open(&beside)?;
        let beside = Beside { path: beside, renamed: false };
        // One may be left of an earlier run.
        file.set_len(0)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(Self { path: path.to_owned(), beside, file })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Forces what was written to the disk. To be done before [`Self::install`]: a file
    /// system may write the new name before the content.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Takes the place of the old file (rename(2) is atomic) and gives the file, still
    /// open: what is appended to it from now on is in the file of that name. The name
    /// itself is on the disk after [`sync_folder_of`] only.
    pub(crate) fn install(mut self) -> io::Result<File> {
        fs::rename(&self.beside.path, &self.path)?;
        self.beside.renamed = true;
        Ok(self.file)
    }
}

/// Forces the names in the folder of `path` to the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Something to be done on the thread of a [`Worker`].
type Job = Box<dyn FnOnce() + Send>;

/// A thread that does what waits for the disk, one after the other, in the order in which
/// it was given.
///
/// Jobs are named. Of each name at most one waits: a later one takes the place of an
/// earlier one that has not begun. So a disk that hangs costs no memory.
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(&'static str, Job)>,
    busy: bool,
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no job runs under this lock")
    }
}

/// How long the end of a worker waits for jobs: a card that does not answer must not keep
/// the process from ending, which systemd would then kill.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(2);

impl Worker {
    /// Starts the thread, called `name`.
    ///
    /// # Errors
    ///
    /// The system has no room for another thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || work(&theirs))?;
        Ok(Self { shared })
    }

    /// Hands over a job; never waits.
    pub(crate) fn submit(&self, name: &'static str, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state();
        let job: Job = Box::new(job);
        match state.waiting.iter_mut().find(|(waiting, _)| *waiting == name) {
            Some((_, waiting)) => *waiting = job,
            None => state.waiting.push_back((name, job)),
        }
        self.shared.changed.notify_all();
    }

    /// Waits until every job is done, or for `limit`. Whether they are.
    pub(crate) fn finish(&self, limit: Duration) -> bool {
        let working = |state: &mut State| !state.waiting.is_empty() || state.busy;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), limit, working);
        !waited.expect("no job runs under this lock").1.timed_out()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.finish(END_LIMIT) {
            log::error!("the disk does not answer: what was to be kept last may be lost");
        }
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

fn work(shared: &Shared) {
    loop {
        let mut state = shared.state();
        state.busy = false;
        shared.changed.notify_all();
        let job = loop {
            if let Some((_, job)) = state.waiting.pop_front() {
                break job;
            }
            if state.ended {
                return;
            }
            state = shared.changed.wait(state).expect("no job runs under this lock");
        };
        state.busy = true;
        drop(state);
        job();
    }
}

#[cfg(test)]
mod tests {
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
        let left =
            fs::read_dir(folder.path()).expect("readable").map(|entry| entry.map(|e| e.path()));
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
}
