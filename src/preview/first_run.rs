//! What is answered where a camera, a name and a broker are chosen.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer;
use super::picture::thumbnail;
use super::service::{Answer, Service, blocking, silent_disk};
use super::store::{Refused, SETUP, SOURCE};
use super::tunable::{Changes, Tunable, read_changes};
use crate::source::devices::{self, Node, State};
use crate::source::{self, Opened, still};

/// So long a list or a picture may wait for the one before.
const TURN: Duration = Duration::from_secs(5);
const HELD: &str = "the camera is closed, or a command holds pictures back";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    path: PathBuf,
}

/// Of which camera a picture is wanted.
///
/// # Errors
///
/// In words: it is no JSON, or has another key.
pub fn read_chosen(body: &[u8]) -> Result<PathBuf, String> {
    let Chosen { path } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(path)
}

impl Service {
    /// Cameras, and what the settings say.
    pub(super) async fn show_setup(&self) -> Answer {
        // As for a picture: a driver that hangs keeps one thread, however often somebody asks.
        let turn = Arc::clone(&self.listing).acquire_owned();
        let Ok(Ok(turn)) = timeout(TURN, turn).await else {
            return not_now("the cameras are being listed already, or one does not answer");
        };
        let (store, opened) = (Arc::clone(&self.store), self.live.opened.borrow().clone());
        let shown = blocking(move || {
            let _turn = turn;
            let values = store.values(&SETUP)?;
            let keys: Vec<String> = SETUP.map(str::to_owned).to_vec();
            let origins: Value = SETUP
                .iter()
                .zip(store.origins(&keys))
                .map(|(key, from)| ((*key).to_owned(), json!(from)))
                .collect();
            let open = opened.and_then(|opened| match opened {
                Opened::Device { node, .. } => Some(node),
                Opened::Files => None,
            });
            Ok::<_, Refused>(json!({
                "cameras": devices::list(),
                "open": open,
                "values": values,
                "origins": origins,
            }))
        });
        match shown.await {
            Some(Ok(shown)) => answer::json(StatusCode::OK, &shown),
            Some(Err(unread)) => answer::json(StatusCode::CONFLICT, &unread),
            None => answer::text(StatusCode::GATEWAY_TIMEOUT, "the cameras do not answer"),
        }
    }

    /// One picture of a camera that nobody uses: it is opened for that and closed again.
    pub(super) async fn show_camera(&self, body: &[u8], peer: IpAddr) -> Result<Answer, String> {
        let path = read_chosen(body)?;
        if self.live.is_private() {
            return Ok(not_now(HELD));
        }
        // A driver that hangs keeps its turn: no second thread is lost to it.
        let Ok(Some(turn)) = timeout(TURN, self.live.turn()).await else {
            return Ok(not_now("another camera's picture is being taken"));
        };
        let (live, clock) = (Arc::clone(&self.live), Arc::clone(&self.clock));
        let (saved, store) = (self.trial().saved().clone(), Arc::clone(&self.store));
        let shown = path.display().to_string();
        let taken = blocking(move || {
            let _turn = turn;
            let node = find(&path)?;
            let opened = live.opened.borrow().clone();
            permit(&node, opened.as_ref(), saved.has_masks())?;
            if store.is_instance() {
                let own = source::own_device(&saved.camera, opened.as_ref());
                refuse_foreign(&node, own.as_deref())?;
            }
            let frame = still::still(&node, &clock, &|| live.is_private());
            frame.map_err(|error| error.to_string()).and_then(|frame| thumbnail(&frame))
        });
        let taken: Option<Result<Bytes, String>> = taken.await;
        Ok(match taken {
            // Whoever has closed the camera meanwhile is heard.
            Some(_) if self.live.is_private() => not_now(HELD),
            Some(Ok(jpeg)) => {
                log::info!("page: {peer} was shown a picture of {shown}");
                answer::bytes("image/jpeg", jpeg)
            }
            Some(Err(why)) => not_now(why),
            None => not_now(format!("{shown} does not answer: unplug it and plug it in again")),
        })
    }

    /// Reaches a broker with other settings.
    pub(super) async fn test_broker(&self, body: &[u8], peer: IpAddr) -> Result<Answer, String> {
        let changes = read_changes(body, is_of_setup)?;
        // One that takes a connection and says nothing would have a thread for each test.
        let Ok(turn) = Arc::clone(&self.testing).try_acquire_owned() else {
            return Ok(not_now("a broker is being tried already"));
        };
        log::info!("page: {peer} tries whether a broker can be used");
        let store = Arc::clone(&self.store);
        let tested = blocking(move || {
            let _turn = turn;
            store.test_broker(&changes)
        });
        Ok(match tested.await {
            Some(findings) => answer::json(StatusCode::OK, &findings),
            None => answer::text(StatusCode::GATEWAY_TIMEOUT, "the broker does not answer"),
        })
    }

