//! `expressiond detect`: what the detector sees in pictures.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output;
use expressiond::annotate::{self, Mark, Shows};
use expressiond::attention::look::{Look, Purpose};
use expressiond::attention::{Examiner, Findings, stills};
use expressiond::detector::{Detection, ModelError, Settings};
use expressiond::error::{Error, Kind, Result};
use expressiond::geometry::{Rect, Size};
use expressiond::logging;
use expressiond::pixels::frame::Frame;
use expressiond::pixels::rgb::to_rgb;
use expressiond::printable::line;
use expressiond::source::picture;
use expressiond::tracks::TrackingSettings;
use expressiond::tracks::face::{Face as Followed, merge, starting};
use expressiond::tracks::grouping::Grouping;

/// Find faces and their expression in pictures.
///
/// Looks thoroughly: at the whole picture, at pieces of it in which faces from 20 pixels on
/// can be found, and at each face by itself from four distances, as it is and mirrored: what
/// only one of these looks takes for a face is none. --whole looks once, which is faster and
/// finds those who stand before the camera.
///
/// Prints a line per face, or with --json one object per picture. Boxes are in
/// pixels of the upright picture: left, top, width, height.
///
///   expressiond detect family.jpg --annotate out
///   expressiond detect *.jpg --json | jq '.faces | length'
///   expressiond detect family.jpg --groups positive,neutral,negative \
///     --model /usr/share/expressiond/models/expression-yolo12n-7.tflite
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// JPEG or PNG files
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
    /// One JSON object per picture and line (docs/ref/detect.md)
    #[arg(long)]
    json: bool,
    /// Write copies with the boxes drawn into this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Look once at the whole picture, instead of at pieces of it as well
    #[arg(long)]
    whole: bool,
    /// Draw the regions that were looked at, too (with --annotate)
    #[arg(long, requires = "annotate")]
    regions: bool,
    /// Show every box from this confidence on, instead of a box for each face that the
    /// daemon would start to follow
    #[arg(long, value_name = "0..1", value_parser = share)]
    threshold: Option<f32>,
    /// Tell these groups instead of the model's classes, as expression.groups does:
    /// happy,not_happy or positive,neutral,negative, groups of the model's side-car, or your
    /// own, as in smiling=happy+surprise,other=*
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// The model to use (default: the newest expression-yolo12n, whatever the
    /// settings say)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Threads for inference
    #[arg(long, value_parser = super::threads(), default_value_t = Settings::default().threads)]
    threads: usize,
}

fn share(text: &str) -> std::result::Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.001..=0.999).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0.001 to 0.999".to_owned()),
    }
}

/// A picture's result, as `--json` prints it (docs/ref/detect.md).
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(serialize_with = "expressiond::paths::as_text")]
    picture: &'a Path,
    frame: Size,
    model: &'a str,
    faces: Vec<Face<'a>>,
}

#[derive(Debug, Serialize)]
struct Face<'a> {
    class: &'a str,
    confidence: f32,
    #[serde(rename = "box")]
    rect: Rect,
    /// Of everything that can be told, summing to 1.
    shares: BTreeMap<&'a str, f32>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut settings = Settings { threads: args.threads, ..Settings::default() };
    settings.path = args.model.clone().unwrap_or_default();
    if let Some(threshold) = args.threshold {
        settings.floor = settings.floor.min(threshold);
    }
    let groups = super::groups(&args.groups)?;
    let mut examiner = super::examiner(&settings)?;
    let grouping = super::grouping(&groups, examiner.networks().info())?;
    if let Some(folder) = &args.annotate {
        annotate::make_folder(folder)?;
    }
    let mut refused = 0;
    let copies = args.annotate.as_ref().map(|folder| copies(&args.pictures, folder));
    for (index, path) in args.pictures.iter().enumerate() {
        let copy = copies.as_ref().map(|copies| copies[index].as_path());
        match look(path, &mut examiner, &grouping, args, copy) {
            // the other pictures are still looked at
            Err(error) if error.kind() == Kind::Input => {
                logging::tell(&error);
                refused += 1;
            }
            // what stops this one would stop them, too
            outcome => outcome?,
        }
    }
    match refused {
        0 => Ok(()),
        count => {
            let all = args.pictures.len();
            Err(Error::new(Kind::Input, format!("{count} of {all} pictures could not be read")))
        }
    }
}

/// A box to tell, and the face that it is on.
struct Found {
    told: Detection,
    shares: Vec<f32>,
}

