//! The camera: what has it, or what it shows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finding::{Check, Finding, Verdict};
use super::running::Running;
use crate::attention::{Attention, Findings, Sight};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::contract::in_force::{Author, InForce};
use crate::contract::payload::ReasonCode;
use crate::control::in_force::Settled;
use crate::control::overrides::{Overrides, Unreadable};
use crate::detector::Detection;
use crate::detector::networks::Networks;
use crate::error::Kind;
use crate::name::Name;
use crate::pipeline::status_line::{CameraWords, StatusLine};
use crate::pixels::frame::Frame;
use crate::process::has_open;
use crate::source;
use crate::source::{FrameSource, Opened, Settings, SourceError, devices, remedy_for_broken};
use crate::tracks::face::starting;

/// How long a camera is looked at: its exposure needs some frames to settle.
const LOOK: Duration = Duration::from_millis(1500);
/// How long its first frame may take.
const FIRST: Duration = Duration::from_secs(5);
/// What opens a camera that its owner has paused.
const RESUME: &str = r#"send {"command":"resume"} to the device's command topic"#;

/// For a picture that is too dark.
const LIGHT: &str = "light, or is there a cover on the lens?";
/// For a camera that does not show what it is meant to show.
const TAMPERED: &str = "look at the camera; docs/guide/cameras.md has what each of these means";

/// Opens the camera as the daemon would. One that our own daemon has, or that its owner
/// has closed, is left alone; so is one of which `kept`, what survived a restart, cannot
/// tell that.
pub(super) fn camera(
    config: &Config,
    networks: Option<Networks>,
    running: Option<&Running>,
    kept: Result<&Overrides, &Unreadable>,
) -> Finding {
    if let Some(running) = running {
        return told(&config.camera, running);
    }
    let kept = match kept {
        Ok(kept) => kept,
        // What a service keeps, to anybody but root.
        Err(unreadable) if unreadable.is_forbidden() => {
            let why = "only root may read whether its owner has paused it: run it with sudo";
            return Finding::skipped(Check::Camera, why);
        }
        Err(unreadable) => {
            let message = format!("it stays closed, also now: {unreadable}");
            return Finding::warning(Check::Camera, message, Unreadable::REMEDY)
                .because(ReasonCode::Paused);
        }
    };
    if let Some(closed) = closed(&config.device.groups().unwrap_or_default(), kept) {
        return closed;
    }
    let Some(networks) = networks else {
        return Finding::skipped(Check::Camera, "without a model there is no size to ask it for");
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let distance = config.attention.farthest_face;
    let (classes, start) = (networks.info().classes.len(), config.tracking.start_confidence);
    // Boxes are fewer faces, and some are none.
    let count = |found: &[Detection]| starting(found, classes, start).len();
    let attention = match Attention::new(networks, distance, None) {
        Ok(attention) => attention,
        Err(error) => return lost(None, ReasonCode::NoCamera, error.to_string()),
    };
    let needed = distance.needed(config.camera.orientation());
    match source::open(&config.camera, needed, Arc::clone(&clock), &|| true) {
        Ok(mut source) => {
            let found = look(source.as_mut(), attention, clock.as_ref(), count);
            doubted(found, devices::doubt(Path::new(&config.camera.source)))
        }
        Err(error) => {
            let device = source::device(&config.camera);
            lost(device.as_deref(), ReasonCode::from(&error), error.to_string())
        }
    }
}

/// A camera that works and may be another one after the next restart.
fn doubted(found: Finding, doubt: Option<String>) -> Finding {
    match doubt {
        Some(doubt) if found.verdict == Verdict::Ok => {
            let message = format!("{}; {doubt}", found.message);
            let remedy = "put the name that `expressiond cameras` shows of it into camera.source";
            Finding::warning(Check::Camera, message, remedy)
        }
        _ => found,
    }
}

/// A camera that its owner or one of its groups has paused.
fn closed(groups: &[Name], runtime: &Overrides) -> Option<Finding> {
    let paused = InForce::of(&Settled::default(), groups, runtime).paused;
    let group = match paused.from {
        _ if !paused.value => return None,
        Author::Group(group) => Some(group),
        _ => None,
    };
    let by = group.as_ref().map_or("its owner".to_owned(), |group| format!("its group {group}"));
    let (message, remedy) =
        (format!("paused by {by}: it stays closed, also now"), reopening(group.as_deref()));
    Some(Finding::warning(Check::Camera, message, remedy).because(ReasonCode::Paused))
}

/// What opens a camera that this group, or its owner, has closed.
fn reopening(group: Option<&str>) -> String {
    group.map_or(RESUME.to_owned(), |group| {
        format!("take \"paused\" out of the settings of the group {group}")
    })
}

/// What the daemon that has the camera says of it.
fn told(camera: &Settings, running: &Running) -> Finding {
    let Some(status) = &running.status else {
        let why = format!("{} has it; its status topic tells more", running.who);
        return Finding::skipped(Check::Camera, why);
    };
    let words = StatusLine::parse(status).camera;
    let message = format!("{} has it: {words}", running.who);
    match words {
        CameraWords::Trouble(ReasonCode::BadFrames, _) => {
            unreadable(message, remedy_for_broken(camera.is_recorded()))
        }
        CameraWords::Trouble(code @ ReasonCode::Dark, _) => {
            Finding::warning(Check::Camera, message, LIGHT).because(code)
        }
        CameraWords::Trouble(code, _) if code.is_tampering() => {
            Finding::warning(Check::Camera, message, TAMPERED).because(code)
        }
        CameraWords::Trouble(code, why) => lost(source::device(camera).as_deref(), code, why),
        CameraWords::Paused(group) => {
            let remedy = reopening(group.as_deref());
            Finding::warning(Check::Camera, message, remedy).because(ReasonCode::Paused)
        }
        CameraWords::Other(_) => {
            doubted(Finding::ok(Check::Camera, message), devices::doubt(Path::new(&camera.source)))
        }
    }
}

/// It opens, but its frames are broken.
fn unreadable(message: String, remedy: &str) -> Finding {
    Finding::problem(Check::Camera, Kind::Unavailable, message, remedy)
        .because(ReasonCode::BadFrames)
}

/// Not to be had; `device` is the node that is meant, where it is known.
fn lost(device: Option<&Path>, code: ReasonCode, why: String) -> Finding {
    let message = match device.and_then(holder) {
        Some(holder) => format!("{why} (it is {holder})"),
        None => why,
    };
    let remedy = "`expressiond cameras` lists what is there; docs/guide/cameras.md";
    Finding::problem(Check::Camera, Kind::Unavailable, message, remedy).because(code)
}

/// The program that has a device open, as far as this user may see.
fn holder(device: &Path) -> Option<String> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = |id: &u32| *id != std::process::id() && has_open(&id.to_string(), device);
    let id = ids.find(others)?;
    let name = std::fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    Some(format!("{}, process {id}", name.trim()))
}

