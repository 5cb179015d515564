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
use super::service::{Answer, Service, blocking, not_kept};
use super::store::{Refused, SETUP};
use super::tunable::read_changes;
use crate::source::devices::{self, Node, State};
use crate::source::{Opened, still};

/// So long a picture may wait for another camera's.
const TURN: Duration = Duration::from_secs(5);
const HELD: &str = "the camera is closed, or a command holds pictures back";

/// Of which camera a picture is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: PathBuf,
}

impl Service {
    /// Cameras, and what the settings say.
    pub(super) async fn show_setup(&self) -> Answer {
        let (store, opened) = (Arc::clone(&self.store), self.live.opened.borrow().clone());
        let shown = blocking(move || {
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
            json!({
                "cameras": devices::list(),
                "open": open,
                "values": store.values(&SETUP),
                "origins": origins,
            })
        });
        match shown.await {
            Some(shown) => answer::json(StatusCode::OK, &shown),
            None => answer::text(StatusCode::GATEWAY_TIMEOUT, "the cameras do not answer"),
        }
    }

    /// One picture of a camera that nobody uses: it is opened for that and closed again.
    pub(super) async fn show_camera(&self, body: &[u8], peer: IpAddr) -> Result<Answer, String> {
        let Wanted { path } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if self.live.is_private() {
            return Ok(not_now(HELD.to_owned()));
        }
        // A driver that hangs keeps its turn: no second thread is lost to it.
        let Ok(Some(turn)) = timeout(TURN, self.live.turn()).await else {
            return Ok(not_now("another camera's picture is being taken".to_owned()));
        };
        let (live, clock) = (Arc::clone(&self.live), Arc::clone(&self.clock));
        let (masked, shown) = (self.tuning().saved().has_masks(), path.display().to_string());
        let taken = blocking(move || {
            let _turn = turn;
            let node = find(&path)?;
            permit(&node, live.opened.borrow().as_ref(), masked)?;
            let frame = still::still(&node, &clock, &|| live.is_private());
            frame.map_err(|error| error.to_string()).and_then(|frame| thumbnail(&frame))
        });
        let taken: Option<Result<Bytes, String>> = taken.await;
        Ok(match taken {
            // Whoever has closed the camera meanwhile is heard.
            Some(_) if self.live.is_private() => not_now(HELD.to_owned()),
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
        log::info!("page: {peer} tries whether a broker can be used");
        let store = Arc::clone(&self.store);
        Ok(match blocking(move || store.test_broker(&changes)).await {
            Some(findings) => answer::json(StatusCode::OK, &findings),
            None => answer::text(StatusCode::GATEWAY_TIMEOUT, "the broker does not answer"),
        })
    }

    /// Keeps what was chosen, and starts again with it if that is new.
    pub(super) async fn save_setup(&self, body: &[u8]) -> Result<Answer, String> {
        let changes = read_changes(body, is_of_setup)?;
        let store = Arc::clone(&self.store);
        // None of these keys moves the picture under a mask.
        Ok(match blocking(move || store.save(&changes, &|_| Ok(()))).await {
            Some(Ok(saved)) => {
                if saved.written {
                    log::info!("page: settings were saved in {}, starting again", saved.file);
                    self.tuning().start_again();
                }
                answer::json(StatusCode::OK, &saved)
            }
            other => not_kept(other.and_then(Result::err)),
        })
    }
}

/// Whether the first run may change this key.
fn is_of_setup(key: &str) -> bool {
    SETUP.contains(&key)
}

fn not_now(why: String) -> Answer {
    answer::json(StatusCode::CONFLICT, &Refused { why, lines: String::new() })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, bus: &str) -> Node {
        Node {
            path: path.into(),
            link: None,
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
        let own = device("/dev/video2", "usb-2");
        let why = permit(&busy, Some(&own), false).expect_err("refused");
        assert!(why.contains("the live one"), "{why}");
    }

    #[test]
    fn no_other_file_is_opened() {
        for path in ["/etc/shadow", "/dev/null", "/dev/../etc/shadow", "", "/dev/video0/../zero"] {
            let why = find(path.as_ref()).expect_err("refused");
            assert!(why.ends_with("is none of the cameras here"), "{why}");
        }
    }
}
