//! `expressiond bench`: where the time of a frame goes on this board.

mod situations;
mod stages;
mod still;
#[cfg(test)]
mod tests;
mod viewer;
mod yuyv;

use std::fmt;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use image::RgbImage;
use serde::Serialize;

use super::output;
use expressiond::detector::networks::{Network, Networks};
use expressiond::detector::{ModelInfo, Settings};
use expressiond::error::{Error, Kind, Result};
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::rgb::to_rgb;
use expressiond::process;
use expressiond::source::picture;
use situations::{Situation, frame};
use stages::{Run, Stage};
use still::Still;
use viewer::Viewer;
use yuyv::to_yuyv;

/// Measure every stage of a frame, and find the best number of threads.
///
/// Frames of 640x480 are made from a picture (that of the model's self-test by default), once
/// as a camera's Motion-JPEG and once as raw YUYV. `overhead` is the share of
/// everything but the network in a frame's CPU time.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// One JSON object (docs/ref/bench.md)
    #[arg(long)]
    json: bool,
    /// Frames to measure for each input and number of threads
    #[arg(long, default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    frames: u32,
    /// Numbers of threads to try, as in 1,2,4
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',',
        value_parser = super::threads(), default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// What the camera sends
    #[arg(long, value_delimiter = ',', default_values = INPUTS, value_parser = INPUTS)]
    inputs: Vec<String>,
    /// Leave out the still room and people before the camera, the longest parts
    #[arg(long)]
    no_still: bool,
    /// The picture to make frames from
    #[arg(long, value_name = "PICTURE")]
    source: Option<PathBuf>,
    /// The model to measure (default: the newest expression-yolo12n, whatever the
    /// settings say)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// What a camera may send: the names of the inputs that [`frames`] makes.
const INPUTS: [&str; 2] = ["mjpeg", "yuyv"];

/// 640x480: the frame size that most cameras offer.
const FRAME: Size = Size::new(640, 480);

/// What is printed (docs/ref/bench.md).
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    /// At the best number of threads.
    fps: f64,
    cpu_ms_per_frame: f64,
    peak_rss_mb: f64,
    /// For each input and number of threads tried.
    runs: Vec<Run>,
    /// Of the best run.
    stages: Vec<Stage>,
    threads: Threads,
    /// What somebody who watches the live picture costs, for each input.
    viewer: Vec<Viewer>,
    /// Of raw frames on one thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    still: Option<Still>,
    /// People before the camera, of raw frames of 1280x720 on one thread.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    situations: Vec<Situation>,
}

#[derive(Debug, Serialize)]
struct Threads {
    tried: Vec<usize>,
    best: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut runs = Vec::new();
    let mut model = String::new();
    let mut viewer = Vec::new();
    for threads in &args.threads {
        let mut networks = networks(args, *threads)?;
        if model.is_empty() {
            super::tell_refused(&networks);
        }
        model.clone_from(&networks.info().id);
        let wanted = |(input, _): &(&str, Frame)| args.inputs.iter().any(|name| name == input);
        for (input, frame) in frames(args, networks.info())?.into_iter().filter(wanted) {
            if !viewer.iter().any(|known: &Viewer| known.input == input) {
                viewer.push(viewer::measure(input, &frame)?);
            }
            let main = networks.get_mut(Network::Main);
            runs.push(stages::measure(input, &frame, *threads, main, args.frames)?);
        }
    }
    let faster = |a: &&Run, b: &&Run| a.fps.total_cmp(&b.fps);
    let best = runs
        .iter()
        .max_by(faster)
        .cloned()
        .ok_or_else(|| Error::new(Kind::Config, "--threads or --inputs is empty"))?;
    let still = if args.no_still { None } else { Some(still_room(args)?) };
    let situations = if args.no_still { Vec::new() } else { people(args)? };
    let report = Report {
        model,
        fps: best.fps,
        cpu_ms_per_frame: best.cpu_ms_per_frame,
        peak_rss_mb: process::peak_rss_mb("self"),
        stages: best.stages,
        threads: Threads { tried: args.threads.clone(), best: best.threads },
        runs,
        viewer,
        still,
        situations,
    };
    if args.json { output::json(&report) } else { output::text(&report) }
}

