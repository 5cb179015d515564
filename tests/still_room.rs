//! A face that comes into a room where nothing happened, seen by the committed model: in
//! the time of the frames, so that no machine's speed counts.

use std::path::Path;
use std::time::Duration;

use expressiond::attention::pace;
use expressiond::attention::pace::Pace;
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::detector::networks::Networks;
use expressiond::detector::{Detection, Settings};
use expressiond::pixels::frame::Frame;
use expressiond::source::picture;

/// Between two frames of a camera at the default `camera.fps`.
const FRAME: Duration = Duration::from_micros(66_667);
const PHASES: u32 = 8;

fn frame(name: &str) -> Frame {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    picture::read(&root.join("tests/demo/frames").join(name)).unwrap()
}

/// Shows `frame` from `now` on until `done`, at most for a minute; says when that was.
fn show(
    attention: &mut Attention,
    frame: &Frame,
    mut now: Duration,
    mut done: impl FnMut(Sight, &[Detection]) -> bool,
) -> Duration {
    let (mut found, end) = (Findings::default(), now + Duration::from_secs(60));
    while now < end {
        let sight = attention.see(frame, now, &[], 1.0, &mut found).unwrap();
        if done(sight, &found.detections) {
            return now;
        }
        now += FRAME;
    }
    panic!("not within a minute of frames");
}

#[test]
fn a_face_is_seen_within_half_a_second_after_stillness() {
    let networks = Networks::load(&Settings::default()).unwrap();
    let settings = pace::Settings { idle_after_s: 0.5, ..pace::Settings::default() };
    let mut attention =
        Attention::new(networks, Distance::default(), Some(Pace::new(settings))).unwrap();
    let (nobody, somebody) = (frame("000.jpg"), frame("030.jpg"));
    let mut now = Duration::from_secs(1);
    for phase in 0..PHASES {
        // Until it only glances, and then a little longer: the face comes between two
        // glances, at another place each time.
        let mut glances = 0;
        now = show(&mut attention, &nobody, now, |sight, _| {
            glances += u32::from(matches!(sight, Sight::Glanced(light) if light.idle));
            glances > 3
        });
        let came = now + FRAME * 3 / 4 + FRAME * phase / 2;
        now = show(&mut attention, &somebody, came, |sight, found| {
            matches!(sight, Sight::Looked(..)) && found.iter().any(|face| face.confidence >= 0.7)
        });
        let took = now - came;
        assert!(took <= Duration::from_millis(400), "{took:?} in phase {phase}");
        now += FRAME;
    }
}
