//! Signals as systemd sends them: SIGHUP takes new settings or refuses them, a second
//! one to stop does not wait, and what systemd is told meanwhile (sd_notify(3)), heard
//! on a socket like its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[path = "daemon/held.rs"]
mod held;
#[path = "daemon/program.rs"]
mod program;
#[path = "daemon/running.rs"]
mod running;

use held::Held;
use program::program;
use running::{LIMIT, Running};

/// The daemon, and the service manager's end of its notifications.
struct Service {
    daemon: Running,
    manager: UnixDatagram,
    folder: TempDir,
}

impl Service {
    /// Starts with a camera that is not there: what it waits for stands in the status.
    fn start() -> Self {
        Self::start_with("1", Stdio::null(), None)
    }

    /// `watchdog` is what the service manager waits for between two signs of life.
    fn start_with(port: &str, stderr: Stdio, watchdog: Option<Duration>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "", port, stderr, watchdog)
    }

    /// With `more` at the end of the settings, and everything in this folder.
    fn start_in(
        folder: TempDir,
        more: &str,
        port: &str,
        stderr: Stdio,
        watchdog: Option<Duration>,
    ) -> Self {
        write_with(&folder.path().join("expressiond.toml"), "/dev/video-one", more);
        Self::run_in(folder, port, stderr, watchdog)
    }

    /// With the settings that are in this folder.
    fn run_in(folder: TempDir, port: &str, stderr: Stdio, watchdog: Option<Duration>) -> Self {
        let socket = folder.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(LIMIT)).unwrap();
        let daemon = program(&["run", "--config"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg(folder.path().join("expressiond.toml"))
            .env("NOTIFY_SOCKET", &socket)
            .env("EXPRESSIOND__MQTT__URL", format!("mqtt://127.0.0.1:{port}"))
            .envs(watchdog.map(|time| ("WATCHDOG_USEC", time.as_micros().to_string())))
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { daemon: Running(daemon), manager, folder }
    }

    /// Waits for its first line, which it writes when it has its own answer to signals and
    /// before it loads the model. (`SigCgt` of proc_pid_status(5) would not do: an emulator
    /// of another processor catches every signal from the start.)
    fn until_it_listens(&mut self) {
        let line = self.lines().recv_timeout(LIMIT).expect("it writes a line");
        assert!(line.contains("settings: "), "{line}");
    }

    /// What it writes from now on.
    fn lines(&mut self) -> mpsc::Receiver<String> {
        let (written, heard) = mpsc::channel();
        let lines = BufReader::new(self.daemon.0.stderr.take().expect("piped")).lines();
        // Reads on until the end, so that the daemon never waits for a reader.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| drop(written.send(line)))
        });
        heard
    }

    /// Notifications up to and including the first that has `text` in it.
    fn until(&self, text: &str) -> String {
        let (mut all, mut buffer) = (String::new(), [0; 4096]);
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let Ok(size) = self.manager.recv(&mut buffer) else { break };
            let told = String::from_utf8_lossy(&buffer[..size]).into_owned();
            all.push_str(&told);
            all.push('\n');
            if told.contains(text) {
                return all;
            }
        }
        panic!("not told '{text}' within {LIMIT:?}, but {all}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.daemon.0), signal).unwrap();
    }

    fn settings(&self) -> std::path::PathBuf {
        self.folder.path().join("expressiond.toml")
    }
}

fn write(settings: &Path, camera: &str) {
    write_with(settings, camera, "");
}

/// `more` goes on in the section `[mqtt]`.
fn write_with(settings: &Path, camera: &str, more: &str) {
    let text = text(camera, settings.parent().unwrap(), more);
    std::fs::write(settings, text).unwrap();
}

fn text(camera: &str, folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "[device]\nid = \"test\"\nstate_dir = \"{folder}/state\"\n\
         [camera]\nsource = \"{camera}\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n{more}"
    )
}

#[test]
fn sighup_takes_new_settings_in_the_same_process() {
    let mut service = Service::start();
    service.until("video-one");
    write(&service.settings(), "/dev/video-two");
    service.signal(Signal::HUP);
    let told = service.until("video-two");
    let reloading = told.find("RELOADING=1").expect("told that it reloads");
    assert!(told[reloading..].contains("MONOTONIC_USEC="), "{told}");
    assert!(told[reloading..].contains("READY=1"), "{told}");
    assert!(!told.contains("STOPPING=1"), "{told}");
    service.daemon.terminate();
    service.until("STOPPING=1");
    assert_eq!(service.daemon.code(), Some(0));
}

