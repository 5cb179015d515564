//! One thing at a time, with the others switched off.

use super::*;

/// Told as soon as it leads: nothing is smoothed, voted on or waited for.
const AT_ONCE: fn() -> Settings =
    || Settings { hold_s: 0.0, smoothing_s: 0.0, votes: 1, votes_of: 1, ..Settings::default() };

/// Shows a face of class 0 (`a`) or 1 (`b`) in each frame, at so many a second. What was told,
/// with the number of its frame from 1.
fn show(settings: &Settings, fps: f32, classes: &str) -> Vec<(usize, Step)> {
    let at = |frame: usize| Duration::from_secs_f32(frame as f32 / fps);
    let mut expression = Expression::new(&[0, 1], at(0));
    let shares = |class| if class == 'a' { [1.0, 0.0] } else { [0.0, 1.0] };
    let frames = (1..).zip(classes.chars());
    frames
        .filter_map(|(frame, class)| {
            let step = expression.update(at(frame), shares(class).into_iter(), settings)?;
            Some((frame, step))
        })
        .collect()
}

#[test]
fn so_many_of_the_last_frames_must_show_it() {
    let first = |votes, votes_of, classes| {
        let settings = Settings { votes, votes_of, ..AT_ONCE() };
        show(&settings, 10.0, classes).first().copied()
    };
    let started = |frame, class| Some((frame, Step::Started { class }));
    assert_eq!(first(1, 1, "aaaa"), started(1, 0));
    assert_eq!(first(4, 6, "aaaaaaaa"), started(4, 0));
    assert_eq!(first(6, 6, "aaaaaaaa"), started(6, 0));
    assert_eq!(first(4, 6, "aabaa"), started(5, 0), "others may lie between");
    assert_eq!(first(3, 3, "aabaaa"), started(6, 0), "what is longer ago counts no more");
    assert_eq!(first(3, 4, "abbab"), started(5, 1));
    assert_eq!(first(3, 4, "aabbaabbaabb"), None);
}

/// At any rate of frames: what is smoothed is time.
#[test]
fn the_smoothing_takes_the_time_that_the_settings_say() {
    for smoothing_s in [0.35, 1.0] {
        for fps in [5.0, 20.0] {
            // So that the one stays until the other is clear.
            let settings = Settings { smoothing_s, leave: 0.0, ..AT_ONCE() };
            let second = fps as usize;
            let told = show(&settings, fps, &("a".repeat(5 * second) + &"b".repeat(5 * second)));
            let [(1, Step::Started { class: 0 }), (frame, Step::Changed { from: 0, to: 1, .. })] =
                told[..]
            else {
                panic!("{told:?}")
            };
            // The new class has 1 - exp(-t / smoothing_s), and the old one the rest.
            let expected = -smoothing_s * (1.0 - settings.enter).ln();
            let late = (frame - 5 * second) as f32 / fps - expected;
            let limit = 0.0..1.001 / fps;
            assert!(limit.contains(&late), "{smoothing_s} s at {fps}/s: {late} s after {expected}");
        }
    }
    let changed = (17, Step::Changed { from: 0, to: 1, lasted: Duration::from_secs(2) });
    let told = show(&AT_ONCE(), 8.0, &("a".repeat(16) + "bbb"));
    assert_eq!(told[1..], [changed], "without smoothing at once");
}

#[test]
fn it_must_hold_for_as_long_as_the_settings_say() {
    let settings = Settings { hold_s: 0.5, ..AT_ONCE() };
    let told = show(&settings, 8.0, &("aaab".to_owned() + &"a".repeat(10)));
    // Since frame 5: half a second is four frames.
    assert_eq!(told, [(9, Step::Started { class: 0 })]);
}

/// What a class had before does not keep another from a lead of 1.
#[test]
fn the_highest_limit_is_reached_again_after_another_class() {
    let settings = Settings { enter: 1.0, smoothing_s: 0.35, ..AT_ONCE() };
    for fps in [5.0, 15.0, 30.0] {
        let second = fps as usize;
        let told = show(&settings, fps, &("a".repeat(5 * second) + &"b".repeat(10 * second)));
        let classes: Vec<usize> = told
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Started { class } | Step::Changed { to: class, .. } => Some(*class),
                Step::Ended { .. } => None,
            })
            .collect();
        assert_eq!(classes, [0, 1], "{fps}/s: {told:?}");
    }
}
