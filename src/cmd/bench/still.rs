//! What a room in which nothing happens costs, with and without the pace.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::situations::look_at_all;
use expressiond::attention::pace::{Pace, Settings};
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings};
use expressiond::clock::cpu_time;
use expressiond::detector::networks::{Network, Networks};
use expressiond::error::Result;
use expressiond::pixels::frame::Frame;

/// How many seconds of a still room are measured. They pass on the clock that the pace is
/// given, not on the wall: frames follow each other as fast as the board takes them.
const SECONDS: u32 = 30;
/// Frames in such a second.
const FPS: u32 = 15;

/// CPU time in milliseconds for a second of a camera's frames.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Still {
    /// While the whole of every frame is looked at.
    pub looking_cpu_ms_per_s: f64,
    /// Once the pace has found that nothing moves.
    pub idle_cpu_ms_per_s: f64,
    /// How many times less the second is than the first.
    pub ratio: f64,
}

impl fmt::Display for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a still room: {:.1} ms of CPU a second instead of {:.1} ({:.0} times less)",
            self.idle_cpu_ms_per_s, self.looking_cpu_ms_per_s, self.ratio
        )
    }
}

/// The same frame again and again, as if no face were followed.
pub(crate) fn measure(frame: &Frame, mut networks: Networks) -> Result<Still> {
    let frames = std::slice::from_ref(frame);
    let looking = look_at_all(networks.get_mut(Network::Main), frames)?;
    let pace = Some(Pace::new(Settings::default()));
    let mut attention = Attention::new(networks, Distance::default(), pace)?;
    let rest = Settings::default().idle_after_s as u32;
    play(&mut attention, frame, 0, rest)?;
    let idle = play(&mut attention, frame, rest, rest + SECONDS)?;
    Ok(Still {
        looking_cpu_ms_per_s: looking,
        idle_cpu_ms_per_s: idle,
        ratio: looking / idle.max(f64::MIN_POSITIVE),
    })
}

/// CPU time in milliseconds for each second of frames, from one second to another.
fn play(attention: &mut Attention, frame: &Frame, from: u32, to: u32) -> Result<f64> {
    let (mut copy, mut findings) = (frame.clone(), Findings::default());
    let begin = cpu_time();
    for number in from * FPS..to * FPS {
        // The capture thread copies frames also while nothing is looked at.
        copy.clone_from(frame);
        let now = Duration::from_secs(1) * number / FPS;
        attention.see(&copy, now, &[], 1.0, &mut findings, &|| true)?;
    }
    Ok((cpu_time() - begin).as_secs_f64() * 1e3 / f64::from(to - from))
}
