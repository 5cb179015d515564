//! Looks at regions of a frame and says what is in it.

use std::time::Duration;

use super::agreement::{Candidate, agree};
use super::look::{Inputs, Look, Purpose};
use super::merge::{Sighting, merge};
use crate::detector::networks::{Network, Networks};
use crate::detector::{Detection, ModelError};
use crate::geometry::{Rect, Size};
use crate::pixels::decode::FrameDecoder;
use crate::pixels::frame::Frame;
use crate::pixels::letterbox::Letterbox;
use crate::pixels::scene::Scene;

/// What was found in one frame, and where it was looked for.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Most confident first.
    pub detections: Vec<Detection>,
    /// The looks that were carried out.
    pub looks: Vec<Look>,
    /// Of the upright picture.
    pub picture: Size,
}

impl Findings {
    /// Of a picture that was looked at as a whole, as closely as it has pixels.
    pub fn of_all(detections: Vec<Detection>, picture: Size) -> Self {
        let look = Inputs::sized(picture, picture).whole(picture);
        Self { detections, looks: vec![look], picture }
    }

    /// Whether a face at `rect` would have been found.
    pub fn covers(&self, rect: &Rect) -> bool {
        self.looks.iter().any(|look| look.covers(rect, self.picture))
    }
}

/// What may be a face is looked at again from this share of the model's lowest threshold on.
const SUSPECTED: f32 = 0.4;

/// A face of this share of the smallest one is still looked at again.
const NEARLY: f32 = 0.8;

/// A first look at a candidate sees a face from this confidence on.
const SEEN: f32 = 0.1;

/// The networks, a decoder, and what they found in the frame at hand.
#[derive(Debug)]
pub struct Examiner {
    networks: Networks,
    decoder: FrameDecoder,
    /// From this confidence on, a small face must be seen closely to count.
    suspected: f32,
    sightings: Vec<Sighting>,
    suspects: Vec<Sighting>,
    found: Vec<Detection>,
}

impl Examiner {
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub fn new(networks: Networks) -> Result<Self, ModelError> {
        let thresholds = networks.info().thresholds.iter().copied();
        let suspected = SUSPECTED * thresholds.fold(1.0, f32::min);
        Ok(Self {
            networks,
            decoder: FrameDecoder::new()?,
            suspected,
            sightings: Vec::new(),
            suspects: Vec::new(),
            found: Vec::new(),
        })
    }

    /// What looks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// What looks, for somebody else to look with.
    pub fn into_networks(self) -> Networks {
        self.networks
    }

    /// What looks, to look with one of them.
    pub fn networks_mut(&mut self) -> &mut Networks {
        &mut self.networks
    }

    /// The inputs of the networks.
    pub fn inputs(&self) -> Inputs {
        Inputs::of(&self.networks)
    }

    /// The size of a frame's upright picture.
    ///
    /// # Errors
    ///
    /// Bytes that are no picture.
    pub fn picture(&self, frame: &Frame) -> Result<Size, ModelError> {
        Ok(self.decoder.picture(frame)?)
    }

    /// Another frame comes: forgets what the one before showed.
    pub(super) fn begin(&mut self) {
        self.sightings.clear();
        self.decoder.begin();
    }

