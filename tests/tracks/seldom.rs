//! Faces that are not looked for in every frame.

use expressiond::tracks::ChangeKind::{FaceAppeared, FaceLeft};
use expressiond::tracks::Filter;

use super::{HAPPY, Scene, face};

/// A face of which only each tenth frame shows the place, as far ones are when the board is
/// busy: it is not missed in between, but missed when it was looked for.
#[test]
fn a_face_that_is_not_looked_for_is_not_missed() {
    let mut scene = Scene::at(15.0);
    scene.seconds(1.0, |_| vec![face(HAPPY, 0.9, 0.0)]);
    assert_eq!(scene.kinds()[0], FaceAppeared);
    scene.told.clear();
    let mut play = |seconds: f32, there: bool| {
        for number in 0..(seconds * 15.0) as u32 {
            scene.now += scene.frame;
            let looked = number.is_multiple_of(10);
            let found = if looked && there { vec![face(HAPPY, 0.9, 0.0)] } else { vec![] };
            scene.tracker.update_where(
                scene.now,
                &found,
                &Filter::looked(|_| looked),
                &mut scene.told,
            );
        }
        scene.told.iter().filter(|change| change.kind == FaceLeft).count()
    };
    assert_eq!(play(10.0, true), 0);
    // Two looks that do not find it are too few, five are not.
    assert_eq!(play(1.4, false), 0);
    assert_eq!(play(2.0, false), 1);
}

/// Each look finds it, or all but one do: seldom looked at is not missed.
#[test]
fn a_new_face_that_is_seldom_looked_at_is_told() {
    for every in [7, 10, 18, 45] {
        for missed in [None, Some(1), Some(2)] {
            let mut scene = Scene::at(15.0);
            for number in 0..8 * every {
                scene.now += scene.frame;
                let looked = number % every == 0;
                let there = looked && Some(number / every) != missed;
                let found = if there { vec![face(HAPPY, 0.9, 0.0)] } else { vec![] };
                let filter = Filter::looked(|_| looked);
                scene.tracker.update_where(scene.now, &found, &filter, &mut scene.told);
            }
            let told = scene.kinds();
            assert_eq!(told.first(), Some(&FaceAppeared), "every {every}th, missed: {missed:?}");
            assert!(!told.contains(&FaceLeft), "every {every}th, missed: {missed:?}");
            assert_eq!(scene.tracker.tracks(scene.now)[0].track, 1, "it is the same all the time");
        }
    }
}
