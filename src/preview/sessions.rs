//! Who has logged in, and the file that lets a new start know it, too: whoever saves on the
//! page would be shown the door otherwise.
//!
//! Ids are known by their SHA-256 alone, so that file opens nothing. It holds for one boot,
//! as the monotonic clock does by which sessions end, and for one token.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hexadecimal::hexadecimal;
use crate::{random, storage};

/// A session ends so long after its login.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);
/// So many browsers may be logged in; one more ends the oldest session.
const MOST_SESSIONS: usize = 32;
/// In the folder for state.
const FILE: &str = "page-sessions.json";
/// Another one after each boot (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A session without what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session(String);

impl Session {
    fn of(id: &str) -> Self {
        Self(hexadecimal(&Sha256::digest(id)))
    }
}

/// Those that have not ended, the oldest first, each with the monotonic time of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sessions(VecDeque<(Session, Duration)>);

impl Sessions {
    /// The id of a new one.
    pub(super) fn begin(&mut self, now: Duration) -> String {
        self.0.retain(|(_, until)| now < *until);
        let id = hexadecimal(&random::bytes::<20>());
        self.0.push_back((Session::of(&id), now + SESSION));
        if self.0.len() > MOST_SESSIONS {
            self.0.pop_front();
        }
        id
    }

    /// The one with this id, unless it is over.
    pub(super) fn find(&self, id: &str, now: Duration) -> Option<Session> {
        let session = Session::of(id);
        self.knows(&session, now).then_some(session)
    }

    pub(super) fn knows(&self, session: &Session, now: Duration) -> bool {
        // Found by chance it would be one of 2^160, so timing tells nothing worth having.
        self.0.iter().any(|(known, until)| known == session && now < *until)
    }

    pub(super) fn end(&mut self, id: &str) {
        let session = Session::of(id);
        self.0.retain(|(known, _)| *known != session);
    }
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The boot and the token that it is of.
    of: String,
    /// Each with the second of its end.
    sessions: Vec<(Session, u64)>,
}

/// Where they are kept.
#[derive(Debug)]
pub(super) struct SessionFile {
    path: PathBuf,
    of: String,
    /// One after the other, so that what is written last is what is so now.
    writing: Mutex<()>,
}

impl SessionFile {
    /// In `folder`, for those who know the token of this hash; none where the boots of this
    /// machine cannot be told apart.
    pub(super) fn new(folder: &Path, token_hash: &str) -> Option<Self> {
        let boot = fs::read_to_string(BOOT).ok()?;
        let of = format!("{} {token_hash}", boot.trim());
        Some(Self { path: folder.join(FILE), of, writing: Mutex::default() })
    }

    /// What an earlier start has kept; none where that is of another boot or token, or
    /// cannot be read: then whoever was logged in logs in again.
    pub(super) fn read(&self, now: Duration) -> Sessions {
        let kept = fs::read(&self.path).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let sessions = kept.filter(|kept| kept.of == self.of).map(|kept| kept.sessions);
        let until = |(session, until)| (session, Duration::from_secs(until));
        let all = sessions.unwrap_or_default().into_iter().map(until);
        let possible = all.filter(|(_, until)| now < *until && *until <= now + SESSION);
        Sessions(possible.take(MOST_SESSIONS).collect())
    }

    /// Keeps what `sessions` gives when it is this one's turn. Waits for the disk.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub(super) fn write(&self, sessions: impl FnOnce() -> Sessions) -> io::Result<()> {
        let _turn = self.writing.lock().expect("no panic under this lock");
        let sessions = sessions().0.into_iter().map(|(of, until)| (of, until.as_secs()));
        let kept = Kept { of: self.of.clone(), sessions: sessions.collect() };
        if let Some(folder) = self.path.parent() {
            storage::make_folder(folder)?;
        }
        storage::replace(&self.path, &serde_json::to_vec(&kept)?, storage::PRIVATE)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn one_browser_more_ends_the_oldest_session() {
        let mut sessions = Sessions::default();
        let ids: Vec<String> = (0..=MOST_SESSIONS).map(|_| sessions.begin(NOW)).collect();
        assert_eq!(sessions.find(&ids[0], NOW), None);
        assert!(ids[1..].iter().all(|id| sessions.find(id, NOW).is_some()));
        assert_eq!(sessions.find(&ids[1], NOW + SESSION), None, "over");
    }

    #[test]
    fn a_new_start_knows_them_and_their_file_opens_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path().join("state");
        let file = SessionFile::new(&state, "sha256:1").expect("Linux counts boots");
        let mut sessions = file.read(NOW);
        assert_eq!(sessions, Sessions::default(), "nothing was kept");
        let ids = [sessions.begin(NOW), sessions.begin(NOW)];
        file.write(|| sessions.clone()).expect("written");
        let path = state.join(FILE);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).expect("text");
        assert!(ids.iter().all(|id| !text.contains(id.as_str())), "{text}");

        let again = SessionFile::new(&state, "sha256:1").expect("Linux counts boots");
        assert_eq!(again.read(NOW), sessions);
        assert_eq!(again.read(NOW + SESSION), Sessions::default(), "over");
        // One that would end later than any begun now is none of this clock.
        assert_eq!(again.read(Duration::ZERO), Sessions::default());
        let other = SessionFile::new(&state, "sha256:2").expect("Linux counts boots");
        assert_eq!(other.read(NOW), Sessions::default(), "of another token");
        let elsewhere = SessionFile { of: "another boot sha256:1".to_owned(), ..again };
        assert_eq!(elsewhere.read(NOW), Sessions::default());

        sessions.end(&ids[0]);
        file.write(|| sessions.clone()).expect("written");
        let known = file.read(NOW);
        assert_eq!(known.find(&ids[0], NOW), None, "logged out");
        assert!(known.find(&ids[1], NOW).is_some());
        fs::write(&path, "{").expect("written");
        assert_eq!(file.read(NOW), Sessions::default());
    }
}
