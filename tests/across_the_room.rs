//! People at every distance, in frames of 1280x720 at 15 a second: told once each, soon, and
//! followed until they are gone. Each sequence is seen as from a camera, in process, and
//! played through the daemon to a Mosquitto. All of it happens in the time of the frames, so
//! that no machine's speed counts.

mod daemon;
mod room;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use daemon::program::models;
use daemon::{Broker, daemon};
use expressiond::attention::pace::{Pace, Settings as PaceSettings};
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::clock::Moment;
use expressiond::detector::Settings;
use expressiond::detector::networks::Networks;
use expressiond::events::{Event, EventType, Origin, Recorder};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::tracks::{ExpressionSettings, Filter, Tracker, TrackingSettings};
use image::RgbImage;
use room::{
    APPROACHING, BEHIND_A_CROWD, BESIDE_WHAT_MOVES, CROSSING, FPS, HURRYING, INTO_A_RESTING_ROOM,
    NEAR_AND_FAR, PICTURE, RESTS_UNTIL, SITTING_STILL, Sequence, approaching_has_28_pixels,
};

/// The event, and when it was told, in seconds of the sequence, where that is known.
type Told = (Event, Option<f32>);

/// Seen as the daemon sees a camera: with rests, glances and a budget.
fn before_a_camera(sequence: &Sequence, model: &Settings) -> Vec<Told> {
    let networks = Networks::load(model).unwrap();
    let classes = networks.info().classes.clone();
    let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
    let mut tracker = Tracker::new(tracking, expression, classes.len());
    let pace = Some(Pace::new(PaceSettings::default()));
    let mut attention = Attention::new(networks, Distance::Room, pace).unwrap();
    let origin =
        Origin { device: "test".into(), camera: "camera".into(), model: "model".into(), classes };
    let mut recorder = Recorder::new(origin, Box::new(|| [0; 10]));
    let (mut followed, mut findings) = (Vec::new(), Findings::default());
    let (mut changes, mut told) = (Vec::new(), Vec::new());
    let at = |monotonic| Moment { monotonic, wall: SystemTime::UNIX_EPOCH + monotonic };
    let mut now = Duration::ZERO;
    for picture in sequence.pictures() {
        let frame = raw(picture, at(now));
        tracker.followed(now, &mut followed);
        let sight = attention.see(&frame, now, &followed, 1.0, &mut findings, &|| true).unwrap();
        if matches!(sight, Sight::Looked(..)) {
            let looked = Filter::looked(|rect| findings.covers(rect));
            tracker.update_where(now, &findings.detections, &looked, &mut changes);
        }
        for change in changes.drain(..) {
            let event = recorder.record(&change, at(now), PICTURE, Vec::new());
            told.push((event, Some(now.as_secs_f32())));
        }
        now += Duration::from_secs(1) / FPS;
    }
    tracker.end_all(&mut changes);
    let last = changes.iter().map(|change| recorder.record(change, at(now), PICTURE, Vec::new()));
    told.extend(last.map(|event| (event, Some(now.as_secs_f32()))));
    told
}

fn raw(picture: RgbImage, captured: Moment) -> Frame {
    let data = picture.into_raw();
    Frame { data, format: PixelFormat::Rgb24, size: PICTURE, ..Frame::empty(captured) }
}

/// Played by the program with its default settings; what a broker's subscriber hears.
fn through_the_daemon(sequence: &Sequence) -> Vec<Told> {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mjpeg");
    record(sequence, &film);
    let broker = Broker::start();
    let (source, fps) = (film.display().to_string(), FPS.to_string());
    let settings = [("camera.source", &*source), ("camera.fps", &*fps)];
    let mut daemon = daemon(folder.path(), broker.port, &settings);
    let offline =
        |topic: &str, text: &str| topic == "expressiond/test/availability" && text == "offline";
    let mut heard = Vec::new();
    // However long a busy machine takes for all of it, something is heard in between.
    while !heard.last().is_some_and(|(topic, text): &(String, String)| offline(topic, text)) {
        heard.append(&mut broker.until(|_, _| true));
    }
    assert_eq!(daemon.code(), Some(0));
    let events: Vec<Event> = heard
        .iter()
        .filter(|(topic, _)| topic == "expressiond/test/camera/event")
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .collect();
    events.into_iter().map(|event| (event, None)).collect()
}

/// Writes a Motion-JPEG film.
fn record(sequence: &Sequence, path: &Path) {
    let picture = |picture: RgbImage| {
        let image = turbojpeg::Image {
            width: PICTURE.width as usize,
            height: PICTURE.height as usize,
            pitch: 3 * PICTURE.width as usize,
            format: turbojpeg::PixelFormat::RGB,
            pixels: picture.as_raw().as_slice(),
        };
        turbojpeg::compress(image, 90, turbojpeg::Subsamp::Sub2x1).unwrap().to_vec()
    };
    std::fs::write(path, sequence.pictures().flat_map(picture).collect::<Vec<u8>>()).unwrap();
}

/// Shows a sequence both ways; each person must be told by the second in `by`, as one face
/// that stays until the person is gone. Returns what was told of each person.
fn assert_told(sequence: &Sequence, by: &[f32]) -> Vec<Vec<Vec<Event>>> {
    let before = before_a_camera(sequence, &models());
    let ways = [("camera", before), ("daemon", through_the_daemon(sequence))];
    ways.map(|(way, told)| assert_people(sequence, by, way, told)).into()
}

