//! What is answered to what is asked: the one place that knows every path.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer;
use super::assets;
use super::gate::{Credentials, Gate, Refusal, Wanted};
use super::live::Live;
use super::metrics::classic;
use super::picture::Picture;
use super::sessions::SessionFile;
use super::store::{Refused, Saved, SettingsStore, Undone};
use super::stream::{BOUNDARY, Content, watch_live};
use super::tunable::{self, LONGEST, Tunable, is_tunable, read_changes};
use super::tuning::{Tuning, Version};
use crate::clock::Clock;
use crate::contract::payload::ReasonCode;

/// So long a request's body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// So long a broker may take to be tried, or a camera to be opened.
const SETUP_LIMIT: Duration = Duration::from_secs(60);

const SILENT_DISK: &str = "the disk does not answer";

/// What every connection shares.
pub(super) struct Service {
    pub live: Arc<Live>,
    pub gate: Arc<Mutex<Gate>>,
    /// Where it is kept who has logged in; none without a token or a folder for state.
    pub sessions: Option<Arc<SessionFile>>,
    pub tuning: Mutex<Tuning>,
    pub store: Arc<dyn SettingsStore>,
    pub pictures: watch::Receiver<Option<Picture>>,
    pub clock: Arc<dyn Clock>,
    /// What the page is told once: names, classes, version.
    pub about: Value,
}

pub(super) type Answer = Response<Content>;

impl Service {
    /// Answers; there is an answer to everything.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
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
        let now = self.clock.now().monotonic;
        self.gate().admit(wanted, &credentials(of), peer, now)
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().expect("no panic under this lock")
    }

    pub(super) fn tuning(&self) -> std::sync::MutexGuard<'_, Tuning> {
        self.tuning.lock().expect("no panic under this lock")
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

    async fn change(&self, path: &str, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let own = |name| header_text(&request, name).map(str::to_owned);
        let (cookie, origin) = (own(header::COOKIE), own(header::ORIGIN));
        let known = header_text(&request, header::IF_MATCH).map(Version::read);
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let answered = match path {
            "/logout" => Ok(self.log_out(cookie.as_deref(), origin.as_deref()).await),
            "/api/try" => self.attempt(&body, known),
            "/api/save" => self.save(&body, known).await,
            "/api/undo" => Ok(self.undo(known).await),
            "/api/setup" => Ok(self.show_setup().await),
            "/api/setup/picture" => self.show_camera(&body, peer).await,
            "/api/setup/test" => self.test_broker(&body, peer).await,
            "/api/setup/save" => self.save_setup(&body).await,
            _ => Ok(answer::text(StatusCode::NOT_FOUND, "there is no such page here")),
        };
        answered.unwrap_or_else(refused)
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
                log::warn!("page: {peer} was not let in: {refused:?}");
                answer::refusal(refused)
            }
        }
    }

    async fn log_out(&self, cookie: Option<&str>, origin: Option<&str>) -> Answer {
        let from = Credentials { cookie, origin, ..Credentials::default() };
        let cookie = self.gate().log_out(&from);
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
        let cookie = header_text(request, header::COOKIE);
        let session = self.gate().session_of(cookie, clock.now().monotonic);
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

    async fn settings(&self) -> Answer {
        let (values, keys, tried, version) = {
            let tuning = self.tuning();
            let (values, keys) = tuning.values_and_keys();
            (values, keys, tuning.tried().clone(), tuning.version())
        };
        let store = Arc::clone(&self.store);
        let read = blocking(move || {
            let origins = store.origins(&keys);
            let origins: Value =
                keys.into_iter().zip(origins).map(|(key, from)| (key, json!(from))).collect();
            (origins, store.can_undo())
        });
        let Some((origins, can_undo)) = read.await else {
            return answer::text(StatusCode::GATEWAY_TIMEOUT, SILENT_DISK);
        };
        let answer = json!({
            "about": self.about,
            "offers": tunable::as_written(&tunable::OFFERS),
            "values": values,
            "tried": tried,
            "tuning": version,
            "origins": origins,
            "controls": &self.live.controls.borrow().1,
            "can_undo": can_undo,
        });
        answer::json(StatusCode::OK, &answer)
    }

    /// An error, here and in what else reads a body, is in words, for [`refused`]. `known` is
    /// what somebody knows of what is tried.
    fn attempt(&self, body: &[u8], known: Option<Version>) -> Result<Answer, String> {
        let changes = read_changes(body, is_tunable)?;
        let mut tuning = self.tuning();
        if tuning.is_beyond(known) {
            return Ok(overtaken());
        }
        let changes = tuning.with_masks(changes, known);
        let what_if = tuning.attempt(changes)?;
        Ok(of_version(StatusCode::OK, &what_if, tuning.version()))
    }

    async fn save(&self, body: &[u8], known: Option<Version>) -> Result<Answer, String> {
        let changes = read_changes(body, is_tunable)?;
        let (permit, version) = {
            let mut tuning = self.tuning();
            if tuning.is_beyond(known) {
                return Ok(overtaken());
            }
            (tuning.before_save(&changes, known)?, tuning.version())
        };
        let (store, written) = (Arc::clone(&self.store), changes.clone());
        Ok(match blocking(move || store.save(&written, &permit)).await {
            Some(Ok(Saved { file, written, digest })) => {
                let mut tuning = self.tuning();
                let restarts = tuning.keep(&changes);
                tuning.tell(digest);
                log::info!("page: settings were saved in {file}");
                let saved = json!({ "file": file, "written": written, "restarts": restarts });
                of_version(StatusCode::OK, &saved, tuning.version())
            }
            // What was tried before it was saved is tried still.
            other => {
                let refused = why_not(other.and_then(Result::err));
                of_version(StatusCode::CONFLICT, &refused, version)
            }
        })
    }

    async fn undo(&self, known: Option<Version>) -> Answer {
        if self.tuning().is_beyond(known) {
            return overtaken();
        }
        let (store, saved) = (Arc::clone(&self.store), self.tuning().saved().clone());
        // Its owner may have drawn a mask since, in another file: then what is saved hides
        // nothing yet, and what is taken back would.
        let permit = move |before: &Tunable| {
            saved.refuse_what_uncovers(before).and_then(|()| before.refuse_what_uncovers(&saved))
        };
        match blocking(move || store.undo(&permit)).await {
            Some(Ok(Undone { settings, mut restarts, digest })) => {
                log::info!("page: the settings saved last were taken back");
                let mut tuning = self.tuning();
                tuning.tell(digest);
                restarts |= tuning.replace(settings);
                if restarts {
                    tuning.start_again();
                }
                of_version(StatusCode::OK, &json!({ "restarts": restarts }), tuning.version())
            }
            other => not_kept(other.and_then(Result::err)),
        }
    }
}

