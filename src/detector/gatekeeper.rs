//! What a model must pass before it looks at a frame.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::flat_head::largest_side;
use super::layout::{input_size, recognise};
use super::sample::Output;
use super::sidecar::{SelfTest, SideCar, check_classes};
use super::tflite::{Dtype, Engine};
use super::{Detection, Detector, ModelError, ModelInfo, Seen, Settings, layout, tflite, zip_tail};
use crate::geometry::Rect;
use crate::pixels::preprocess::Preprocessor;
use crate::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use crate::source::picture;

/// For models without a side-car: what most exports were tuned for.
const USUAL_NMS_IOU: f32 = 0.5;
const USUAL_THRESHOLD: f32 = 0.5;
/// The self-test's box may move this much between boards (rounding), not more.
const SELF_TEST_IOU: f32 = 0.5;
/// Anchors at the edge may claim boxes somewhat larger than the picture; in pixels
/// they would be a hundred times larger.
const LARGEST_SHARE: f32 = 4.0;

pub(super) fn load(settings: &Settings) -> Result<Detector, ModelError> {
    let path = settings.resolve();
    open(settings, path.clone()).map_err(|reason| {
        // a side-car's error names its own path
        if matches!(reason, ModelError::SideCar { .. }) {
            return reason;
        }
        ModelError::File { path, reason: Box::new(reason) }
    })
}

fn open(settings: &Settings, path: PathBuf) -> Result<Detector, ModelError> {
    let bytes = std::fs::read(&path).map_err(ModelError::Read)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let card = read_side_car(&path)?;
    if let Some(card) = card.as_ref().filter(|card| !card.sha256.eq_ignore_ascii_case(&sha256)) {
        return Err(ModelError::Checksum { found: sha256, expected: card.sha256.clone() });
    }
    tflite::check_mark(&bytes)?;
    let classes = match &card {
        Some(card) => card.classes.clone(),
        None => classes_inside(&bytes)?,
    };
    // The very bytes that were hashed are the ones that run.
    let engine = Engine::new(bytes, settings.threads)?;
    let size = input_size(&engine.input)?;
    let head = recognise(&engine.outputs, size, classes.len())?;
    if let Some(card) = &card {
        card.agrees(head.layout(), size, &engine.input, &engine.outputs)
            .map_err(|reason| side_car_error(&path, reason))?;
    }
    let thresholds = thresholds(card.as_ref(), &classes);
    let (name, version) = match &card {
        Some(card) => (card.name.clone(), card.version.clone()),
        None => {
            let stem = path.file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), "unknown".to_owned())
        }
    };
    let info = ModelInfo {
        id: format!("{name}@{version}+{}", &sha256[..8]),
        name,
        version,
        path,
        sha256,
        layout: head.layout(),
        classes,
        thresholds,
        nms_iou: card.as_ref().map_or(USUAL_NMS_IOU, |card| card.nms_iou),
        input: size,
        dtype: engine.input.dtype,
        threads: settings.threads,
        xnnpack: engine.xnnpack,
        self_tested: card.as_ref().is_some_and(|card| card.self_test.is_some()),
    };
    let spec = InputSpec { size, encoding: encoding(&engine) };
    let mut detector = Detector {
        preprocessor: Preprocessor::new(spec)?,
        input: TensorBuffer::new(&spec),
        engine,
        head,
        info,
        floor: settings.floor,
        candidates: Vec::new(),
        self_test: Vec::new(),
    };
    refuse_pixels(&mut detector)?;
    match card.and_then(|card| card.self_test) {
        Some(test) => self_test(&mut detector, &test)?,
        None => log::warn!("model {} has no self-test in its side-car", detector.info.id),
    }
    Ok(detector)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read_side_car(model: &Path) -> Result<Option<SideCar>, ModelError> {
    match std::fs::read_to_string(SideCar::path_of(model)) {
        Ok(text) => SideCar::parse(&text).map(Some).map_err(|reason| side_car_error(model, reason)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(side_car_error(model, error.to_string())),
    }
}

fn side_car_error(model: &Path, reason: String) -> ModelError {
    ModelError::SideCar { path: SideCar::path_of(model).display().to_string(), reason }
}

/// Class names that travel in the file itself.
fn classes_inside(bytes: &[u8]) -> Result<Vec<String>, ModelError> {
    let classes = zip_tail::class_names(bytes).ok_or(ModelError::NoClasses)?;
    check_classes(&classes)
        .map_err(|reason| ModelError::Layout(format!("metadata.json in the file: {reason}")))?;
    Ok(classes)
}

/// The one-output layout gives shares of the input's sides. Exports that give
/// pixels look the same from outside; only what they say tells them apart.
fn refuse_pixels(detector: &mut Detector) -> Result<(), ModelError> {
    let layout::Head::Flat(flat) = detector.head else { return Ok(()) };
    detector.engine.run(&detector.input)?;
    let classes = detector.info.classes.len();
    let tensor = detector.engine.output(0)?;
    let side = match Output::of(&tensor, &detector.engine.outputs[0]) {
        Output::Int8(values) => largest_side(flat, values, classes),
        Output::UInt8(values) => largest_side(flat, values, classes),
        Output::Float32(values) => largest_side(flat, values, classes),
    };
    if side <= LARGEST_SHARE {
        return Ok(());
    }
    Err(ModelError::Layout(format!(
        "its boxes are {side:.0} times as large as the picture: coordinates in pixels. Export with \
         normalised coordinates"
    )))
}

fn thresholds(card: Option<&SideCar>, classes: &[String]) -> Vec<f32> {
    let of = |class| card.and_then(|card| card.thresholds.get(class)).copied();
    classes.iter().map(|class| of(class).unwrap_or(USUAL_THRESHOLD)).collect()
}

fn encoding(engine: &Engine) -> Encoding {
    let quantization = engine.input.quantization;
    let (scale, zero_point) = (quantization.scale, quantization.zero_point);
    match engine.input.dtype {
        Dtype::Int8 => Encoding::Int8 { scale, zero_point },
        Dtype::UInt8 => Encoding::UInt8 { scale, zero_point },
        Dtype::Float32 => Encoding::Float32,
    }
}

fn self_test(detector: &mut Detector, test: &SelfTest) -> Result<(), ModelError> {
    let path = detector.info.path.with_file_name(&test.picture);
    let unreadable = |reason: String| ModelError::SelfTestPicture(reason);
    let frame = picture::read(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut seen = Vec::new();
    detector.detect(&frame, &mut seen).map_err(|error| match error {
        ModelError::Pixels(reason) => unreadable(format!("{}: {reason}", path.display())),
        other => other,
    })?;
    for expected in &test.expect {
        let [left, top, right, bottom] = expected.edges;
        let rect = Rect::from_edges(left, top, right, bottom);
        let class = detector.info.classes.iter().position(|class| *class == expected.class);
        let fits = |found: &&Detection| {
            Some(found.class) == class
                && found.confidence >= expected.min_confidence
                && found.rect.iou(&rect) >= SELF_TEST_IOU
        };
        let Some(found) = seen.iter().find(fits) else {
            return Err(ModelError::SelfTest(format!(
                "no {} of confidence {} or more at {:?} in {}",
                expected.class,
                expected.min_confidence,
                expected.edges,
                path.display()
            )));
        };
        detector.self_test.push(Seen {
            class: expected.class.clone(),
            confidence: found.confidence,
            min_confidence: expected.min_confidence,
            iou: found.rect.iou(&rect),
        });
    }
    Ok(())
}
