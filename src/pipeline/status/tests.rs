use std::time::SystemTime;

use super::*;
use crate::attention::Conditions;
use crate::contract::in_force::InForce;
use crate::control::groups::{GroupSettings, SettingsByGroup};
use crate::control::in_force::Settled;
use crate::control::overrides::Overrides;
use crate::name::Name;
use crate::pipeline::alarms::Alarms;
use crate::pipeline::frame_health::Stage;
use crate::pipeline::state::Open;

fn control(runtime: &Overrides) -> ControlState {
    let groups = [Name::new("hall").expect("valid")];
    ControlState {
        groups: vec!["hall".to_owned()],
        runtime: runtime.tuning,
        in_force: InForce::of(&Settled::default(), &groups, runtime),
    }
}

/// Of a camera whose frames can be read.
fn good() -> FrameHealth {
    let mut frames = FrameHealth::default();
    frames.read(Duration::ZERO);
    frames
}

fn observation() -> Observation {
    Observation {
        at: Moment { monotonic: Duration::from_secs(60), wall: SystemTime::now() },
        started: Duration::from_secs(10),
        camera: "door".to_owned(),
        capture: CaptureState::Running(Open::default()),
        frames: good(),
        view: View { faces: 1, ..View::default() },
        counts: Counts::default(),
        frames_per_second: 14.6,
        inference: None,
        age: None,
        temperature_c: None,
        strain: None,
        clock: None,
        mqtt: Stats::default(),
        model: "m".to_owned(),
        refused_models: Vec::new(),
        control: control(&Overrides::default()),
        identifying: false,
        viewers: 0,
    }
}

fn codes(observation: &Observation) -> Vec<ReasonCode> {
    observation.reasons().into_iter().map(|reason| reason.code).collect()
}

#[test]
fn every_state_has_its_reason() {
    assert_eq!(codes(&observation()), []);
    let nobody = Observation { view: View::default(), ..observation() };
    assert_eq!(codes(&nobody), [ReasonCode::NoFace]);
    let night =
        View { conditions: Conditions { dark: true, ..Conditions::default() }, ..View::default() };
    assert_eq!(codes(&Observation { view: night, ..observation() }), [ReasonCode::Dark]);
    let wrong = |tampering| {
        let conditions = Conditions { tampering: Some(tampering), ..Conditions::default() };
        Observation { view: View { conditions, ..View::default() }, ..observation() }
    };
    assert_eq!(codes(&wrong(Tampering::Frozen)), [ReasonCode::Frozen]);
    assert_eq!(codes(&wrong(Tampering::Covered)), [ReasonCode::Covered]);
    assert_eq!(codes(&wrong(Tampering::Turned)), [ReasonCode::Turned]);
    assert!(wrong(Tampering::Covered).line().starts_with("covered: nothing has an edge"));
    assert!(wrong(Tampering::Turned).tampered().is_some() && nobody.tampered().is_none());
    let receiver =
        CaptureState::Failed(ReasonCode::NotACamera, "a CSI camera's receiver".to_owned());
    let wrong = Observation { capture: receiver, ..observation() };
    assert_eq!(codes(&wrong), [ReasonCode::NotACamera]);
    let open = CaptureState::Running(Open { low_light: true, ..Open::default() });
    let still_dark = Observation { capture: open.clone(), view: night, ..observation() };
    assert!(still_dark.line().contains("even with longer exposures"), "{}", still_dark.line());
    let evening = Observation { capture: open, ..observation() };
    assert!(evening.device_status().low_light && evening.line().contains("low light"));
    let closed = GroupSettings { paused: true, ..GroupSettings::default() };
    let groups = SettingsByGroup::from([("hall".to_owned(), closed)]);
    let control = control(&Overrides { groups, ..Overrides::default() });
    let by_group = Observation { capture: CaptureState::Paused, control, ..observation() };
    assert_eq!(codes(&by_group), [ReasonCode::Paused]);
    let resumed = Observation { capture: CaptureState::Paused, ..observation() };
    assert!(codes(&resumed).is_empty() && !resumed.device_status().paused);
    assert!(by_group.is_well() && observation().is_well() && !resumed.is_well());
    assert!(resumed.line().starts_with("opening the camera"), "{}", resumed.line());
    assert!(by_group.reasons()[0].message.contains("group hall"));
    let hot = Observation { strain: Some("hot".to_owned()), ..observation() };
    assert_eq!(codes(&hot), [ReasonCode::Throttled]);
    let empty = Observation { view: View::default(), ..hot };
    assert_eq!(codes(&empty), [ReasonCode::Throttled, ReasonCode::NoFace]);
    assert_eq!(empty.reasons()[1].camera.as_deref(), Some("door"));
    let blind = Observation {
        refused_models: vec!["n: blind; m runs instead".to_owned()],
        ..observation()
    };
    assert_eq!(codes(&blind), [ReasonCode::ModelRefused]);
    assert_eq!(blind.reasons()[0].message, "n: blind; m runs instead");
    let gone = CaptureState::Failed(ReasonCode::NoCamera, "it was unplugged".to_owned());
    let both = Observation { capture: gone, clock: Some("not set"), ..observation() };
    assert_eq!(codes(&both), [ReasonCode::NoCamera, ReasonCode::ClockNotSet]);
    assert_eq!(both.line(), "no camera: it was unplugged; connecting to the broker");
    assert_eq!(both.device_status().uptime_s, 50);
}

