//! What a model must pass before it looks at a frame.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::catalogue::{self, ModelFile, ModelOrigin};
use super::classes::{check_classes, same};
use super::flat_head::{Flat, Unit, largest_side};
use super::layout::{Head, check_colours, input_size, recognise};
use super::metadata::{self, Metadata};
use super::plausible::{check_blank, check_ranges};
use super::sample::Output;
use super::sidecar::{Layout, SelfTest, SideCar, USUAL_CLOSE_LOOK};
use super::tflite::{Dtype, Engine};
use super::trial::Trials;
use super::{Detection, Detector, ModelError, ModelInfo, Seen, Settings, signature, tflite};
use crate::geometry::{Rect, Size};
use crate::hexadecimal::hexadecimal;
use crate::pixels::preprocess::Preprocessor;
use crate::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use crate::source::picture;
use crate::storage::if_there;
use crate::zones::Masks;

/// For models without a side-car: what most exports were tuned for.
const USUAL_NMS_IOU: f32 = 0.5;
const USUAL_THRESHOLD: f32 = 0.5;
/// The self-test's box may move this much between boards (rounding), not more.
const SELF_TEST_IOU: f32 = 0.5;
/// Anchors at the edge may claim boxes somewhat larger than the picture, in shares of its
/// sides; the same number in pixels would make all boxes tiny.
const LARGEST_SHARE: f32 = 4.0;

pub(super) fn load(settings: &Settings, trials: &mut Trials) -> Result<Detector, ModelError> {
    if !settings.path.as_os_str().is_empty() {
        return open(settings, &ModelFile::named(&settings.path), trials);
    }
    let mut refused = Vec::new();
    for entry in catalogue::entries(settings) {
        match open(settings, &entry, trials) {
            Ok(detector) => return Ok(Detector { refused, ..detector }),
            Err(reason) => refused.push(reason.to_string()),
        }
    }
    if refused.is_empty() {
        let places = catalogue::folders().into_iter().chain([settings.packages.clone()]);
        let places: Vec<String> = places.map(|folder| folder.display().to_string()).collect();
        let (name, places) = (settings.name.clone(), places.join(", "));
        return Err(ModelError::Unknown { name, places });
    }
    Err(ModelError::All(refused))
}

/// The first of `settings.close` that is there in the version of `main`, with its classes; and
/// those that were refused, each with its path and the reason.
pub(super) fn companion(
    settings: &Settings,
    main: &ModelInfo,
    trials: &mut Trials,
) -> (Option<Detector>, Vec<String>) {
    let mut refused = Vec::new();
    // Only where none fits: the list is for models of several classes.
    let mut of_others = Vec::new();
    for name in settings.close.iter().filter(|name| **name != main.name) {
        for entry in catalogue::companions(settings, name, &main.version) {
            match open(settings, &entry, trials) {
                Ok(close) if close.info.classes == main.classes => {
                    return (Some(close), refused);
                }
                Ok(close) => {
                    let path = close.info.path.display();
                    of_others.push(format!("{path}: its classes are not those of {}", main.id));
                }
                Err(reason) => refused.push(reason.to_string()),
            }
        }
    }
    refused.append(&mut of_others);
    (None, refused)
}

fn open(
    settings: &Settings,
    entry: &ModelFile,
    trials: &mut Trials,
) -> Result<Detector, ModelError> {
    admit(settings, entry, trials).map_err(|reason| {
        // a side-car's error names its own path
        if matches!(reason, ModelError::SideCar { .. }) {
            return reason;
        }
        ModelError::File { path: entry.path.clone(), reason: Box::new(reason) }
    })
}

/// A model's files as read, their signature and checksums compared.
struct Files {
    bytes: Vec<u8>,
    sha256: String,
    card: Option<SideCar>,
}

fn read(settings: &Settings, entry: &ModelFile, trials: &mut Trials) -> Result<Files, ModelError> {
    let ModelFile { path, origin, .. } = entry;
    let side_car = read_side_car(path)?;
    if *origin == ModelOrigin::Package {
        // Before anything in it is believed.
        signature::check(path, side_car.as_deref().unwrap_or_default(), &settings.keys)?;
    }
    let card = side_car.map(|bytes| parse_side_car(path, &bytes)).transpose()?;
    if *origin == ModelOrigin::Package {
        check_package(path, card.as_ref())?;
        check_sum(card.as_ref(), &sum_of(path).map_err(ModelError::Read)?)?;
        // Before anything of it is in our memory, which may be too small for it.
        trials.run(path, settings.threads)?;
    }
    let bytes = std::fs::read(path).map_err(ModelError::Read)?;
    // A side-car given as the model has another sum, too, and is not damaged.
    tflite::check_mark(&bytes)?;
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    check_sum(card.as_ref(), &sha256)?;
    Ok(Files { bytes, sha256, card })
}

