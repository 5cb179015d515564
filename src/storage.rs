//! Files that must survive a power cut, and the thread that waits for the disk.
//!
//! fsync(2) takes from milliseconds to seconds on a memory card. It happens here, on a
//! thread of its own, never on the one that looks at pictures or the one that keeps the
//! connection to the broker.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::alarm::Alarm;

/// Mode of files that are nobody else's business, whatever the umask is.
pub(crate) const PRIVATE: u32 = 0o600;

/// Mode of files that every user may read, whatever the umask is.
pub(crate) const READABLE: u32 = 0o644;

/// Makes the folder for state, with those above it. A new one is its owner's alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What came of looking for something; none where it is not there.
///
/// # Errors
///
/// Every other one.
pub(crate) fn if_there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the file at `path` has, if there is one. Nothing but a file is read: in a folder of another
/// user's may be a pipe, from which nothing ever comes, or a link to a device.
///
/// # Errors
///
/// The disk's; or it is no file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if_there(read(path))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let a_file = |metadata: fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
    };
    a_file(fs::metadata(path)?)?;
    // It may have been replaced since: opening a pipe would wait for its writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    a_file(file.metadata()?)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes the file at `path`, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(drop)
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
            // Whatever keeps it there, the next one begins by removing it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Replacement {
    /// Begins an empty one, for appending.
    pub(crate) fn beside(path: &Path, mode: u32) -> io::Result<Self> {
        let beside = path.with_extension("new");
        // One may be left of an earlier run, or a link that whoever else may write here has
        // made: root would write through it. O_EXCL follows none (open(2)).
        remove_if_there(&beside)?;
        let new = File::options().create_new(true).read(true).append(true).mode(mode).open(&beside);
        let (file, beside) = (new?, Beside { path: beside, renamed: false });
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
        // EINVAL (fsync(2)): a file system that promises nothing of folders, as some over a network.
        Some(folder) => File::open(folder)?.sync_all().or_else(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Ok(()),
            _ => Err(error),
        }),
        None => Ok(()),
    }
}

/// Counts writes that failed, and tells the first of those that follow each other.
#[derive(Debug, Default)]
pub(crate) struct WriteErrors {
    count: u64,
    going_on: bool,
}

impl WriteErrors {
    /// What came of a write; `words` say what an error means.
    pub(crate) fn note(&mut self, outcome: &io::Result<()>, words: impl Display) {
        if let Err(error) = outcome {
            self.count += 1;
            if !self.going_on {
                log::error!(message_id = Alarm::StoreFailed.id(); "{words}: {error}");
            }
        }
        self.going_on = outcome.is_err();
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether the last write failed.
    #[cfg(test)]
    pub(crate) fn are_going_on(&self) -> bool {
        self.going_on
    }
}

/// Something to be done on the thread of a [`Worker`]. False: it failed.
type Job = Box<dyn FnMut() -> bool + Send>;

/// After a write that failed: a full disk is emptied in minutes, if at all.
const RETRY: Duration = Duration::from_secs(10);

/// A thread that does what waits for the disk, one after the other, in the order in which
/// it was given.
///
/// Jobs are named. Of each name at most one waits: a later one takes the place of an
/// earlier one that has not begun, or has failed. So a disk that hangs costs no memory.
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
    /// What is to be tried again, and when.
    failed: Vec<(Instant, &'static str, Job)>,
    busy: bool,
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no job runs under this lock")
    }

    /// Until something has changed, or what failed is to be tried again.
    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let pause = state.next_try().map(|at| at.saturating_duration_since(Instant::now()));
        let woken = match pause {
            None => self.changed.wait(state).ok(),
            Some(pause) => self.changed.wait_timeout(state, pause).ok().map(|(state, _)| state),
        };
        woken.expect("no job runs under this lock")
    }
}

impl State {
    fn next_try(&self) -> Option<Instant> {
        self.failed.iter().map(|(at, ..)| *at).min()
    }