/// What the daemon would start to follow: a box for each face, with the expression that
/// leads; or every box from `threshold` on.
fn told(found: &[Detection], grouping: &Grouping, threshold: Option<f32>) -> Vec<Found> {
    let class_count = grouping.of_class().len();
    let one = |face: &Followed, told: Detection| {
        let scores = grouping.scores(&face.scores);
        let total = scores.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        Found { told, shares: scores.iter().map(|score| score / total).collect() }
    };
    let Some(threshold) = threshold else {
        let start = TrackingSettings::default().start_confidence;
        let best = |face: &Followed| {
            let boxes = grouping.boxes(face).into_iter();
            let best = boxes.max_by(|a, b| a.confidence.total_cmp(&b.confidence))?;
            Some(one(face, best))
        };
        let faces = starting(found, class_count, start);
        return faces.iter().filter_map(best).collect();
    };
    let faces = merge(found, class_count);
    let boxes = |face| grouping.boxes(face).into_iter().map(move |told| (face, told));
    // The model's own boxes where its classes are told, with their own edges.
    let own = |told: &Detection| {
        let with_it = |face: &&Followed| face.scores[told.class] == told.confidence;
        let overlap = |face: &&Followed| face.rect.iou(&told.rect);
        let faces = faces.iter().filter(with_it);
        let face = faces.max_by(|a, b| overlap(a).total_cmp(&overlap(b)))?;
        Some((face, *told))
    };
    let mut all: Vec<(&Followed, Detection)> = if grouping.is_none() {
        found.iter().filter_map(own).collect()
    } else {
        faces.iter().flat_map(boxes).collect()
    };
    all.retain(|(_, told)| told.confidence >= threshold);
    all.sort_by(|a, b| b.1.confidence.total_cmp(&a.1.confidence));
    all.into_iter().map(|(face, told)| one(face, told)).collect()
}

fn look(
    path: &Path,
    examiner: &mut Examiner,
    grouping: &Grouping,
    args: &Args,
    copy: Option<&Path>,
) -> Result<()> {
    let frame = picture::read(path).map_err(|error| Error::new(Kind::Input, error.to_string()))?;
    let findings = stills::look(examiner, &frame, args.whole).map_err(|error| match error {
        ModelError::Pixels(reason) => {
            Error::new(Kind::Input, format!("{}: {reason}", path.display()))
        }
        other => other.into(),
    })?;
    let Findings { detections, looks, .. } = findings;
    let found = told(&detections, grouping, args.threshold);
    let report = Report {
        picture: path,
        frame: frame.upright_size(),
        model: &examiner.networks().info().id,
        faces: found.iter().map(|found| face(found, grouping.told())).collect(),
    };
    if args.json {
        output::json_line(&report)?;
    } else {
        output::text(&report)?;
    }
    let regions = if args.regions { looks } else { Vec::new() };
    copy.map_or(Ok(()), |copy| annotate_copy(&frame, &found, &regions, &report, copy))
}

fn face<'a>(found: &Found, names: &'a [String]) -> Face<'a> {
    Face {
        class: &names[found.told.class],
        confidence: found.told.confidence,
        rect: found.told.rect,
        shares: names.iter().map(String::as_str).zip(found.shares.iter().copied()).collect(),
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { picture, frame, faces, .. } = self;
        let name = line(&picture.to_string_lossy());
        writeln!(f, "{name} ({frame}): {} faces", faces.len())?;
        for Face { class, confidence, rect, .. } in faces {
            let Rect { x, y, width, height } = rect;
            writeln!(
                f,
                "  {class:<12} {confidence:.2}  at {x:.0},{y:.0}  size {width:.0}x{height:.0}"
            )?;
        }
        Ok(())
    }
}

/// The longest name that Linux gives a file, in bytes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// `stem` with `ending` behind it, cut so that a file can be called so.
fn fitting(stem: &str, ending: &str) -> String {
    let end = stem.floor_char_boundary(LONGEST_NAME.saturating_sub(ending.len()));
    format!("{}{ending}", &stem[..end])
}

/// Where the annotated copies go: pictures of one name from several folders must not overwrite
/// each other's, nor a picture that is looked at itself, so all but the first get a number. So
/// do long names that are the same once they are cut.
fn copies(pictures: &[PathBuf], folder: &Path) -> Vec<PathBuf> {
    // By device and inode: one file has many paths.
    let file = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    let originals: HashSet<_> = pictures.iter().filter_map(|path| file(path)).collect();
    let mut taken = HashSet::new();
    let mut copy = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let numbered = (2..).map(|number| fitting(&stem, &format!("-{number}.annotated.jpg")));
        std::iter::once(fitting(&stem, ".annotated.jpg"))
            .chain(numbered)
            .map(|name| folder.join(name))
            .filter(|copy| file(copy).is_none_or(|there| !originals.contains(&there)))
            .find(|copy| taken.insert(copy.clone()))
            .expect("there are more numbers than pictures")
    };
    pictures.iter().map(&mut copy).collect()
}

