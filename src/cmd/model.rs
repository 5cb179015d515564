//! `expressiond model`: what a model is, and whether it can be trusted.

use std::fmt::Display;
use std::path::PathBuf;

use serde::Serialize;

use super::{ConfigArgs, output};
use expressiond::config;
use expressiond::detector::networks::Networks;
use expressiond::detector::sidecar::SideCar;
use expressiond::detector::tflite::{Dtype, TensorInfo};
use expressiond::detector::{ModelInfo, Seen};
use expressiond::error::{Kind, Result};

/// Show or verify a model.
///
/// A model is a .tflite file with a .json of the same name beside it, the side-car
/// (docs/ref/model.md).
///
///   expressiond model show                    the one that `run` would use
///   expressiond model verify mine.tflite      would `run` with model.path accept this one?
///
/// Models from packages must be signed besides (docs/guide/upgrade.md), which `verify` does
/// not ask of a file that it is given; one that is refused is passed over for the next older
/// one, and `show` says so and why. Both also load the
/// network that looks closely at faces (model.close), and name those that were refused.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print everything that is known about a model
    Show(File),
    /// Load a model as the daemon does, with every check; the exit code is 70 if it is refused
    Verify(File),
}

#[derive(Debug, clap::Args)]
struct File {
    /// The .tflite file (default: the one that the settings name)
    path: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object instead of text (docs/ref/model.md)
    #[arg(long)]
    json: bool,
    /// Threads for inference (default: those of the settings)
    #[arg(long, value_parser = super::threads())]
    threads: Option<usize>,
}

pub fn run(args: &Args) -> Result<()> {
    match &args.action {
        Action::Show(file) => show(file),
        Action::Verify(file) => verify(file),
    }
}

fn load(file: &File) -> Result<Networks> {
    let (config, _layers) = config::load(&file.config.sources())?;
    let mut settings = config.model;
    settings.path = file.path.clone().unwrap_or(settings.path);
    settings.threads = file.threads.unwrap_or(settings.threads);
    super::load_networks(&settings)
}

/// What `show --json` prints (docs/ref/model.md).
#[derive(Debug, Serialize)]
struct Card<'a> {
    model: &'a ModelInfo,
    /// Newer models of this name that were refused, and why.
    refused: &'a [String],
    /// What looks closely at faces.
    close: Close<'a>,
    input: &'a TensorInfo,
    outputs: &'a [TensorInfo],
    /// What the side-car tells people: training, data, metrics, licence.
    about: serde_json::Map<String, serde_json::Value>,
}

/// What looks closely at faces, and what was refused for it.
#[derive(Debug, Serialize)]
struct Close<'a> {
    /// None: the model does that itself.
    id: Option<&'a str>,
    /// Networks that were refused, and why.
    refused: &'a [String],
}

impl<'a> Close<'a> {
    fn of(networks: &'a Networks) -> Self {
        let id = networks.close().map(|close| close.id.as_str());
        Self { id, refused: networks.close_refused() }
    }
}

fn show(file: &File) -> Result<()> {
    let networks = load(file)?;
    let (input, outputs) = networks.main().tensors();
    let info = networks.info();
    // it was read a moment ago: where it is gone now, there is nothing to tell
    let side_car = std::fs::read_to_string(SideCar::path_of(&info.path));
    let about = side_car.ok().and_then(|text| SideCar::parse(&text).ok());
    let about = about.map(|card| card.about).unwrap_or_default();
    let (refused, close) = (networks.main().refused(), Close::of(&networks));
    let card = Card { model: info, refused, close, input, outputs, about };
    if file.json { output::json(&card) } else { output::text(described(&card, &networks)) }
}