    /// Keeps what was chosen, and starts again with it if that is new.
    pub(super) async fn save_setup(self: &Arc<Self>, body: &[u8]) -> Result<Answer, String> {
        let changes = read_changes(body, is_of_setup)?;
        let service = Arc::clone(self);
        Ok(blocking(move || service.save_setup_now(&changes)).await.unwrap_or_else(silent_disk))
    }

    fn save_setup_now(&self, changes: &Changes) -> Answer {
        let (saved, opened) = (self.trial().saved().clone(), self.live.opened.borrow().clone());
        let chooses = changes.contains_key(SOURCE);
        // None of the other keys brings another picture under a mask.
        let permit = move |written: &Tunable| match chooses {
            true => saved.refuse_another_camera(written, opened.as_ref()),
            false => Ok(()),
        };
        match self.store.save(changes, &permit) {
            Ok(saved) => {
                let answer = answer::json(StatusCode::OK, &saved);
                if !saved.written {
                    return answer;
                }
                log::info!("page: settings were saved in {}, starting again", saved.file);
                self.trial().start_after(answer)
            }
            Err(refused) => answer::json(StatusCode::CONFLICT, &refused),
        }
    }
}

/// Whether the first run may change this key.
fn is_of_setup(key: &str) -> bool {
    SETUP.contains(&key)
}

fn not_now(why: impl Into<String>) -> Answer {
    answer::not_done(StatusCode::CONFLICT, why)
}

fn find(path: &Path) -> Result<Node, String> {
    devices::find(path).ok_or_else(|| format!("{} is none of the cameras here", path.display()))
}

/// Whether whoever chooses may see a picture of a camera while `opened` is what the daemon
/// reads. Its masks are drawn over its own picture and no other: where they are `masked`
/// parts, a picture that may show the same room is not taken.
///
/// # Errors
///
/// In words, why not.
fn permit(wanted: &Node, opened: Option<&Opened>, masked: bool) -> Result<(), String> {
    let path = wanted.path.display();
    match opened {
        // It is busy as well, or seems free: some drivers let several programs read.
        Some(Opened::Device { node, .. }) if *node == wanted.path => {
            Err(format!("{path} is the camera that is watched: its picture is the live one"))
        }
        _ if wanted.state != State::Usable => {
            Err(format!("{path}: {}", wanted.unusable.as_deref().unwrap_or("is not usable")))
        }
        Some(Opened::Device { bus, .. }) if masked && *bus == wanted.bus => Err(format!(
            "{path} belongs to the camera that is watched, and would show what its masks hide"
        )),
        None if masked => Err(format!(
            "the device's own camera is not open, and {path} may be it: its picture would show \
             what the masks hide"
        )),
        _ => Ok(()),
    }
}

