//! `expressiond bench`: where the time of a frame goes on this board.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::detector::{Detection, Detector, Settings};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use crate::pixels::frame::{Frame, PixelFormat};
use crate::pixels::rgb::to_rgb;
use crate::source::picture;
use crate::tracks::{ExpressionSettings, Tracker, TrackingSettings};

/// Measure every stage of a frame, and find the best number of threads.
///
/// Frames of 640x480 are made from a picture (the model's self-test by default), once
/// as a camera's Motion-JPEG and once as raw YUYV. `overhead` is the share of
/// everything but the network in a frame's CPU time.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// One JSON object (docs/ref/bench.md)
    #[arg(long)]
    json: bool,
    /// Frames to measure for each input and number of threads
    #[arg(long, default_value_t = 100)]
    frames: usize,
    /// Numbers of threads to try
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// The picture to make frames from
    #[arg(long, value_name = "PICTURE")]
    source: Option<PathBuf>,
    /// The model to measure (default: the one that came with the program)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// The frame that cameras give most.
const FRAME: Size = Size::new(640, 480);
/// Frames before the clock counts: caches, clocks of the processor, lazy memory.
const WARM_UP: usize = 5;

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
}

#[derive(Debug, Serialize)]
struct Threads {
    tried: Vec<usize>,
    best: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Run {
    input: &'static str,
    threads: usize,
    fps: f64,
    cpu_ms_per_frame: f64,
    /// Share of the CPU time that is not the network's, 0 to 1.
    overhead: f64,
    stages: Vec<Stage>,
}

/// Milliseconds of one stage.
#[derive(Clone, Debug, Serialize)]
struct Stage {
    name: &'static str,
    p50_ms: f64,
    p95_ms: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let mut runs = Vec::new();
    let mut model = String::new();
    for threads in &args.threads {
        let path = args.model.clone().unwrap_or_default();
        let settings = Settings { path, threads: *threads, ..Settings::default() };
        settings.check().map_err(|(key, why)| Error::new(Kind::Config, format!("{key} {why}")))?;
        let mut detector = Detector::load(&settings)?;
        model.clone_from(&detector.info().id);
        for (input, frame) in frames(args, &settings)? {
            runs.push(measure(input, &frame, *threads, &mut detector, args.frames.max(1))?);
        }
    }
    let faster = |a: &&Run, b: &&Run| a.fps.total_cmp(&b.fps);
    let best = runs
        .iter()
        .max_by(faster)
        .cloned()
        .ok_or_else(|| Error::new(Kind::Config, "--threads names no number to try"))?;
    let report = Report {
        model,
        fps: best.fps,
        cpu_ms_per_frame: best.cpu_ms_per_frame,
        peak_rss_mb: peak_rss_mb(),
        stages: best.stages,
        threads: Threads { tried: args.threads.clone(), best: best.threads },
        runs,
    };
    if args.json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write JSON", error))?;
        println!("{text}");
    } else {
        print(&report);
    }
    Ok(())
}

/// The picture as a camera would send it.
fn frames(args: &Args, settings: &Settings) -> Result<[(&'static str, Frame); 2]> {
    let own = settings.resolve().with_file_name("self-test.jpg");
    let path = args.source.as_ref().unwrap_or(&own);
    let input = |error: String| Error::new(Kind::Input, error);
    let read = picture::read(path).map_err(|error| input(error.to_string()))?;
    let picture = to_rgb(&read).map_err(|error| input(format!("{}: {error}", path.display())))?;
    let filter = image::imageops::FilterType::Triangle;
    let picture = image::imageops::resize(&picture, FRAME.width, FRAME.height, filter);
    let frame = |format, data, stride| Frame {
        format,
        data,
        stride,
        size: FRAME,
        ..Frame::empty(SystemClock.now())
    };
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
    Ok([
        ("mjpeg", frame(PixelFormat::Mjpeg, jpeg.to_vec(), 0)),
        ("yuyv", frame(PixelFormat::Yuyv, to_yuyv(&picture), 2 * FRAME.width as usize)),
    ])
}

/// BT.601, limited range, as cameras send it.
fn to_yuyv(picture: &image::RgbImage) -> Vec<u8> {
    let pairs = picture.as_raw().chunks_exact(6);
    let yuv = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f32::from);
        let y = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
        let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
        let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
        [y, u, v].map(|value| value.round() as u8)
    };
    let pair = |rgb: &[u8]| {
        let ([y0, u, v], [y1, ..]) = (yuv(&rgb[..3]), yuv(&rgb[3..]));
        [y0, u, y1, v]
    };
    pairs.flat_map(pair).collect()
}