/// Reads some frames and tells what is in the last good one.
fn look(
    source: &mut dyn FrameSource,
    mut attention: Attention,
    clock: &dyn Clock,
    faces: impl Fn(&[Detection]) -> usize,
) -> Finding {
    let words = source.describe();
    let (mut frame, mut findings) = (Frame::empty(clock.now()), Findings::default());
    let (begun, mut seen, mut bad) = (Instant::now(), None, 0);
    // Each frame is looked at in other parts: the most faces of one of them count.
    let mut count = 0;
    let mut cause = String::new();
    while begun.elapsed() < if seen.is_some() { LOOK } else { FIRST } {
        let at = clock.now().monotonic;
        match source.next_frame(&mut frame, Duration::from_secs(2)) {
            Ok(()) => match attention.see(&frame, at, &[], 1.0, &mut findings, &|| true) {
                Ok(sight @ Sight::Looked(..)) => {
                    count = count.max(faces(&findings.detections));
                    seen = Some(sight);
                }
                Ok(Sight::Passed | Sight::Glanced(_)) => {}
                Err(reason) => (bad, cause) = (bad + 1, reason.to_string()),
            },
            Err(SourceError::BadFrame(reason)) => (bad, cause) = (bad + 1, reason),
            Err(SourceError::End) => break,
            Err(error) => {
                let device = match source.opened() {
                    Opened::Device { node, .. } => Some(node),
                    Opened::Files => None,
                };
                return lost(device.as_deref(), ReasonCode::from(&error), error.to_string());
            }
        }
    }
    match seen {
        None => {
            let message = format!("{words} opens, but no good picture came ({bad} broken)");
            let remedy = remedy_for_broken(source.is_recorded());
            if bad > 0 {
                return unreadable(format!("{message}: {cause}"), remedy);
            }
            Finding::problem(Check::Camera, Kind::Unavailable, message, remedy)
                .because(ReasonCode::NoCamera)
        }
        Some(Sight::Looked(light, _)) if light.dark => {
            let message = format!("{words}; it is too dark to find a face");
            Finding::warning(Check::Camera, message, LIGHT).because(ReasonCode::Dark)
        }
        Some(Sight::Looked(_, inference)) => {
            let time = inference.as_secs_f32() * 1e3;
            let message = format!("{words}; faces in the picture: {count}; inference {time:.0} ms");
            let finding = Finding::ok(Check::Camera, message);
            if count == 0 { finding.because(ReasonCode::NoFace) } else { finding }
        }
        // Without a pace every frame is looked at.
        Some(Sight::Passed | Sight::Glanced(_)) => Finding::ok(Check::Camera, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::groups::GroupSettings;

    const LIMIT: Duration = Duration::from_secs(60);

    fn running(status: &str) -> Running {
        Running { who: "expressiond.service".into(), status: Some(status.into()) }
    }

    fn says(status: &str) -> Finding {
        told(&Settings::default(), &running(status))
    }

    #[test]
    fn a_camera_that_a_group_has_closed_stays_closed() {
        let groups = [Name::new("hall").expect("valid")];
        let mut runtime = Overrides::default();
        assert!(closed(&groups, &runtime).is_none());
        let said = GroupSettings { paused: true, ..GroupSettings::default() };
        runtime.groups.insert("hall".into(), said);
        let finding = closed(&groups, &runtime).expect("closed");
        assert_eq!(finding.reason, Some(ReasonCode::Paused));
        assert!(finding.message.contains("group hall"), "{}", finding.message);
        assert!(closed(&[], &runtime).is_none(), "a group that it has left");
    }

    #[test]
    fn no_cable_mends_a_recording() {
        let recorded = tempfile::tempdir().expect("temporary folder");
        let recorded = recorded.path().display().to_string();
        for (source, cable) in [("/dev/video0", true), (&*recorded, false)] {
            let running = running("bad frames: cut off; connected to the broker");
            let camera = Settings { source: source.into(), ..Settings::default() };
            let found = told(&camera, &running);
            let remedy = found.remedy.expect("a remedy");
            assert_eq!(remedy.contains("cable"), cable, "{source}: {remedy}");
        }
    }

    #[test]
    fn who_has_the_device_is_told_by_its_node() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let found = lost(None, ReasonCode::NotACamera, "a codec".into());
        assert_eq!((&*found.message, found.reason), ("a codec", Some(ReasonCode::NotACamera)));
        let input = file.reopen().expect("opened");
        let mut child =
            std::process::Command::new("sleep").arg("60").stdin(input).spawn().expect("sleep");
        let (limit, told) = (Instant::now() + LIMIT, format!("process {}", child.id()));
        loop {
            let found = lost(Some(file.path()), ReasonCode::NoCamera, "busy".into());
            if found.message.contains(&told) {
                break;
            }
            // A child that another test starts just now has the file, too, until its exec(2).
            assert!(Instant::now() < limit, "{found:?}");
        }
        child.kill().and_then(|()| child.wait()).expect("ended");
    }

    #[test]
    fn a_camera_that_may_be_its_twin_is_a_warning() {
        let fine = || Finding::ok(Check::Camera, "it opens");
        let doubt = || Some("another camera has the same name".to_owned());
        assert_eq!(doubted(fine(), None).verdict, Verdict::Ok);
        let found = doubted(fine(), doubt());
        assert_eq!((found.verdict, found.kind), (Verdict::Warning, None));
        let dark = Finding::warning(Check::Camera, "dark", LIGHT).because(ReasonCode::Dark);
        assert_eq!(doubted(dark.clone(), doubt()), dark);
    }

    #[test]
    fn the_status_line_of_our_own_daemon_is_understood() {
        let fine = says("14 frames/s; connected to the broker");
        assert_eq!(
            (fine.verdict, fine.message.as_str()),
            (Verdict::Ok, "expressiond.service has it: 14 frames/s")
        );
        let paused = says("here I am; paused, the camera is closed; connecting to the broker");
        assert_eq!(paused.reason, Some(ReasonCode::Paused));
        // Of its group `resume` takes nothing back.
        let by_group =
            says("paused by its group hall, the camera is closed; connecting to the broker");
        let remedy = by_group.remedy.expect("a remedy");
        assert!(remedy.contains("hall") && !remedy.contains("resume"), "{remedy}");
        let gone =
            says("no camera: it is not there; is it plugged in?; no broker: none; 2 events wait");
        assert_eq!((gone.reason, gone.kind), (Some(ReasonCode::NoCamera), Some(Kind::Unavailable)));
        assert_eq!(gone.message, "it is not there; is it plugged in?");
        let codec = says("not a camera: a codec; connected to the broker");
        assert_eq!(codec.reason, Some(ReasonCode::NotACamera));
        let broken = says("bad frames: cut off; connected to the broker");
        assert_eq!(broken.reason, Some(ReasonCode::BadFrames));
        assert_eq!(broken.kind, Some(Kind::Unavailable));
        for code in [ReasonCode::Dark, ReasonCode::Covered, ReasonCode::Frozen, ReasonCode::Turned]
        {
            let line = format!("{}: something; connected to the broker", code.name());
            let finding = says(&line);
            assert_eq!((finding.verdict, finding.reason), (Verdict::Warning, Some(code)));
        }
    }
}
