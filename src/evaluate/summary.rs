//! The numbers of an evaluation: the keys of `expressiond evaluate --json`
//! (`docs/ref/evaluate.md`).

use serde::Serialize;

use super::average_precision::{Curve, IOUS, Sheet, f1};

/// All numbers of one evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub model: String,
    pub images: usize,
    /// Mean over the classes of average precision at IoU 0.5.
    pub map50: f32,
    /// The same, averaged over IoU 0.50 to 0.95.
    pub map50_95: f32,
    pub best_f1: BestF1,
    pub classes: Vec<ClassScore>,
    pub confusion: Confusion,
    pub false_alarms: FalseAlarms,
    /// mAP@0.5 of the pictures whose names share a prefix, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// Where the mean F1 of the classes is highest.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BestF1 {
    pub value: f32,
    pub confidence: f32,
}

/// One class, at the confidence of the best F1.
#[derive(Clone, Debug, Serialize)]
pub struct ClassScore {
    pub name: String,
    pub precision: f32,
    pub recall: f32,
    pub ap50: f32,
    pub f1: f32,
}

/// Rows are what is there, columns what was said; the last of each is "nothing".
#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    pub labels: Vec<String>,
    pub counts: Vec<Vec<usize>>,
}

/// Boxes, at the shipped thresholds, in pictures without a face.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FalseAlarms {
    pub pictures: usize,
    pub boxes: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub name: String,
    pub images: usize,
    pub map50: f32,
}

/// Confidences at which F1 is looked for.
pub fn confidences() -> impl Iterator<Item = f32> + Clone {
    (1..1000).map(|step| step as f32 / 1000.0)
}

/// Sums up `sheets`; `groups` names each sheet's group.
pub fn summarize(
    model: &str,
    names: &[String],
    thresholds: &[f32],
    sheets: &[Sheet],
    groups: &[String],
) -> Summary {
    let curves = curves(names.len(), sheets);
    let best_f1 = best_f1(&curves);
    let classes: Vec<ClassScore> = names
        .iter()
        .zip(&curves)
        .map(|(name, curve)| {
            let (precision, recall) = curve.at(best_f1.confidence);
            let (ap50, f1) = (curve.average_precision(), f1((precision, recall)));
            ClassScore { name: name.clone(), precision, recall, ap50, f1 }
        })
        .collect();
    let strict = IOUS.iter().flat_map(|iou| {
        (0..names.len()).map(move |class| Curve::of(sheets, class, *iou).average_precision())
    });
    Summary {
        model: model.to_owned(),
        images: sheets.len(),
        map50: classes.iter().map(|class| class.ap50).sum::<f32>() / names.len() as f32,
        map50_95: strict.sum::<f32>() / (IOUS.len() * names.len()) as f32,
        best_f1,
        classes,
        confusion: confusion(names, sheets, best_f1.confidence),
        false_alarms: false_alarms(sheets, thresholds),
        groups: by_group(names.len(), sheets, groups),
    }
}

/// The curve of each class at IoU 0.5.
pub fn curves(class_count: usize, sheets: &[Sheet]) -> Vec<Curve> {
    (0..class_count).map(|class| Curve::of(sheets, class, IOUS[0])).collect()
}

/// The mean F1 of the classes at a confidence.
pub fn mean_f1(curves: &[Curve], confidence: f32) -> f32 {
    curves.iter().map(|curve| f1(curve.at(confidence))).sum::<f32>() / curves.len() as f32
}

fn best_f1(curves: &[Curve]) -> BestF1 {
    let points =
        confidences().map(|confidence| BestF1 { value: mean_f1(curves, confidence), confidence });
    let start = BestF1 { value: 0.0, confidence: 0.5 };
    points.fold(start, |best, point| if point.value > best.value { point } else { best })
}

/// Class-blind matching at IoU 0.5: each face is paired with the box that covers it
/// best, whatever it says.
fn confusion(names: &[String], sheets: &[Sheet], confidence: f32) -> Confusion {
    let nothing = names.len();
    let mut counts = vec![vec![0; nothing + 1]; nothing + 1];
    for sheet in sheets {
        let mut free: Vec<bool> = vec![true; sheet.truth.len()];
        for found in sheet.found.iter().filter(|found| found.confidence >= confidence) {
            let best = sheet
                .truth
                .iter()
                .enumerate()
                .filter(|(index, _)| free[*index])
                .map(|(index, truth)| (index, truth.rect.iou(&found.rect)))
                .filter(|(_, overlap)| *overlap >= IOUS[0])
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let row = best.map_or(nothing, |(index, _)| {
                free[index] = false;
                sheet.truth[index].class
            });
            counts[row][found.class] += 1;
        }
        for (truth, _) in sheet.truth.iter().zip(&free).filter(|(_, free)| **free) {
            counts[truth.class][nothing] += 1;
        }
    }
    let labels = names.iter().cloned().chain(["nothing".to_owned()]).collect();
    Confusion { labels, counts }
}

fn false_alarms(sheets: &[Sheet], thresholds: &[f32]) -> FalseAlarms {
    let empty = sheets.iter().filter(|sheet| sheet.truth.is_empty());
    let boxes = |sheet: &Sheet| {
        sheet.found.iter().filter(|found| found.confidence >= thresholds[found.class]).count()
    };
    FalseAlarms { pictures: empty.clone().count(), boxes: empty.map(boxes).sum() }
}

fn by_group(class_count: usize, sheets: &[Sheet], groups: &[String]) -> Vec<Group> {
    let mut names: Vec<&String> = groups.iter().collect();
    names.sort();
    names.dedup();
    if names.len() < 2 {
        return Vec::new();
    }
    let group = |name: &String| {
        let own: Vec<Sheet> = sheets
            .iter()
            .zip(groups)
            .filter(|(_, group)| *group == name)
            .map(|(sheet, _)| sheet.clone())
            .collect();
        let curves = curves(class_count, &own);
        let faces: usize = curves.iter().map(|curve| curve.faces).sum();
        let map50 = curves.iter().map(Curve::average_precision).sum::<f32>() / class_count as f32;
        (faces > 0).then(|| Group { name: name.clone(), images: own.len(), map50 })
    };
    names.into_iter().filter_map(group).collect()
}
