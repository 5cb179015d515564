//! `expressiond evaluate`: how well a model does on a labelled set.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use expressiond::detector::{Detector, Settings};
use expressiond::error::{Error, Kind, Result};
use expressiond::evaluate::average_precision::Sheet;
use expressiond::evaluate::dataset::DataSet;
use expressiond::evaluate::report;
use expressiond::evaluate::summary::{Summary, summarize};
use expressiond::source::picture;

/// Measure a model on a labelled set, with COCO's definitions.
///
/// DATA.yaml names the classes and the folders of a YOLO-format set. Pictures go
/// exactly the daemon's way: same decoding, letterbox, runtime and suppression.
///
///   expressiond evaluate faces/data.yaml --report out/evaluation
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The set's data.yaml
    data: PathBuf,
    /// Which of its splits
    #[arg(long, default_value = "val")]
    split: String,
    /// One JSON object (docs/ref/evaluate.md)
    #[arg(long)]
    json: bool,
    /// Write curves, confusion matrix and a page with all of it into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// The model to measure (default: the one that came with the program)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Threads for inference
    #[arg(long, default_value_t = Settings::default().threads)]
    threads: usize,
    /// Only pictures whose names begin with this
    #[arg(long, value_name = "PREFIX", default_value = "")]
    group: String,
}

/// Average precision needs the whole curve, down to boxes nobody would believe.
const FLOOR: f32 = 0.005;

pub fn run(args: &Args) -> Result<()> {
    let data = DataSet::open(&args.data, &args.split)?;
    let settings = Settings {
        path: args.model.clone().unwrap_or_default(),
        threads: args.threads,
        floor: FLOOR,
        ..Settings::default()
    };
    settings.check().map_err(|(key, why)| Error::new(Kind::Config, format!("{key} {why}")))?;
    let mut detector = Detector::load(&settings)?;
    if detector.info().classes != data.names {
        return Err(Error::new(
            Kind::Input,
            format!(
                "{}: the classes {} are not the model's: {}",
                args.data.display(),
                data.names.join(", "),
                detector.info().classes.join(", ")
            ),
        ));
    }
    let mut pictures = data.pictures()?;
    pictures.retain(|path| file_name(path).starts_with(&args.group));
    let (sheets, groups) = look_at_all(&pictures, &data, &mut detector)?;
    let info = detector.info();
    let summary = summarize(&info.id, &data.names, &info.thresholds, &sheets, &groups);
    if let Some(folder) = &args.report {
        report::write(folder, &summary, &sheets, &pictures).map_err(|error| {
            Error::caused(
                Kind::Output,
                format!("cannot write the report {}", folder.display()),
                error,
            )
        })?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(&summary)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write JSON", error))?;
        println!("{text}");
    } else {
        print(&summary, args.report.as_deref());
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands before the first `_` of a file's name: where it came from.
fn group(path: &Path) -> String {
    let name = file_name(path);
    name.split_once('_').map_or("", |(group, _)| group).to_owned()
}

fn look_at_all(
    pictures: &[PathBuf],
    data: &DataSet,
    detector: &mut Detector,
) -> Result<(Vec<Sheet>, Vec<String>)> {
    let bar = ProgressBar::new(pictures.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut sheets = Vec::with_capacity(pictures.len());
    for path in bar.wrap_iter(pictures.iter()) {
        let frame =
            picture::read(path).map_err(|error| Error::new(Kind::Input, error.to_string()))?;
        let truth = data.labels(path, frame.upright_size())?;
        let mut found = Vec::new();
        detector
            .detect(&frame, &mut found)
            .map_err(|error| Error::new(Kind::Input, format!("{}: {error}", path.display())))?;
        sheets.push(Sheet { found, truth });
    }
    Ok((sheets, pictures.iter().map(|path| group(path)).collect()))
}

fn print(summary: &Summary, report: Option<&Path>) {
    println!("model {}, {} pictures", summary.model, summary.images);
    println!("{:<14} {:>9} {:>9} {:>9} {:>9}", "class", "precision", "recall", "F1", "AP@0.5");
    for class in &summary.classes {
        println!(
            "{:<14} {:>9.4} {:>9.4} {:>9.4} {:>9.4}",
            class.name, class.precision, class.recall, class.f1, class.ap50
        );
    }
    println!("mAP@0.5 {:.4}   mAP@0.5:0.95 {:.4}", summary.map50, summary.map50_95);
    println!(
        "best F1 {:.4} at confidence {:.3}",
        summary.best_f1.value, summary.best_f1.confidence
    );
    let alarms = summary.false_alarms;
    println!("{} false alarms in {} pictures without a face", alarms.boxes, alarms.pictures);
    for group in &summary.groups {
        println!("  {:<12} {:>5} pictures   mAP@0.5 {:.4}", group.name, group.images, group.map50);
    }
    if let Some(folder) = report {
        println!("report: {}", folder.join("index.html").display());
    }
}