/// Everything that is known about a model, for people.
fn described(card: &Card, networks: &Networks) -> String {
    let Card { model, input, outputs, about, .. } = card;
    let mut text = format!("{} {}  ({})\n", model.name, model.version, model.path.display());
    let mut row = |key: &str, value: &dyn Display| text += &format!("  {key:<11} {value}\n");
    row("id", &model.id);
    row("sha256", &model.sha256);
    let layout = serde_json::to_value(model.layout).unwrap_or_default();
    row("layout", &layout.as_str().unwrap_or_default());
    row("input", &format!("{} RGB, {}", model.input, numbers(input)));
    for (index, output) in outputs.iter().enumerate() {
        let shape = format!("{:?}", output.shape);
        row(&format!("output {index}"), &format!("{shape:<18} {}", numbers(output)));
    }
    for (class, threshold) in model.classes.iter().zip(&model.thresholds) {
        row("class", &format!("{class:<18} from confidence {threshold:.2}"));
    }
    for (group, classes) in &model.groups {
        row("group", &format!("{group:<18} {}", classes.join(", ")));
    }
    row("overlap", &format!("boxes of one class that overlap by {:.2} are one", model.nms_iou));
    let kernels = if model.xnnpack { "XNNPACK" } else { "plain kernels" };
    row("inference", &format!("{kernels}, {} threads", model.threads));
    row("self-test", &if model.self_tested { "passed" } else { "none in the side-car" });
    row("close looks", &networks.closely());
    for refused in networks.refused() {
        row("refused", &refused);
    }
    for (key, value) in about {
        match value {
            serde_json::Value::String(text) => row(key, text),
            other => row(key, other),
        }
    }
    text
}

fn numbers(tensor: &TensorInfo) -> String {
    let quantization = tensor.quantization;
    match tensor.dtype {
        Dtype::Float32 => "float32".to_owned(),
        Dtype::Int8 | Dtype::UInt8 => format!(
            "{} of scale {:.6}, zero point {}",
            if tensor.dtype == Dtype::Int8 { "int8" } else { "uint8" },
            quantization.scale,
            quantization.zero_point
        ),
    }
}

/// What `verify --json` prints (docs/ref/model.md).
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    /// Whether the daemon would run it.
    accepted: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// Whether a side-car's checksum was compared.
    checksum: bool,
    /// What was seen in the known picture; empty where the side-car has none.
    self_test: &'a [Seen],
    /// Newer models of this name that were refused, and why.
    refused: &'a [String],
    /// What would look closely at faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<Close<'a>>,
}

fn verify(file: &File) -> Result<()> {
    match load(file) {
        Ok(networks) => {
            let (info, main) = (networks.info(), networks.main());
            let checksum = SideCar::path_of(&info.path).exists();
            let verdict = Verdict {
                accepted: true,
                reason: None,
                id: Some(info.id.as_str()),
                checksum,
                self_test: main.self_test(),
                refused: main.refused(),
                close: Some(Close::of(&networks)),
            };
            if file.json { output::json(&verdict) } else { output::text(told(&networks, checksum)) }
        }
        Err(error) => {
            if file.json && error.kind() == Kind::Model {
                let reason = Some(error.to_string());
                output::json(&Verdict {
                    accepted: false,
                    reason,
                    id: None,
                    checksum: false,
                    self_test: &[],
                    refused: &[],
                    close: None,
                })?;
            }
            Err(error)
        }
    }
}

/// A model that was accepted, for people.
fn told(networks: &Networks, checksum: bool) -> String {
    let detector = networks.main();
    let (info, outputs) = (detector.info(), detector.tensors().1);
    let mut text = format!("{}\n", info.path.display());
    text += if checksum {
        "  ok       sha256 and tensors are as the side-car says\n"
    } else {
        "  unknown  no side-car: neither sha256 nor thresholds to compare with\n"
    };
    text += &format!(
        "  ok       runs: {} in, {} outputs, {} classes\n",
        info.input,
        outputs.len(),
        info.classes.len()
    );
    for Seen { class, confidence, min_confidence, iou } in detector.self_test() {
        text += &format!(
            "  ok       self-test: {class} {confidence:.2} (at least {min_confidence:.2}), \
             overlap {iou:.2}\n"
        );
    }
    if !info.self_tested {
        text += "  unknown  no self-test: whether it sees anything was not checked\n";
    }
    for refused in networks.refused() {
        text += &format!("  refused  {refused}\n");
    }
    text + &format!("accepted: {}\n", info.id)
}
