//! What the committed model sees: above a floor, beside a mask, in a mirror.

use std::path::Path;

use expressiond::detector::{Detection, Detector, Settings};
use expressiond::geometry::{Rect, Size};
use expressiond::pixels::frame::{Frame, Orientation};
use expressiond::source::picture::read;
use expressiond::zones::{self, Masks, Zones};

use super::daemon::program::models;

/// It is the settings that see nobody.
#[test]
fn a_floor_above_every_face_makes_no_model_blind() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    for (floor, sees) in [(0.3, true), (0.999, false)] {
        let mut detector = Detector::load(&Settings { floor, ..models() }).unwrap();
        assert!(detector.info().self_tested);
        let mut found = Vec::new();
        detector.detect(&picture, &mut found).unwrap();
        assert_eq!(!found.is_empty(), sees, "above {floor}: {found:?}");
    }
}

/// What lies in a mask is not looked at, wherever the daemon gets the picture from.
#[test]
fn a_masked_face_is_not_seen() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    let mut detector = Detector::load(&models()).unwrap();
    let mut found = Vec::new();
    detector.detect(&picture, &mut found).unwrap();
    let face = found.first().expect("the self-test's face").rect;
    detector.set_masks(mask_of(&face, picture.upright_size()));
    detector.detect(&picture, &mut found).unwrap();
    assert!(!is_seen(&face, &found), "{found:?}");
    look_mirrored(&mut detector, &picture, &mut found);
    assert!(!is_seen(&face, &found), "{found:?}");
}

/// A mirrored look sees what the mirrored picture shows, and tells it where the picture has it.
#[test]
fn a_mirrored_look_is_told_in_the_places_of_the_picture() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    let mut detector = Detector::load(&models()).unwrap();
    let (mut plain, mut mirrored, mut turned) = (Vec::new(), Vec::new(), Vec::new());
    detector.detect(&picture, &mut plain).unwrap();
    look_mirrored(&mut detector, &picture, &mut mirrored);
    let orientation = Orientation { mirror: true, ..picture.orientation };
    detector.detect(&Frame { orientation, ..picture.clone() }, &mut turned).unwrap();
    let [plain, mirrored, turned] = [plain[0], mirrored[0], turned[0]];
    assert!(mirrored.rect.iou(&plain.rect) > 0.7, "{mirrored:?} {plain:?}");
    let back = turned.rect.mirrored(picture.upright_size().width as f32);
    assert!(mirrored.rect.iou(&back) > 0.95, "{mirrored:?} {back:?}");
    assert!((mirrored.confidence - turned.confidence).abs() < 0.05, "{mirrored:?} {turned:?}");
    assert_eq!((mirrored.class, plain.class), (turned.class, turned.class));
}

fn look_mirrored(detector: &mut Detector, picture: &Frame, found: &mut Vec<Detection>) {
    let prepared = detector.prepare(picture).unwrap().mirrored(true);
    detector.look(&prepared, found).unwrap();
}

fn is_seen(face: &Rect, found: &[Detection]) -> bool {
    found.iter().any(|seen| seen.rect.iou(face) > 0.5 && seen.confidence > 0.5)
}

fn mask_of(face: &Rect, size: Size) -> Masks {
    let (w, h) = (size.width as f32, size.height as f32);
    let (left, right) = ((face.x / w).max(0.0), (face.right() / w).min(1.0));
    let (top, bottom) = ((face.y / h).max(0.0), (face.bottom() / h).min(1.0));
    let mask = zones::Settings {
        name: "face".to_owned(),
        kind: zones::Kind::Mask,
        points: vec![[left, top], [right, top], [right, bottom], [left, bottom]],
        enabled: true,
    };
    Zones::new(&[mask]).masks()
}
