//! What is shown and told of faces and zones.

use std::time::Duration;

use super::shown::face_to_show;
use super::*;
use crate::clock::{SystemClock, at};
use crate::detector::Detection;
use crate::events::{EventType, Origin, system_randomness};
use crate::mqtt;
use crate::mqtt::credentials::Credentials;
use crate::mqtt::message::Subscriptions;
use crate::publish::Start;
use crate::tracks::{ExpressionSettings, TrackingSettings};
use crate::zones::Kind;

fn face(track: u64, height: f32, expression: Option<usize>) -> TrackedFace {
    TrackedFace {
        track,
        rect: Rect::new(0.0, 0.0, height, height),
        expression: expression.map(|class| (class, 0.9)),
        age: Duration::ZERO,
        unseen: Duration::ZERO,
    }
}

/// Plays pictures of faces; returns which was shown in each.
fn shown(pictures: impl IntoIterator<Item = Vec<TrackedFace>>) -> Vec<Option<u64>> {
    let mut before = None;
    let follow = |mut faces: Vec<TrackedFace>| {
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        before = face_to_show(&faces, before).map(|(face, _)| face.track);
        before
    };
    pictures.into_iter().map(follow).collect()
}

/// A face that is just as small as one may be, give or take a tenth, stays one face.
#[test]
fn a_face_of_the_smallest_size_does_not_come_and_go() {
    let mut changes = Vec::new();
    let mut play = |heights: &[f32]| {
        let tracking = TrackingSettings { smallest_face: 0.1, ..TrackingSettings::default() };
        let expression = ExpressionSettings::default();
        let mut tracker = Tracker::new(tracking.clone(), expression, 1);
        changes.clear();
        for frame in 0..200_usize {
            let height = heights[frame % heights.len()];
            let rect = Rect::new(100.0, 100.0, 40.0, height);
            let found = [Detection { class: 0, confidence: 0.9, rect }];
            let filter = Filter {
                looked: |_: &Rect| true,
                admission: |face: &Rect| {
                    tracking.admission(face, Size::new(640, 500), &Zones::default())
                },
            };
            let now = Duration::from_millis(100) * frame as u32;
            tracker.update_where(now, &found, &filter, &mut changes);
        }
        changes.iter().filter(|change| change.kind == ChangeKind::FaceAppeared).count()
    };
    assert_eq!(play(&[49.0, 51.0, 46.0, 54.0]), 1);
    assert_eq!(play(&[49.0]), 0, "too small to begin with");
}

#[test]
fn two_people_of_equal_size_do_not_replace_one_another() {
    let jitter = (0..20).map(|frame| {
        let (a, b) = if frame % 2 == 0 { (100.0, 104.0) } else { (104.0, 100.0) };
        vec![face(1, a, Some(0)), face(2, b, Some(1))]
    });
    assert_eq!(shown(jitter), [Some(2); 20]);
}

#[test]
fn a_clearly_larger_face_and_one_whose_expression_is_known_are_shown() {
    let nearer = vec![face(1, 100.0, Some(0)), face(2, 150.0, Some(1))];
    let gone = vec![face(1, 100.0, Some(0))];
    let undecided = vec![face(1, 100.0, None), face(2, 50.0, Some(1))];
    let pictures = [gone.clone(), nearer, gone, undecided, vec![]];
    assert_eq!(shown(pictures), [Some(1), Some(2), Some(1), Some(2), None]);
}

const FRAME: Size = Size::new(100, 100);

pub(in crate::pipeline) fn zone(name: &str, kind: Kind, left: f32, right: f32) -> zones::Settings {
    let points = vec![[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]];
    zones::Settings { name: name.into(), kind, points, enabled: true }
}

/// Of a device whose broker is away, with these zones in its settings.
fn reporter(saved: &[zones::Settings]) -> Reporter {
    reporter_of(saved, &["happy".to_owned()], mqtt::settings::Settings::default())
}

