//! What a camera lists: formats, sizes, rates.

use serde::Serialize;

use crate::geometry::Size;

/// A pixel format with its sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// Four letters; `Y16 ` and a few others end in a blank. `Y16 -BE` has its bytes the other way round.
    pub fourcc: String,
    /// The driver's name for it.
    pub description: String,
    /// Whether this program reads it.
    pub readable: bool,
    /// Empty where the driver lists none.
    pub sizes: Vec<Mode>,
    /// Where the driver takes any size within limits; `sizes` are then some of them.
    #[serde(skip)]
    pub range: Option<SizeRange>,
}

/// A size and its rates.
#[derive(Clone, Debug, Serialize)]
pub struct Mode {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The highest rate, in frames per second; none where the driver does not tell.
    pub fps: Option<f64>,
    #[serde(skip)]
    pub(super) rates: Rates,
}

impl Mode {
    pub(super) fn new(width: u32, height: u32, rates: Rates) -> Self {
        Self { width, height, fps: rates.highest().map(Interval::fps), rates }
    }
}

/// Seconds from frame to frame, as a fraction: 1/30, or 2/15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Interval {
    pub(super) const fn of_fps(fps: u32) -> Self {
        Self { numerator: 1, denominator: fps }
    }

    /// Frames per second.
    pub(super) fn fps(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// Drivers were seen to list 0/0.
    pub(super) fn is_possible(self) -> bool {
        self.numerator > 0 && self.denominator > 0
    }
}

/// The rates of a size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Rates {
    /// The driver does not tell.
    #[default]
    Unknown,
    Listed(Vec<Interval>),
    Between {
        slowest: Interval,
        fastest: Interval,
    },
}

impl Rates {
    fn highest(&self) -> Option<Interval> {
        match self {
            Self::Unknown => None,
            Self::Listed(all) => all.iter().copied().max_by(|a, b| a.fps().total_cmp(&b.fps())),
            Self::Between { fastest, .. } => Some(*fastest),
        }
    }

    /// What to ask for to get `fps` at least: a rate that the driver lists, since it would
    /// round another one to the nearest, which may be below. Where there is none, the
    /// highest.
    pub(super) fn at_least(&self, fps: u32) -> Interval {
        let wanted = Interval::of_fps(fps);
        match self {
            Self::Unknown => wanted,
            Self::Listed(all) => {
                let enough = all.iter().copied().filter(|interval| reaches(*interval, fps));
                let slowest = enough.min_by(|a, b| a.fps().total_cmp(&b.fps()));
                slowest.or(self.highest()).unwrap_or(wanted)
            }
            Self::Between { slowest, fastest } => {
                if wanted.fps() > fastest.fps() {
                    *fastest
                } else if wanted.fps() < slowest.fps() {
                    *slowest
                } else {
                    wanted
                }
            }
        }
    }
}

/// Whether a rate counts as `fps`: television's 29.97 passes for 30.
pub(super) fn reaches(interval: Interval, fps: u32) -> bool {
    interval.fps() >= 0.98 * f64::from(fps)
}

/// Limits of a driver that scales to any size.
#[derive(Clone, Copy, Debug)]
pub struct SizeRange {
    pub(super) least: Size,
    pub(super) most: Size,
    /// From one width and height to the next.
    pub(super) step: Size,
}

impl SizeRange {
    pub(super) fn contains(&self, size: Size) -> bool {
        let on = |value: u32, least: u32, most: u32, step: u32| {
            (least..=most).contains(&value) && (value - least).is_multiple_of(step.max(1))
        };
        on(size.width, self.least.width, self.most.width, self.step.width)
            && on(size.height, self.least.height, self.most.height, self.step.height)
    }

    /// The size within the limits that has the pinned sides (0: not pinned), in the shape
    /// of the largest where one is open.
    pub(super) fn pinned(&self, width: u32, height: u32) -> Option<Size> {
        let side = |pin: u32, other: u32, most: u32, other_most: u32, least: u32, step: u32| {
            if pin != 0 {
                return pin;
            }
            let exact = u64::from(other) * u64::from(most) / u64::from(other_most.max(1));
            let wanted = u32::try_from(exact).unwrap_or(most).clamp(least, most);
            wanted - (wanted - least) % step.max(1)
        };
        let (least, most, step) = (self.least, self.most, self.step);
        let size = Size::new(
            side(width, height, most.width, most.height, least.width, step.width),
            side(height, width, most.height, most.width, least.height, step.height),
        );
        self.contains(size).then_some(size)
    }
}
