//! Faces and their expression in one picture.
//!
//! [`Detector::load`] checks everything first: a model that is broken, foreign or blind is
//! refused there, with the reason and the remedy, and never later.

mod candidate;
mod catalogue;
pub mod classes;
mod end_to_end;
mod error;
mod flat_head;
pub(crate) mod floor;
mod layout;
mod load;
pub mod metadata;
pub mod networks;
pub mod nms;
mod plausible;
pub mod raw_head;
pub mod sample;
mod settings;
pub mod sidecar;
mod signature;
pub mod tflite;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::geometry::{Rect, Size};
use crate::pixels::decode::Decoded;
use crate::pixels::frame::Frame;
use crate::pixels::letterbox::Letterbox;
use crate::pixels::preprocess::Preprocessor;
use crate::pixels::scene::Scene;
use crate::pixels::tensor::TensorBuffer;
use crate::zones::Masks;
use crate::zones::mask::View;
pub use candidate::Candidate;
pub(crate) use candidate::SAME_FACE_IOU;
pub use error::ModelError;
use layout::Head;
use raw_head::decode_level as raw_level;
use sample::Output;
pub use settings::{Settings, THREADS};
use sidecar::Layout;
use tflite::{Dtype, Engine, TensorInfo};
use trial::Trials;

/// One face with one class, in pixels of the upright picture, clipped to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Index into the model's class list.
    pub class: usize,
    /// 0 to 1.
    pub confidence: f32,
    /// Where the face is.
    pub rect: Rect,
}

/// What is known about the model that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// `name@version+sha`, for events: what exactly saw this.
    pub id: String,
    /// Its name in the side-car, or the file's.
    pub name: String,
    /// Its version in the side-car, or `unknown`.
    pub version: String,
    /// The `.tflite` file.
    #[serde(serialize_with = "crate::paths::as_text")]
    pub path: PathBuf,
    /// Of that file, in hexadecimal.
    pub sha256: String,
    /// How its outputs are read.
    pub layout: Layout,
    /// In the order of the class numbers.
    pub classes: Vec<String>,
    /// Groups of classes that the side-car offers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Per class, in order: the confidence from which a box counts, 0 to 1.
    pub thresholds: Vec<f32>,
    /// Boxes of one class that overlap by more than this are one face, 0 to 1.
    pub nms_iou: f32,
    /// How many times as wide as a face a look at it is best.
    pub close_look: f32,
    /// Size of the network's input in pixels.
    pub input: Size,
    /// Number type of the input tensor.
    pub dtype: Dtype,
    /// Threads for inference, 1 to 64.
    pub threads: usize,
    /// Whether XNNPACK's kernels run.
    pub xnnpack: bool,
    /// Whether a self-test stands beside the model (and was passed).
    pub self_tested: bool,
    /// The picture of that self-test.
    #[serde(skip)]
    pub self_test_picture: Option<PathBuf>,
}

/// One face of the self-test, as this machine saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Name of the class.
    pub class: String,
    /// 0 to 1.
    pub confidence: f32,
    /// What the side-car demands at least.
    pub min_confidence: f32,
    /// Intersection over union with the side-car's box.
    pub iou: f32,
}

/// Where the time of one frame went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From compressed bytes to planes.
    pub decode: Duration,
    /// From planes to the input tensor.
    pub letterbox: Duration,
    /// The network.
    pub inference: Duration,
    /// Decoding the head, suppression, mapping back.
    pub head: Duration,
}

/// A picture that is in the input tensor until the next one is prepared.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    letterbox: Letterbox,
    mirrored: bool,
    decode: Duration,
    fit: Duration,
}

impl Prepared {
    /// To be looked at with left and right exchanged, or not: the network sees the mirror image,
    /// what it finds is told where the picture has it.
    pub fn mirrored(self, mirrored: bool) -> Self {
        Self { mirrored, ..self }
    }
}

/// A model ready to look at frames.
#[derive(Debug)]
pub struct Detector {
    engine: Engine,
    preprocessor: Preprocessor,
    input: TensorBuffer,
    masks: Masks,
    /// Which pixels of the input they hide; kept for its memory.
    masked: Vec<bool>,
    head: Head,
    info: ModelInfo,
    floor: f32,
    candidates: Vec<Candidate>,
    self_test: Vec<Seen>,
    refused: Vec<String>,
}

impl Detector {
    /// Loads the model that `settings` name, checked from its checksum to its
    /// self-test. Where they only say what it is called, one that is refused is passed
    /// over for the next older one: [`refused`](Self::refused).
    ///
    /// # Errors
    ///
    /// The settings name what is not installed, or what they name cannot be run or fails its self-test.
    pub fn load(settings: &Settings) -> Result<Self, ModelError> {
        load::load(settings, &mut Trials::default())
    }

    /// What is known about the model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Newer models that were refused, each with its path and the reason.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// What it must not see from now on.
    pub fn set_masks(&mut self, masks: Masks) {
        self.masks = masks;
    }

    /// The file's input and output tensors.
    pub fn tensors(&self) -> (&TensorInfo, &[TensorInfo]) {
        (&self.engine.input, &self.engine.outputs)
    }

    /// The faces of the self-test; empty where there was none.
    pub fn self_test(&self) -> &[Seen] {
        &self.self_test
    }

