use serde_json::json;

use super::*;
use crate::preview::Settings;
use crate::source::Opened;
use crate::source::controls::{ControlOffer, ControlRange, ControlValue};

fn changes(value: Value) -> Changes {
    serde_json::from_value(value).expect("an object")
}

fn trial() -> (Trial, mpsc::UnboundedReceiver<PageOrder>) {
    let (orders, ordered) = mpsc::unbounded_channel();
    let live = Arc::new(Live::new(&Settings::default(), false));
    let told = Grouping::none(&["happy".to_owned(), "not_happy".to_owned()]);
    (Trial::new(live, orders, told, Tunable::default()), ordered)
}

/// The threshold that was ordered last, and whether a new start was.
fn ordered(orders: &mut mpsc::UnboundedReceiver<PageOrder>) -> (Option<f32>, bool) {
    let (mut threshold, mut again) = (None, false);
    while let Ok(order) = orders.try_recv() {
        match order {
            PageOrder::Settle(tuning) => threshold = tuning.threshold,
            PageOrder::StartAgain => again = true,
            PageOrder::Saved(_) => {}
        }
    }
    (threshold, again)
}

fn mask() -> Value {
    json!([{ "name": "left", "kind": "mask", "points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]] }])
}

#[test]
fn what_was_written_is_taken_over_whatever_is_tried_meanwhile() {
    let written = changes(json!({ THRESHOLD: 0.5 }));
    let other = changes(json!({ "expression.hold_s": 3.0 }));
    for meanwhile in [Some(&other), None] {
        let (mut trial, mut orders) = trial();
        let _permit = trial.before_save(&written, None).expect("possible");
        match meanwhile {
            Some(other) => {
                trial.attempt(other.clone()).expect("possible");
            }
            None => trial.leave(),
        }
        trial.keep(&written);
        assert_eq!(trial.saved(), &Tunable::default().with(&written).expect("possible"));
        assert_eq!(trial.tried(), meanwhile.unwrap_or(&Changes::new()));
        assert_eq!(ordered(&mut orders), (Some(0.5), false));
        let faces = trial.live.faces.borrow().clone().expect("told");
        assert_eq!(faces.expression.hold_s == 3.0, meanwhile.is_some());
    }
}

#[test]
fn what_does_not_go_with_what_was_written_is_tried_no_more() {
    let (mut trial, _orders) = trial();
    let written = changes(json!({ ZONE: mask() }));
    let _permit = trial.before_save(&written, None).expect("possible");
    trial.attempt(changes(json!({ "camera.rotate": 180 }))).expect("no mask yet");
    trial.keep(&written);
    assert!(trial.tried().is_empty());
    let camera = trial.live.camera.borrow().clone().expect("told");
    assert_eq!(camera.orientation.quarter_turns, 0);
}

#[test]
fn zones_that_were_saved_hold_until_the_new_start() {
    let (mut trial, mut orders) = trial();
    let written = changes(json!({ ZONE: mask() }));
    let _permit = trial.before_save(&written, None).expect("possible");
    assert!(trial.keep(&written), "a new start");
    trial.attempt(changes(json!({ THRESHOLD: 0.6 }))).expect("possible");
    let faces = trial.live.faces.borrow().clone().expect("told");
    assert_eq!(faces.zones.expect("beside those of the start")[0].name, "left");
    assert_eq!(ordered(&mut orders).0, Some(0.6));
}

#[test]
fn each_page_learns_that_another_one_is_at_it() {
    let (mut trial, _orders) = trial();
    let mut known = trial.version();
    let mut is_new = |trial: &Trial| {
        let version = trial.version();
        let beyond = trial.is_beyond(Some(known));
        assert!(!trial.is_beyond(Some(version)) && !trial.is_beyond(None));
        known = version;
        beyond
    };
    let written = changes(json!({ THRESHOLD: 0.5 }));
    assert!(!is_new(&trial), "nothing has happened");
    trial.attempt(written.clone()).expect("possible");
    assert!(is_new(&trial), "an attempt");
    trial.attempt(changes(json!({ "expression.enter": 7 }))).expect_err("impossible");
    assert!(!is_new(&trial), "what is refused changes nothing");
    assert!(!trial.keep(&written), "no new start");
    assert!(is_new(&trial), "a save");
    trial.attempt(changes(json!({ THRESHOLD: 0.6 }))).expect("possible");
    assert!(is_new(&trial));
    trial.leave();
    assert!(is_new(&trial), "it was left");
    trial.leave();
    assert!(!is_new(&trial), "there was nothing to leave");
    trial.replace(Tunable::default());
    assert!(is_new(&trial), "an undo");
    assert!(trial.is_beyond(Some(Version::read("W/\"x\""))), "none of ours");
    assert_eq!(Version::read("\"7\""), Version(7));
}

#[test]
fn a_mask_that_is_tried_is_not_lifted_by_whoever_does_not_know_of_it() {
    let (mut trial, _orders) = trial();
    trial.attempt(changes(json!({ ZONE: mask() }))).expect("possible");
    let threshold = changes(json!({ THRESHOLD: 0.6 }));
    let both = changes(json!({ THRESHOLD: 0.6, ZONE: mask() }));
    assert_eq!(trial.with_masks(threshold.clone(), None), both);
    let knows = Some(trial.version());
    assert_eq!(trial.with_masks(threshold.clone(), knows), threshold);
    assert_eq!(trial.with_masks(Changes::new(), None), Changes::new(), "taken back");
    let none = changes(json!({ ZONE: [] }));
    assert_eq!(trial.with_masks(none.clone(), None), none);
    // Nor does a save of something else.
    let _permit = trial.before_save(&threshold, None).expect("possible");
    trial.keep(&threshold);
    let faces = trial.live.faces.borrow().clone().expect("told");
    assert_eq!(faces.zones.expect("tried still")[0].name, "left");
    // A zone that hides nothing is let go of.
    let mut counts = mask();
    counts[0]["kind"] = json!("count");
    trial.attempt(changes(json!({ ZONE: counts }))).expect("possible");
    assert_eq!(trial.with_masks(threshold.clone(), None), threshold);
}

#[test]
fn zones_as_they_were_at_the_start_need_no_other() {
    let (mut trial, mut orders) = trial();
    assert!(!trial.keep(&changes(json!({ ZONE: [] }))));
    assert!(!ordered(&mut orders).1);
    assert!(trial.keep(&changes(json!({ ZONE: mask() }))));
    let answer = trial.start_after(Response::new(()));
    assert!(!ordered(&mut orders).1, "the answer goes first");
    drop(answer);
    assert!(ordered(&mut orders).1);
}

#[test]
fn a_mask_that_is_only_in_the_files_is_asked_before_a_turn_is_saved() {
    let (mut trial, _orders) = trial();
    let masked = |changes: &Changes| {
        let mut written = Tunable::default().with(changes).expect("possible");
        written.zone = serde_json::from_value(mask()).expect("zones");
        written
    };
    let turn = changes(json!({ "camera.rotate": 180 }));
    let permit = trial.before_save(&turn, None).expect("no mask is known");
    assert!(permit(&masked(&turn)).expect_err("refused").starts_with("camera.rotate"));
    assert_eq!(permit(&Tunable::default().with(&turn).expect("possible")), Ok(()));
    let gain = changes(json!({ "camera.controls.gain": 3 }));
    assert_eq!(trial.before_save(&gain, None).expect("possible")(&masked(&gain)), Ok(()));
    // Drawn in the picture as it is turned now.
    let both = changes(json!({ "camera.rotate": 180, ZONE: mask() }));
    assert_eq!(trial.before_save(&both, None).expect("possible")(&masked(&both)), Ok(()));
}

#[test]
fn what_one_camera_had_is_not_set_on_another() {
    let (mut trial, _orders) = trial();
    let live = Arc::clone(&trial.live);
    let camera = |card: &str| Opened::Device {
        node: "/dev/video0".into(),
        bus: "usb-1.3".into(),
        card: card.to_owned(),
    };
    let open = |card: &str, value| {
        let range = ControlRange::Number { least: -255, most: 255, step: 1 };
        let gain = ControlOffer { name: "gain".to_owned(), value, range };
        live.offer(camera(card), vec![gain]);
    };
    let given = |card: &str| {
        let wanted = live.camera.borrow().clone().expect("told");
        wanted.controls_for(&camera(card)).get("gain").cloned()
    };
    let (first, second) = (ControlValue::Number(128), ControlValue::Number(-3));
    open("A", first.clone());
    trial.attempt(changes(json!({ "camera.controls.gain": 200 }))).expect("possible");
    assert_eq!(given("A"), Some(ControlValue::Number(200)));
    trial.leave();
    assert_eq!((given("A"), given("B")), (Some(first), None), "before B has told anything");
    open("B", second.clone());
    trial.attempt(changes(json!({ THRESHOLD: 0.6 }))).expect("possible");
    assert_eq!(given("B"), None);
    trial.attempt(changes(json!({ "camera.controls.gain": 7 }))).expect("possible");
    trial.leave();
    assert_eq!((given("A"), given("B")), (None, Some(second)));
}

#[test]
fn a_control_that_was_saved_before_the_camera_was_opened_can_be_taken_back() {
    let saved = Tunable::default().with(&changes(json!({ "camera.controls.gain": 200 })));
    let (mut trial, _orders) = trial();
    trial.saved = saved.expect("possible");
    let range = ControlRange::Number { least: 0, most: 255, step: 1 };
    let default = ControlValue::Number(64);
    let gain = ControlOffer { name: "gain".to_owned(), value: default.clone(), range };
    trial.live.offer(Opened::Files, vec![gain]);
    trial.replace(Tunable::default());
    let camera = trial.live.camera.borrow().clone().expect("told");
    assert_eq!(camera.controls_for(&Opened::Files).get("gain"), Some(&default));
}

#[test]
fn of_what_is_tried_nothing_stays_in_a_camera_that_is_closed() {
    let (mut trial, _orders) = trial();
    let range = || ControlRange::Number { least: 0, most: 255, step: 1 };
    let offer = |name: &str| ControlOffer {
        name: name.to_owned(),
        value: ControlValue::Number(64),
        range: range(),
    };
    trial.live.offer(Opened::Files, vec![offer("gain"), offer("gamma"), offer("hue")]);
    trial.keep(&changes(json!({ "camera.controls.gamma": 100 })));
    let tried = json!({ "camera.controls.gain": 3, "camera.controls.gamma": 7 });
    trial.attempt(changes(tried)).expect("possible");
    let camera = trial.live.camera.borrow().clone().expect("told");
    let left = camera.controls_to_leave(&Opened::Files);
    let number = |name: &str, value| (name.to_owned(), ControlValue::Number(value));
    assert_eq!(left, [number("gain", 64), number("gamma", 100)].into());
}

#[test]
fn whoever_has_loaded_the_controls_hears_when_the_camera_offers_others() {
    let (trial, _orders) = trial();
    let offer = |most| {
        let range = ControlRange::Number { least: 0, most, step: 1 };
        let value = ControlValue::Number(0);
        let gain = ControlOffer { name: "gain".to_owned(), value, range };
        trial.live.offer(Opened::Files, vec![gain]);
        trial.live.offered.load(Ordering::Relaxed)
    };
    assert_eq!([offer(255), offer(255), offer(100)], [1, 1, 2]);
}

#[test]
fn why_a_camera_refuses_is_told_until_it_is_asked_for_something_else() {
    let (mut trial, _orders) = trial();
    let mut attempt = |value: Value| {
        trial.attempt(changes(value)).expect("possible");
        Arc::clone(&trial.live)
    };
    let live = attempt(json!({ "camera.controls.gain": 300 }));
    live.refused.send_replace(Some("gain: 255 at most".to_owned()));
    attempt(json!({ "camera.controls.gain": 300, THRESHOLD: 0.6 }));
    assert!(live.refused.borrow().is_some());
    attempt(json!({ "camera.controls.gain": 200 }));
    assert!(live.refused.borrow().is_none());
}
