//! The numbers of an evaluation: the keys of `expressiond evaluate --json`
//! (`docs/ref/evaluate.md`).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::average_precision::{Curve, IOUS, PictureResult, f1};
use super::left_out::LeftOut;
use super::pairs::pairs;
use crate::tracks::face::Face;

/// All numbers of one evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `name@version+sha`.
    pub model: String,
    /// Pictures measured.
    pub images: usize,
    /// Mean of average precision at IoU 0.5 over the classes that are labelled, 0 to 1.
    /// Nothing where no face is, as for the other numbers that faces are needed for.
    pub map50: Option<f32>,
    /// The same, averaged over IoU 0.50 to 0.95.
    pub map50_95: Option<f32>,
    /// None where no face is labelled.
    pub best_f1: Option<BestF1>,
    /// In the model's order.
    pub classes: Vec<ClassScore>,
    /// Of the faces that the daemon would start to follow, by what each shows most.
    pub confusion: Confusion,
    /// In the pictures without a face.
    pub false_alarms: FalseAlarms,
    /// mAP@0.5 of the pictures whose names share a prefix, where there are several
    /// prefixes and most are of several pictures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Files of the set that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Where the mean F1 of the classes that are labelled is highest, both 0 to 1.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BestF1 {
    /// The mean F1.
    pub value: f32,
    /// The confidence from which detections count there.
    pub confidence: f32,
}

/// One class of the model.
#[derive(Clone, Debug, Serialize)]
pub struct ClassScore {
    /// The class.
    pub name: String,
    /// Labelled faces of it.
    pub faces: usize,
    /// Nothing where there are none: COCO leaves such a class out, and so does every mean.
    #[serde(flatten, serialize_with = "with_nulls")]
    pub scores: Option<Scores>,
}

/// Scores of a class, 0 to 1; all but the average precision at the confidence of the best
/// F1.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scores {
    /// Share of its detections that hit a face of the class; none where it was never told.
    pub precision: Option<f32>,
    /// Share of its faces that were found.
    pub recall: f32,
    /// Average precision at IoU 0.5.
    pub ap50: f32,
    /// Harmonic mean of precision and recall.
    pub f1: f32,
}

/// The keys are always there, as null where there is nothing.
fn with_nulls<S: Serializer>(scores: &Option<Scores>, serializer: S) -> Result<S::Ok, S::Error> {
    let keys = ["precision", "recall", "ap50", "f1"];
    let values = scores.map(|s| [s.precision, Some(s.recall), Some(s.ap50), Some(s.f1)]);
    serializer.collect_map(keys.iter().zip(values.unwrap_or_default()))
}

/// Rows are what is there, columns what was said; the last of each is "nothing".
#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    /// Names of the rows and columns: the classes, then "nothing".
    pub labels: Vec<String>,
    /// Rows of counts, in the order of `labels`.
    pub counts: Vec<Vec<usize>>,
}

/// Boxes, at the shipped thresholds, in pictures without a face.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FalseAlarms {
    /// How many pictures without a face there are.
    pub pictures: usize,
    /// How many boxes the model found in them.
    pub boxes: usize,
}

/// Pictures with at least one face whose names begin alike.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What stands before the first `_` of their names.
    pub name: String,
    /// Pictures in it.
    pub images: usize,
    /// Their mAP@0.5, 0 to 1.
    pub map50: f32,
}

/// Confidences at which F1 is looked for.
pub fn confidences() -> impl Iterator<Item = f32> + Clone {
    (1..1000).map(|step| step as f32 / 1000.0)
}

/// Sums up `results`; `groups` names each result's group.
pub fn summarize(
    model: &str,
    names: &[String],
    thresholds: &[f32],
    results: &[PictureResult],
    groups: &[String],
) -> Summary {
    let curves = curves(names.len(), results);
    let best_f1 = best_f1(&curves);
    let score = |(name, curve): (&String, &Curve)| {
        let scores = best_f1.filter(|_| curve.faces > 0).map(|best| {
            let (precision, recall) = curve.at(best.confidence);
            let (ap50, f1) = (curve.average_precision(), f1((precision, recall)));
            Scores { precision, recall, ap50, f1 }
        });
        ClassScore { name: name.clone(), faces: curve.faces, scores }
    };
    let strict: Vec<f32> = IOUS
        .iter()
        .filter_map(|iou| {
            let curves = (0..names.len()).map(|class| Curve::of(results, class, *iou));
            mean_average_precision(&curves.collect::<Vec<_>>())
        })
        .collect();
    Summary {
        model: model.to_owned(),
        images: results.len(),
        map50: mean_average_precision(&curves),
        map50_95: mean(&strict),
        best_f1,
        classes: names.iter().zip(&curves).map(score).collect(),
        confusion: confusion(names, results),
        false_alarms: false_alarms(results, thresholds),
        groups: by_group(names.len(), results, groups),
        left_out: Vec::new(),
    }
}