    /// What failed and is to be tried again by `now` waits once more.
    fn try_again(&mut self, now: Instant) {
        let due = self.failed.extract_if(.., |(at, ..)| *at <= now);
        self.waiting.extend(due.map(|(_, name, job)| (name, job)));
    }

    fn is_working(&self) -> bool {
        !self.waiting.is_empty() || self.busy
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
        Self::trying_every(RETRY, name)
    }

    fn trying_every(pause: Duration, name: &str) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || work(&theirs, pause))?;
        Ok(Self { shared })
    }

    /// Hands over a job that is done once; never waits.
    pub(crate) fn submit(&self, name: &'static str, job: impl FnOnce() + Send + 'static) {
        let mut job = Some(job);
        self.insist(name, move || {
            if let Some(job) = job.take() {
                job();
            }
            true
        });
    }

    /// Hands over a job that says whether it went well, and is tried again every [`RETRY`] until
    /// it does; never waits.
    pub(crate) fn insist(&self, name: &'static str, job: impl FnMut() -> bool + Send + 'static) {
        let mut state = self.shared.state();
        state.failed.retain(|(_, failed, _)| *failed != name);
        let job: Job = Box::new(job);
        match state.waiting.iter_mut().find(|(waiting, _)| *waiting == name) {
            Some((_, waiting)) => *waiting = job,
            None => state.waiting.push_back((name, job)),
        }
        self.shared.changed.notify_all();
    }

    /// Waits until every job is done, or for `limit`. Whether they are: what failed is not tried
    /// again.
    pub(crate) fn finish(&self, limit: Duration) -> bool {
        let working = |state: &mut State| state.is_working();
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), limit, working);
        !waited.expect("no job runs under this lock").1.timed_out()
    }

    /// Waits until what was handed over is done, without keeping the thread, for [`END_LIMIT`] at
    /// most. A disk that has not answered by then is not waited for again when this is dropped.
    pub(crate) async fn end(&self) {
        self.end_within(END_LIMIT).await;
    }

    async fn end_within(&self, limit: Duration) {
        let (done, outcome) = oneshot::channel();
        self.submit("end", move || {
            // Nobody waits for it any more when the disk has taken too long.
            let _ = done.send(());
        });
        if timeout(limit, outcome).await.is_err() {
            self.give_up();
        }
    }

    /// Nothing is waited for any more.
    fn give_up(&self) {
        log::error!("the disk does not answer: what was to be kept last may be lost");
        self.stop();
    }

    /// The thread ends where it has nothing to do.
    fn stop(&self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }

    /// How long the end still waits.
    fn patience(&self) -> Duration {
        if self.shared.state().ended { Duration::ZERO } else { END_LIMIT }
    }

    /// Tries what failed once more, before its time: there will be no other.
    fn try_again_at_once(&self) {
        let mut state = self.shared.state();
        if let Some(last) = state.failed.iter().map(|(at, ..)| *at).max() {
            state.try_again(last);
            self.shared.changed.notify_all();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let patience = self.patience();
        if patience.is_zero() {
            return;
        }
        let end = Instant::now() + patience;
        // First what is under way: it may fail, too.
        let mut done = self.finish(patience);
        self.try_again_at_once();
        done &= self.finish(end.saturating_duration_since(Instant::now()));
        if !done {
            return self.give_up();
        }
        self.stop();
    }
}

fn work(shared: &Shared, pause: Duration) {
    let mut state = shared.state();
    loop {
        state.try_again(Instant::now());
        let Some((name, mut job)) = state.waiting.pop_front() else {
            if state.ended {
                return;
            }
            state = shared.wait(state);
            continue;
        };
        state.busy = true;
        drop(state);
        // What is done is gone before anybody hears of it, and not under the lock.
        let failed = (!job()).then_some(job);
        state = shared.state();
        state.busy = false;
        let superseded = state.waiting.iter().any(|(waiting, _)| *waiting == name);
        if let Some(job) = failed.filter(|_| !superseded) {
            state.failed.push((Instant::now() + pause, name, job));
        }
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