/// Checks what was told in one way; says what of each person.
fn assert_people(sequence: &Sequence, by: &[f32], way: &str, told: Vec<Told>) -> Vec<Vec<Event>> {
    println!("{way}: {}", summary(&told));
    let numbers: Vec<u64> = told.iter().map(|(event, _)| event.sequence).collect();
    assert_eq!(numbers, (1..=told.len() as u64).collect::<Vec<_>>(), "{way}");
    let mut stories: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    told.into_iter().for_each(|one| stories.entry(one.0.track.clone()).or_default().push(one));
    assert_eq!(stories.len(), sequence.people(), "{way}: one face for each person");
    let mut people = vec![Vec::new(); sequence.people()];
    for story in stories.into_values() {
        let who = assert_story(sequence, by, &story);
        assert!(people[who].is_empty(), "{way}: somebody was told as two");
        people[who] = story.into_iter().map(|(event, _)| event).collect();
    }
    people
}

fn summary(told: &[Told]) -> String {
    let one = |(event, at): &Told| {
        let (rect, seconds) = (event.rect, event.duration_ms as f32 / 1000.0);
        let name = event.event_type.name();
        format!("\n  {at:?} {} {name} {} {rect:?} {seconds}", event.track, event.class)
    };
    told.iter().map(one).collect()
}

/// Checks what was told of one face; says whose it is.
fn assert_story(sequence: &Sequence, by: &[f32], story: &[Told]) -> usize {
    let kinds: Vec<EventType> = story.iter().map(|(event, _)| event.event_type).collect();
    let words = summary(story);
    let [(appeared, told), .., (left, _)] = story else { panic!("no beginning and end: {words}") };
    assert_eq!(kinds.first(), Some(&EventType::FaceAppeared), "{words}");
    assert_eq!(kinds.last(), Some(&EventType::FaceLeft), "{words}");
    let mut expressed = false;
    for kind in &kinds[1..kinds.len() - 1] {
        let before = std::mem::replace(&mut expressed, *kind != EventType::ExpressionEnded);
        let begins = *kind == EventType::ExpressionStarted;
        assert!(*kind != EventType::FaceAppeared && *kind != EventType::FaceLeft, "{words}");
        assert_eq!(before, !begins, "what begins has not begun, what ends has: {words}");
    }
    assert!(!expressed, "its expression ends before it leaves: {words}");
    let (who, there) = sequence.recognise(&appeared.rect);
    let lasted = left.duration_ms as f32 / 1000.0;
    // Who stays in one place stays to the end.
    let first_seen = sequence.last_seen(who) - lasted;
    let confirmed = first_seen + TrackingSettings::default().confirm_s;
    let seconds = told.unwrap_or(if sequence.walks(who) { there } else { confirmed });
    assert!(seconds <= by[who], "told at {seconds}: {words}");
    let (height, right) = (appeared.rect.height, sequence.height(who, seconds));
    assert!((0.67..1.67).contains(&(height / right)), "{height} for {right}: {words}");
    // Who goes out of the picture is not seen in the last part of it.
    let least = sequence.last_seen(who) - seconds - 0.5;
    assert!(lasted >= least, "followed for {lasted} of {least} s: {words}");
    who
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_approaches_from_eight_metres_is_one_person_told_soon_after_28_pixels() {
    let ways = assert_told(&APPROACHING, &[approaching_has_28_pixels() + 1.5]);
    for people in &ways {
        let started = |event: &Event| event.event_type == EventType::ExpressionStarted;
        assert!(people[0].iter().any(started), "{people:?}");
        assert_eq!(people[0].last().unwrap().class, "happy");
    }
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_crosses_at_four_metres_stays_one_person() {
    assert_told(&CROSSING, &[3.0]);
}

/// Its expressions are read from so near that a look shows little beside the face.
#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_hurries_by_is_one_person_for_the_model_of_seven_expressions() {
    let seven = Settings { name: "expression-yolo12n-7".into(), ..models() };
    assert_people(&HURRYING, &[6.0], "camera", before_a_camera(&HURRYING, &seven));
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn somebody_at_one_metre_does_not_hide_somebody_at_five() {
    assert_told(&NEAR_AND_FAR, &[1.0, 6.5]);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn somebody_who_sits_still_at_five_metres_is_found() {
    assert_told(&SITTING_STILL, &[SITTING_STILL.seconds]);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn what_somebody_waves_does_not_hide_who_comes_in_beside_it() {
    assert_told(&BESIDE_WHAT_MOVES, &[1.0, 9.5]);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_sits_down_far_away_in_a_room_that_rests_is_told_in_seconds() {
    assert_told(&INTO_A_RESTING_ROOM, &[RESTS_UNTIL + 2.0]);
}

/// The six stand so close that looks at one show half of the next, and they are more than the looks
/// of a frame.
#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn six_people_nearby_do_not_hide_somebody_behind_them() {
    let mut told = before_a_camera(&BEHIND_A_CROWD, &models());
    let all = summary(&told);
    println!("{all}");
    let beginnings = told.iter().filter(|(event, _)| event.event_type == EventType::FaceAppeared);
    assert_eq!(beginnings.count(), BEHIND_A_CROWD.people(), "one face for each person: {all}");
    told.retain(|(event, _)| BEHIND_A_CROWD.recognise(&event.rect).0 == 6);
    let words = summary(&told);
    let when = |kind| {
        let mut events = told.iter().filter(|(event, _)| event.event_type == kind);
        let (_, seconds) = events.next().unwrap_or_else(|| panic!("no {kind:?}: {words}"));
        assert!(events.next().is_none(), "{kind:?} twice: {words}");
        seconds.expect("before a camera")
    };
    // From the fourth second on, to the ninth.
    assert!(when(EventType::FaceAppeared) <= 4.0 + 1.5, "{words}");
    assert!(when(EventType::ExpressionStarted) <= 4.0 + 2.5, "{words}");
    // Nobody was found there for two seconds, in which it was looked for.
    assert!(when(EventType::FaceLeft) <= 9.0 + 2.5, "{words}");
}
