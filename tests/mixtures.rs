//! Faces of which the network is in doubt, from its output to what is told: however the classes
//! are mixed and put together in groups, at every rate of looks and above every floor.

use std::collections::BTreeMap;
use std::time::Duration;

use expressiond::detector::Detection;
use expressiond::detector::nms::suppress;
use expressiond::detector::raw_head::{Level, decode_level, logit};
use expressiond::detector::sample::Values;
use expressiond::detector::tflite::Quantization;
use expressiond::tracks::ChangeKind::{ExpressionEnded, ExpressionStarted, FaceAppeared};
use expressiond::tracks::grouping::{Grouping, Groups};
use expressiond::tracks::{Change, ChangeKind, ExpressionSettings, Tracker, TrackingSettings};
use proptest::prelude::*;

const FLOOR: f32 = 0.1;

/// What the detector makes of a face to which the network gives each class this confidence.
fn detected(confidences: &[f32], floor: f32) -> Vec<Detection> {
    let level = Level { rows: 1, columns: 1, stride: 100, boxes: 0, classes: 1 };
    let quantization = Quantization { scale: 1.0, zero_point: 0 };
    let logits: Vec<f32> = confidences.iter().map(|c| logit(c.clamp(1e-6, 0.999))).collect();
    let (boxes, classes) = (
        Values { data: &[0.0f32; 8][..], quantization },
        Values { data: &logits[..], quantization },
    );
    let mut found = Vec::new();
    decode_level(&level, boxes, classes, (confidences.len(), 2), floor, &mut found);
    suppress(&mut found, 0.5);
    let seen = |class: usize, confidence, rect| Detection { class, confidence, rect };
    found.iter().map(|one| seen(one.class, one.confidence, one.rect())).collect()
}

/// Somebody before a camera that is looked at so many times a second.
struct Scene {
    tracker: Tracker,
    now: Duration,
    interval: Duration,
    floor: f32,
    /// Of the noise.
    random: u32,
    told: Vec<Change>,
}

impl Scene {
    fn new(grouping: &Grouping, rate: f32, floor: f32, seed: u32) -> Self {
        let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
        let tracker = Tracker::new(tracking, expression, grouping.of_class().len());
        Self {
            tracker: tracker.telling(grouping),
            now: Duration::from_secs(1000),
            interval: Duration::from_secs_f32(1.0 / rate),
            floor,
            random: seed,
            told: Vec::new(),
        }
    }

    /// Looks for this long at a face with this confidence of each class, give or take `noise`
    /// of it.
    fn looks(&mut self, seconds: f32, confidences: &[f32], noise: f32) {
        for _ in 0..(seconds / self.interval.as_secs_f32()).ceil() as usize {
            let trembling: Vec<f32> = confidences.iter().map(|c| c * self.tremor(noise)).collect();
            self.now += self.interval;
            let found = detected(&trembling, self.floor);
            self.tracker.update(self.now, &found, &mut self.told);
        }
    }

    fn tremor(&mut self, noise: f32) -> f32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1.0 + noise * ((self.random >> 8) as f32 / (1 << 23) as f32 - 1.0)
    }

    fn kinds(&self) -> Vec<ChangeKind> {
        self.told.iter().map(|change| change.kind).collect()
    }

    /// Whether it appeared and at most one expression began.
    fn is_steady(&self) -> bool {
        let kinds = self.kinds();
        kinds == [FaceAppeared] || kinds == [FaceAppeared, ExpressionStarted]
    }

    /// The number of what is told now.
    fn expression(&self) -> Option<usize> {
        let faces = self.tracker.tracks(self.now);
        assert_eq!(faces.len(), 1, "{:?}", self.told);
        faces[0].expression.map(|(told, _)| told)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Seven classes, the second of which smiles, in groups that every model has.
fn seven(groups: &str) -> Grouping {
    let classes = words("neutral happy sad surprise fear disgust anger");
    let groups = Groups::Named(words(groups));
    Grouping::resolve(&groups, &classes, &BTreeMap::new()).unwrap()
}

/// So many classes, each in the group of its number, or of 0 in none.
fn in_groups(count: usize, numbers: &[usize]) -> Grouping {
    let classes: Vec<String> = (0..count).map(|number| format!("class{number}")).collect();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (class, number) in classes.iter().zip(numbers).filter(|(_, number)| **number > 0) {
        groups.entry(format!("group{number}")).or_default().push(class.clone());
    }
    Grouping::resolve(&Groups::Defined(groups), &classes, &BTreeMap::new()).unwrap()
}

/// Of any classes, their shares in a face.
fn sum_to_one(mut shares: Vec<f32>) -> Vec<f32> {
    let total: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

/// For up to nine classes the group that each is in.
fn groups() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0usize..4, 9)
}