/// The same with a model of these classes, and other settings of the connection.
pub(in crate::pipeline) fn reporter_of(
    saved: &[zones::Settings],
    classes: &[String],
    settings: mqtt::settings::Settings,
) -> Reporter {
    let url = "mqtt://127.0.0.1:1".into();
    let start = Start {
        settings: mqtt::settings::Settings { url, ..settings },
        device: Name::new("d1").expect("a name"),
        state_dir: None,
        credentials: Credentials::default(),
        subscriptions: Subscriptions::default(),
        clock: std::sync::Arc::new(SystemClock),
        jitter: || 0.0,
    };
    let (publisher, _) = Publisher::start(start).expect("started");
    let classes = classes.to_vec();
    let origin = Origin {
        device: "d1".into(),
        camera: "camera".into(),
        model: "test".into(),
        classes: classes.clone(),
    };
    let tracking = TrackingSettings { confirm_s: 0.0, confirm_frames: 1, ..Default::default() };
    let tracker = Tracker::new(tracking, ExpressionSettings::default(), classes.len());
    let recorder = Recorder::new(origin, system_randomness());
    let camera = Name::camera("camera").expect("a name");
    Reporter::new(camera, classes, Zones::new(saved), tracker, recorder, publisher)
}

/// A face at `x` in each second from `from` on; what was told.
fn watch(reporter: &mut Reporter, x: f32, seconds: std::ops::Range<u64>) -> Vec<Event> {
    let rect = Rect::new(x - 5.0, 45.0, 10.0, 10.0);
    let found = Findings::of_all(vec![Detection { rect, class: 0, confidence: 0.9 }], FRAME);
    seconds.flat_map(|second| reporter.see(at(second), &found)).collect()
}

fn counts(reporter: &Reporter) -> Vec<(String, usize)> {
    let faces = reporter.tracker.tracks(Duration::from_secs(3));
    reporter.counts(&faces).into_iter().collect()
}

#[tokio::test]
async fn zones_that_are_tried_count_for_the_page_and_are_told_to_nobody() {
    let mut reporter = reporter(&[zone("desk", Kind::Count, 0.0, 0.5)]);
    let tried = [zone("desk", Kind::Count, 0.6, 1.0), zone("sofa", Kind::Count, 0.0, 1.0)];
    reporter.try_zones(Some(&tried));
    let told = watch(&mut reporter, 20.0, 0..3);
    assert_eq!(told[0].event_type, EventType::FaceAppeared);
    assert!(told.iter().all(|event| event.zones == ["desk"]), "where the settings have it");
    let names: Vec<usize> =
        reporter.told.as_ref().expect("told").state.zones.iter().map(|(zone, ..)| *zone).collect();
    assert_eq!(names, [0], "the state has the settings' zones and no other");
    let none = |name: &str, faces| (name.to_owned(), faces);
    assert_eq!(counts(&reporter), [none("desk", 0), none("sofa", 1)]);
    reporter.try_zones(None);
    assert_eq!(counts(&reporter), [none("desk", 1)]);
}

#[tokio::test]
async fn what_is_tried_hides_more_and_never_less() {
    let mut reporter = reporter(&[zone("window", Kind::Mask, 0.0, 0.3)]);
    let hidden = |reporter: &Reporter| {
        (reporter.masks().len(), reporter.legend().masks.len(), reporter.blackened().len())
    };
    assert_eq!(hidden(&reporter), (1, 1, 1));
    // The mask is gone from what is tried, and holds all the same.
    assert_eq!(reporter.try_zones(Some(&[])).len(), 1);
    assert_eq!(hidden(&reporter), (1, 1, 1));
    assert_eq!(watch(&mut reporter, 20.0, 0..3), []);
    // Another one hides what it covers; only the page's picture still shows what is there.
    assert_eq!(reporter.try_zones(Some(&[zone("tv", Kind::Mask, 0.6, 1.0)])).len(), 2);
    assert_eq!(hidden(&reporter), (2, 2, 1));
    assert_eq!(watch(&mut reporter, 80.0, 3..6), []);
    // A command switches the settings' mask off, as it may: pictures stay black there.
    let all = Imposed { by_command: ZoneSet::default().with(0), ..Imposed::default() };
    let masks = reporter.obey(ZoneSet::default(), all).expect("changed");
    assert_eq!(masks.len(), 1);
    assert_eq!(hidden(&reporter), (1, 2, 1));
    // Where it is moved to, too.
    assert_eq!(reporter.try_zones(Some(&[zone("window", Kind::Mask, 0.6, 1.0)])).len(), 0);
    assert_eq!(hidden(&reporter), (0, 2, 1));
    assert_eq!(reporter.obey(ZoneSet::default(), Imposed::default()).expect("changed").len(), 1);
    reporter.try_zones(None);
    assert_eq!(watch(&mut reporter, 80.0, 6..9)[0].event_type, EventType::FaceAppeared);
}