fn measure(
    input: &'static str,
    frame: &Frame,
    threads: usize,
    detector: &mut Detector,
    count: usize,
) -> Result<Run> {
    const NAMES: [&str; 5] = ["capture", "prepare", "inference", "head", "tracking"];
    let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
    let mut tracker = Tracker::new(tracking, expression, detector.info().classes.len());
    let mut copy = Frame::empty(SystemClock.now());
    let (mut found, mut changes): (Vec<Detection>, Vec<_>) = (Vec::new(), Vec::new());
    let mut times: [Vec<Duration>; 5] = Default::default();
    let (mut begin, mut cpu, mut inference_cpu) = (Instant::now(), cpu_time(), Duration::ZERO);
    for number in 0..WARM_UP + count {
        if number == WARM_UP {
            times.iter_mut().for_each(Vec::clear);
            (begin, cpu, inference_cpu) = (Instant::now(), cpu_time(), Duration::ZERO);
        }
        let start = Instant::now();
        copy.clone_from(frame); // what a source does with the driver's buffer
        let captured = start.elapsed();
        let before = cpu_time();
        let timing = detector.detect(&copy, &mut found)?;
        let detect_cpu = cpu_time() - before;
        // prepare and head run on this thread alone, so their wall time is CPU time
        inference_cpu += detect_cpu.saturating_sub(timing.prepare + timing.head);
        let start = Instant::now();
        let now = Duration::from_millis(66 * number as u64);
        tracker.update(now, &found, &mut changes);
        let tracked = start.elapsed();
        let stages = [captured, timing.prepare, timing.inference, timing.head, tracked];
        times.iter_mut().zip(stages).for_each(|(times, time)| times.push(time));
    }
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64());
    let stages = NAMES.into_iter().zip(&mut times).map(|(name, times)| stage(name, times));
    Ok(Run {
        input,
        threads,
        fps: count as f64 / wall,
        cpu_ms_per_frame: cpu * 1e3 / count as f64,
        overhead: 1.0 - (inference_cpu.as_secs_f64() / cpu.max(f64::MIN_POSITIVE)).min(1.0),
        stages: stages.collect(),
    })
}

fn stage(name: &'static str, times: &mut [Duration]) -> Stage {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share).round() as usize;
        times[index].as_secs_f64() * 1e3
    };
    Stage { name, p50_ms: at(0.5), p95_ms: at(0.95) }
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `VmHWM` of proc_pid_status(5); 0 where it cannot be read.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

fn print(report: &Report) {
    println!("model {}, frames of {FRAME}", report.model);
    println!(
        "{:<7} {:>7} {:>8} {:>10} {:>9}   p50 (p95) ms by stage",
        "input", "threads", "frames/s", "CPU ms", "overhead"
    );
    for run in &report.runs {
        let stages: Vec<String> = run
            .stages
            .iter()
            .map(|stage| format!("{} {:.2} ({:.2})", stage.name, stage.p50_ms, stage.p95_ms))
            .collect();
        println!(
            "{:<7} {:>7} {:>8.1} {:>10.2} {:>8.1}%   {}",
            run.input,
            run.threads,
            run.fps,
            run.cpu_ms_per_frame,
            run.overhead * 100.0,
            stages.join(", ")
        );
    }
    println!(
        "best: {} threads, {:.1} frames/s; peak memory {:.0} MB",
        report.threads.best, report.fps, report.peak_rss_mb
    );
}