/// A pipe gives its text once. Read again it is empty, and its masks would be gone.
#[test]
fn settings_that_came_through_a_pipe_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("expressiond.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Whoever writes waits for whoever reads.
    let writer = {
        let (pipe, state) = (pipe.clone(), folder.path().to_owned());
        std::thread::spawn(move || std::fs::write(pipe, text("/dev/video-one", &state, "")))
    };
    let mut service = Service::run_in(folder, "1", Stdio::piped(), None);
    let lines = service.lines();
    service.until("video-one");
    writer.join().unwrap().unwrap();
    service.signal(Signal::HUP);
    let told = service.until("READY=1");
    assert!(told.contains("RELOADING=1"), "{told}");
    let refused = std::iter::from_fn(|| lines.recv_timeout(LIMIT).ok())
        .find(|line| line.contains("the old ones stay"));
    assert!(refused.is_some_and(|line| line.contains("it is a pipe")));
    service.daemon.terminate();
    service.until("STOPPING=1");
    assert_eq!(service.daemon.code(), Some(0));
}

#[test]
fn broken_settings_are_refused_and_the_old_ones_stay() {
    let mut service = Service::start_with("1", Stdio::piped(), None);
    let lines = service.lines();
    service.until("video-one");
    std::fs::write(service.settings(), "[camera]\nno_such_key = 1\n").unwrap();
    service.signal(Signal::HUP);
    service.until("RELOADING=1");
    let told = service.until("READY=1");
    assert!(!told.contains("STOPPING=1"), "{told}");
    write_unfit(&service.settings());
    service.signal(Signal::HUP);
    service.until("RELOADING=1");
    let told = service.until("READY=1");
    assert!(!told.contains("STOPPING=1") && !told.contains("video-two"), "{told}");
    let unfit = "[device]\nid = \"test\"\nstate_dir = \"/proc/none\"\n";
    std::fs::write(service.settings(), unfit).unwrap();
    service.signal(Signal::HUP);
    service.until("RELOADING=1");
    service.until("READY=1");
    assert!(service.daemon.0.try_wait().unwrap().is_none(), "it goes on");
    // Mended, they are taken: it was listening all the time.
    write(&service.settings(), "/dev/video-three");
    service.signal(Signal::HUP);
    service.until("video-three");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
    assert!(!lines.iter().any(|line| line.contains("events that wait")), "they stay where it is");
}

/// Right by themselves, but naming a class that the model does not have: refused after its
/// self-test.
fn write_unfit(settings: &Path) {
    write(settings, "/dev/video-two");
    let text = std::fs::read_to_string(settings).unwrap();
    let more = "[expression]\ngroups = { tense = [\"nobody\"] }\n";
    std::fs::write(settings, text + more).unwrap();
}

/// Says to read other settings, and returns when those are being tried.
fn reload_held(service: &Service) -> held::Trial {
    let held = Held::within(service.folder.path());
    write_with(&service.settings(), "/dev/video-two", &held.keys());
    service.signal(Signal::HUP);
    service.until("RELOADING=1");
    held.reached()
}

/// Signals of one kind that wait count once (signal(7)).
#[test]
fn a_second_sighup_during_a_reload_is_obeyed_too() {
    let mut service = Service::start();
    service.until("video-one");
    let trial = reload_held(&service);
    write(&service.settings(), "/dev/video-three");
    service.signal(Signal::HUP);
    trial.fails();
    service.until("video-three");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
}

/// It was ended for good: what was tried was right, and what the next start read was not.
#[test]
fn what_became_unfit_while_it_was_tried_is_refused() {
    let mut service = Service::start();
    service.until("video-one");
    let trial = reload_held(&service);
    write_unfit(&service.settings());
    trial.passes();
    let told = service.until("READY=1");
    assert!(!told.contains("STOPPING=1") && !told.contains("video-two"), "{told}");
    assert!(service.daemon.0.try_wait().unwrap().is_none(), "it goes on");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
}

#[test]
fn a_password_that_became_wrong_while_the_model_was_tried_is_refused() {
    let mut service = Service::start();
    service.until("video-one");
    // It is read before the model is tried, and after.
    reload_held(&service).passes_once().reached().fails();
    let told = service.until("READY=1");
    assert!(!told.contains("STOPPING=1") && !told.contains("video-two"), "{told}");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
}