#[test]
fn a_smile_among_six_weak_classes_is_found_and_told() {
    let confidences = [0.05, 0.656, 0.06, 0.07, 0.08, 0.06, 0.06];
    let found = detected(&confidences, FLOOR);
    assert_eq!(found.len(), 7);
    let together: f32 = found.iter().map(|one| one.confidence).sum();
    assert!((together - confidences.iter().sum::<f32>()).abs() < 1e-4, "{together}");
    let mut scene = Scene::new(&in_groups(7, &[]), 5.0, FLOOR, 1);
    scene.looks(4.0, &confidences, 0.05);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    assert_eq!(scene.expression(), Some(1));
    let share = scene.told[1].confidence;
    assert!((share - 0.63).abs() < 0.05, "{share}");
}

/// Only one class has the floor, and it does not lead for that.
#[test]
fn a_doubtful_face_does_not_become_a_sure_one_at_the_floor() {
    let mut scene = Scene::new(&in_groups(7, &[]), 5.0, FLOOR, 1);
    scene.looks(5.0, &[0.15, 0.095, 0.095, 0.095, 0.095, 0.095, 0.095], 0.03);
    assert_eq!(scene.kinds(), [FaceAppeared]);
}

/// None of the six stands out, and a smile it is not.
#[test]
fn who_does_not_smile_is_told_though_nobody_knows_what_else_it_is() {
    let grouping = seven("happy not_happy");
    for confidences in [
        [0.17, 0.05, 0.16, 0.1, 0.1, 0.21, 0.2],
        [0.12, 0.06, 0.15, 0.14, 0.17, 0.15, 0.18],
        [0.14, 0.04, 0.14, 0.31, 0.16, 0.09, 0.11],
    ] {
        let mut scene = Scene::new(&grouping, 5.0, FLOOR, 1);
        scene.looks(4.0, &confidences, 0.1);
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "{confidences:?}");
        assert_eq!(grouping.told()[scene.expression().unwrap()], "not_happy");
    }
}

/// Half of what a class has when nothing is known is in doubt: neither is told.
#[test]
fn a_trace_of_a_smile_is_neither() {
    let mut scene = Scene::new(&seven("happy not_happy"), 5.0, FLOOR, 1);
    scene.looks(5.0, &[0.15, 0.14, 0.16, 0.13, 0.14, 0.15, 0.13], 0.1);
    assert_eq!(scene.kinds(), [FaceAppeared]);
}

#[test]
fn of_seven_a_leading_class_of_two_fifths_is_clear() {
    let mut scene = Scene::new(&in_groups(7, &[]), 10.0, FLOOR, 1);
    scene.looks(3.0, &[0.09, 0.09, 0.36, 0.09, 0.09, 0.09, 0.09], 0.1);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    assert_eq!(scene.expression(), Some(2));
}

/// Somebody who has smiled and speaks now, neutral and surprised by turns: neither is told,
/// and the smile is not kept for that.
#[test]
fn what_two_others_replace_by_turns_ends() {
    let mut scene = Scene::new(&in_groups(7, &[]), 10.0, FLOOR, 1);
    let leads = |class: usize| {
        let mut confidences = [0.045; 7];
        confidences[class] = 0.63;
        confidences
    };
    scene.looks(5.0, &leads(1), 0.1);
    for turn in 0..40 {
        scene.looks(0.5, &leads(if turn % 2 == 0 { 0 } else { 3 }), 0.1);
    }
    assert_eq!(scene.kinds()[..3], [FaceAppeared, ExpressionStarted, ExpressionEnded]);
    assert_eq!(scene.told[2].class, 1);
}

#[test]
fn a_group_is_clear_when_its_classes_are_together() {
    let mut scene = Scene::new(&seven("positive neutral negative"), 10.0, FLOOR, 1);
    // Sad or frightened or angry: negative in any case.
    scene.looks(3.0, &[0.045, 0.018, 0.3, 0.045, 0.225, 0.045, 0.225], 0.1);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    assert_eq!(scene.expression(), Some(2));
    assert!(scene.told[1].confidence > 0.7, "{:?}", scene.told[1]);
}

/// Six of seven classes are a large group, also of a face that says nothing.
#[test]
fn a_face_that_says_nothing_is_in_no_group() {
    for groups in ["happy not_happy", "positive neutral negative"] {
        let mut scene = Scene::new(&seven(groups), 10.0, FLOOR, 1);
        scene.looks(5.0, &[0.9 / 7.0; 7], 0.1);
        assert_eq!(scene.kinds(), [FaceAppeared], "{groups}");
        scene.looks(3.0, &[0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0], 0.1);
        scene.looks(3.0, &[0.9 / 7.0; 7], 0.1);
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted, ExpressionEnded], "{groups}");
    }
}