    /// Carries out looks, as long as `goes_on` says so after each of them; with `glance`, also
    /// says how bright the picture is. What is found is kept until [`conclude`](Self::conclude);
    /// returned is the time that the networks took. A compressed picture is decoded once, as fine
    /// as the finest look needs it; a second call for the same frame decodes it again only where
    /// it needs it finer.
    pub(super) fn look(
        &mut self,
        frame: &Frame,
        looks: &[Look],
        glance: bool,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(Option<Scene>, Duration), ModelError> {
        if looks.is_empty() && !glance {
            return Ok((None, Duration::ZERO));
        }
        let picture = self.decoder.picture(frame)?;
        let whole = Letterbox::new(picture, self.networks.input(Network::Main));
        let networks = &self.networks;
        let boxed = |look: &Look| Letterbox::of(picture, look.region, networks.input(look.network));
        let needed = looks.iter().map(boxed).chain(glance.then_some(whole));
        let least = needed
            .map(|one| one.least_picture())
            .fold(Size::default(), |a, b| Size::new(a.width.max(b.width), a.height.max(b.height)));
        let decoded = self.decoder.decode(frame, least)?;
        let (mut scene, mut prepared_whole, mut time) = (None, None, Duration::ZERO);
        if glance {
            let main = self.networks.get_mut(Network::Main);
            let prepared = main.prepare_decoded(&decoded, whole);
            scene = Some(main.scene(&prepared).of_decoded(decoded.decoded_size()));
            prepared_whole = Some(prepared);
        }
        for look in looks {
            let letterbox = Letterbox::of(picture, look.region, self.networks.input(look.network));
            let detector = self.networks.get_mut(look.network);
            // Only the first look finds the tensor as the glance has left it.
            let prepared = match (look.purpose, prepared_whole.take()) {
                (Purpose::Whole, Some(prepared)) => prepared,
                _ => detector.prepare_decoded(&decoded, letterbox),
            };
            let prepared = prepared.mirrored(look.mirrored);
            time += detector.look(&prepared, &mut self.found)?.inference;
            if !goes_on() {
                return Err(ModelError::Unwanted);
            }
            let classes = self.networks.info().classes.len();
            self.sightings.extend(Sighting::all(&self.found, *look, picture, classes));
        }
        Ok((scene, time))
    }

    /// Replaces `out` by where something looks like a face and is too small or too near a
    /// region's edge to be sure, and was not looked at closely yet. What is far below `least`
    /// pixels, the smallest face that is wanted, is left alone: at that size knobs and
    /// patterns look like faces.
    pub(super) fn suspects(
        &mut self,
        looks: &[Look],
        picture: Size,
        least: f32,
        out: &mut Vec<Rect>,
    ) {
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.clear();
        let unsure = |one: &&Sighting| self.must_be_confirmed(one) && is_wanted(one, least);
        let seen = |rect: &Rect| {
            let mut close = looks.iter().filter(|look| look.purpose == Purpose::Face);
            close.any(|look| look.covers(rect, picture))
        };
        let sure = |one: &Sighting| {
            let mut others = self.sightings.iter();
            others.any(|other| {
                // What a look at one face cuts is not kept.
                other.face >= self.suspected
                    && !other.cut
                    && !self.must_be_confirmed(other)
                    && other.is_same_face(one)
            })
        };
        let open = |one: &&Sighting| !seen(&one.detection.rect) && !sure(one);
        suspects.extend(self.sightings.iter().filter(unsure).filter(open));
        distinct(&mut suspects, out);
        self.suspects = suspects;
    }

    /// Replaces `out` by wherever something looks like a face of about `least` pixels or more.
    pub(super) fn candidates(&mut self, least: f32, out: &mut Vec<Rect>) {
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.clear();
        let is_one = |one: &&Sighting| one.face >= self.suspected && is_wanted(one, least);
        suspects.extend(self.sightings.iter().filter(is_one));
        distinct(&mut suspects, out);
        self.suspects = suspects;
    }

    /// Replaces `faces`, where the pieces show candidates, by where the looks at them see faces.
    /// Those that are the same there become one; who is not seen there is none, whatever the model's
    /// floor. What these looks saw is forgotten.
    pub(super) fn centre(&mut self, looks: &[Look], faces: &mut Vec<Rect>) {
        let mut seen = std::mem::take(&mut self.suspects);
        seen.clear();
        for (look, face) in looks.iter().zip(faces.iter()) {
            let of_it = |one: &&Sighting| one.look == *look && one.shows(face) && one.face >= SEEN;
            seen.extend(self.sightings.iter().filter(of_it));
        }
        self.sightings.retain(|one| one.look.purpose != Purpose::Face);
        distinct(&mut seen, faces);
        self.suspects = seen;
    }

    /// Makes one of what the looks at each candidate saw.
    pub(super) fn agree(&mut self, candidates: &[Candidate], least: f32, picture: Size) {
        // A picture smaller than the input is enlarged, and its faces with it.
        let enlarged = self.inputs().whole(picture).scale < 1.0;
        let least = if enlarged { 0.0 } else { least };
        agree(&mut self.sightings, candidates, least, self.suspected, picture);
    }

    /// Of faces that are followed: what a look at one of them cuts is somebody beside it, who is
    /// told by a look of their own. Half a face would shift and narrow the box that is followed.
    pub(super) fn leave_neighbours(&mut self) {
        self.sightings.retain(|one| one.look.purpose != Purpose::Face || !one.cut);
    }

    /// Replaces `out` by one observation of each face. What had to be confirmed by a look
    /// at the face itself, and was not, is left with little confidence.
    pub(super) fn conclude(&mut self, out: &mut Vec<Detection>) {
        let suspected = self.suspected;
        for index in 0..self.sightings.len() {
            if self.must_be_confirmed(&self.sightings[index]) {
                self.sightings[index].doubt(suspected);
            }
        }
        merge(&mut self.sightings);
        out.clear();
        out.extend(self.sightings.iter().map(|one| one.detection));
        out.sort_unstable_by(|a, b| {
            let by_place = || a.rect.x.total_cmp(&b.rect.x).then(a.rect.y.total_cmp(&b.rect.y));
            let by_class = || a.class.cmp(&b.class).then_with(by_place);
            b.confidence.total_cmp(&a.confidence).then_with(by_class)
        });
    }

    /// Whether a sighting counts only when the face itself was looked at.
    fn must_be_confirmed(&self, one: &Sighting) -> bool {
        let unsure = one.cut || !one.look.reads(&one.detection.rect);
        one.look.purpose != Purpose::Face && unsure && one.face >= self.suspected
    }
}

/// Whether it is large enough. A picture smaller than the input is enlarged, and its faces
/// with it.
fn is_wanted(one: &Sighting, least: f32) -> bool {
    one.look.scale < 1.0 || one.detection.rect.height >= NEARLY * least
}

/// Replaces `out` by the box of each face among the sightings.
fn distinct(sightings: &mut Vec<Sighting>, out: &mut Vec<Rect>) {
    merge(sightings);
    out.clear();
    for (index, one) in sightings.iter().enumerate() {
        // The other class of the same face is left.
        if !sightings[..index].iter().any(|better| better.is_same_face(one)) {
            out.push(one.detection.rect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Settings;
    use crate::geometry::Region;

    /// A look at the first shows a part of the second, which a piece shows small.
    #[test]
    fn who_stands_close_beside_somebody_is_looked_at_too() {
        let networks = Networks::load(&Settings::committed()).unwrap();
        let mut examiner = Examiner::new(networks).unwrap();
        let inputs = Inputs { close_look: 2.4, ..examiner.inputs() };
        let picture = Size::new(1280, 720);
        let piece = inputs.tile(Region { left: 400, top: 200, width: 420, height: 280 });
        let one = Rect::new(600.0, 300.0, 40.0, 50.0);
        let other = Rect { x: 600.0 + 1.1 * one.width, ..one };
        let close = inputs.face(&one, picture);
        let cut = Rect { width: close.region.rect().right() - other.x, ..other };
        assert!(cut.width > 0.8 * other.width && cut.width < other.width);
        let seen = |rect: Rect, look: Look| {
            Sighting::new(Detection { class: 0, confidence: 0.9, rect }, look, picture)
        };
        examiner.sightings =
            vec![seen(one, piece), seen(other, piece), seen(one, close), seen(cut, close)];
        let mut suspects = Vec::new();
        examiner.suspects(&[piece, close], picture, 24.0, &mut suspects);
        assert_eq!(suspects, [other]);
        examiner.leave_neighbours();
        assert_eq!(examiner.sightings.len(), 3);
    }

    /// Pieces show a small face a little beside itself, one face as two, and knobs as faces.
    #[test]
    fn candidates_are_moved_to_where_a_look_at_them_sees_a_face() {
        let mut examiner = Examiner::new(Networks::load(&Settings::committed()).unwrap()).unwrap();
        let (inputs, picture) = (examiner.inputs(), Size::new(1280, 720));
        let face = Rect::new(600.0, 300.0, 40.0, 50.0);
        let beside = Rect { x: face.x - 12.0, ..face };
        let half = Rect { height: 0.6 * face.height, ..face };
        let knob = Rect::new(100.0, 100.0, 30.0, 30.0);
        let between = Rect::new(320.0, 300.0, 40.0, 50.0);
        let [left, right] = [-16.0, 16.0].map(|away| Rect { x: between.x + away, ..between });
        let mut faces = vec![beside, half, knob, between];
        let looks: Vec<Look> = faces.iter().map(|one| inputs.first(one, picture)).collect();
        let piece = inputs.tile(Region { left: 400, top: 200, width: 420, height: 280 });
        let seen = |rect: Rect, confidence: f32, look: Look| {
            Sighting::new(Detection { class: 0, confidence, rect }, look, picture)
        };
        let from_afar = seen(beside, 0.5, piece);
        examiner.sightings = vec![
            from_afar,
            seen(beside, 0.3, looks[0]),
            seen(face, 0.9, looks[0]),
            seen(Rect { x: 601.0, ..face }, 0.6, looks[1]),
            seen(knob, 0.09, looks[2]),
            seen(left, 0.8, looks[3]),
            seen(right, 0.7, looks[3]),
        ];
        examiner.centre(&looks, &mut faces);
        assert_eq!(faces, [face, left, right]);
        assert_eq!(examiner.sightings, [from_afar]);
    }
}
