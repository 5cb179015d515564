//! The figures of an evaluation and one page that holds them.

use std::fmt::Write;
use std::path::Path;

use plotters::prelude::*;

use super::average_precision::{Curve, PictureResult, f1};
use super::pairs::pairs;
use super::summary::{Confusion, Scores, Summary, confidences, curves, mean_f1};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Told apart by colour-blind people too (Okabe and Ito's palette): seven classes and all.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(240, 228, 66),
    RGBColor(0, 0, 0),
];
const SIZE: (u32, u32) = (560, 420);
/// Mistakes to show: enough to see a pattern.
const WORST: usize = 24;

/// A named line of a figure.
type Line = (String, Vec<(f32, f32)>);

struct Figure {
    file: &'static str,
    title: &'static str,
    /// What is to the right and what is up.
    axes: (&'static str, &'static str),
    lines: Vec<Line>,
}

/// Writes `index.html` and its figures into `folder`, which is there. `pictures` are what the
/// pictures of `results` are called.
///
/// # Errors
///
/// A file cannot be written.
pub fn write(
    folder: &Path,
    summary: &Summary,
    results: &[PictureResult],
    pictures: &[String],
) -> Result<(), Failure> {
    let figures = figures(summary, results);
    for Figure { file, title, axes, lines } in &figures {
        let mut svg = String::new();
        draw_lines(&mut svg, title, *axes, lines)?;
        std::fs::write(folder.join(file), svg)?;
    }
    let mut svg = String::new();
    draw_confusion(&mut svg, &summary.confusion)?;
    std::fs::write(folder.join("confusion.svg"), svg)?;
    let mut files: Vec<&str> = figures.iter().map(|figure| figure.file).collect();
    files.push("confusion.svg");
    let worst = worst(summary, results, pictures);
    std::fs::write(folder.join("index.html"), page(summary, &files, &worst))?;
    Ok(())
}

fn figures(summary: &Summary, results: &[PictureResult]) -> [Figure; 4] {
    // A class without a face has no recall to draw.
    let all = curves(summary.classes.len(), results);
    let curves: Vec<Curve> = all.into_iter().filter(|curve| curve.faces > 0).collect();
    let measured = summary.classes.iter().filter(|class| class.scores.is_some());
    let names: Vec<&str> = measured.map(|class| class.name.as_str()).collect();
    let against_confidence = |value: &dyn Fn((Option<f32>, f32)) -> Option<f32>| -> Vec<Line> {
        let point = |curve: &Curve, c: f32| Some((c, value(curve.at(c))?));
        let line = |curve: &Curve| confidences().filter_map(|c| point(curve, c)).collect();
        names.iter().zip(&curves).map(|(name, curve)| ((*name).to_owned(), line(curve))).collect()
    };
    let mut f1_lines = against_confidence(&|at| Some(f1(at)));
    if let Some(best) = summary.best_f1 {
        let points = confidences().filter_map(|c| Some((c, mean_f1(&curves, c)?)));
        let name = format!("all: {:.2} at {:.3}", best.value, best.confidence);
        f1_lines.push((name, points.collect()));
    }
    [
        Figure {
            file: "f1.svg",
            title: "F1 against confidence",
            axes: ("confidence", "F1"),
            lines: f1_lines,
        },
        Figure {
            file: "precision.svg",
            title: "Precision against confidence",
            axes: ("confidence", "precision"),
            lines: against_confidence(&|at| at.0),
        },
        Figure {
            file: "recall.svg",
            title: "Recall against confidence",
            axes: ("confidence", "recall"),
            lines: against_confidence(&|at| Some(at.1)),
        },
        Figure {
            file: "precision-recall.svg",
            title: "Precision against recall",
            axes: ("recall", "precision"),
            lines: precision_recall(&names, &curves),
        },
    ]
}

fn precision_recall(names: &[&str], curves: &[Curve]) -> Vec<Line> {
    let of_one = |(name, curve): (&&str, &Curve)| {
        let points = curve.precision_recall().into_iter().map(|(p, r)| (r, p)).collect();
        (format!("{name}: AP {:.3}", curve.average_precision()), points)
    };
    names.iter().zip(curves).map(of_one).collect()
}

/// Into memory: plotters drops the buffer of a file without flushing it, and on a full disk
/// nobody would be told that its end is missing.
fn draw_lines(
    svg: &mut String,
    title: &str,
    axes: (&str, &str),
    lines: &[Line],
) -> Result<(), Failure> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0f32..1f32, 0f32..1.02f32)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(axes.0)
        .y_desc(axes.1)
        .label_style(("sans-serif", 13))
        .draw()?;
    for (number, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}

fn draw_confusion(svg: &mut String, confusion: &Confusion) -> Result<(), Failure> {
    let side = confusion.labels.len() as i32;
    let (cell, left, top) = (96, 120, 70);
    let size = ((left + side * cell + 20) as u32, (top + side * cell + 20) as u32);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw_text("said (columns) for what is there (rows)", &text(15), (12, 12))?;
    for (row, counts) in (0..).zip(&confusion.counts) {
        let total = counts.iter().sum::<usize>().max(1);
        area.draw_text(
            &confusion.labels[row as usize],
            &text(14),
            (12, top + row * cell + cell / 2 - 8),
        )?;
        for (column, count) in (0..).zip(counts) {
            let share = *count as f64 / total as f64;
            let (x, y) = (left + column * cell, top + row * cell);
            let square = [(x + 2, y + 2), (x + cell - 2, y + cell - 2)];
            area.draw(&Rectangle::new(
                square,
                RGBColor(0, 114, 178).mix(0.08 + 0.72 * share).filled(),
            ))?;
            let words = format!("{count} ({:.0} %)", share * 100.0);
            let shade = if share > 0.6 { &WHITE } else { &BLACK };
            let style = ("sans-serif", 14).into_font().color(shade);
            area.draw_text(&words, &style, (x + 12, y + cell / 2 - 8))?;
            if row == 0 {
                area.draw_text(&confusion.labels[column as usize], &text(14), (x + 12, top - 24))?;
            }
        }
    }
    area.present()?;
    Ok(())
}

