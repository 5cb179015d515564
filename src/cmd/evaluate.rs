//! `expressiond evaluate`: how well a model does on a labelled set.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use expressiond::annotate::make_folder;
use expressiond::attention::{Examiner, Findings, stills};
use expressiond::detector::{Detection, ModelError, Settings};
use expressiond::error::{Error, Kind, Result};
use expressiond::evaluate::average_precision::PictureResult;
use expressiond::evaluate::dataset::DataSet;
use expressiond::evaluate::left_out::LeftOut;
use expressiond::evaluate::pairs::followed;
use expressiond::evaluate::report::{self, number};
use expressiond::evaluate::summary::{Summary, summarize};
use expressiond::printable::quoted;
use expressiond::source::picture;
use expressiond::tracks::face::{Face, merge};
use expressiond::tracks::grouping::Grouping;

/// Measure a model on a labelled set, with COCO's definitions.
///
/// DATA.yaml names the classes and the folders of a YOLO-format set. Pictures go
/// exactly the daemon's way: same decoding, letterbox, runtime and suppression. Each is
/// looked at thoroughly, as `detect` does; --whole looks once and measures the model
/// alone. Files that cannot be used are left out and named.
///
///   expressiond evaluate faces/data.yaml --report out/evaluation
///   expressiond evaluate faces/data.yaml --groups happy,not_happy
///   expressiond evaluate faces7/data.yaml --groups 'tense=anger+fear,other=*' \
///     --model /usr/share/expressiond/models/expression-yolo12n-7.tflite
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The set's data.yaml
    data: PathBuf,
    /// Which of its splits
    #[arg(long, default_value = "val")]
    split: String,
    /// Look once at the whole picture, instead of at pieces of it as well
    #[arg(long)]
    whole: bool,
    /// One JSON object (docs/ref/evaluate.md)
    #[arg(long)]
    json: bool,
    /// Write curves, confusion matrix and a page with all of it into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// The model to measure (default: the newest expression-yolo12n, whatever the
    /// settings say)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Measure these groups instead of the model's classes, as expression.groups tells them;
    /// or as own ones, in name=class+class; the set may name groups, the model's classes, or
    /// others of the same meaning
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// Threads for inference
    #[arg(long, value_parser = super::threads(), default_value_t = Settings::default().threads)]
    threads: usize,
    /// Only pictures whose names begin with this
    #[arg(long, value_name = "PREFIX", default_value = "")]
    group: String,
}

/// Average precision needs the whole curve, down to boxes nobody would believe.
const FLOOR: f32 = 0.005;

pub fn run(args: &Args) -> Result<()> {
    let settings = Settings {
        path: args.model.clone().unwrap_or_default(),
        threads: args.threads,
        floor: FLOOR,
        ..Settings::default()
    };
    let asked = super::groups(&args.groups)?;
    let mut examiner = super::examiner(&settings)?;
    let grouping = super::grouping(&asked, examiner.networks().info())?;
    let data = if asked.is_empty() {
        DataSet::open(&args.data, &args.split, &examiner.networks().info().classes)?
    } else {
        DataSet::open_grouped(&args.data, &args.split, &grouping)?
    };
    let own = |path: &&PathBuf| file_name(path).starts_with(&args.group);
    let pictures: Vec<&PathBuf> = data.pictures.iter().filter(own).collect();
    let nothing =
        |why: String| Err(Error::new(Kind::Input, format!("{}: {why}", args.data.display())));
    if pictures.is_empty() {
        return nothing(format!("no picture's name begins with '{}'", args.group));
    }
    if let Some(folder) = &args.report {
        // Before minutes of work, not after.
        make_folder(folder)?;
    }
    let Looked { pictures, mut results, left_out } =
        look_at_all(&pictures, &data, &mut examiner, args.whole)?;
    if !asked.is_empty() {
        results.iter_mut().for_each(|result| group_classes(result, &grouping));
    }
    if let (true, Some(first)) = (pictures.is_empty(), left_out.first()) {
        return nothing(format!("none of {} pictures can be used, first {first}", left_out.len()));
    }
    let all_left_out: Vec<LeftOut> = data.left_out.iter().cloned().chain(left_out).collect();
    let groups: Vec<String> = pictures.iter().map(|path| group(path)).collect();
    let info = examiner.networks().info();
    let thresholds = thresholds(&info.thresholds, &grouping);
    let summary = summarize(&info.id, grouping.told(), &thresholds, &results, &groups);
    let summary = Summary { left_out: all_left_out, ..summary };
    let report = args.report.as_deref();
    let names: Vec<String> = pictures.iter().map(|path| data.name(path)).collect();
    let written = report.map_or(Ok(()), |folder| {
        report::write(folder, &summary, &results, &names).map_err(|error| {
            let what = format!("cannot write the report {}", folder.display());
            Error::caused(Kind::Output, what, error)
        })
    });
    // The numbers took long: a full disk does not cost them.
    if args.json {
        output::json(&summary)?;
    } else {
        output::text(table(&summary, report.filter(|_| written.is_ok())))?;
    }
    written
}