/// Answers a body that cannot be read, or asks for what cannot be.
fn refused(why: String) -> Answer {
    let refused = Refused { why, lines: String::new() };
    answer::json(StatusCode::UNPROCESSABLE_ENTITY, &refused)
}

pub(super) fn not_kept(refused: Option<Refused>) -> Answer {
    answer::json(StatusCode::CONFLICT, &why_not(refused))
}

fn why_not(refused: Option<Refused>) -> Refused {
    refused.unwrap_or_else(|| Refused { why: SILENT_DISK.to_owned(), lines: String::new() })
}

/// Answers a page that does not know what somebody else tries.
fn overtaken() -> Answer {
    let why = "somebody else has tried something meanwhile".to_owned();
    answer::json(StatusCode::PRECONDITION_FAILED, &Refused { why, lines: String::new() })
}

/// An object, and the version of what is tried that whoever asked knows by it.
fn of_version(status: StatusCode, value: &impl Serialize, version: Version) -> Answer {
    let mut value = json!(value);
    value["tuning"] = json!(version);
    answer::json(status, &value)
}

/// Does what may wait for a disk, a driver or a name server; none when it takes too long.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    timeout(SETUP_LIMIT, tokio::task::spawn_blocking(work)).await.ok()?.ok()
}

async fn body(request: Request<Incoming>) -> Result<bytes::Bytes, Answer> {
    let limited = Limited::new(request.into_body(), LONGEST);
    match timeout(BODY_LIMIT, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(answer::text(StatusCode::PAYLOAD_TOO_LARGE, "too long, or cut off")),
        Err(_) => Err(answer::text(StatusCode::REQUEST_TIMEOUT, "too slow")),
    }
}

fn header_text(request: &Request<Incoming>, name: HeaderName) -> Option<&str> {
    let mut values = request.headers().get_all(name).iter();
    // Of two that differ, who knows which one counts elsewhere: neither does here.
    values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
}

fn credentials(request: &Request<Incoming>) -> Credentials<'_> {
    Credentials {
        host: header_text(request, header::HOST),
        origin: header_text(request, header::ORIGIN),
        fetch_site: header_text(request, HeaderName::from_static("sec-fetch-site")),
        authorization: header_text(request, header::AUTHORIZATION),
        cookie: header_text(request, header::COOKIE),
    }
}

fn with_cookie(cookie: &str) -> Answer {
    let mut answer = answer::text(StatusCode::OK, "");
    let cookie = HeaderValue::from_str(cookie).expect("our own words and digits");
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}