/// The light goes out and on again, and the camera is lost for a moment: a covered lens is covered
/// all the while.
#[test]
fn a_camera_that_is_covered_or_turned_is_so_in_the_dark_too() {
    for (tampering, code) in
        [(Tampering::Covered, ReasonCode::Covered), (Tampering::Turned, ReasonCode::Turned)]
    {
        let at = |dark| {
            let tampering = Some(tampering);
            let conditions = Conditions { dark, tampering, ..Conditions::default() };
            Observation { view: View { conditions, ..View::default() }, ..observation() }
        };
        let lost = Observation {
            capture: CaptureState::Failed(ReasonCode::NoCamera, "gone".to_owned()),
            ..at(true)
        };
        let mut alarms = Alarms::default();
        let mut raised = 0;
        for seen in [at(false), at(true), at(false), lost, at(true), at(false)] {
            if seen.delivers() {
                assert_eq!(codes(&seen), [code]);
            }
            raised += alarms.look(seen.at, &seen.mqtt, None, seen.tampered()).len();
        }
        assert_eq!(raised, 1, "{code:?}");
    }
}

#[test]
fn what_the_picture_shows_is_told_only_while_it_can_be_read() {
    let nobody = Observation { view: View::default(), ..observation() };
    let unknown = Observation { frames: FrameHealth::default(), ..nobody.clone() };
    assert_eq!((codes(&unknown), unknown.delivers()), (vec![], false));
    let mut frames = FrameHealth::default();
    (0..3).for_each(|_| frames.broken(Duration::ZERO, Stage::Capture, "cut off"));
    let opening = CaptureState::Opening { since: Duration::ZERO };
    for capture in [nobody.capture.clone(), opening] {
        let broken = Observation { capture, frames: frames.clone(), ..nobody.clone() };
        assert_eq!((codes(&broken), broken.delivers()), (vec![ReasonCode::BadFrames], false));
        assert!(broken.reasons()[0].message.starts_with("cut off"));
        assert!(broken.line().starts_with("bad frames: cut off"), "{}", broken.line());
    }
    let gone = CaptureState::Failed(ReasonCode::NoCamera, "unplugged".to_owned());
    let gone = Observation { capture: gone, frames, ..nobody };
    assert_eq!(codes(&gone), [ReasonCode::NoCamera]);
}

/// It would have to prove itself before it counts as available again.
#[test]
fn a_camera_that_was_closed_for_a_moment_was_not_lost() {
    let mut frames = FrameHealth::default();
    let opening = CaptureState::Opening { since: Duration::ZERO };
    let running = observation().capture;
    let of = |capture: &CaptureState, frames: &FrameHealth| {
        let seen =
            Observation { capture: capture.clone(), frames: frames.clone(), ..observation() };
        (seen.delivers(), seen.is_lost())
    };
    for capture in [&CaptureState::Paused, &opening, &running] {
        assert_eq!(of(capture, &frames), (false, false), "{capture:?}");
        frames.opened(Duration::ZERO);
    }
    assert_eq!(
        of(&CaptureState::Failed(ReasonCode::NoCamera, "unplugged".into()), &frames),
        (false, true)
    );
    frames.lose(Duration::ZERO, ReasonCode::NoCamera, "unplugged");
    assert_eq!(of(&opening, &frames), (false, true));
    let mut broken = good();
    (0..30).for_each(|_| broken.broken(Duration::ZERO, Stage::Capture, "cut off"));
    assert_eq!(of(&running, &broken), (false, true));
}

#[test]
fn a_camera_that_was_lost_is_back_when_a_frame_can_be_read() {
    let running = observation();
    let opening = CaptureState::Opening { since: running.at.monotonic };
    for code in [ReasonCode::NoCamera, ReasonCode::NotACamera] {
        let mut frames = good();
        frames.lose(Duration::ZERO, code, "none of its 2 pictures");
        frames.opened(Duration::ZERO);
        for capture in [running.capture.clone(), opening.clone()] {
            let again = Observation { capture, frames: frames.clone(), ..running.clone() };
            assert_eq!((codes(&again), again.delivers()), (vec![code], false));
            assert!(again.line().contains(": none of its 2"), "{}", again.line());
        }
        frames.read(Duration::ZERO);
        assert_eq!(codes(&Observation { frames, ..running.clone() }), []);
    }
}

#[test]
fn a_driver_that_does_not_answer_is_a_reason() {
    let opening = |since| {
        let capture = CaptureState::Opening { since: Duration::from_secs(since) };
        codes(&Observation { capture, ..observation() })
    };
    assert_eq!((opening(58), opening(55)), (vec![], vec![ReasonCode::NoCamera]));
}
