//! Rendered sequences of people at every distance before a camera of 1280x720 at 15 frames a
//! second, and where their faces are in each. The faces are the demonstration's, in the
//! public domain (tests/demo/README.md).

use std::path::Path;

use expressiond::geometry::{Rect, Size};
use image::{Rgb, RgbImage, imageops};

pub const FPS: u32 = 15;
pub const PICTURE: Size = Size { width: 1280, height: 720 };
/// Height in pixels of a face a metre away.
pub const AT_ONE_METRE: f32 = 180.0;

/// Where somebody stands: so far away, with the face's middle at a place in pixels.
#[derive(Clone, Copy)]
pub struct Stand {
    pub metres: f32,
    pub face: (f32, f32),
}

impl Stand {
    fn height(&self) -> f32 {
        AT_ONE_METRE / self.metres
    }

    fn distance(&self, rect: &Rect) -> f32 {
        let (x, y) = rect.centre();
        (self.face.0 - x).hypot(self.face.1 - y)
    }
}

/// What happens before the camera, in seconds since it began.
pub struct Sequence {
    pub seconds: f32,
    /// Each person's place, none while the person is not there.
    people: fn(f32) -> Vec<Option<Stand>>,
    /// A dark thing that stands or moves before everybody.
    thing: fn(f32) -> Option<Rect>,
}

const NO_THING: fn(f32) -> Option<Rect> = |_| None;

/// A metre a second, from 8 m to 1 m; nobody before and after.
pub const APPROACHING: Sequence = Sequence {
    seconds: 12.0,
    people: |seconds| {
        let walked = seconds - 2.0;
        let metres = 8.0 - walked;
        let there = (0.0..7.0).contains(&walked);
        let face = (500.0 + 40.0 * walked, 300.0 + 60.0 / metres);
        vec![there.then_some(Stand { metres, face })]
    },
    thing: NO_THING,
};

/// From the first second on somebody goes so many pixels a second at 4 m, where 200 are about 1.1
/// metres.
fn crossing(seconds: f32, speed: f32) -> Vec<Option<Stand>> {
    let walked = (seconds - 1.0) * speed;
    let there = (0.0..1400.0).contains(&walked);
    vec![there.then_some(Stand { metres: 4.0, face: (-60.0 + walked, 320.0) })]
}

pub const CROSSING: Sequence =
    Sequence { seconds: 11.0, people: |seconds| crossing(seconds, 200.0), thing: NO_THING };

/// Two metres a second, from the fifth second on: all of the room was looked at by then.
pub const HURRYING: Sequence =
    Sequence { seconds: 12.0, people: |seconds| crossing(seconds - 4.0, 360.0), thing: NO_THING };

/// Somebody at 1 m, and somebody at 5 m who has `walked` so many seconds at this height of the
/// picture, if any.
fn near_and_far(seconds: f32, walked: f32, y: f32) -> Vec<Option<Stand>> {
    let near = Stand { metres: 1.0, face: (380.0 + 10.0 * (seconds * 2.0).sin(), 360.0) };
    let far = Stand { metres: 5.0, face: (1180.0 - 40.0 * walked, y) };
    vec![Some(near), (walked >= 0.0).then_some(far)]
}

/// Somebody at 1 m all the time, and from the fifth second on somebody at 5 m.
pub const NEAR_AND_FAR: Sequence = Sequence {
    seconds: 9.0,
    people: |seconds| near_and_far(seconds, seconds - 5.0, 280.0),
    thing: NO_THING,
};

/// Somebody at 1 m who waves something about, farther out than elbows reach, and from the
/// eighth second on somebody at 5 m who comes in beside it.
pub const BESIDE_WHAT_MOVES: Sequence = Sequence {
    seconds: 12.0,
    people: |seconds| near_and_far(seconds, seconds - 8.0, 480.0),
    thing: |seconds| Some(Rect::new(860.0 + 40.0 * (seconds * 9.0).sin(), 560.0, 60.0, 120.0)),
};

/// Six people side by side, 1.6 m away, all the time, and from the fourth to the ninth second
/// somebody at 4.5 m above their heads.
pub const BEHIND_A_CROWD: Sequence = Sequence {
    seconds: 13.0,
    people: |seconds| {
        let near = |n: u8| Stand { metres: 1.6, face: (105.0 + 212.0 * f32::from(n), 520.0) };
        let far = Stand { metres: 4.5, face: (920.0, 150.0) };
        let there = (4.0..9.0).contains(&seconds).then_some(far);
        (0..6).map(|n| Some(near(n))).chain([there]).collect()
    },
    thing: NO_THING,
};

/// In a room that has come to rest somebody sits down at 6 m, behind a sofa: the head is less
/// of the picture than what ends the rest, and about as bright as the wall.
pub const INTO_A_RESTING_ROOM: Sequence = Sequence {
    seconds: 24.0,
    people: |seconds| {
        let sits = Stand { metres: 6.0, face: (860.0, 420.0) };
        vec![(seconds >= RESTS_UNTIL).then_some(sits)]
    },
    thing: |_| Some(Rect::new(780.0, 437.0, 200.0, 150.0)),
};
/// When that is: the sweep comes to that place more than six seconds later.
pub const RESTS_UNTIL: f32 = 18.7;

/// At 5 m; it ends when the person must have been told.
pub const SITTING_STILL: Sequence = Sequence {
    seconds: 15.0,
    people: |_| vec![Some(Stand { metres: 5.0, face: (860.0, 420.0) })],
    thing: NO_THING,
};

/// When the face of whoever approaches has 28 pixels.
pub fn approaching_has_28_pixels() -> f32 {
    2.0 + 8.0 - AT_ONE_METRE / 28.0
}

