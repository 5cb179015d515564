//! What is answered to what is asked: the one place that knows every path.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::answer;
use super::assets;
use super::gate::{Credentials, Gate, Refusal, Wanted};
use super::live::Live;
use super::metrics::classic;
use super::picture::Picture;
use super::sessions::SessionFile;
use super::store::SettingsStore;
use super::stream::{BOUNDARY, Content, watch_live};
use super::trial::{Trial, Version};
use super::tunable::LONGEST;
use crate::clock::Clock;
use crate::contract::payload::ReasonCode;

/// So long a request's body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// So long a broker may take to be tried, or a camera to be opened.
const SETUP_LIMIT: Duration = Duration::from_secs(60);

pub(super) const SILENT_DISK: &str = "the disk does not answer";

/// What every connection shares.
pub(super) struct Service {
    pub live: Arc<Live>,
    pub gate: Arc<Mutex<Gate>>,
    /// Where it is kept who has logged in; none without a token or a folder for state.
    pub sessions: Option<Arc<SessionFile>>,
    pub trial: Mutex<Trial>,
    pub store: Arc<dyn SettingsStore>,
    pub pictures: watch::Receiver<Option<Picture>>,
    pub clock: Arc<dyn Clock>,
    /// Whose turn it is to have the cameras listed: one at a time.
    pub listing: Arc<Semaphore>,
    /// Whose turn it is to have a broker tried: one at a time.
    pub testing: Arc<Semaphore>,
    /// What the page is told once: names, classes, version.
    pub about: Value,
}

pub(super) type Answer = Response<Content>;

