//! What a model must pass before it looks at a frame.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::layout::{input_size, recognise};
use super::sidecar::{Layout, SelfTest, SideCar};
use super::tflite::{Dtype, Engine};
use super::{Detection, Detector, ModelError, ModelInfo, Settings, layout, zip_tail};
use crate::geometry::{Rect, Size};
use crate::pixels::preprocess::Preprocessor;
use crate::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use crate::source::picture;

/// For models without a side-car: what most exports were tuned for.
const USUAL_NMS_IOU: f32 = 0.5;
const USUAL_THRESHOLD: f32 = 0.5;
/// The self-test's box may move this much between boards (rounding), not more.
const SELF_TEST_IOU: f32 = 0.5;

pub(super) fn load(settings: &Settings) -> Result<Detector, ModelError> {
    let path = settings.resolve();
    let bytes = std::fs::read(&path).map_err(|error| ModelError::Read {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let card = read_side_car(&path)?;
    if let Some(card) = card.as_ref().filter(|card| !card.sha256.eq_ignore_ascii_case(&sha256)) {
        return Err(ModelError::Checksum { found: sha256, expected: card.sha256.clone() });
    }
    let classes = match &card {
        Some(card) => card.classes.clone(),
        None => zip_tail::class_names(&bytes).ok_or(ModelError::NoClasses)?,
    };
    // The very bytes that were hashed are the ones that run.
    let engine = Engine::new(bytes, settings.threads)?;
    let size = input_size(&engine.input)?;
    let head = recognise(&engine.outputs, size, classes.len())?;
    if let Some(card) = &card {
        compare(card, &engine, size, &head)?;
    }
    let thresholds = thresholds(settings, card.as_ref(), &classes)?;
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (name, version) = match &card {
        Some(card) => (card.name.clone(), card.version.clone()),
        None => (name(&path), "unknown".to_owned()),
    };
    let info = ModelInfo {
        id: format!("{name}@{version}+{}", &sha256[..8]),
        name,
        version,
        sha256,
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
    };
    match card.and_then(|card| card.self_test) {
        Some(test) => self_test(&mut detector, &test, &path)?,
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
    let path = model.with_extension("json");
    let refused = |reason| ModelError::SideCar { path: path.display().to_string(), reason };
    match std::fs::read_to_string(&path) {
        Ok(text) => SideCar::parse(&text).map(Some).map_err(refused),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// The file is the truth; a side-car that says otherwise belongs to another one.
fn compare(
    card: &SideCar,
    engine: &Engine,
    size: Size,
    head: &layout::Head,
) -> Result<(), ModelError> {
    let differs = |key: &str, card: &dyn std::fmt::Debug, file: &dyn std::fmt::Debug| {
        ModelError::Layout(format!("its side-car says {key} {card:?}, the file has {file:?}"))
    };
    let claimed = Size::new(card.input.width, card.input.height);
    if claimed != size {
        return Err(differs("input", &claimed, &size));
    }
    if card.input.dtype != engine.input.dtype {
        return Err(differs("input.dtype", &card.input.dtype, &engine.input.dtype));
    }
    let found = match head {
        layout::Head::Raw { .. } => Layout::RawDfl,
        layout::Head::Flat(_) => Layout::Flat,
    };
    if card.layout != found { Err(differs("layout", &card.layout, &found)) } else { Ok(()) }
}

fn thresholds(
    settings: &Settings,
    card: Option<&SideCar>,
    classes: &[String],
) -> Result<Vec<f32>, ModelError> {
    if let Some(name) = settings.thresholds.keys().find(|name| !classes.contains(name)) {
        return Err(ModelError::Layout(format!(
            "model.thresholds names {name}, the model's classes are {}",
            classes.join(", ")
        )));
    }
    let of_card = |class: &String| card.and_then(|card| card.thresholds.get(class));
    let of = |class: &String| {
        settings
            .thresholds
            .get(class)
            .or_else(|| of_card(class))
            .copied()
            .unwrap_or(USUAL_THRESHOLD)
    };
    Ok(classes.iter().map(of).collect())
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

fn self_test(detector: &mut Detector, test: &SelfTest, model: &Path) -> Result<(), ModelError> {
    let path = model.with_file_name(&test.picture);
    let frame = picture::read(&path).map_err(|error| ModelError::SelfTest(error.to_string()))?;
    let mut seen = Vec::new();
    detector.detect(&frame, &mut seen)?;
    for expected in &test.expect {
        let [left, top, right, bottom] = expected.edges;
        let rect = Rect::from_edges(left, top, right, bottom);
        let class = detector.info.classes.iter().position(|class| *class == expected.class);
        let fits = |found: &&Detection| {
            Some(found.class) == class
                && found.confidence >= expected.min_confidence
                && found.rect.iou(&rect) >= SELF_TEST_IOU
        };
        if !seen.iter().any(|found| fits(&found)) {
            return Err(ModelError::SelfTest(format!(
                "no {} of confidence {} or more at {:?} in {}",
                expected.class,
                expected.min_confidence,
                expected.edges,
                path.display()
            )));
        }
    }
    Ok(())
}