/// Faces called by another class with the most confidence.
fn worst(summary: &Summary, results: &[PictureResult], pictures: &[String]) -> Vec<(f32, String)> {
    let mut mistakes = Vec::new();
    for (result, picture) in results.iter().zip(pictures) {
        for (is, said) in pairs(result) {
            let (Some(is), Some(said)) = (is, said) else { continue };
            let class = said.best_class();
            if is.class != class {
                let [is, named] = [is.class, class].map(|class| &summary.classes[class].name);
                mistakes.push((said.scores[class], format!("{picture}: {is}, said {named}")));
            }
        }
    }
    mistakes.sort_by(|a, b| b.0.total_cmp(&a.0));
    mistakes.truncate(WORST);
    mistakes
}

fn page(summary: &Summary, figures: &[&str], worst: &[(f32, String)]) -> String {
    let mut rows = String::new();
    for class in &summary.classes {
        let cells = class.scores.map_or_else(
            || "<td>no face</td>".to_owned() + &"<td>–</td>".repeat(3),
            |scores| {
                let Scores { precision, recall, f1, ap50 } = scores;
                let values = [precision, Some(recall), Some(f1), Some(ap50)];
                values.map(|value| format!("<td>{}</td>", number(value, 3))).concat()
            },
        );
        // writing to a String cannot fail
        let _ = write!(rows, "<tr><td>{}</td>{cells}</tr>", escape(&class.name));
    }
    let pictures: String =
        figures.iter().map(|file| format!("<img src=\"{file}\" alt=\"{file}\">")).collect();
    let mistakes: String = worst
        .iter()
        .map(|(confidence, words)| format!("<li>{confidence:.2} {}</li>", escape(words)))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Evaluation of {model}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#222}}\
         table{{border-collapse:collapse}}td,th{{padding:.3rem 1rem;border-bottom:1px solid #ddd;text-align:right}}\
         td:first-child,th:first-child{{text-align:left}}img{{max-width:100%;border:1px solid #eee;margin:.4rem}}</style>\
         <h1>Evaluation</h1><p>Model <code>{model}</code>, {images} pictures. \
         mAP@0.5 <b>{map50}</b>, mAP@0.5:0.95 <b>{map}</b>, best F1 <b>{f1}</b> at confidence {at}, \
         {boxes} false alarms in {empty} pictures without a face.</p>\
         <table><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>AP@0.5</th></tr>{rows}</table>\
         <div>{pictures}</div><h2>Most confident mistakes</h2><ol>{mistakes}</ol></html>\n",
        model = escape(&summary.model),
        images = summary.images,
        map50 = number(summary.map50, 4),
        map = number(summary.map50_95, 4),
        f1 = number(summary.best_f1.map(|best| best.value), 4),
        at = number(summary.best_f1.map(|best| best.confidence), 3),
        boxes = summary.false_alarms.boxes,
        empty = summary.false_alarms.pictures,
    )
}

/// A measured number, or a dash for one that was not measured.
pub fn number(value: Option<f32>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// File and class names come from outside.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Truth;
    use crate::evaluate::summary::summarize;
    use crate::geometry::Rect;
    use crate::tracks::face::Face;

    /// Two faces lie so close that a box covers half of each: the one that it covers best is
    /// the one that it is of, here as in the matrix.
    #[test]
    fn the_mistakes_are_those_that_the_matrix_counts() {
        let rect = |x: f32| Rect::new(x, 0.0, 10.0, 10.0);
        let truth = |class, x| Truth { class, rect: rect(x) };
        let face = |x: f32, scores: [f32; 2]| Face { rect: rect(x), scores: scores.into() };
        let close = PictureResult {
            faces: vec![face(3.0, [0.8, 0.1])],
            truth: vec![truth(1, 0.0), truth(0, 3.0)],
            ..PictureResult::default()
        };
        let mistaken = PictureResult {
            faces: vec![face(0.0, [0.1, 0.9])],
            truth: vec![truth(0, 0.0)],
            ..PictureResult::default()
        };
        let results = [close, mistaken.clone(), mistaken];
        let names = ["happy", "not_happy"].map(str::to_owned);
        let groups = vec![String::new(); results.len()];
        let summary = summarize("m", &names, &[0.5; 2], &results, &groups);
        let pictures = ["a/1.jpg", "a/2.jpg", "b/2.jpg"].map(str::to_owned);
        let mistakes: Vec<String> =
            worst(&summary, &results, &pictures).into_iter().map(|(_, words)| words).collect();
        let words = "happy, said not_happy";
        assert_eq!(mistakes, [format!("a/2.jpg: {words}"), format!("b/2.jpg: {words}")]);
        assert_eq!(summary.confusion.counts, [[1, 2, 0], [0, 0, 1], [0, 0, 0]]);
    }
}
