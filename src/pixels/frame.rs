//! One picture as a source delivers it.

use std::time::Duration;

pub use super::format::PixelFormat;
use crate::clock::Moment;
use crate::geometry::{Region, Size};

/// Which numbers mean black and white in a raw YUV picture
/// (`V4L2_QUANTIZATION_*`). JPEG is always full range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// Luminance 16 to 235: what cameras mean unless the driver says otherwise.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// How red, green and blue were made into brightness and colour differences
/// (`V4L2_YCBCR_ENC_*`). JPEG is always BT.601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matrix {
    /// What cameras mean unless the driver says otherwise.
    #[default]
    Bt601,
    /// High-definition television.
    Bt709,
}

/// How a stored picture is turned to stand upright: the eight values of EXIF's
/// orientation tag, which also serve a camera that hangs upside down or mirrors.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Orientation {
    /// Clockwise quarter turns to apply, 0 to 3.
    pub quarter_turns: u8,
    /// Mirror left to right, after turning.
    pub mirror: bool,
}

impl Orientation {
    /// This orientation, then another on top: a stored picture's own, then the
    /// camera's as its owner hung it.
    pub fn then(self, next: Self) -> Self {
        // A turn behind a mirror is the opposite turn before it.
        let turns = if self.mirror { 4 - next.quarter_turns % 4 } else { next.quarter_turns };
        Self { quarter_turns: (self.quarter_turns + turns) % 4, mirror: self.mirror != next.mirror }
    }

    /// The size of a picture after turning.
    pub fn upright(self, stored: Size) -> Size {
        if self.quarter_turns % 2 == 1 { Size::new(stored.height, stored.width) } else { stored }
    }

    /// Where a region of the upright picture lies in the stored one, of size `stored`.
    pub(crate) fn to_stored(self, region: Region, stored: Size) -> Region {
        let upright = self.upright(stored);
        let Region { mut left, top, width, height } = region;
        if self.mirror {
            left = upright.width - left - width;
        }
        // What is on the left now was above, on the right or below before it was turned.
        let (right, below) = (upright.width - left - width, upright.height - top - height);
        match self.quarter_turns % 4 {
            0 => Region { left, top, width, height },
            1 => Region { left: top, top: right, width: height, height: width },
            2 => Region { left: right, top: below, width, height },
            _ => Region { left: below, top: left, width: height, height: width },
        }
    }
}

/// One picture. The buffer is reused from frame to frame, so that capture
/// allocates nothing once it runs.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Exactly the valid bytes (V4L2's `bytesused`), never the whole buffer.
    pub data: Vec<u8>,
    /// How they are to be read.
    pub format: PixelFormat,
    /// Size as stored, before [`Orientation`] is applied.
    pub size: Size,
    /// Bytes from one row of the first plane to the next; 0 for compressed pictures.
    pub stride: usize,
    /// Of raw YUV and grey pictures.
    pub range: Range,
    /// Of raw YUV pictures.
    pub matrix: Matrix,
    /// How it is turned to stand upright.
    pub orientation: Orientation,
    /// When the sensor took it (the driver's timestamp), else when it was read.
    pub captured: Moment,
    /// How far a recording has fallen behind its own rate; zero for cameras.
    pub lag: Duration,
    /// The source's own running number; gaps are frames the driver lost.
    pub sequence: u64,
}

impl Frame {
    /// An empty frame for a source to fill.
    pub fn empty(now: Moment) -> Self {
        Self {
            data: Vec::new(),
            format: PixelFormat::Grey,
            size: Size::default(),
            stride: 0,
            range: Range::default(),
            matrix: Matrix::default(),
            orientation: Orientation::default(),
            captured: now,
            lag: Duration::ZERO,
            sequence: 0,
        }
    }

    /// When what it shows happened: what everything that lasts is computed from. A
    /// recording's pictures follow one another at the recording's rate, however long the
    /// machine takes for them.
    pub fn time(&self) -> Moment {
        self.time_at(self.captured)
    }

    /// What time it is for what it shows, at `now` on the machine's clocks.
    pub fn time_at(&self, now: Moment) -> Moment {
        Moment { monotonic: now.monotonic.saturating_sub(self.lag), ..now }
    }

    /// The size of the picture as it is seen: what detections refer to.
    pub fn upright_size(&self) -> Size {
        self.orientation.upright(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::pixels::rgb::to_rgb;

    /// Turning twice by pixels and turning once by the combined orientation agree.
    #[test]
    fn orientations_combine() {
        let all = (0..8).map(|n| Orientation { quarter_turns: n % 4, mirror: n >= 4 });
        let frame = |data: &[u8], size, orientation| Frame {
            data: data.to_vec(),
            format: PixelFormat::Rgb24,
            size,
            orientation,
            ..Frame::empty(SystemClock.now())
        };
        let (size, pixels) = (Size::new(3, 2), (0..18).collect::<Vec<u8>>());
        for first in all.clone() {
            let once = to_rgb(&frame(&pixels, size, first)).expect("a whole frame");
            let turned = Size::new(once.width(), once.height());
            for second in all.clone() {
                let twice = to_rgb(&frame(once.as_raw(), turned, second)).expect("a whole frame");
                let combined = to_rgb(&frame(&pixels, size, first.then(second)));
                assert_eq!(combined.expect("a whole frame"), twice, "{first:?} then {second:?}");
            }
        }
    }
}