/// Another instance's camera seems free while that one is paused, and its masks are in settings
/// that are not read here: of an instance only its `own` camera is seen.
///
/// # Errors
///
/// In words, why not.
fn refuse_foreign(wanted: &Node, own: Option<&Path>) -> Result<(), String> {
    if own == Some(&*wanted.path) {
        return Ok(());
    }
    Err(format!(
        "{} may be another instance's camera, whose masks and pauses are not known here: \
         `expressiond cameras` tells cameras apart",
        wanted.path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::{Semaphore, mpsc, watch};

    use super::*;
    use crate::clock::SystemClock;
    use crate::preview::gate::Gate;
    use crate::preview::live::Live;
    use crate::preview::store::{Origin, Permit, Saved, SettingsStore, Undone};
    use crate::preview::stream::Content;
    use crate::preview::trial::Trial;
    use crate::tracks::grouping::Grouping;

    /// Settings that nobody can read.
    struct Unreadable;

    const UNREADABLE: &str = "expressiond.toml:1: no";

    impl SettingsStore for Unreadable {
        fn origins(&self, _: &[String]) -> Vec<Origin> {
            Vec::new()
        }

        fn save(&self, _: &Changes, _: &Permit) -> Result<Saved, Refused> {
            Err(Refused::because(UNREADABLE))
        }

        fn can_undo(&self) -> bool {
            false
        }

        fn undo(&self, _: &Permit) -> Result<Undone, Refused> {
            Err(Refused::because(UNREADABLE))
        }

        fn values(&self, _: &[&str]) -> Result<Changes, Refused> {
            Err(Refused::because(UNREADABLE))
        }

        fn is_instance(&self) -> bool {
            false
        }

        fn test_broker(&self, _: &Changes) -> Vec<Value> {
            Vec::new()
        }
    }

    fn service() -> Service {
        let live = Arc::new(Live::new(&crate::preview::Settings::default(), false));
        let (orders, told) = (mpsc::unbounded_channel().0, Grouping::none(&[]));
        let trial = Trial::new(Arc::clone(&live), orders, told, Tunable::default());
        Service {
            live,
            gate: Arc::new(Mutex::new(Gate::new(None, Vec::new(), "http", 80))),
            sessions: None,
            trial: Mutex::new(trial),
            store: Arc::new(Unreadable),
            pictures: watch::channel(None).1,
            clock: Arc::new(SystemClock),
            listing: Arc::new(Semaphore::new(1)),
            testing: Arc::new(Semaphore::new(1)),
            about: Value::Null,
        }
    }

    #[tokio::test]
    async fn a_list_that_hangs_keeps_the_next_one_from_a_thread_of_its_own() {
        let service = service();
        let why = async || {
            let answer = service.show_setup().await;
            assert_eq!(answer.status(), StatusCode::CONFLICT);
            let Content::Whole(Some(text)) = answer.into_body() else { panic!("words") };
            let refused: Value = serde_json::from_slice(&text).expect("JSON");
            refused["why"].as_str().expect("words").to_owned()
        };
        let turn = Arc::clone(&service.listing).acquire_owned().await.expect("free");
        assert!(why().await.contains("listed already"));
        drop(turn);
        for _ in 0..2 {
            assert_eq!(why().await, UNREADABLE, "its turn is over with it");
        }
    }

    fn node(path: &str, bus: &str) -> Node {
        Node {
            path: path.into(),
            link: None,
            link_note: None,
            driver: "uvcvideo".into(),
            card: "Webcam".into(),
            bus: bus.into(),
            formats: Vec::new(),
            state: State::Usable,
            unusable: None,
        }
    }

    fn device(path: &str, bus: &str) -> Opened {
        Opened::Device { node: path.into(), bus: bus.into(), card: "Cam".into() }
    }

    #[test]
    fn a_camera_that_nobody_uses_may_be_seen() {
        let wanted = node("/dev/video2", "usb-2");
        for masked in [false, true] {
            assert_eq!(permit(&wanted, Some(&device("/dev/video0", "usb-1")), masked), Ok(()));
            assert_eq!(permit(&wanted, Some(&Opened::Files), masked), Ok(()));
        }
        assert_eq!(permit(&wanted, None, false), Ok(()), "the first run has no camera yet");
        // Another node of the camera that is watched, whose masks hide nothing.
        assert_eq!(permit(&wanted, Some(&device("/dev/video0", "usb-2")), false), Ok(()));
    }

    #[test]
    fn what_is_used_or_masked_is_not_opened() {
        let wanted = node("/dev/video2", "usb-2");
        let why = |opened: Option<Opened>, masked| {
            permit(&wanted, opened.as_ref(), masked).expect_err("refused")
        };
        assert!(why(Some(device("/dev/video2", "usb-2")), false).contains("the live one"));
        assert!(why(Some(device("/dev/video0", "usb-2")), true).contains("masks"));
        assert!(why(None, true).contains("masks"));
        let busy = Node {
            state: State::Busy,
            unusable: Some("another program uses it".into()),
            ..wanted.clone()
        };
        let why = permit(&busy, None, false).expect_err("refused");
        assert_eq!(why, "/dev/video2: another program uses it");
        // Also while a recording is read, which is in no camera's way.
        let why = permit(&busy, Some(&Opened::Files), true).expect_err("refused");
        assert_eq!(why, "/dev/video2: another program uses it");
        let own = device("/dev/video2", "usb-2");
        let why = permit(&busy, Some(&own), false).expect_err("refused");
        assert!(why.contains("the live one"), "{why}");
    }

    #[test]
    fn of_an_instance_no_camera_is_opened_that_may_be_another_ones() {
        let wanted = node("/dev/video2", "usb-2");
        assert_eq!(refuse_foreign(&wanted, Some(Path::new("/dev/video2"))), Ok(()));
        for own in [None, Some(Path::new("/dev/video0"))] {
            let why = refuse_foreign(&wanted, own).expect_err("refused");
            assert!(why.starts_with("/dev/video2 may be another instance's"), "{why}");
        }
    }

    #[test]
    fn no_other_file_is_opened() {
        for path in ["/etc/shadow", "/dev/null", "/dev/../etc/shadow", "", "/dev/video0/../zero"] {
            let why = find(path.as_ref()).expect_err("refused");
            assert!(why.ends_with("is none of the cameras here"), "{why}");
        }
    }
}