    /// Replaces `out` by what is seen, most confident first: the boxes of each face whose classes
    /// together have at least the floor's confidence, or, where there are not more than two, each
    /// box that has it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Pixels`] where the frame cannot be read, which the next one may be;
    /// others where the model fails.
    pub fn detect(
        &mut self,
        frame: &Frame,
        out: &mut Vec<Detection>,
    ) -> Result<Timing, ModelError> {
        let prepared = self.prepare(frame)?;
        self.look(&prepared, out)
    }

    /// Decodes and letterboxes a frame: what [`look`](Self::look) then looks at.
    ///
    /// # Errors
    ///
    /// The frame's bytes are no picture of its format.
    pub fn prepare(&mut self, frame: &Frame) -> Result<Prepared, ModelError> {
        let start = Instant::now();
        let letterbox = self.preprocessor.prepare(frame, &mut self.input)?;
        let decode = self.preprocessor.decoding();
        let fit = start.elapsed().saturating_sub(decode);
        Ok(Prepared { letterbox, mirrored: false, decode, fit })
    }

    /// Letterboxes a region of a picture that was decoded once for several looks.
    pub(crate) fn prepare_decoded(
        &mut self,
        decoded: &Decoded<'_>,
        letterbox: Letterbox,
    ) -> Prepared {
        let start = Instant::now();
        self.preprocessor.fill(decoded, &letterbox, &mut self.input);
        let fit = start.elapsed();
        Prepared { letterbox, mirrored: false, decode: Duration::ZERO, fit }
    }

    /// The prepared picture's brightness, cell by cell, without what is masked.
    pub fn scene(&mut self, prepared: &Prepared) -> Scene {
        let (spec, letterbox) = (self.preprocessor.spec(), &prepared.letterbox);
        self.masks.stencil(spec.size, View::from(letterbox), &mut self.masked);
        Scene::of(&self.input, spec, letterbox, &self.masked)
    }

    /// Runs the network on the picture prepared last; replaces `out` as
    /// [`detect`](Self::detect) does.
    ///
    /// # Errors
    ///
    /// The library refuses to run, or an output is not what the model says.
    pub fn look(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<Detection>,
    ) -> Result<Timing, ModelError> {
        out.clear();
        let start = Instant::now();
        // After `scene`: a grey patch would be light in the dark, and an edge under a cover.
        self.masks.grey(&mut self.input, self.preprocessor.spec(), View::from(&prepared.letterbox));
        let width = self.preprocessor.spec().size.width;
        if prepared.mirrored {
            self.input.mirror(width);
        }
        self.engine.run(&self.input)?;
        let inferred = Instant::now();
        self.decode()?;
        nms::suppress(&mut self.candidates, self.info.nms_iou);
        let seen = self.candidates.iter().map(|candidate| Detection {
            class: candidate.class,
            confidence: candidate.confidence,
            rect: prepared.letterbox.to_picture(if prepared.mirrored {
                candidate.rect().mirrored(width as f32)
            } else {
                candidate.rect()
            }),
        });
        // nothing is left of a box in the letterbox's bars, or of one that is not a number
        out.extend(seen.filter(|detection| detection.rect.area() > 0.0));
        Ok(Timing {
            decode: prepared.decode,
            letterbox: prepared.fit,
            inference: inferred - start,
            head: inferred.elapsed(),
        })
    }

    /// Fills `candidates` from the outputs of the last run.
    fn decode(&mut self) -> Result<(), ModelError> {
        self.candidates.clear();
        let (count, floor) = (self.info.classes.len(), self.floor);
        let Self { engine, head, candidates, info, .. } = self;
        match head {
            Head::Flat(flat) => {
                let tensor = engine.output(0)?;
                let (flat, input) = (*flat, info.input);
                match Output::of(&tensor, &engine.outputs[0]) {
                    Output::Int8(v) => flat_head::decode(flat, v, count, input, floor, candidates),
                    Output::UInt8(v) => flat_head::decode(flat, v, count, input, floor, candidates),
                    Output::Float32(v) => {
                        flat_head::decode(flat, v, count, input, floor, candidates);
                    }
                }
            }
            Head::EndToEnd(rows) => {
                let tensor = engine.output(0)?;
                let (rows, input) = (*rows, info.input);
                match Output::of(&tensor, &engine.outputs[0]) {
                    Output::Int8(v) => end_to_end::decode(rows, v, count, input, floor, candidates),
                    Output::UInt8(v) => {
                        end_to_end::decode(rows, v, count, input, floor, candidates)
                    }
                    Output::Float32(v) => {
                        end_to_end::decode(rows, v, count, input, floor, candidates)
                    }
                }?;
            }
            Head::Raw { levels, bins } => {
                for level in levels.iter() {
                    let (boxes, classes) =
                        (engine.output(level.boxes)?, engine.output(level.classes)?);
                    let pair = (
                        Output::of(&boxes, &engine.outputs[level.boxes]),
                        Output::of(&classes, &engine.outputs[level.classes]),
                    );
                    let shape = (count, *bins);
                    match pair {
                        (Output::Int8(b), Output::Int8(c)) => {
                            raw_level(level, b, c, shape, floor, candidates);
                        }
                        (Output::UInt8(b), Output::UInt8(c)) => {
                            raw_level(level, b, c, shape, floor, candidates);
                        }
                        (Output::Float32(b), Output::Float32(c)) => {
                            raw_level(level, b, c, shape, floor, candidates);
                        }
                        _ => unreachable!("layout::recognise demands one type per level"),
                    }
                }
            }
        }
        Ok(())
    }
}