/// Of a file, read in pieces.
fn sum_of(path: &Path) -> std::io::Result<String> {
    let mut sum = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut sum)?;
    Ok(hexadecimal(&sum.finalize()))
}

fn check_sum(card: Option<&SideCar>, found: &str) -> Result<(), ModelError> {
    match card {
        Some(card) if !card.sha256.eq_ignore_ascii_case(found) => {
            Err(ModelError::Checksum { found: found.to_owned(), expected: card.sha256.clone() })
        }
        _ => Ok(()),
    }
}

fn admit(
    settings: &Settings,
    entry: &ModelFile,
    trials: &mut Trials,
) -> Result<Detector, ModelError> {
    let Files { bytes, sha256, card } = read(settings, entry, trials)?;
    let (classes, claim) = claims(card.as_ref(), &bytes)?;
    // The very bytes that were hashed are the ones that run.
    let engine = Engine::new(bytes, settings.threads)?;
    let (size, head) = shape(&engine, classes.len(), claim)?;
    if let Some(card) = &card {
        card.agrees(head.layout(), size, &engine.input, &engine.outputs)
            .map_err(|reason| side_car_error(&entry.path, reason))?;
    }
    let thresholds = thresholds(card.as_ref(), &classes);
    check_ranges(&head, &engine.outputs, classes.len())?;
    let (name, version) = name_and_version(card.as_ref(), &entry.path);
    let test = card.as_ref().and_then(|card| card.self_test.as_ref());
    let self_test_picture = test.map(|test| entry.path.with_file_name(&test.picture));
    let info = ModelInfo {
        id: format!("{name}@{version}+{}", &sha256[..8]),
        name,
        version,
        path: entry.path.clone(),
        sha256,
        layout: head.layout(),
        classes,
        groups: card.as_ref().map(|card| card.groups.clone()).unwrap_or_default(),
        thresholds,
        nms_iou: card.as_ref().map_or(USUAL_NMS_IOU, |card| card.nms_iou),
        close_look: card.as_ref().map_or(USUAL_CLOSE_LOOK, |card| card.close_look),
        input: size,
        dtype: engine.input.dtype,
        threads: settings.threads,
        xnnpack: engine.xnnpack,
        self_tested: test.is_some(),
        self_test_picture,
    };
    let spec = InputSpec { size, encoding: encoding(&engine) };
    let mut detector = Detector {
        preprocessor: Preprocessor::new(spec)?,
        input: TensorBuffer::new(&spec),
        engine,
        masks: Masks::default(),
        masked: Vec::new(),
        head,
        info,
        floor: settings.floor,
        candidates: Vec::new(),
        self_test: Vec::new(),
        refused: Vec::new(),
    };
    try_blank(&mut detector)?;
    let picture = detector.info.self_test_picture.clone();
    match card.and_then(|card| card.self_test).zip(picture) {
        Some((test, picture)) => self_test(&mut detector, &test, &picture)?,
        None => log::warn!("model {} has no self-test in its side-car", detector.info.id),
    }
    Ok(detector)
}

/// The size of its input, which must take our colours, and how its outputs are read.
fn shape(
    engine: &Engine,
    class_count: usize,
    claim: Option<Layout>,
) -> Result<(Size, Head), ModelError> {
    let size = input_size(&engine.input)?;
    check_colours(&engine.input)?;
    Ok((size, recognise(&engine.outputs, size, class_count, claim)?))
}

fn read_side_car(model: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    if_there(std::fs::read(SideCar::path_of(model)))
        .map_err(|error| side_car_error(model, error.to_string()))
}

fn parse_side_car(model: &Path, bytes: &[u8]) -> Result<SideCar, ModelError> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    text.and_then(SideCar::parse).map_err(|reason| side_car_error(model, reason))
}

/// What a package promises besides its signature: to be the version that its folder is
/// called after, and to have a self-test, without which nothing would ever roll it back.
fn check_package(model: &Path, card: Option<&SideCar>) -> Result<(), ModelError> {
    let card = card.filter(|card| card.self_test.is_some()).ok_or(ModelError::NoSelfTest)?;
    let found = format!("{}-{}", card.name, card.version);
    let folder = model.parent().and_then(Path::file_name).unwrap_or_default();
    let expected = folder.to_string_lossy().into_owned();
    if found == expected { Ok(()) } else { Err(ModelError::Misplaced { found, expected }) }
}

