//! The JSON beside a model: everything about it that its tensors do not say.
//! The contract is `docs/ref/model.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tflite::Dtype;

/// The one version of the side-car that this program reads.
pub const SCHEMA: u32 = 1;

/// What the daemon needs; other fields inform people and are ignored here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideCar {
    pub schema: u32,
    pub name: String,
    pub version: String,
    pub layout: Layout,
    /// In the order of the class tensors' channels.
    pub classes: Vec<String>,
    pub input: Input,
    /// Per class the confidence from which a box counts, 0 to 1.
    pub thresholds: BTreeMap<String, f32>,
    /// Boxes of one class that overlap by more are one face, 0 to 1.
    pub nms_iou: f32,
    /// Of the `.tflite`, in hexadecimal.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Per level a box and a class tensor.
    RawDfl,
    /// One output of boxes and confidences.
    Flat,
}

/// The input tensor, as a cross-check of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub width: u32,
    pub height: u32,
    pub dtype: Dtype,
}

/// A picture beside the model and what the model must see in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    pub picture: String,
    pub expect: Vec<Expected>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub class: String,
    /// Left, top, right, bottom in pixels of the picture.
    #[serde(rename = "box")]
    pub edges: [f32; 4],
    pub min_confidence: f32,
}

impl SideCar {
    /// Reads and checks a side-car; an error names the key and what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let card: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let share = |value: f32| (0.0..=1.0).contains(&value);
        if card.schema != SCHEMA {
            return Err(format!("schema is {}, this program reads {SCHEMA}", card.schema));
        }
        if card.classes.is_empty() {
            return Err("classes is empty: a detector has at least one".to_owned());
        }
        if let Some(class) = card.classes.iter().find(|class| !card.thresholds.contains_key(*class))
        {
            return Err(format!("thresholds has no value for class {class}"));
        }
        if let Some((class, value)) = card.thresholds.iter().find(|(_, value)| !share(**value)) {
            return Err(format!("thresholds.{class} is {value}, it must be from 0 to 1"));
        }
        if !share(card.nms_iou) {
            return Err(format!("nms_iou is {}, it must be from 0 to 1", card.nms_iou));
        }
        Ok(card)
    }
}