/// It stood in Home Assistant as it was when the expression began, for as long as that lasted.
#[tokio::test]
async fn a_confidence_that_has_moved_is_told_again_and_not_at_frame_rate() {
    let mut reporter = reporter(&[]);
    let seen = |faces, confidence| State {
        everywhere: Seen { faces, shown: Some((0, 1)), confidence },
        zones: Vec::new(),
    };
    assert_eq!(reporter.to_be_told(at(1), &seen(1, 0.55)), Some(at(1)));
    let told = |since, second: u64| Told {
        state: seen(1, 0.55),
        since: at(since),
        at: Duration::from_secs(second),
        wrong: false,
    };
    reporter.told = Some(told(1, 1));
    assert_eq!(reporter.to_be_told(at(5), &seen(1, 0.9)), None, "so soon after the last");
    assert_eq!(reporter.to_be_told(at(6), &seen(1, 0.9)), Some(at(1)), "with the time of before");
    assert_eq!(reporter.to_be_told(at(6), &seen(1, 0.3)), Some(at(1)));
    assert_eq!(reporter.to_be_told(at(600), &seen(1, 0.6)), None);
    assert_eq!(reporter.to_be_told(at(2), &seen(2, 0.55)), Some(at(2)), "another state waits not");
    reporter.told = Some(told(1, 6));
    assert_eq!(reporter.to_be_told(at(10), &seen(1, 0.9)), None);
}

/// A zone that is the whole picture knows of each face what is told of it.
#[tokio::test]
async fn who_leaves_has_been_in_the_zone_for_as_long_as_there() {
    let mut reporter = reporter(&[zone("room", Kind::Count, 0.0, 1.0)]);
    let tracking = TrackingSettings { confirm_s: 2.0, ..reporter.tracker.tracking().clone() };
    reporter.tracker.retune(tracking, ExpressionSettings::default());
    let usage = |reporter: &Reporter| reporter.occupancy.usage(0);
    watch(&mut reporter, 20.0, 0..2);
    assert_eq!(usage(&reporter), Use::default(), "nobody was told yet");
    watch(&mut reporter, 20.0, 2..5);
    assert_eq!(usage(&reporter), Use { since: Some(at(0)), dwell: None });
    let told = reporter.wait(at(9));
    let left = told.iter().find(|event| event.event_type == EventType::FaceLeft).expect("left");
    assert_eq!(left.duration_ms, 4000);
    assert_eq!(usage(&reporter), Use { since: None, dwell: Some(Duration::from_secs(4)) });
}

/// On a board without a clock of its own the first state said yesterday for as long as it held.
#[tokio::test]
async fn what_was_told_with_a_wrong_clock_is_told_again_with_the_right_one() {
    let mut reporter = reporter(&[zone("room", Kind::Count, 0.0, 1.0)]);
    watch(&mut reporter, 20.0, 0..5);
    let since = |reporter: &Reporter| {
        let told = reporter.told.as_ref().expect("told");
        (told.since.wall, reporter.occupancy.usage(0).since.map(|since| since.wall))
    };
    let (told, came) = since(&reporter);
    let day = Duration::from_secs(86_400);
    reporter.correct(ClockStep::Forward(day));
    let state = reporter.look(&reporter.tracker.tracks(at(5).monotonic));
    let again = reporter.to_be_told(at(5), &state).expect("told again");
    assert_eq!(again.wall, told + day);
    reporter.wait(at(5));
    assert_eq!(since(&reporter), (told + day, came.map(|came| came + day)));
    let state = reporter.look(&reporter.tracker.tracks(at(5).monotonic));
    assert_eq!(reporter.to_be_told(at(5), &state), None, "once");
}
