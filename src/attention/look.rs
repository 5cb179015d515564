//! A look: a region of the picture and the network that is shown it.

use crate::detector::networks::{Network, Networks};
use crate::detector::sidecar::USUAL_CLOSE_LOOK;
use crate::geometry::{Rect, Region, Size};

/// A face of this height, in pixels of a network's input, is usually found; a smaller one
/// mostly not.
pub(crate) const READABLE: f32 = 20.0;
/// Looks at one face of a picture that has no next frame, so many times as wide as the one at
/// which the model reads expressions best,
const FARTHER: [f32; SCALES] = [1.0, 4.0 / 3.0, 2.0, 8.0 / 3.0];
/// but no wider than so many times the face: there the smallest network still has a readable one
/// (21 of 128 pixels).
const WIDEST: f32 = 6.0;
/// How many they are.
pub(super) const SCALES: usize = 4;
/// Beside a face that is where it was foreseen a look shows so much more, in shares of its size:
/// no two boxes of a face are the same, and one that touches the look's edge may be cut.
const SPARE: f32 = 0.1;

/// What a look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The whole picture, for whoever stands before the camera.
    Whole,
    /// A piece of it, for small faces.
    Tile,
    /// One face, followed or only suspected.
    Face,
}

impl Purpose {
    /// In a word, as the page and annotated copies show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Tile => "tile",
            Self::Face => "face",
        }
    }
}

/// A region and what looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Within the picture.
    pub region: Region,
    /// Which network.
    pub network: Network,
    /// What for.
    pub purpose: Purpose,
    /// Pixels of the picture for each of the network's input.
    pub scale: f32,
    /// What it costs: the pixels of the network's input.
    pub cost: u32,
    /// Whether the network is shown it with left and right exchanged. A face has the same
    /// expression then, and the network another chance to err.
    pub mirrored: bool,
    /// How many times as wide as a face it is where the close network reads that face's expression
    /// best. Looks of the main one are weighed by it, too: they stand in for a close look where
    /// they show the face as large.
    reads_at: f32,
}

/// The networks' inputs, which is all that planning needs to know of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Of the main network, in pixels.
    pub main: Size,
    /// Of the one for single faces, in pixels.
    pub close: Size,
    /// How many times as wide as the face a look at one face is.
    pub close_look: f32,
}

impl Inputs {
    /// Those of loaded networks.
    pub fn of(networks: &Networks) -> Self {
        Self {
            close_look: networks.close_info().close_look,
            ..Self::sized(networks.input(Network::Main), networks.input(Network::Close))
        }
    }

    /// Of networks whose side-cars say no more.
    pub const fn sized(main: Size, close: Size) -> Self {
        Self { main, close, close_look: USUAL_CLOSE_LOOK }
    }

    /// A look at the whole picture.
    pub fn whole(self, picture: Size) -> Look {
        self.look(Region::whole(picture), Network::Main, Purpose::Whole)
    }

    /// A look at a piece of the picture.
    pub fn tile(self, region: Region) -> Look {
        self.look(region, Network::Main, Purpose::Tile)
    }

    /// A look at one face that is where it is thought to be.
    pub fn face(self, face: &Rect, picture: Size) -> Look {
        self.around(face, self.close_look, picture)
    }

    /// A look at one face that may be `unsure` pixels from there: wide enough to show all of it,
    /// and as near as its expression is read best where that is wide enough.
    pub(crate) fn face_about(self, face: &Rect, unsure: f32, picture: Size) -> Look {
        let widest = self.close_look.max(USUAL_CLOSE_LOOK);
        let side = face.width.max(face.height).max(1.0);
        let needed = 1.0 + 2.0 * (unsure / side + SPARE);
        self.around(face, needed.clamp(self.close_look, widest), picture)
    }

    /// Looks at one face from several distances, the nearest first.
    pub(super) fn at_all_scales(self, face: &Rect, picture: Size) -> [Look; SCALES] {
        FARTHER.map(|farther| self.farther(face, farther, picture))
    }

    /// A look at what may be a face, wide enough for one that is larger or a little beside: the second
    /// nearest of [these](Self::at_all_scales).
    pub(super) fn first(self, face: &Rect, picture: Size) -> Look {
        let [_, second, ..] = FARTHER;
        self.farther(face, second, picture)
    }

    fn farther(self, face: &Rect, farther: f32, picture: Size) -> Look {
        self.around(face, (self.close_look * farther).min(WIDEST), picture)
    }

    fn around(self, face: &Rect, times: f32, picture: Size) -> Look {
        let side = (face.width.max(face.height) * times).ceil() as u32;
        self.look(Region::around(face.centre(), side, picture), Network::Close, Purpose::Face)
    }

    fn look(self, region: Region, network: Network, purpose: Purpose) -> Look {
        let input = self.input(network);
        let scale = |length: u32, input: u32| length as f32 / input.max(1) as f32;
        let scale = scale(region.width, input.width).max(scale(region.height, input.height));
        let cost = self.cost(network);
        let reads_at = self.close_look;
        Look { region, network, purpose, scale, cost, mirrored: false, reads_at }
    }