impl Sequence {
    /// How many people are there at some time.
    pub fn people(&self) -> usize {
        (self.people)(0.0).len()
    }

    /// When each frame is taken.
    fn times(&self) -> impl Iterator<Item = f32> {
        (0..(self.seconds * FPS as f32) as u32).map(|frame| frame as f32 / FPS as f32)
    }

    /// Where a person stands in each frame in which the face's middle is in the picture.
    fn stands(&self, who: usize) -> impl Iterator<Item = (f32, Stand)> {
        let visible = |stand: &Stand| {
            let (x, y) = stand.face;
            (0.0..PICTURE.width as f32).contains(&x) && (0.0..PICTURE.height as f32).contains(&y)
        };
        self.times().filter_map(move |seconds| {
            (self.people)(seconds)[who].filter(visible).map(|stand| (seconds, stand))
        })
    }

    /// Whether a person's place tells what time it is.
    pub fn walks(&self, who: usize) -> bool {
        let first = self.stands(who).next().unwrap().1;
        let last = self.stands(who).last().unwrap().1;
        (first.face.0 - last.face.0).abs() > 100.0
    }

    /// Whose face a box is: who comes nearest to it, and when that is.
    pub fn recognise(&self, rect: &Rect) -> (usize, f32) {
        let people = (0..self.people()).flat_map(|who| {
            self.stands(who).map(move |(seconds, stand)| (who, seconds, stand.distance(rect)))
        });
        let (who, seconds, _) = people.min_by(|a, b| a.2.total_cmp(&b.2)).unwrap();
        (who, seconds)
    }

    /// How high a person's face is at a time.
    pub fn height(&self, who: usize, seconds: f32) -> f32 {
        (self.people)(seconds)[who].unwrap().height()
    }

    /// When a person's face is in the picture for the last time.
    pub fn last_seen(&self, who: usize) -> f32 {
        self.stands(who).last().unwrap().0
    }

    /// Every picture, with a sensor's noise.
    pub fn pictures(&self) -> impl Iterator<Item = RgbImage> {
        let person = Person::new();
        let all = [person.mirrored(), person];
        // Noise on a whole picture takes as long as looking at it: the room has it once for each
        // picture of half a second, what stands before it in every picture.
        let rooms: Vec<_> = (0..7).map(|number| noisy(room(), number)).collect();
        self.times().zip(0_u32..).map(move |(seconds, number)| {
            let mut picture = rooms[number as usize % rooms.len()].clone();
            let stands = (self.people)(seconds);
            // The other one than the demonstration's stands behind.
            let looks = all.iter().rev().cycle();
            let mut there: Vec<_> =
                looks.zip(stands).filter_map(|(look, stand)| Some((look, stand?))).collect();
            there.sort_by(|a, b| b.1.metres.total_cmp(&a.1.metres));
            there.iter().for_each(|(look, stand)| look.draw(&mut picture, stand, number));
            if let Some(thing) = (self.thing)(seconds) {
                let (width, height) = (thing.width as u32, thing.height as u32);
                let dark = RgbImage::from_pixel(width, height, Rgb([40, 44, 60]));
                imageops::replace(
                    &mut picture,
                    &noisy(dark, number),
                    thing.x as i64,
                    thing.y as i64,
                );
            }
            picture
        })
    }
}

/// Somebody of the demonstration, cut out with a margin, and where the face is in that.
struct Person {
    picture: RgbImage,
    face: Rect,
}

impl Person {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/frames/030.jpg");
        let picture = image::open(path).unwrap().into_rgb8();
        // The head stands in the middle of that frame (tests/demo/make.py).
        let picture = imageops::crop_imm(&picture, 170, 20, 300, 460).to_image();
        Self { picture, face: Rect::new(82.0, 58.0, 128.0, 170.0) }
    }

    fn mirrored(&self) -> Self {
        let x = self.picture.width() as f32 - self.face.right();
        let face = Rect { x, ..self.face };
        Self { picture: imageops::flip_horizontal(&self.picture), face }
    }

    fn draw(&self, room: &mut RgbImage, stand: &Stand, number: u32) {
        let scale = stand.height() / self.face.height;
        let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(self.picture.width()), side(self.picture.height()));
        let small = if scale < 1.0 {
            imageops::thumbnail(&self.picture, width, height)
        } else {
            imageops::resize(&self.picture, width, height, imageops::FilterType::Triangle)
        };
        let (face_x, face_y) = self.face.centre();
        let (left, top) = (stand.face.0 - face_x * scale, stand.face.1 - face_y * scale);
        imageops::replace(room, &noisy(small, number), left.round() as i64, top.round() as i64);
    }
}

/// A wall with a window and a shelf: edges, as rooms have them.
fn room() -> RgbImage {
    RgbImage::from_fn(PICTURE.width, PICTURE.height, |x, y| {
        let wall = (186 - x / 24 - y / 18) as u8;
        match (x, y) {
            (60..=260, 80..=330) if (x - 60) % 100 > 6 && (y - 80) % 125 > 6 => {
                Rgb([200, 215, 235])
            }
            (1000..=1250, 400..=415 | 520..=535) => Rgb([96, 66, 40]),
            (0..=1279, 640..=719) => Rgb([120, 104, 90]),
            _ => Rgb([wall, wall, wall.saturating_add(6)]),
        }
    })
}

/// The picture as a sensor's picture of this `number` would show it.
fn noisy(mut picture: RgbImage, number: u32) -> RgbImage {
    for (at, value) in picture.iter_mut().enumerate() {
        let random = (at as u32).wrapping_add(number * 40_503).wrapping_mul(2_654_435_761) >> 13;
        *value = value.saturating_add((random % 5) as u8).saturating_sub(2);
    }
    picture
}
