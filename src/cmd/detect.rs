//! `expressiond detect`: what the detector sees in pictures.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::annotate::{self, Mark};
use crate::detector::{Detection, Detector, ModelError, Settings};
use crate::error::{Error, Kind, Result};
use crate::geometry::{Rect, Size};
use crate::pixels::frame::Frame;
use crate::pixels::rgb::to_rgb;
use crate::source::picture;

/// Find faces and their expression in pictures.
///
/// Prints a line per face, or with --json one object per picture. Boxes are in
/// pixels of the upright picture: left, top, width, height.
///
///   expressiond detect family.jpg --annotate out
///   expressiond detect *.jpg --json | jq '.faces | length'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// JPEG or PNG files
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
    /// One JSON object per picture and line
    #[arg(long)]
    json: bool,
    /// Write copies with the boxes drawn into this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Show boxes from this confidence on, instead of the model's own thresholds
    #[arg(long, value_name = "0..1")]
    threshold: Option<f32>,
    /// The model to use (default: the one that came with the program)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Threads for inference
    #[arg(long, default_value_t = Settings::default().threads)]
    threads: usize,
}

/// A picture's result, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report<'a> {
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
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Pixels(reason) => Error::new(Kind::Input, reason.to_string()),
            other => Error::new(Kind::Model, format!("model refused: {other}")),
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let mut settings = Settings { threads: args.threads, ..Settings::default() };
    settings.path = args.model.clone().unwrap_or_default();
    if let Some(threshold) = args.threshold {
        settings.floor = settings.floor.min(threshold);
    }
    settings.check().map_err(|(key, why)| Error::new(Kind::Config, format!("{key} {why}")))?;
    let mut detector = Detector::load(&settings)?;
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::caused(
                Kind::Output,
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })?;
    }
    let mut refused = 0;
    for path in &args.pictures {
        if let Err(error) = look(path, &mut detector, args) {
            // the other pictures are still looked at
            eprintln!("expressiond: {error}");
            refused += 1;
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

fn look(path: &Path, detector: &mut Detector, args: &Args) -> Result<()> {
    let frame = picture::read(path).map_err(|error| Error::new(Kind::Input, error.to_string()))?;
    let mut found = Vec::new();
    detector.detect(&frame, &mut found).map_err(|error| match error {
        ModelError::Pixels(reason) => {
            Error::new(Kind::Input, format!("{}: {reason}", path.display()))
        }
        other => other.into(),
    })?;
    let info = detector.info();
    found.retain(|d| d.confidence >= args.threshold.unwrap_or(info.thresholds[d.class]));
    let report = Report {
        picture: path,
        frame: frame.upright_size(),
        model: &info.id,
        faces: found.iter().map(|d| face(d, &info.classes)).collect(),
    };
    if args.json {
        let line = serde_json::to_string(&report)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write JSON", error))?;
        println!("{line}");
    } else {
        print(&report);
    }
    match &args.annotate {
        Some(folder) => annotate_copy(&frame, &found, &report, &folder.join(copy_name(path))),
        None => Ok(()),
    }
}

fn face<'a>(detection: &Detection, classes: &'a [String]) -> Face<'a> {
    Face {
        class: &classes[detection.class],
        confidence: detection.confidence,
        rect: detection.rect,
    }
}

fn print(report: &Report) {
    let Report { picture, frame, faces, .. } = report;
    println!("{} ({frame}): {} faces", picture.display(), faces.len());
    for Face { class, confidence, rect } in faces {
        println!(
            "  {class:<12} {confidence:.2}  at {:.0},{:.0}  size {:.0}x{:.0}",
            rect.x, rect.y, rect.width, rect.height
        );
    }
}

/// Copies of pictures from several folders must not overwrite each other's format.
fn copy_name(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}.annotated.jpg"))
}

fn annotate_copy(frame: &Frame, found: &[Detection], report: &Report, path: &Path) -> Result<()> {
    let mut picture = to_rgb(frame).map_err(|error| {
        Error::new(Kind::Input, format!("{}: {error}", report.picture.display()))
    })?;
    let labels: Vec<String> =
        report.faces.iter().map(|face| format!("{} {:.2}", face.class, face.confidence)).collect();
    let marks: Vec<Mark> = found
        .iter()
        .zip(&labels)
        .map(|(d, label)| Mark { rect: d.rect, class: d.class, label })
        .collect();
    annotate::draw(&mut picture, &marks);
    picture.save(path).map_err(|error| {
        Error::caused(Kind::Output, format!("cannot write {}", path.display()), error)
    })
}