    fn input(self, network: Network) -> Size {
        match network {
            Network::Main => self.main,
            Network::Close => self.close,
        }
    }

    /// What a look of a network costs.
    pub(super) fn cost(self, network: Network) -> u32 {
        let input = self.input(network);
        input.width * input.height
    }

    /// Height in pixels of the smallest face that a look at the whole picture finds.
    pub fn whole_finds(self, picture: Size) -> f32 {
        self.whole(picture).scale * READABLE
    }
}

/// A box that is so near an inner edge of its region, in shares of its height, may go on
/// behind it.
const NEAR_EDGE: f32 = 0.04;

impl Look {
    /// The same with left and right exchanged.
    pub(super) fn mirrored(self) -> Self {
        Self { mirrored: !self.mirrored, ..self }
    }

    /// Whether a face at `rect` would have been found by it: what of it the picture shows
    /// lies mostly in the region, and it is large enough there.
    pub fn covers(&self, rect: &Rect, picture: Size) -> bool {
        const MOSTLY: f32 = 0.8;
        let visible = rect.clipped(picture);
        // Nobody finds a face that has left the picture; it counts as looked for.
        let gone = visible.area() <= 0.0;
        // What a look at one face cuts is somebody else, whom it does not tell.
        let told = self.purpose != Purpose::Face || !self.cuts(rect, picture);
        gone || (told
            && visible.share_in(&self.region.rect()) >= MOSTLY
            && rect.height >= MOSTLY * self.scale * READABLE)
    }

    /// Whether a face of this height is large enough in it to tell its expression.
    pub fn reads(&self, rect: &Rect) -> bool {
        const WELL: f32 = 2.0;
        self.purpose == Purpose::Face || rect.height >= WELL * self.scale * READABLE
    }

    /// Whether a box ends where the region does and the picture does not: it may be cut.
    pub fn cuts(&self, rect: &Rect, picture: Size) -> bool {
        let (region, near) = (self.region.rect(), rect.height * NEAR_EDGE);
        let (right, bottom) = (picture.width as f32, picture.height as f32);
        (region.x > 0.0 && rect.x - region.x < near)
            || (region.y > 0.0 && rect.y - region.y < near)
            || (region.right() < right && region.right() - rect.right() < near)
            || (region.bottom() < bottom && region.bottom() - rect.bottom() < near)
    }

    /// How far a face at `rect` is from the size that the model reads best: 0 is just right,
    /// 1 is e times too large or too small.
    pub(crate) fn misfit(&self, rect: &Rect) -> f32 {
        let side = self.region.side() as f32;
        (self.reads_at * rect.width.max(rect.height).max(1.0) / side).ln().abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where its side-car says so, a network reads from nearer than is usual.
    #[test]
    fn a_face_is_looked_at_from_where_its_network_reads_best() {
        let near =
            Inputs { close_look: 2.0, ..Inputs::sized(Size::new(288, 192), Size::new(128, 128)) };
        let (face, picture) = (Rect::new(600.0, 300.0, 80.0, 100.0), Size::new(1280, 720));
        let look = near.face(&face, picture);
        assert_eq!((look.region.width, look.region.height), (200, 200));
        assert!(look.misfit(&face) < 0.01, "{look:?}");
        let widths =
            |inputs: Inputs| inputs.at_all_scales(&face, picture).map(|at| at.region.width);
        assert_eq!(widths(near), [200, 267, 400, 534]);
        assert_eq!(widths(Inputs { close_look: 3.0, ..near }), [300, 400, 600, 600], "readable");
    }

    #[test]
    fn the_less_is_known_of_where_a_face_is_the_wider_a_look_at_it_is() {
        let face = Rect::new(600.0, 300.0, 80.0, 100.0);
        let picture = Size::new(1280, 720);
        let sides = |close_look| {
            let usual = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
            let inputs = Inputs { close_look, ..usual };
            [0.0, 10.0, 40.0, 1e6].map(|unsure| {
                let look = inputs.face_about(&face, unsure, picture);
                assert!(look.covers(&Rect { x: face.x + unsure.min(90.0), ..face }, picture));
                look.region.width
            })
        };
        assert_eq!(sides(1.5), [150, 150, 200, 300]);
        assert_eq!(sides(3.0), [300; 4]);
    }

    /// It is dropped from what the look found: it has a look of its own.
    #[test]
    fn who_is_cut_by_a_look_at_somebody_else_was_not_looked_for() {
        let inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
        let (face, picture) = (Rect::new(600.0, 300.0, 80.0, 100.0), Size::new(1280, 720));
        let look = inputs.face(&face, picture);
        let beside = |right: f32| Rect { x: look.region.rect().right() - 80.0 + right, ..face };
        assert!(look.covers(&beside(-5.0), picture));
        assert!(!look.covers(&beside(-3.0), picture) && !look.covers(&beside(10.0), picture));
        let piece = inputs.tile(look.region);
        assert!(piece.covers(&beside(10.0), picture), "half a face there is looked at again");
    }
}