/// It was ended for good, by a moment: 78 is never started again.
#[test]
fn settings_that_became_wrong_after_they_were_tried_are_read_by_the_next_start() {
    let mut service = Service::start_with("1", Stdio::piped(), None);
    service.until("video-one");
    let lines = service.lines();
    let new_start = reload_held(&service).passes_once().reached().passes_once().reached();
    new_start.fails();
    assert_eq!(service.daemon.code(), Some(69));
    let last = lines.iter().last().expect("it says why");
    assert!(last.contains("once more") && last.contains("password"), "{last}");
}

/// The camera would be open again, and nobody has said so.
#[test]
fn a_pause_is_not_left_behind_in_another_folder() {
    let mut service = Service::start();
    service.until("video-one");
    let folder = service.folder.path();
    let (kept, other) = (folder.join("state/runtime.json"), folder.join("other"));
    std::fs::write(&kept, r#"{"paused":true}"#).unwrap();
    // What it kept there once is no copy.
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("runtime.json"), "{}").unwrap();
    let settings = std::fs::read_to_string(service.settings()).unwrap();
    let settings = settings.replace("/state", "/other").replace("video-one", "video-two");
    std::fs::write(service.settings(), settings).unwrap();
    service.signal(Signal::HUP);
    service.until("RELOADING=1");
    let told = service.until("READY=1");
    assert!(!told.contains("video-two"), "{told}");
    std::fs::copy(&kept, other.join("runtime.json")).unwrap();
    service.signal(Signal::HUP);
    let told = service.until("paused");
    assert!(!told.contains("video-two"), "{told}");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
}

/// Starts, and returns when its settings are being tried, which comes before the model.
fn start_held() -> (Service, held::Trial) {
    let folder = tempfile::tempdir().unwrap();
    let held = Held::within(folder.path());
    let mut service = Service::start_in(folder, &held.keys(), "1", Stdio::piped(), None);
    service.until_it_listens();
    let trial = held.reached();
    (service, trial)
}

#[test]
fn signals_are_obeyed_while_a_start_is_under_way() {
    let (mut service, trial) = start_held();
    write(&service.settings(), "/dev/video-two");
    service.signal(Signal::HUP);
    trial.passes();
    let told = service.until("RELOADING=1");
    assert!(told.contains("READY=1"), "it was loaded first: {told}");
    service.until("video-two");
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));

    let (mut service, _trial) = start_held();
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0), "it waits for nothing that it reads");
    service.manager.set_nonblocking(true).unwrap();
    assert!(service.manager.recv(&mut [0; 64]).is_err(), "it has started all the same");
}

#[test]
fn a_stop_does_not_wait_for_a_reload() {
    let mut service = Service::start();
    service.until("video-one");
    let _trial = reload_held(&service);
    service.daemon.terminate();
    let told = service.until("STOPPING=1");
    assert!(!told.contains("READY=1"), "the settings were tried to their end: {told}");
    assert_eq!(service.daemon.code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_while_a_camera_is_waited_for_and_settings_are_tried() {
    let watchdog = Duration::from_secs(4);
    let mut service = Service::start_with("1", Stdio::null(), Some(watchdog));
    // After a reload the watchdog does not wait for a model that is loaded.
    let told = service.until("READY=1");
    assert!(told.split("READY=1").next().unwrap().contains("WATCHDOG=1"), "{told}");
    service.until("video-one");
    let _trial = reload_held(&service);
    // The waits for the camera double up to half a minute: whoever waited for it in one piece,
    // or for the settings, would tell a few signs of life until then.
    let end = Instant::now() + LIMIT;
    for sign in 1..=16 {
        service.until("WATCHDOG=1");
        assert!(Instant::now() < end, "{sign} signs of life within {LIMIT:?}");
    }
    service.daemon.terminate();
    assert_eq!(service.daemon.code(), Some(0));
}

/// Takes every connection and every packet, and answers nothing but the first.
fn mute_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            // CONNACK, MQTT 3.1.1 section 3.2.
            let accepted = socket.write_all(&[0x20, 2, 0, 0]).is_ok();
            while accepted && socket.read(&mut [0; 4096]).is_ok_and(|size| size > 0) {}
        }
    });
    port
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut service = Service::start_with(&mute_broker().to_string(), Stdio::piped(), None);
    service.until("video-one");
    // Both are there when it looks: the second comes while it says goodbye.
    for signal in [Signal::STOP, Signal::TERM, Signal::INT, Signal::CONT] {
        service.signal(signal);
    }
    assert_eq!(service.daemon.code(), Some(0));
    let mut log = String::new();
    service.daemon.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("while ending: stopping at once"), "{log}");
}
