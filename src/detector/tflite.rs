//! One TensorFlow Lite interpreter and what its tensors look like.

use std::fmt;
use std::sync::Mutex;

use tflitec::interpreter::{Interpreter, Options};
use tflitec::model::Model;
use tflitec::tensor::{DataType, Tensor};

use super::ModelError;
use crate::pixels::tensor::TensorBuffer;

/// Number type of a tensor that this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// -128 to 127, quantized.
    Int8,
    /// 0 to 255, quantized.
    UInt8,
    /// IEEE 754, not quantized.
    Float32,
}

/// What an integer of a tensor means: `(q - zero_point) * scale`. Floats have
/// scale 1 and zero point 0.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quantization {
    /// The real difference between two neighbouring integers.
    pub scale: f32,
    /// The integer that means 0.
    pub zero_point: i32,
}

/// A tensor as the file declares it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TensorInfo {
    /// As the exporter called it; may be empty.
    pub name: String,
    /// Lengths of its dimensions; the first is the batch, 1.
    pub shape: Vec<usize>,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// What its integers mean.
    pub quantization: Quantization,
}

impl TensorInfo {
    /// The least and the largest number that its integers can mean; none of floats.
    pub(super) fn range(&self) -> Option<(f32, f32)> {
        let (least, most) = match self.dtype {
            Dtype::Int8 => (-128, 127),
            Dtype::UInt8 => (0, 255),
            Dtype::Float32 => return None,
        };
        let Quantization { scale, zero_point } = self.quantization;
        let meaning = |integer: i32| (integer - zero_point) as f32 * scale;
        Some((meaning(least), meaning(most)))
    }

    /// Length of the tensor's memory in bytes.
    pub fn bytes(&self) -> usize {
        let each = if self.dtype == Dtype::Float32 { 4 } else { 1 };
        self.shape.iter().product::<usize>() * each
    }
}

/// What a warning about missing XNNPACK means to the owner.
const SLOWER: &str = "inference runs on plain kernels, several times slower";

/// Owns an interpreter. Used by one thread at a time.
pub struct Engine {
    interpreter: Interpreter<'static>,
    /// The one input.
    pub input: TensorInfo,
    /// In the file's order.
    pub outputs: Vec<TensorInfo>,
    /// Whether XNNPACK's kernels run.
    pub xnnpack: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("input", &self.input).finish_non_exhaustive()
    }
}

impl Engine {
    /// Builds an interpreter on these very bytes, `threads` wide.
    ///
    /// # Errors
    ///
    /// They are no such file, need what the library lacks, or have more inputs than one.
    pub fn new(bytes: Vec<u8>, threads: usize) -> Result<Self, ModelError> {
        check_mark(&bytes)?;
        let model = lasting(bytes)?;
        let (interpreter, xnnpack) = interpreter(model, threads)?;
        if interpreter.input_tensor_count() != 1 {
            let count = interpreter.input_tensor_count();
            return Err(ModelError::Layout(format!(
                "{count} inputs: export a detector, which has one picture (docs/ref/model.md)"
            )));
        }
        let input = describe(&interpreter.input(0).map_err(ModelError::refused)?)?;
        // Outputs are only readable after a run, which also proves that one works.
        interpreter.invoke().map_err(|_| ModelError::Invoke)?;
        let outputs = (0..interpreter.output_tensor_count())
            .map(|index| describe(&interpreter.output(index).map_err(ModelError::refused)?))
            .collect::<Result<_, _>>()?;
        Ok(Self { interpreter, input, outputs, xnnpack })
    }

    /// Runs the network on `input`, which has the input tensor's type and length.
    ///
    /// # Errors
    ///
    /// Its type or length is another, or the library refuses to run.
    pub fn run(&mut self, input: &TensorBuffer) -> Result<(), ModelError> {
        let copied = match input {
            TensorBuffer::Int8(values) => self.interpreter.copy(values, 0),
            TensorBuffer::UInt8(values) => self.interpreter.copy(values, 0),
            TensorBuffer::Float32(values) => self.interpreter.copy(values, 0),
        };
        copied.map_err(ModelError::refused)?;
        // tflitec calls every failure "must call allocate_tensors": not its word here.
        self.interpreter.invoke().map_err(|_| ModelError::Run)
    }

    /// An output of the last run, of the length that its shape says: one that
    /// grows with what it sees (a file with its own suppression) is refused.
    ///
    /// # Errors
    ///
    /// There is no such output, or its length is another one now.
    pub fn output(&self, index: usize) -> Result<Tensor<'_>, ModelError> {
        let tensor = self.interpreter.output(index).map_err(ModelError::refused)?;
        let info = &self.outputs[index];
        if tensor.data::<u8>().len() != info.bytes() {
            return Err(ModelError::Layout(format!(
                "output {} changes its size from run to run: export without non-maximum \
                 suppression",
                info.name
            )));
        }
        Ok(tensor)
    }
}

