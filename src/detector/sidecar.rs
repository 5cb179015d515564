//! The JSON beside a model: everything about it that its tensors do not say.
//! The contract is `docs/ref/model.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::classes::{self, among, check_apart, check_classes, check_names};
use super::tflite::{Dtype, Quantization, TensorInfo};
use crate::geometry::Size;

/// The one version of the side-car that this program reads.
pub const SCHEMA: u32 = 1;

/// What the daemon needs, and what it only shows to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideCar {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Letters, digits, `.`, `_`, `-`: part of the model id in every event.
    pub name: String,
    /// Semantic version, by which the newest of a name is found.
    pub version: String,
    /// What the model is for.
    #[serde(default)]
    pub task: Task,
    /// How its outputs are read.
    pub layout: Layout,
    /// In the order of the class tensors' channels.
    pub classes: Vec<String>,
    /// What it must be given.
    pub input: Input,
    /// Groups of classes that an owner may want to be told instead (`expression.groups`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Per class the confidence from which a box counts, 0 to 1.
    pub thresholds: BTreeMap<String, f32>,
    /// Boxes of one class that overlap by more are one face, 0 to 1.
    pub nms_iou: f32,
    /// How many times as wide as a face a look at it is best, 1.5 to 4.
    #[serde(default = "usual_close_look")]
    pub close_look: f32,
    /// Every output as the exporter saw it, a cross-check of the file; may be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputClaim>,
    /// Of the `.tflite`, in hexadecimal.
    pub sha256: String,
    /// What it must see; may be left out, except in packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// All other keys: training, data, metrics, licence. Shown, never acted on.
    #[serde(flatten)]
    pub about: serde_json::Map<String, serde_json::Value>,
}

/// At a third of its input a model reads expressions best that says nothing else.
pub(crate) const USUAL_CLOSE_LOOK: f32 = 3.0;

fn usual_close_look() -> f32 {
    USUAL_CLOSE_LOOK
}

/// What the model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// It finds faces and classifies them.
    #[default]
    Detect,
}

/// How the outputs of a model are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Per level a box and a class tensor.
    RawDfl,
    /// One output of boxes and confidences, one for each anchor.
    Flat,
    /// One output of boxes that are left after non-maximum suppression.
    EndToEnd,
}

/// Order of a pixel's three numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Color {
    /// Red, green, blue.
    #[default]
    #[serde(rename = "RGB")]
    Rgb,
}

/// The input tensor, as a cross-check of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Of a quantized input; see [`Quantization`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Of a quantized input; see [`Quantization`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// Order of a pixel's numbers.
    #[serde(default)]
    pub color: Color,
}

/// One output tensor, as a cross-check of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputClaim {
    /// Its place among the file's outputs, from 0.
    pub tensor_index: usize,
    /// Lengths of its dimensions; the first is the batch, 1.
    pub shape: Vec<usize>,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Of a quantized output; see [`Quantization`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Of a quantized output; see [`Quantization`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// Role, stride, name: shown, never acted on.
    #[serde(flatten)]
    pub about: serde_json::Map<String, serde_json::Value>,
}

/// A picture beside the model and what the model must see in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// A file name in the model's folder.
    pub picture: String,
    /// One for each face in it.
    pub expect: Vec<Expected>,
}

/// A face that the model must see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// One of the side-car's classes.
    pub class: String,
    /// Left, top, right, bottom in pixels of the picture.
    #[serde(rename = "box")]
    pub edges: [f32; 4],
    /// The least confidence that passes, 0 to 1.
    pub min_confidence: f32,
}

impl SideCar {
    /// Where the side-car of a model stands: the same name, ending in `.json`.
    pub fn path_of(model: &Path) -> PathBuf {
        model.with_extension("json")
    }