/// The networks that are asked for, so many threads wide.
fn networks(args: &Args, threads: usize) -> Result<Networks> {
    let path = args.model.clone().unwrap_or_default();
    super::load_networks(&Settings { path, threads, ..Settings::default() })
}

/// What a still room costs, on one thread with raw frames.
fn still_room(args: &Args) -> Result<Still> {
    let networks = networks(args, Settings::default().threads)?;
    let [_, (_, raw)] = frames(args, networks.info())?;
    still::measure(&raw, networks)
}

/// What people before the camera cost, on one thread with raw frames.
fn people(args: &Args) -> Result<Vec<Situation>> {
    let networks = networks(args, Settings::default().threads)?;
    let portrait = source_picture(args, networks.info())?;
    situations::measure(networks, &portrait)
}

/// The picture to make frames from.
fn source_picture(args: &Args, model: &ModelInfo) -> Result<RgbImage> {
    let path = args.source.as_ref().or(model.self_test_picture.as_ref()).ok_or_else(|| {
        let model = model.path.display();
        let why = format!("{model} has no self-test picture to make frames from");
        Error::new(Kind::Config, format!("{why}: --source PICTURE gives one"))
    })?;
    let input = |error: String| Error::new(Kind::Input, error);
    let read = picture::read(path).map_err(|error| input(error.to_string()))?;
    to_rgb(&read).map_err(|error| input(format!("{}: {error}", path.display())))
}

/// The picture as a camera would send it.
fn frames(args: &Args, model: &ModelInfo) -> Result<[(&'static str, Frame); 2]> {
    let picture = source_picture(args, model)?;
    let filter = image::imageops::FilterType::Triangle;
    let picture = image::imageops::resize(&picture, FRAME.width, FRAME.height, filter);
    let jpeg = turbojpeg::compress(
        turbojpeg::Image {
            pixels: picture.as_raw().as_slice(),
            width: FRAME.width as usize,
            pitch: 3 * FRAME.width as usize,
            height: FRAME.height as usize,
            format: turbojpeg::PixelFormat::RGB,
        },
        85,
        turbojpeg::Subsamp::Sub2x1,
    );
    let jpeg = jpeg.map_err(|error| Error::caused(Kind::Internal, "cannot make a JPEG", error))?;
    let [mjpeg, yuyv] = INPUTS;
    Ok([
        (mjpeg, frame(PixelFormat::Mjpeg, FRAME, jpeg.to_vec(), 0)),
        (yuyv, frame(PixelFormat::Yuyv, FRAME, to_yuyv(&picture), 2)),
    ])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model {}, frames of {FRAME}", self.model)?;
        writeln!(
            f,
            "{:<7} {:>7} {:>8} {:>10} {:>9}   p50 (p95) ms by stage",
            "input", "threads", "frames/s", "CPU ms", "overhead"
        )?;
        for run in &self.runs {
            writeln!(f, "{run}")?;
        }
        for viewer in &self.viewer {
            writeln!(f, "{viewer}")?;
        }
        if let Some(still) = &self.still {
            writeln!(f, "{still}")?;
        }
        if !self.situations.is_empty() {
            writeln!(
                f,
                "people in frames of 1280x720, against a look at the whole of each frame:"
            )?;
        }
        for situation in &self.situations {
            writeln!(f, "{situation}")?;
        }
        writeln!(
            f,
            "best: {} threads, {:.1} frames/s; peak memory {:.0} MB",
            self.threads.best, self.fps, self.peak_rss_mb
        )?;
        Ok(())
    }
}
