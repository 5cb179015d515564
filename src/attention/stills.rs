//! Single pictures, looked at thoroughly: no next frame will show what this look missed.

use std::time::Duration;

use super::agreement::Candidate;
use super::examiner::{Examiner, Findings};
use super::look::Look;
use super::tiles::tiles;
use crate::detector::ModelError;
use crate::detector::networks::Network;
use crate::geometry::Rect;
use crate::pixels::frame::Frame;

/// Height in pixels of the smallest face that is looked for.
pub const SMALLEST_FACE: f32 = 20.0;

/// The whole picture, pieces of it in every size that faces from [`SMALLEST_FACE`] on need,
/// and each face by itself, from several distances. Replaces `out`; returned is the time that the
/// networks took.
///
/// # Errors
///
/// Bytes that are no picture, or a network that fails.
pub fn examine(
    examiner: &mut Examiner,
    frame: &Frame,
    out: &mut Findings,
) -> Result<Duration, ModelError> {
    let (picture, inputs) = (examiner.picture(frame)?, examiner.inputs());
    let mut pieces = Vec::new();
    tiles(picture, SMALLEST_FACE, inputs, &mut pieces);
    (out.picture, out.looks) = (picture, Vec::new());
    out.looks.push(inputs.whole(picture));
    out.looks.extend(pieces.into_iter().map(|piece| inputs.tile(piece)));
    examiner.begin();
    let (_, mut time) = examiner.look(frame, &out.looks, false, &|| {})?;
    let mut faces: Vec<Rect> = Vec::new();
    examiner.candidates(SMALLEST_FACE, &mut faces);
    let candidate = |face: Rect| Candidate::new(face, inputs, picture);
    let candidates: Vec<Candidate> = faces.into_iter().map(candidate).collect();
    let mut closely: Vec<Look> = candidates.iter().flat_map(Candidate::all).collect();
    // Of a face that fills the picture they are the same look.
    closely.dedup();
    time += examiner.look(frame, &closely, false, &|| {})?.1;
    out.looks.append(&mut closely);
    examiner.agree(&candidates, SMALLEST_FACE, picture);
    examiner.conclude(&mut out.detections);
    Ok(time)
}

/// One look at the whole picture. Replaces `out`; returned is the time that the network took.
///
/// # Errors
///
/// Bytes that are no picture, or a network that fails.
pub fn glance(
    examiner: &mut Examiner,
    frame: &Frame,
    out: &mut Findings,
) -> Result<Duration, ModelError> {
    let picture = examiner.picture(frame)?;
    (out.picture, out.looks) = (picture, Vec::new());
    out.looks.push(examiner.inputs().whole(picture));
    let main = examiner.networks_mut().get_mut(Network::Main);
    Ok(main.detect(frame, &mut out.detections)?.inference)
}