/// The files that this process has loaded, each once.
type Lasting = (&'static [u8], &'static Model<'static>);
static MODELS: Mutex<Vec<Lasting>> = Mutex::new(Vec::new());

/// The model of these bytes, both with the program's lifetime: an interpreter reads from them
/// until its end. What has been loaded before is not loaded again: settings may be tried and
/// refused at every reload, and nothing of this is ever freed.
fn lasting(bytes: Vec<u8>) -> Result<&'static Model<'static>, ModelError> {
    let mut models = MODELS.lock().expect("nothing panics under this lock");
    if let Some((_, model)) = models.iter().find(|(known, _)| **known == *bytes) {
        return Ok(model);
    }
    drop(Model::from_bytes(&bytes).map_err(ModelError::refused)?);
    let bytes: &'static [u8] = bytes.leak();
    let model: &'static _ =
        Box::leak(Box::new(Model::from_bytes(bytes).map_err(ModelError::refused)?));
    models.push((bytes, model));
    Ok(model)
}

/// What every TensorFlow Lite file begins with: an offset, then the schema's
/// identifier. The library itself does not look.
///
/// # Errors
///
/// They begin otherwise.
pub fn check_mark(bytes: &[u8]) -> Result<(), ModelError> {
    if bytes.get(4..8) == Some(b"TFL3") { Ok(()) } else { Err(ModelError::NotTflite) }
}

/// An interpreter with its memory, on XNNPACK's kernels where they start.
fn interpreter(
    model: &'static Model<'static>,
    threads: usize,
) -> Result<(Interpreter<'static>, bool), ModelError> {
    let ready = |xnnpack| {
        let interpreter = Interpreter::new(model, Some(options(threads, xnnpack)))?;
        interpreter.allocate_tensors()?;
        Ok::<_, tflitec::Error>(interpreter)
    };
    if xnnpack_possible() {
        match ready(true) {
            Ok(interpreter) => return Ok((interpreter, true)),
            Err(error) => log::warn!("XNNPACK does not take this model ({error}): {SLOWER}"),
        }
    }
    Ok((ready(false).map_err(ModelError::refused)?, false))
}

#[cfg(not(target_arch = "arm"))]
fn options(threads: usize, xnnpack: bool) -> Options {
    let thread_count = i32::try_from(threads).unwrap_or(1);
    Options { thread_count, is_xnnpack_enabled: xnnpack }
}

/// The armv7 build of the library has no XNNPACK.
#[cfg(target_arch = "arm")]
fn options(threads: usize, _xnnpack: bool) -> Options {
    Options { thread_count: i32::try_from(threads).unwrap_or(1) }
}

/// XNNPACK counts processors through sysfs; where a sandbox hides these files it
/// fails to start and takes the process with it, so they are asked first.
fn xnnpack_possible() -> bool {
    if cfg!(target_arch = "arm") {
        return false;
    }
    let hidden = ["possible", "present"]
        .into_iter()
        .find(|name| std::fs::read(format!("/sys/devices/system/cpu/{name}")).is_err());
    if let Some(name) = hidden {
        log::warn!("/sys/devices/system/cpu/{name} cannot be read, XNNPACK needs it: {SLOWER}");
    }
    hidden.is_none()
}

fn describe(tensor: &Tensor) -> Result<TensorInfo, ModelError> {
    let dtype = match tensor.data_type() {
        DataType::Int8 => Dtype::Int8,
        DataType::UInt8 => Dtype::UInt8,
        DataType::Float32 => Dtype::Float32,
        other => {
            return Err(ModelError::Layout(format!(
                "tensor {} is {other:?}: export with int8 or float32 inputs and outputs",
                tensor.name()
            )));
        }
    };
    let quantization = match (dtype, tensor.quantization_parameters()) {
        (Dtype::Float32, _) => Quantization { scale: 1.0, zero_point: 0 },
        (_, Some(given)) => Quantization { scale: given.scale, zero_point: given.zero_point },
        (_, None) => Quantization { scale: 0.0, zero_point: 0 },
    };
    if !(quantization.scale.is_finite() && quantization.scale > 0.0) {
        return Err(ModelError::Layout(format!(
            "tensor {} has quantization scale {}: the file was exported without its scales: \
             export it again, quantized as a whole (docs/ref/model.md)",
            tensor.name(),
            quantization.scale
        )));
    }
    let shape = tensor.shape().dimensions().clone();
    Ok(TensorInfo { name: tensor.name().to_owned(), shape, dtype, quantization })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_once_however_often_it_is_loaded() {
        let bytes = || std::fs::read("models/expression-yolo12n-close.tflite").expect("readable");
        let [first, second] = [bytes(), bytes()].map(|bytes| lasting(bytes).expect("a model"));
        assert!(std::ptr::eq(first, second));
        let broken = [&[0; 4][..], b"TFL3", &[0xFF; 64]].concat();
        let before = MODELS.lock().expect("unharmed").len();
        assert!((0..3).all(|_| lasting(broken.clone()).is_err()));
        assert_eq!(MODELS.lock().expect("unharmed").len(), before);
    }
}