impl Service {
    /// Answers; there is an answer to everything.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if method == Method::GET || method == Method::HEAD {
            return match self.read(&request, &path, peer) {
                Some(answer) => answer,
                None => self.settings().await,
            };
        }
        if method != Method::POST {
            return answer::not_allowed("GET, HEAD, POST");
        }
        match path.as_str() {
            "/login" => self.log_in(request, peer).await,
            _ => match self.admit(Wanted::Change, &request, peer) {
                Ok(()) => self.change(&path, request, peer).await,
                Err(refused) => answer::refusal(refused),
            },
        }
    }

    fn admit(&self, wanted: Wanted, of: &Request<Incoming>, peer: IpAddr) -> Result<(), Refusal> {
        let cookie = cookie(of);
        let from = Credentials { cookie: cookie.as_deref(), ..credentials(of) };
        self.gate().admit(wanted, &from, peer, self.clock.now().monotonic)
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().expect("no panic under this lock")
    }

    pub(super) fn trial(&self) -> std::sync::MutexGuard<'_, Trial> {
        self.trial.lock().expect("no panic under this lock")
    }

    /// What is known at once; none for the settings, which wait for a disk.
    fn read(&self, request: &Request<Incoming>, path: &str, peer: IpAddr) -> Option<Answer> {
        let asset = assets::find(path);
        let open = asset.is_some() || ["/healthz", "/readyz"].contains(&path);
        let wanted = if open { Wanted::Open } else { Wanted::Read };
        if let Err(refused) = self.admit(wanted, request, peer) {
            return Some(answer::refusal(refused));
        }
        if let Some((kind, content)) = asset {
            return Some(answer::bytes(kind, content));
        }
        Some(match path {
            "/healthz" => answer::text(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(request),
            // HEAD would count as a viewer for nothing.
            "/api/live" if request.method() == Method::GET => self.watch(request, peer),
            "/api/settings" => return None,
            _ => answer::text(StatusCode::NOT_FOUND, "there is no such page here"),
        })
    }

    async fn change(
        self: &Arc<Self>,
        path: &str,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Answer {
        let own = |name| header_text(&request, name).map(str::to_owned);
        let (host, origin) = (own(header::HOST), own(header::ORIGIN));
        let cookie = cookie(&request).map(Cow::into_owned);
        let known = header_text(&request, header::IF_MATCH).map(Version::read);
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let answered = match path {
            "/logout" => {
                let from = Credentials {
                    host: host.as_deref(),
                    origin: origin.as_deref(),
                    cookie: cookie.as_deref(),
                    ..Credentials::default()
                };
                Ok(self.log_out(&from).await)
            }
            "/api/try" => self.attempt(&body, known),
            "/api/save" => self.save(&body, known).await,
            "/api/undo" => Ok(self.undo(known).await),
            "/api/setup" => Ok(self.show_setup().await),
            "/api/setup/picture" => self.show_camera(&body, peer).await,
            "/api/setup/test" => self.test_broker(&body, peer).await,
            "/api/setup/save" => self.save_setup(&body).await,
            _ => Ok(answer::text(StatusCode::NOT_FOUND, "there is no such page here")),
        };
        answered.unwrap_or_else(|why| answer::not_done(StatusCode::UNPROCESSABLE_ENTITY, why))
    }

    async fn log_in(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
        // Read before the body is waited for, and without the request's lifetime.
        let own = |name| header_text(&request, name).map(str::to_owned);
        let (host, origin) = (own(header::HOST), own(header::ORIGIN));
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let token = std::str::from_utf8(&body).unwrap_or_default().trim();
        let from = Credentials {
            host: host.as_deref(),
            origin: origin.as_deref(),
            ..Credentials::default()
        };
        let now = self.clock.now().monotonic;
        let outcome = self.gate().log_in(token, &from, peer, now);
        match outcome {
            Ok(cookie) => {
                // Nobody waits for a disk to be let in.
                drop(self.keep_sessions());
                with_cookie(&cookie)
            }
            Err(refused) => {
                let news = self.gate().news(refused, peer, now);
                match news {
                    Some(what) => log::warn!("page: {peer} was not let in: {what}"),
                    None => log::debug!("page: {peer} was not let in: {refused:?}"),
                }
                answer::refusal(refused)
            }
        }
    }

    async fn log_out(&self, from: &Credentials<'_>) -> Answer {
        let cookie = self.gate().log_out(from);
        // It must not come back with a new start.
        if let Some(kept) = self.keep_sessions()
            && timeout(SETUP_LIMIT, kept).await.is_err()
        {
            log::warn!("page: a log-out is not kept for the next start: the disk does not answer");
        }
        with_cookie(&cookie)
    }

    /// Begins to keep who is logged in for a new start; none where that is not kept.
    fn keep_sessions(&self) -> Option<JoinHandle<()>> {
        let (file, gate) = (self.sessions.clone()?, Arc::clone(&self.gate));
        let now = move || gate.lock().expect("no panic under this lock").sessions().clone();
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = file.write(now) {
                log::warn!("page: who is logged in is not kept for the next start: {error}");
            }
        }))
    }

    /// Whether the camera delivers and the broker is there, with the reasons if not. A
    /// camera that its owner has closed is as it should be.
    fn readiness(&self) -> Answer {
        let status = self.live.status.borrow();
        let Some(status) = &*status else {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
        };
        let codes = status.reasons.iter().map(|reason| reason.code);
        let mut lacks: Vec<&str> =
            codes.filter(|code| code.is_blind()).map(ReasonCode::name).collect();
        if !status.mqtt.connected {
            lacks.push("no_broker");
        }
        if lacks.is_empty() && !self.live.camera_is_well.load(Ordering::Relaxed) {
            lacks.push("starting");
        }
        if lacks.is_empty() {
            return answer::text(StatusCode::OK, "ready\n");
        }
        // Codes only: what else is said of the device is not for everybody.
        answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", lacks.join("\n")))
    }

    fn metrics(&self, request: &Request<Incoming>) -> Answer {
        let text = self.live.metrics.render(self.live.status.borrow().as_ref());
        let accepted = header_text(request, header::ACCEPT).unwrap_or_default();
        if accepted.contains("application/openmetrics-text") {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            return answer::bytes(kind, text);
        }
        answer::bytes("text/plain; version=0.0.4; charset=utf-8", classic(&text))
    }

    fn watch(&self, request: &Request<Incoming>, peer: IpAddr) -> Answer {
        let Some(viewer) = self.live.viewers.enter(peer.to_string()) else {
            let words = "as many watch as may (preview.max_viewers)";
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, words);
        };
        let (gate, clock) = (Arc::clone(&self.gate), Arc::clone(&self.clock));
        let cookie = cookie(request);
        let from = Credentials { cookie: cookie.as_deref(), ..credentials(request) };
        let session = self.gate().session_of(&from, clock.now().monotonic);
        // Whoever came without one has the token, or needs none.
        let may_watch = move || {
            let gate = gate.lock().expect("no panic under this lock");
            let now = clock.now().monotonic;
            session.as_ref().is_none_or(|session| gate.knows_session(session, now))
        };
        let (live, pictures) = (Arc::clone(&self.live), self.pictures.clone());
        let content = watch_live(live, pictures, viewer, may_watch);
        let kind = format!("multipart/mixed; boundary={BOUNDARY}");
        answer::content(StatusCode::OK, &kind, content)
    }
}