fn annotate_copy(
    frame: &Frame,
    found: &[Found],
    regions: &[Look],
    report: &Report,
    path: &Path,
) -> Result<()> {
    let mut picture = to_rgb(frame).map_err(|error| {
        Error::new(Kind::Input, format!("{}: {error}", report.picture.display()))
    })?;
    let labels: Vec<String> =
        report.faces.iter().map(|face| format!("{} {:.2}", face.class, face.confidence)).collect();
    // Regions lie below the faces.
    let regions = regions.iter().map(|look| Mark {
        rect: look.region.rect(),
        shows: Shows::Region,
        label: match look.purpose {
            // There are many, and they overlap.
            Purpose::Tile => "",
            purpose => purpose.name(),
        },
    });
    let faces = found.iter().zip(&labels);
    let faces = faces.map(|(Found { told, .. }, label)| Mark {
        rect: told.rect,
        shows: Shows::Class(told.class),
        label,
    });
    let marks: Vec<Mark> = regions.chain(faces).collect();
    annotate::draw(&mut picture, &marks);
    annotate::save(&picture, path).map_err(|error| {
        Error::caused(Kind::Output, format!("cannot write {}", path.display()), error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy_names(pictures: &[PathBuf]) -> Vec<String> {
        let name = |copy: PathBuf| copy.display().to_string();
        copies(pictures, Path::new("")).into_iter().map(name).collect()
    }

    /// As after `detect --annotate .` and once more with `*.jpg`.
    #[test]
    fn a_copy_does_not_take_the_place_of_a_picture_that_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["x.jpg", "x.annotated.jpg", "y.jpg", "y.annotated.jpg"] {
            std::fs::write(path(name), "").expect("written");
        }
        std::os::unix::fs::symlink("x.annotated.jpg", path("z.jpg")).expect("linked");
        let copied = |pictures: [&str; 2]| {
            let copies = copies(&pictures.map(path), folder.path());
            let names = copies.iter().filter_map(|copy| copy.file_name()?.to_str());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        // What an earlier call left is written anew.
        assert_eq!(copied(["x.jpg", "y.jpg"]), ["x.annotated.jpg", "y.annotated.jpg"]);
        let own = "x.annotated.annotated.jpg";
        assert_eq!(copied(["x.jpg", "x.annotated.jpg"]), ["x-2.annotated.jpg", own]);
        assert_eq!(copied(["x.jpg", "z.jpg"]), ["x-2.annotated.jpg", "z.annotated.jpg"]);
    }

    #[test]
    fn copies_of_one_name_get_numbers() {
        let pictures = ["a/x.jpg", "b/x.png", "y.jpg", "c/x.jpg"].map(PathBuf::from);
        let wanted = ["x", "x-2", "y", "x-3"].map(|stem| format!("{stem}.annotated.jpg"));
        assert_eq!(copy_names(&pictures), wanted);
    }

    #[test]
    fn names_of_copies_are_never_too_long_for_a_file() {
        // 2 bytes each: a cut at any byte would fall into a character.
        let long = "é".repeat(125);
        let pictures = ["a.jpg", "b.jpg", "/c.jpg"].map(|end| format!("{long}{end}").into());
        let names = copy_names(&pictures[..2]);
        assert_eq!(names[0], format!("{}.annotated.jpg", "é".repeat(120)));
        assert_eq!(names[1], format!("{}-2.annotated.jpg", "é".repeat(119)));
        assert!(names.iter().all(|name| name.len() <= LONGEST_NAME), "{names:?}");
        assert_eq!(copy_names(&pictures[2..]), ["c.annotated.jpg"]);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_reported_as_far_as_it_is() {
        use std::os::unix::ffi::OsStrExt;
        let picture = Path::new(std::ffi::OsStr::from_bytes(b"caf\xE9.jpg"));
        let report = Report { picture, frame: Size::new(1, 1), model: "m", faces: Vec::new() };
        let json = serde_json::to_string(&report).expect("JSON");
        assert!(json.contains("caf\u{FFFD}.jpg"), "{json}");
    }
}
