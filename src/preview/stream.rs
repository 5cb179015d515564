//! The live picture: parts of JSON and JPEG in one answer that does not end
//! (`multipart/mixed`, RFC 2046, 5.1). Each viewer has a task that sends the newest
//! picture when the one before has gone: who is slow sees fewer, and nobody waits.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::live::Live;
use super::picture::Picture;
use super::viewers::Viewer;

pub(super) const BOUNDARY: &str = "expressiond";
/// How often the status is sent, changed or not: the page knows by it that we are there.
const STATE: Duration = Duration::from_secs(1);

/// What is sent as an answer.
pub(super) enum Content {
    /// All of it; none once it was sent.
    Whole(Option<Bytes>),
    /// One part after the other.
    Live(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(parts) => {
                parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

/// Begins to send to `viewer`, and ends when they may not watch any more: who has logged out,
/// or was logged in for too long. That is asked once a second.
pub(super) fn watch_live(
    live: Arc<Live>,
    pictures: watch::Receiver<Option<Picture>>,
    viewer: Viewer,
    may_watch: impl Fn() -> bool + Send + 'static,
) -> Content {
    // One part waits here, another one is on its way: whoever is slow is two pictures late.
    let (send, parts) = mpsc::channel(1);
    tokio::spawn(feed(live, pictures, send, viewer, may_watch));
    Content::Live(parts)
}

async fn feed(
    live: Arc<Live>,
    mut pictures: watch::Receiver<Option<Picture>>,
    send: mpsc::Sender<Bytes>,
    _viewer: Viewer,
    may_watch: impl Fn() -> bool,
) {
    let mut tick = interval(STATE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = 0;
    // The one that somebody else saw last is old.
    pictures.mark_unchanged();
    loop {
        let part = tokio::select! {
            biased;
            () = send.closed() => return,
            _ = tick.tick() => {
                if !may_watch() {
                    return;
                }
                state(&live, &mut known)
            }
            changed = pictures.changed() => match changed {
                Ok(()) if !live.shows_pictures() => continue,
                Ok(()) => match &*pictures.borrow_and_update() {
                    Some(picture) => both(picture),
                    None => continue,
                },
                Err(_) => return,
            },
        };
        if send.send(part).await.is_err() {
            return;
        }
    }
}

/// The status, and the events since `known`.
fn state(live: &Live, known: &mut u64) -> Bytes {
    let (last, events) = live.events_after(*known);
    *known = last;
    let state = json!({
        "kind": "state",
        "status": &*live.status.borrow(),
        "private": live.is_private(),
        "blind": live.is_blind(),
        "watching": live.watching(),
        "tuning": live.tuned.load(Ordering::Relaxed),
        "offered": live.offered.load(Ordering::Relaxed),
        "refused": &*live.refused.borrow(),
        "settings_refused": &*live.settings_refused.borrow(),
        "events": events,
    });
    part("application/json", state.to_string().as_bytes()).freeze()
}

fn both(picture: &Picture) -> Bytes {
    let mut bytes = part("application/json", &picture.about);
    bytes.unsplit(part("image/jpeg", &picture.jpeg));
    bytes.freeze()
}

fn part(kind: &str, content: &[u8]) -> BytesMut {
    let length = content.len();
    let head = format!("--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    let mut bytes = BytesMut::with_capacity(head.len() + length + 2);
    for piece in [head.as_bytes(), content, b"\r\n"] {
        bytes.extend_from_slice(piece);
    }
    bytes
}