fn mean(values: &[f32]) -> Option<f32> {
    (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
}

/// Curves of the classes that are labelled at all: without a face there is no recall, and
/// COCO's mean leaves the class out.
fn labelled(curves: &[Curve]) -> impl Iterator<Item = &Curve> {
    curves.iter().filter(|curve| curve.faces > 0)
}

fn mean_average_precision(curves: &[Curve]) -> Option<f32> {
    mean(&labelled(curves).map(Curve::average_precision).collect::<Vec<_>>())
}

/// The curve of each class at IoU 0.5.
pub fn curves(class_count: usize, results: &[PictureResult]) -> Vec<Curve> {
    (0..class_count).map(|class| Curve::of(results, class, IOUS[0])).collect()
}

/// The mean F1 of the classes that are labelled at a confidence.
pub fn mean_f1(curves: &[Curve], confidence: f32) -> Option<f32> {
    let values = labelled(curves).map(|curve| f1(curve.at(confidence)));
    mean(&values.collect::<Vec<_>>())
}

/// Of several confidences with the same best value the middle one: a perfect score holds
/// from almost 0 to the weakest hit, and neither end is what a threshold should be.
fn best_f1(curves: &[Curve]) -> Option<BestF1> {
    let points: Option<Vec<BestF1>> = confidences()
        .map(|confidence| Some(BestF1 { value: mean_f1(curves, confidence)?, confidence }))
        .collect();
    let points = points?;
    let value = points.iter().map(|point| point.value).fold(0.0, f32::max);
    let first = points.iter().position(|point| point.value >= value)?;
    let run = points[first..].iter().take_while(|point| point.value >= value).count();
    points.get(first + run / 2).copied()
}

fn confusion(names: &[String], results: &[PictureResult]) -> Confusion {
    let nothing = names.len();
    let mut counts = vec![vec![0; nothing + 1]; nothing + 1];
    for (is, said) in results.iter().flat_map(pairs) {
        let row = is.map_or(nothing, |truth| truth.class);
        counts[row][said.map_or(nothing, Face::best_class)] += 1;
    }
    let labels = names.iter().cloned().chain(["nothing".to_owned()]).collect();
    Confusion { labels, counts }
}

fn false_alarms(results: &[PictureResult], thresholds: &[f32]) -> FalseAlarms {
    let empty = results.iter().filter(|result| result.truth.is_empty());
    let boxes = |result: &PictureResult| {
        result.found.iter().filter(|found| found.confidence >= thresholds[found.class]).count()
    };
    FalseAlarms { pictures: empty.clone().count(), boxes: empty.map(boxes).sum() }
}

/// None where there is one, nor where most have a single picture: then what stands before a
/// `_` is no source, as in names that Roboflow gives (`IMG7_jpg.rf.1f2e.jpg`).
fn by_group(class_count: usize, results: &[PictureResult], groups: &[String]) -> Vec<Group> {
    let mut members: BTreeMap<&str, Vec<&PictureResult>> = BTreeMap::new();
    for (result, group) in results.iter().zip(groups) {
        members.entry(group).or_default().push(result);
    }
    let single = members.values().filter(|own| own.len() == 1).count();
    if members.len() < 2 || 2 * single > members.len() {
        return Vec::new();
    }
    let group = |(name, own): (&str, Vec<&PictureResult>)| {
        let own: Vec<PictureResult> = own.into_iter().cloned().collect();
        let map50 = mean_average_precision(&curves(class_count, &own))?;
        Some(Group { name: name.to_owned(), images: own.len(), map50 })
    };
    members.into_iter().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Detection;
    use crate::evaluate::Truth;
    use crate::evaluate::pairs::followed;
    use crate::geometry::Rect;

    fn result(found: &[(usize, f32)], truth: &[usize]) -> PictureResult {
        of_classes(2, found, truth)
    }

    fn of_classes(count: usize, found: &[(usize, f32)], truth: &[usize]) -> PictureResult {
        let rect = Rect::new(0.0, 0.0, 10.0, 10.0);
        let found = found.iter().map(|(class, confidence)| Detection {
            class: *class,
            confidence: *confidence,
            rect,
        });
        let found: Vec<Detection> = found.collect();
        let truth = truth.iter().map(|class| Truth { class: *class, rect }).collect();
        PictureResult { faces: followed(&found, count), found, truth }
    }

    fn summary(results: &[PictureResult], groups: &[&str]) -> Summary {
        let names = ["happy", "not_happy"].map(str::to_owned);
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        summarize("m", &names, &[0.5, 0.5], results, &groups)
    }

    /// pycocotools says 1.000 of such a set: a class without a label is left out.
    #[test]
    fn a_class_without_labels_counts_into_no_mean() {
        let perfect = result(&[(0, 0.9)], &[0]);
        let spoiled = result(&[(0, 0.9), (1, 0.2)], &[0]);
        let pictures = [perfect, spoiled].into_iter().cycle().take(4).collect::<Vec<_>>();
        let told = summary(&pictures, &["home", "street", "home", "street"]);
        assert_eq!((told.map50, told.map50_95), (Some(1.0), Some(1.0)));
        let best = told.best_f1.unwrap();
        assert_eq!(best.value, 1.0);
        // no false hit below the hit at 0.9 counts: its class is not measured
        assert!((best.confidence - 0.45).abs() < 0.01, "{best:?}");
        assert_eq!(told.groups.iter().map(|group| group.map50).collect::<Vec<_>>(), [1.0, 1.0]);
        assert_eq!((told.classes[0].faces, told.classes[1].faces), (4, 0));
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(json["classes"][0]["ap50"], 1.0);
        for key in ["precision", "recall", "ap50", "f1"] {
            assert!(json["classes"][1].as_object().unwrap()[key].is_null(), "{key}");
        }
    }

    #[test]
    fn a_class_that_is_never_told_has_no_precision() {
        let mistaken = result(&[(1, 0.1)], &[0]);
        let told = summary(&[result(&[(0, 0.9)], &[0]), mistaken, result(&[], &[1])], &[""; 3]);
        assert!(told.best_f1.is_some_and(|best| best.confidence > 0.1), "{:?}", told.best_f1);
        let scores = told.classes[1].scores.expect("its faces are labelled");
        assert_eq!((scores.precision, scores.recall, scores.f1), (None, 0.0, 0.0));
        let json = serde_json::to_value(&told).unwrap();
        assert!(json["classes"][1]["precision"].is_null(), "{json}");
        assert_eq!(json["classes"][0]["precision"], 1.0);
    }

    /// None of seven classes has half of a face's confidence, and each has a box on it.
    #[test]
    fn the_matrix_counts_a_face_once_by_the_class_that_leads() {
        let names = [0; 7].map(|_| "class".to_owned());
        let wide = [(4, 0.24), (2, 0.2), (6, 0.15), (0, 0.1), (1, 0.08), (3, 0.05), (5, 0.04)];
        let seen = [
            of_classes(7, &wide, &[4]),
            of_classes(7, &wide, &[2]),
            of_classes(7, &[(4, 0.24), (2, 0.2)], &[4]), // too weak to be followed
            of_classes(7, &[(1, 0.98)], &[1]),
        ];
        let groups = vec![String::new(); seen.len()];
        let Confusion { counts, .. } = summarize("m", &names, &[0.2; 7], &seen, &groups).confusion;
        assert_eq!((counts[4][4], counts[2][4], counts[4][7], counts[1][1]), (1, 1, 1, 1));
        assert_eq!(counts.iter().flatten().sum::<usize>(), 4, "{counts:?}");
    }

    /// Of two classes neither the daemon nor `detect` hears of a box below the floor, and average
    /// precision is made of those, too.
    #[test]
    fn a_face_that_only_the_low_floor_makes_is_not_counted() {
        let told = summary(&[result(&[(0, 0.65), (1, 0.06)], &[0])], &[""]);
        let row = &told.confusion.counts[0];
        assert_eq!(row[..], [0, 0, 1], "{:?}", told.confusion);
        assert_eq!(told.map50, Some(1.0));
    }

    /// As Roboflow names them each picture would be a group of its own.
    #[test]
    fn names_that_most_have_to_themselves_are_no_groups() {
        let one = result(&[(0, 0.9)], &[0]);
        let pictures = vec![one; 5];
        let names = |names: [&str; 5]| -> Vec<String> {
            let told = summary(&pictures, &names);
            told.groups.iter().map(|group| format!("{} {}", group.name, group.images)).collect()
        };
        assert_eq!(names(["a", "b", "c", "d", "d"]), [""; 0]);
        assert_eq!(names(["b", "a", "b", "a", "c"]), ["a 2", "b 2", "c 1"]);
        assert_eq!(names(["a"; 5]), [""; 0]);
    }

    /// Pictures without a face measure false alarms and nothing else.
    #[test]
    fn without_a_face_there_is_no_mean() {
        let told = summary(&[result(&[(1, 0.9)], &[]), result(&[], &[])], &["a", "b"]);
        assert!(told.map50.is_none() && told.map50_95.is_none() && told.best_f1.is_none());
        assert!(told.groups.is_empty());
        assert_eq!((told.false_alarms.boxes, told.false_alarms.pictures), (1, 2));
    }
}
