//! Single pictures, looked at thoroughly: no next frame will show what this look missed.

use super::agreement::Candidate;
use super::examiner::{Examiner, Findings};
use super::look::Look;
use super::tiles::tiles;
use crate::detector::ModelError;
use crate::detector::networks::Network;
use crate::geometry::Rect;
use crate::pixels::frame::Frame;

/// What is in the picture: looked at thoroughly, or `whole`, as one look shows it.
///
/// # Errors
///
/// Bytes that are no picture, or a network that fails.
pub fn look(examiner: &mut Examiner, frame: &Frame, whole: bool) -> Result<Findings, ModelError> {
    if whole { glance(examiner, frame) } else { examine(examiner, frame) }
}

/// Height in pixels of the smallest face that is looked for,
const SMALLEST_FACE: f32 = 20.0;
/// and of the lowest box that counts as one: two boxes around the same small face, by whoever drew
/// them, differ in height by a fifth.
const LOWEST_BOX: f32 = 0.8 * SMALLEST_FACE;

/// The whole picture, pieces of it in every size that faces from [`SMALLEST_FACE`] on need,
/// and each face by itself: once to see where it is, since a piece shows it small, and then from
/// several distances.
fn examine(examiner: &mut Examiner, frame: &Frame) -> Result<Findings, ModelError> {
    let (picture, inputs) = (examiner.picture(frame)?, examiner.inputs());
    let mut pieces = Vec::new();
    tiles(picture, SMALLEST_FACE, inputs, &mut pieces);
    let mut out = Findings { picture, looks: vec![inputs.whole(picture)], ..Findings::default() };
    out.looks.extend(pieces.into_iter().map(|piece| inputs.tile(piece)));
    examiner.begin();
    examiner.look(frame, &out.looks, false, &|| true)?;
    let mut faces: Vec<Rect> = Vec::new();
    examiner.candidates(LOWEST_BOX, &mut faces);
    let mut first: Vec<Look> = faces.iter().map(|face| inputs.first(face, picture)).collect();
    examiner.look(frame, &first, false, &|| true)?;
    examiner.centre(&first, &mut faces);
    out.looks.append(&mut first);
    let candidate = |face: Rect| Candidate::new(face, inputs, picture);
    let candidates: Vec<Candidate> = faces.into_iter().map(candidate).collect();
    let mut closely: Vec<Look> = candidates.iter().flat_map(Candidate::all).collect();
    // Of a face that fills the picture they are the same look.
    closely.dedup();
    examiner.look(frame, &closely, false, &|| true)?;
    out.looks.append(&mut closely);
    examiner.agree(&candidates, LOWEST_BOX, picture);
    examiner.conclude(&mut out.detections);
    Ok(out)
}

/// One look at the whole picture.
fn glance(examiner: &mut Examiner, frame: &Frame) -> Result<Findings, ModelError> {
    let picture = examiner.picture(frame)?;
    let looks = vec![examiner.inputs().whole(picture)];
    let mut out = Findings { picture, looks, ..Findings::default() };
    let main = examiner.networks_mut().get_mut(Network::Main);
    main.detect(frame, &mut out.detections)?;
    Ok(out)
}