/// Puts groups in the place of classes: each face has one box for each group, most confident
/// first.
fn group_classes(result: &mut PictureResult, grouping: &Grouping) {
    let faces = merge(&result.found, grouping.of_class().len());
    let mut boxes: Vec<Detection> = faces.iter().flat_map(|face| grouping.boxes(face)).collect();
    boxes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    result.found = boxes;
    let group = |face: &mut Face| face.scores = grouping.scores(&face.scores);
    result.faces.iter_mut().for_each(group);
}

/// Of a group, the least of its classes'.
fn thresholds(of_classes: &[f32], grouping: &Grouping) -> Vec<f32> {
    let mut least = vec![1.0_f32; grouping.told().len()];
    for (threshold, told) in of_classes.iter().zip(grouping.of_class()) {
        least[*told] = least[*told].min(*threshold);
    }
    least
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands before the first `_` of a file's name: where it came from.
fn group(path: &Path) -> String {
    let name = file_name(path);
    name.split_once('_').map_or("", |(group, _)| group).to_owned()
}

/// What became of the pictures: those that were looked at, each with what was found and
/// what is there, and the others.
struct Looked {
    pictures: Vec<PathBuf>,
    results: Vec<PictureResult>,
    left_out: Vec<LeftOut>,
}

fn look_at_all(
    pictures: &[&PathBuf],
    data: &DataSet,
    examiner: &mut Examiner,
    whole: bool,
) -> Result<Looked> {
    let bar = ProgressBar::new(pictures.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut looked = Looked { pictures: Vec::new(), results: Vec::new(), left_out: Vec::new() };
    for path in bar.wrap_iter(pictures.iter()) {
        match look(path, data, examiner, whole)? {
            Ok(result) => {
                looked.pictures.push((*path).clone());
                looked.results.push(result);
            }
            Err(reason) => looked.left_out.push(LeftOut { file: (*path).clone(), reason }),
        }
    }
    Ok(looked)
}

/// A picture's detections and labels, or why it cannot be used.
fn look(
    path: &Path,
    data: &DataSet,
    examiner: &mut Examiner,
    whole: bool,
) -> Result<std::result::Result<PictureResult, String>> {
    let frame = match picture::read(path) {
        Ok(frame) => frame,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let truth = match data.labels(path, frame.upright_size()) {
        Ok(truth) => truth,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match stills::look(examiner, &frame, whole) {
        Ok(Findings { detections: found, .. }) => {
            let faces = followed(&found, examiner.networks().info().classes.len());
            Ok(Ok(PictureResult { found, faces, truth }))
        }
        Err(ModelError::Pixels(error)) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn table(summary: &Summary, report: Option<&Path>) -> String {
    let mut text = format!("model {}, {} pictures\n", summary.model, summary.images);
    let [class, precision, recall, f1, ap] = ["class", "precision", "recall", "F1", "AP@0.5"];
    text += &format!("{class:<14} {precision:>9} {recall:>9} {f1:>9} {ap:>9}\n");
    for class in &summary.classes {
        let cells = class.scores.map(|s| [s.precision, Some(s.recall), Some(s.f1), Some(s.ap50)]);
        let cells = cells.unwrap_or_default().map(|cell| format!(" {:>9}", number(cell, 4)));
        let cells = cells.concat();
        let absent = if class.faces == 0 { "   no face of it in the set" } else { "" };
        text += &format!("{:<14}{cells}{absent}\n", class.name);
    }
    let (map50, map50_95) = (number(summary.map50, 4), number(summary.map50_95, 4));
    text += &format!("mAP@0.5 {map50}   mAP@0.5:0.95 {map50_95}\n");
    text += &summary.best_f1.map_or_else(
        || "no face is labelled: only false alarms were measured\n".to_owned(),
        |best| format!("best F1 {:.4} at confidence {:.3}\n", best.value, best.confidence),
    );
    let alarms = summary.false_alarms;
    text +=
        &format!("{} false alarms in {} pictures without a face\n", alarms.boxes, alarms.pictures);
    text += &named(&summary.groups, |group| {
        let (name, images, map50) = (quoted(&group.name), group.images, group.map50);
        format!("{name:<12} {images:>5} pictures   mAP@0.5 {map50:.4}")
    });
    let left_out = &summary.left_out;
    if !left_out.is_empty() {
        text += &format!("{} files left out:\n", left_out.len());
        text += &named(left_out, ToString::to_string);
    }
    if let Some(folder) = report {
        text += &format!("report: {}\n", folder.join("index.html").display());
    }
    text
}

/// Groups, or files, that are named on a terminal; `--json` has all.
const NAMED: usize = 20;

/// A line for each of the first ones, and how many others there are.
fn named<T>(all: &[T], words: impl Fn(&T) -> String) -> String {
    let mut text: String =
        all.iter().take(NAMED).map(|one| format!("  {}\n", words(one))).collect();
    if all.len() > NAMED {
        text += &format!("  and {} more (--json names all)\n", all.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_filled_with_names() {
        let lines = |count: usize| named(&vec!["x"; count], ToString::to_string);
        assert_eq!(lines(1), "  x\n");
        assert_eq!(lines(20).lines().count(), 20);
        let more = lines(23);
        assert!(more.lines().count() == 21 && more.contains("and 3 more"), "{more}");
    }
}