proptest! {
    /// However the classes are mixed, two of them or nine: what is told stays told.
    #[test]
    fn no_mixture_flickers(
        shares in proptest::collection::vec(0.001f32..1.0, 2..10), groups in groups(),
        rate in 2.0f32..15.0, floor in 0.02f32..0.2, total in 0.95f32..1.0, seed: u32,
    ) {
        let confidences: Vec<f32> = sum_to_one(shares).iter().map(|s| s * total).collect();
        let grouping = in_groups(confidences.len(), &groups);
        let mut scene = Scene::new(&grouping, rate, floor, seed);
        scene.looks(30.0, &confidences, 0.15);
        prop_assert!(scene.is_steady(), "{:?}", scene.kinds());
    }

    /// The same where a group of six is about as clear as it must be.
    #[test]
    fn no_group_flickers_at_its_limits(
        others in proptest::collection::vec(0.5f32..1.0, 6), smile in 0.04f32..0.16,
        strong in 0.2f32..0.4, is_strong: bool, three: bool, rate in 2.0f32..15.0, seed: u32,
    ) {
        let mut shares: Vec<f32> =
            sum_to_one(others).iter().map(|share| share * (1.0 - smile)).collect();
        if is_strong {
            shares[1] = strong;
        }
        shares.insert(1, smile);
        let groups = if three { "positive neutral negative" } else { "happy not_happy" };
        let mut scene = Scene::new(&seven(groups), rate, FLOOR, seed);
        scene.looks(30.0, &sum_to_one(shares), 0.15);
        prop_assert!(scene.is_steady(), "{:?}", scene.kinds());
    }

    /// A class with at least 0.4 and three and a half times the next one's share is told two
    /// seconds after the first look that shows it, at the latest, whatever was told before; at
    /// fewer than 2.5 looks a second, two and a half.
    #[test]
    fn a_lead_is_told_in_time(
        others in proptest::collection::vec(0.001f32..1.0, 1..9), lead in 0.4f32..1.0,
        before in 0usize..8, rate in 2.0f32..15.0, floor in 0.02f32..0.2, seed: u32,
    ) {
        let mut shares: Vec<f32> =
            sum_to_one(others).iter().map(|share| share * (1.0 - lead)).collect();
        prop_assume!(shares.iter().all(|share| share * 3.5 <= lead));
        shares.push(lead);
        let count = shares.len();
        let mut scene = Scene::new(&in_groups(count, &[]), rate, floor, seed);
        let first: Vec<f32> =
            (0..count).map(|n| f32::from(u8::from(n == before % (count - 1)))).collect();
        scene.looks(5.0, &first, 0.0);
        scene.looks(in_time(rate), &shares, 0.02);
        prop_assert_eq!(scene.expression(), Some(count - 1));
    }

    /// So is a group of six, of which none leads, when the smile has a third of what each
    /// class has when nothing is known.
    #[test]
    fn a_group_is_told_in_time(
        others in proptest::collection::vec(0.5f32..1.0, 6), smile in 0.0f32..0.048,
        rate in 2.0f32..15.0, floor in 0.02f32..0.2, seed: u32,
    ) {
        let mut shares: Vec<f32> =
            sum_to_one(others).iter().map(|share| share * (1.0 - smile)).collect();
        shares.insert(1, smile);
        let mut scene = Scene::new(&seven("happy not_happy"), rate, floor, seed);
        scene.looks(5.0, &[0.0, 0.95, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0);
        scene.looks(in_time(rate), &shares, 0.02);
        prop_assert_eq!(scene.expression(), Some(1));
    }

    /// A profile, a covered mouth: of three classes and more it ends as none of them, and as
    /// none of their groups.
    #[test]
    fn what_cannot_be_judged_ends_as_nothing(
        count in 3usize..10, class in 0usize..9, groups in groups(), rate in 2.0f32..15.0,
        floor in 0.02f32..0.2, total in 0.8f32..1.0, seed: u32,
    ) {
        let clear: Vec<f32> =
            (0..count).map(|n| total * f32::from(u8::from(n == class % count))).collect();
        let mut scene = Scene::new(&in_groups(count, &groups), rate, floor, seed);
        scene.looks(4.0, &clear, 0.1);
        scene.looks(5.0, &vec![total / count as f32; count], 0.1);
        prop_assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted, ExpressionEnded]);
    }
}

/// From before the first look on, and a look more for what does not divide evenly.
fn in_time(rate: f32) -> f32 {
    let limit = if rate < 2.5 { 2.5 } else { 2.0 };
    (((limit * rate).floor() + 1.0) / rate) * 0.9999
}