/// Where the disk has not answered in time.
pub(super) fn silent_disk() -> Answer {
    answer::not_done(StatusCode::CONFLICT, SILENT_DISK)
}

/// Does what may wait for a disk, a driver or a name server; none when it takes too long. What
/// has begun is done to its end, also when whoever asked is gone or was told that it takes too
/// long: what follows from `work` belongs into it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    done_before(sleep(SETUP_LIMIT), work).await
}

async fn done_before<T: Send + 'static>(
    limit: impl Future<Output = ()>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let job = tokio::task::spawn_blocking(work);
    let unbegun = job.abort_handle();
    tokio::select! {
        biased;
        done = job => done.ok(),
        () = limit => {
            // It waits for a thread still, and must not happen after this answer.
            unbegun.abort();
            None
        }
    }
}

async fn body(request: Request<Incoming>) -> Result<bytes::Bytes, Answer> {
    let limited = Limited::new(request.into_body(), LONGEST);
    match timeout(BODY_LIMIT, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(answer::text(StatusCode::PAYLOAD_TOO_LARGE, "too long, or cut off")),
        Err(_) => Err(answer::text(StatusCode::REQUEST_TIMEOUT, "too slow")),
    }
}

fn only(request: &Request<Incoming>, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = request.headers().get_all(name).iter();
    // Of two that differ, who knows which one counts elsewhere: neither does here.
    values.next().filter(|_| values.next().is_none())
}

fn header_text(request: &Request<Incoming>, name: HeaderName) -> Option<&str> {
    only(request, name).and_then(|value| value.to_str().ok())
}

/// Also where another program of this host has set a cookie beside ours that is no ASCII.
fn cookie(request: &Request<Incoming>) -> Option<Cow<'_, str>> {
    only(request, header::COOKIE).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// All but the cookie.
fn credentials(request: &Request<Incoming>) -> Credentials<'_> {
    Credentials {
        host: header_text(request, header::HOST),
        origin: header_text(request, header::ORIGIN),
        fetch_site: header_text(request, HeaderName::from_static("sec-fetch-site")),
        authorization: header_text(request, header::AUTHORIZATION),
        cookie: None,
    }
}

fn with_cookie(cookie: &str) -> Answer {
    let mut answer = answer::text(StatusCode::OK, "");
    let cookie = HeaderValue::from_str(cookie).expect("our own words and digits");
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_was_not_begun_in_time_never_happens_and_what_was_begun_is_done() {
        let mut one_thread = tokio::runtime::Builder::new_current_thread();
        let runtime = one_thread.enable_time().max_blocking_threads(1).build().expect("a runtime");
        let (release, hangs) = channel::<()>();
        let (tell, done) = channel();
        let also = tell.clone();
        runtime.block_on(async {
            let (begins, has_begun) = tokio::sync::oneshot::channel();
            let limit = async { has_begun.await.expect("it begins") };
            let begun = done_before(limit, move || {
                let _ = begins.send(());
                let _ = hangs.recv();
                tell.send("begun")
            });
            assert!(begun.await.is_none(), "too long");
            let late = done_before(std::future::ready(()), move || also.send("late"));
            assert!(late.await.is_none(), "no thread");
            release.send(()).expect("it waits");
            // It comes after both on the one thread that there is.
            assert!(done_before(sleep(Duration::from_secs(60)), || ()).await.is_some());
        });
        assert_eq!(done.try_iter().collect::<Vec<_>>(), ["begun"]);
    }
}