    /// Reads and checks a side-car; an error names the key and what it must be.
    ///
    /// # Errors
    ///
    /// In words: the key, and what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let card: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let (path, reason) = (error.path().to_string(), error.inner().to_string());
            if path == "." { reason } else { format!("{path}: {reason}") }
        })?;
        // It reads one value and leaves what stands behind: half of another side-car, say.
        reader.end().map_err(|error| error.to_string())?;
        card.check()?;
        Ok(card)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is {}, this program reads {SCHEMA}", self.schema));
        }
        for (key, value) in [("name", &self.name), ("version", &self.version)] {
            if !plain(value) {
                return Err(format!("{key} is {value:?}, it must be {PLAIN}"));
            }
        }
        Version::parse(&self.version).map_err(|error| {
            let version = &self.version;
            format!("version is {version:?}, it must be a semantic version, as 1.2.3: {error}")
        })?;
        check_classes(&self.classes)?;
        self.check_groups()?;
        let missing = |class: &&String| self.threshold(class).is_none();
        if let Some(class) = self.classes.iter().find(missing) {
            return Err(format!("thresholds has no value for class {class}"));
        }
        let unknown = |class: &&String| !among(class, &self.classes);
        if let Some(class) = self.thresholds.keys().find(unknown) {
            return Err(format!("thresholds.{class}: there is no such class"));
        }
        let shares = self.thresholds.iter().map(|(class, v)| (format!("thresholds.{class}"), *v));
        for (key, value) in shares.chain([("nms_iou".to_owned(), self.nms_iou)]) {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{key} is {value}, it must be from 0 to 1"));
            }
        }
        if !(1.5..=4.0).contains(&self.close_look) {
            return Err(format!("close_look is {}, it must be from 1.5 to 4", self.close_look));
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("sha256 is {:?}, it must be 64 hexadecimal digits", self.sha256));
        }
        self.self_test.as_ref().map_or(Ok(()), |test| test.check(&self.classes))
    }

    /// The confidence from which a box of a class counts.
    pub(super) fn threshold(&self, class: &str) -> Option<f32> {
        let of_class = |(name, _): &(&String, &f32)| classes::same(name, class);
        self.thresholds.iter().find(of_class).map(|(_, threshold)| *threshold)
    }

    fn check_groups(&self) -> Result<(), String> {
        check_names(self.groups.keys()).map_err(|(_, what)| format!("groups.{what}"))?;
        for (group, members) in &self.groups {
            if members.is_empty() {
                return Err(format!("groups.{group} is empty"));
            }
            if let Some(class) = members.iter().find(|class| !among(class, &self.classes)) {
                return Err(format!("groups.{group} has {class}, there is no such class"));
            }
            check_apart(members.iter().map(|class| (group.as_str(), class.as_str())))
                .map_err(|why| format!("groups {why}"))?;
        }
        Ok(())
    }

    /// The file is the truth; a side-car that says otherwise belongs to another one.
    /// An error names the key and both values.
    ///
    /// # Errors
    ///
    /// In words: the key, and both values.
    pub fn agrees(
        &self,
        layout: Layout,
        size: Size,
        input: &TensorInfo,
        outputs: &[TensorInfo],
    ) -> Result<(), String> {
        same("layout", &self.layout, &layout)?;
        same("input.width", &self.input.width, &size.width)?;
        same("input.height", &self.input.height, &size.height)?;
        same("input.dtype", &self.input.dtype, &input.dtype)?;
        let Input { scale, zero_point, .. } = self.input;
        same_quantization("input", scale, zero_point, input)?;
        for (number, claim) in self.outputs.iter().enumerate() {
            let key = format!("outputs[{number}]");
            let Some(output) = outputs.get(claim.tensor_index) else {
                let (index, count) = (claim.tensor_index, outputs.len());
                return Err(format!("{key}.tensor_index is {index}, the file has {count} outputs"));
            };
            same(&format!("{key}.shape"), &claim.shape, &output.shape)?;
            same(&format!("{key}.dtype"), &claim.dtype, &output.dtype)?;
            same_quantization(&key, claim.scale, claim.zero_point, output)?;
        }
        Ok(())
    }
}

impl SelfTest {
    fn check(&self, classes: &[String]) -> Result<(), String> {
        // A file name, not a path: the side-car of a downloaded model must not make
        // the daemon read elsewhere.
        if Path::new(&self.picture).file_name() != Some(self.picture.as_ref()) {
            return Err(format!(
                "self_test.picture is {:?}, it must be the name of a file beside the model",
                self.picture
            ));
        }
        if self.expect.is_empty() {
            return Err("self_test.expect is empty: such a test cannot fail".to_owned());
        }
        for (number, expected) in self.expect.iter().enumerate() {
            let key = format!("self_test.expect[{number}]");
            let [left, top, right, bottom] = expected.edges;
            if !among(&expected.class, classes) {
                return Err(format!("{key}.class is {}, there is no such class", expected.class));
            }
            if !(left < right && top < bottom) {
                return Err(format!("{key}.box is not left, top, right, bottom in pixels"));
            }
            if !(0.0..=1.0).contains(&expected.min_confidence) {
                let value = expected.min_confidence;
                return Err(format!("{key}.min_confidence is {value}, it must be from 0 to 1"));
            }
        }
        Ok(())
    }
}

/// What [`plain`] demands, for people.
pub const PLAIN: &str = "1 to 64 of letters, digits, '.', '_', '-'";

/// Names and versions are parts of file names and of the model id in events.
pub fn plain(value: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&value.len()) && value.bytes().all(fits)
}

fn same<T: PartialEq + std::fmt::Debug>(key: &str, claimed: &T, found: &T) -> Result<(), String> {
    if claimed == found {
        return Ok(());
    }
    Err(format!("{key} is {claimed:?}, the file has {found:?}"))
}

/// Scales went through decimal digits, which keep six or more.
fn same_quantization(
    key: &str,
    scale: Option<f32>,
    zero_point: Option<i32>,
    tensor: &TensorInfo,
) -> Result<(), String> {
    if tensor.dtype == Dtype::Float32 {
        return Ok(());
    }
    let Quantization { scale: found, zero_point: zero_found } = tensor.quantization;
    if let Some(scale) = scale.filter(|scale| (scale - found).abs() > found * 1e-4) {
        return Err(format!("{key}.scale is {scale}, the file has {found}"));
    }
    zero_point.map_or(Ok(()), |zero| same(&format!("{key}.zero_point"), &zero, &zero_found))
}

#[cfg(test)]
mod tests;