fn side_car_error(model: &Path, reason: String) -> ModelError {
    ModelError::SideCar { path: SideCar::path_of(model).display().to_string(), reason }
}

/// What travels in the file itself, with its class names.
fn classes_inside(bytes: &[u8]) -> Result<Metadata, ModelError> {
    let about = metadata::read(bytes).map_err(ModelError::Layout)?;
    let about = about.filter(|about| !about.classes.is_empty()).ok_or(ModelError::NoClasses)?;
    check_classes(&about.classes).map_err(|reason| {
        let remedy = "a side-car can give it another name";
        ModelError::Layout(format!("the class names in the file: {reason}: {remedy}"))
    })?;
    Ok(about)
}

/// The classes, and the layout that is said to be there.
fn claims(
    card: Option<&SideCar>,
    bytes: &[u8],
) -> Result<(Vec<String>, Option<Layout>), ModelError> {
    tflite::check_mark(bytes)?;
    // The owner's word about a file counts more than its exporter's.
    if let Some(card) = card {
        return Ok((card.classes.clone(), Some(card.layout)));
    }
    let inside = classes_inside(bytes)?;
    let layout = claim(&inside);
    Ok((inside.classes, layout))
}

fn name_and_version(card: Option<&SideCar>, path: &Path) -> (String, String) {
    if let Some(card) = card {
        return (card.name.clone(), card.version.clone());
    }
    let stem = path.file_stem().unwrap_or_default();
    (stem.to_string_lossy().into_owned(), "unknown".to_owned())
}

/// The layout that an exporter's words mean, where shapes leave it open.
fn claim(about: &Metadata) -> Option<Layout> {
    about.end_to_end.map(|inside| if inside { Layout::EndToEnd } else { Layout::Flat })
}

/// Runs the network on an empty picture. Flat exports in shares and in pixels look the
/// same from outside; only the size of their boxes tells them apart. And what cannot be
/// decoded, or is not what the layout says, is refused here, not at the first frame.
fn try_blank(detector: &mut Detector) -> Result<(), ModelError> {
    detector.engine.run(&detector.input)?;
    check_blank(&detector.head, &detector.engine, detector.info.classes.len())?;
    if let Head::Flat(flat) = &mut detector.head {
        flat.unit = unit(&detector.engine, *flat, &detector.info)?;
    }
    detector.decode()
}

fn unit(engine: &Engine, flat: Flat, info: &ModelInfo) -> Result<Unit, ModelError> {
    let classes = info.classes.len();
    let tensor = engine.output(0)?;
    let side = match Output::of(&tensor, &engine.outputs[0]) {
        Output::Int8(values) => largest_side(flat, values, classes),
        Output::UInt8(values) => largest_side(flat, values, classes),
        Output::Float32(values) => largest_side(flat, values, classes),
    };
    if side <= LARGEST_SHARE {
        return Ok(Unit::Share);
    }
    if side <= LARGEST_SHARE * info.input.width.max(info.input.height) as f32 {
        return Ok(Unit::Pixel);
    }
    Err(ModelError::Layout(format!(
        "a box of its is {side:.0} wide or high, far more than the {} pixels of its input: export \
         boxes as shares or pixels of the input (docs/ref/model.md)",
        info.input
    )))
}

fn thresholds(card: Option<&SideCar>, classes: &[String]) -> Vec<f32> {
    let of = |class: &String| card.and_then(|card| card.threshold(class));
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

fn self_test(detector: &mut Detector, test: &SelfTest, path: &Path) -> Result<(), ModelError> {
    let unreadable = |reason: String| ModelError::SelfTestPicture(reason);
    let frame = picture::read(path).map_err(|error| unreadable(error.to_string()))?;
    let mut seen = Vec::new();
    // What the settings leave out says nothing about the model.
    let least = test.expect.iter().map(|expected| expected.min_confidence);
    let floor = detector.floor;
    detector.floor = least.fold(floor, f32::min);
    let looked = detector.detect(&frame, &mut seen);
    detector.floor = floor;
    looked.map_err(|error| match error {
        ModelError::Pixels(reason) => unreadable(format!("{}: {reason}", path.display())),
        other => other,
    })?;
    for expected in &test.expect {
        let [left, top, right, bottom] = expected.edges;
        let rect = Rect::from_edges(left, top, right, bottom);
        let mut classes = detector.info.classes.iter();
        let class = classes.position(|class| same(class, &expected.class));
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
