//! What the page may change, what it may not, and what masks hold back.

use serde_json::json;

use super::*;
use crate::contract::in_force::Author;

const SQUARE: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
const BOW: [[f32; 2]; 4] = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]];

fn tried(changes: Value) -> Result<Tunable, String> {
    let changes = read_changes(changes.to_string().as_bytes(), is_tunable)?;
    Tunable::default().with(&changes)
}

#[test]
fn a_change_lands_where_the_settings_file_has_it() {
    let tried = tried(json!({
        "tracking.start_confidence": 0.5, "camera.rotate": 180,
        "camera.controls.gain": 12, "camera.controls.power_line_frequency": "50 Hz",
        "zone": [{ "name": "tv", "kind": "mask", "points": SQUARE }],
    }));
    let tried = tried.expect("possible");
    assert_eq!(tried.tuning().threshold, Some(0.5));
    assert_eq!(tried.values()["expression.enter"], 0.65, "as it is written");
    let camera = tried.camera(&Tunable::default(), Touched::default());
    assert_eq!((camera.orientation.quarter_turns, camera.saved.len()), (2, 0));
    assert_eq!(tried.camera.controls.len(), 2);
    assert_eq!((tried.zone[0].kind, tried.zone[0].enabled), (zones::Kind::Mask, true));
    assert_eq!(tried.values()["camera.controls.gain"], 12);
}

#[test]
fn what_is_impossible_or_not_ours_is_refused_with_its_key() {
    for (changes, words) in [
        (json!({ "expression.enter": 0.2 }), "expression.enter is 0.2"),
        (json!({ "expression.leave": 0.9 }), "expression.leave is 0.9"),
        (json!({ "camera.rotate": 45 }), "camera.rotate is 45"),
        (json!({ "camera.mirror": "yes" }), "camera.mirror"),
        (json!({ "camera.controls.gain": [] }), "camera.controls"),
        (json!({ "camera.source": "/etc/shadow" }), "cannot be changed here"),
        (json!({ "camera.controls.a.b": 1 }), "cannot be changed here"),
        (json!({ "mqtt.url": "mqtt://evil" }), "cannot be changed here"),
        (json!({ "zone": [{ "name": "bow", "points": BOW }] }), "zone 'bow': points: the edge"),
        (json!({ "zone": vec![json!({ "name": "a", "points": SQUARE }); 17] }), "at most 16"),
        (json!({ "zone": [{ "name": "a", "points": [[0, 0]], "owner": 1 }] }), "zone[0]"),
        (json!([]), "map"),
    ] {
        let refused = tried(changes.clone()).expect_err("refused");
        assert!(refused.contains(words), "{changes}: {refused}");
    }
    assert!(read_changes(&[b' '; LONGEST + 1], is_tunable).is_err());
}

#[test]
fn what_moves_the_picture_is_known() {
    for control in ["pan_absolute", "tilt_speed", "zoom_continuous", "vertical_flip"] {
        assert!(moves_picture(&format!("camera.controls.{control}")), "{control}");
    }
    assert!(moves_picture("camera.rotate") && moves_picture("camera.mirror"));
    for key in ["camera.controls.gain", "pace.max_fps", ZONE, "camera.controls."] {
        assert!(!moves_picture(key), "{key}");
    }
}

#[test]
fn a_mask_holds_the_picture_where_it_is() {
    let mask = json!([{ "name": "tv", "kind": "mask", "points": SQUARE }]);
    let with =
        |key: &str, value: Value| tried(json!({ "zone": mask, key: value })).expect("possible");
    let still = with("camera.controls.gain", json!(3));
    assert_eq!(still.refuse_what_uncovers(&with("pace.max_fps", json!(3))), Ok(()));
    // A control that is given no more goes back to what it was, as one that is new moves.
    for key in ["camera.rotate", "camera.controls.pan_absolute"] {
        let moved = with(key, json!(180));
        for (one, other) in [(&still, &moved), (&moved, &still)] {
            let why = one.refuse_what_uncovers(other).expect_err("refused");
            assert!(why.starts_with(key), "{why}");
        }
        assert_eq!(Tunable::default().refuse_what_uncovers(&moved), Ok(()), "nothing is hidden");
    }
}

#[test]
fn what_a_command_gives_counts_instead_and_what_the_file_gives_does_not() {
    let masks = json!({ "zone": [
        { "name": "tv", "kind": "mask", "points": SQUARE },
        { "name": "door", "kind": "mask", "points": SQUARE, "enabled": false },
    ] });
    let by = |from: Author| InForce {
        threshold: Given { value: Some(0.9), from: from.clone() },
        max_fps: Given { value: None, from: from.clone() },
        paused: Given { value: false, from: Author::File },
        snapshots: Given { value: true, from: Author::File },
        zones: [("tv".to_owned(), Given { value: false, from })].into(),
    };
    let own = tried(masks).expect("possible");
    assert_eq!(own.clone().ruled_by(&by(Author::File), &own.zone), own, "as it is tried");
    let ruled = own.clone().ruled_by(&by(Author::Command), &own.zone);
    assert_eq!(ruled.tracking.start_confidence, 0.9);
    assert_eq!(ruled.pace, own.pace, "nobody gave another");
    assert!(ruled.zone.iter().all(|mask| !mask.enabled));
    // Said where faces were counted, it switches off no mask that is tried there now.
    let mut counted = own.zone.clone();
    counted[0].kind = zones::Kind::Count;
    assert!(own.clone().ruled_by(&by(Author::Command), &counted).zone[0].enabled);
    let group = Author::Group("hall".to_owned());
    assert!(!own.ruled_by(&by(group), &counted).zone[0].enabled, "whatever has the name");
}

#[test]
fn every_offer_is_a_setting_and_its_whole_range_is_possible() {
    let values = Tunable::default().values();
    for (key, offer) in OFFERS {
        assert!(values.contains_key(key), "{key}");
        let Offer::Number { least, most, .. } = offer else { continue };
        for value in [least, most] {
            let mut changes = json!({ key: value });
            // These two bound each other.
            if key == "expression.leave" {
                changes["expression.enter"] = json!(1.0);
            }
            tried(changes).unwrap_or_else(|why| panic!("{key} = {value}: {why}"));
        }
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_accepted_reads_back(
        offer in 0..OFFERS.len(),
        number in -2.0f32..40.0,
        gain in proptest::num::i64::ANY,
    ) {
        let value = if gain % 3 == 0 { json!(number) } else { json!(number as i64) };
        let changes = json!({ OFFERS[offer].0: value, "camera.controls.gain": gain });
        if let Ok(changed) = tried(changes) {
            let again = changed.with(&changed.values());
            proptest::prop_assert_eq!(again, Ok(changed));
        }
    }
}
