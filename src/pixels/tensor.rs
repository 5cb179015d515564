//! What the detector's input tensor looks like, as far as pixels are concerned.

use crate::geometry::Size;

/// How a colour value 0 to 255 becomes a number of the input tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Encoding {
    /// `round(p / 255 / scale) + zero_point`, saturated.
    Int8 {
        /// What one step of the integer is worth, more than 0.
        scale: f32,
        /// The integer that stands for 0, -128 to 127.
        zero_point: i32,
    },
    /// The same, unsigned.
    UInt8 {
        /// What one step of the integer is worth, more than 0.
        scale: f32,
        /// The integer that stands for 0, 0 to 255.
        zero_point: i32,
    },
    /// `p / 255`.
    Float32,
}

impl Encoding {
    /// The integer that stands for a colour value; without quantization the value itself.
    pub(crate) fn integer(self, colour: u8) -> i32 {
        let steps =
            |scale: f32, zero: i32| (f32::from(colour) / 255.0 / scale).round() as i32 + zero;
        match self {
            Self::Int8 { scale, zero_point } => steps(scale, zero_point).clamp(-128, 127),
            Self::UInt8 { scale, zero_point } => steps(scale, zero_point).clamp(0, 255),
            Self::Float32 => colour.into(),
        }
    }
}

/// Size and encoding of an input tensor `[1, height, width, 3]`, RGB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSpec {
    /// Pixels.
    pub size: Size,
    /// What a colour value becomes.
    pub encoding: Encoding,
}

impl InputSpec {
    /// Number of values: height x width x 3.
    pub const fn len(&self) -> usize {
        self.size.area() * 3
    }

    /// Whether it has no values at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The input tensor's values, in its own type.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorBuffer {
    /// Of a model that is quantized to signed bytes.
    Int8(Vec<i8>),
    /// To unsigned bytes.
    UInt8(Vec<u8>),
    /// Of a model that is not quantized.
    Float32(Vec<f32>),
}

impl TensorBuffer {
    /// All zeros.
    pub fn new(spec: &InputSpec) -> Self {
        match spec.encoding {
            Encoding::Int8 { .. } => Self::Int8(vec![0; spec.len()]),
            Encoding::UInt8 { .. } => Self::UInt8(vec![0; spec.len()]),
            Encoding::Float32 => Self::Float32(vec![0.0; spec.len()]),
        }
    }

    /// Exchanges left and right of what it shows, in rows of so many pixels.
    pub(crate) fn mirror(&mut self, width: u32) {
        fn rows<T>(values: &mut [T], width: usize) {
            let (pixels, _) = values.as_chunks_mut::<3>();
            pixels.chunks_mut(width).for_each(<[_]>::reverse);
        }
        match self {
            Self::Int8(values) => rows(values, width as usize),
            Self::UInt8(values) => rows(values, width as usize),
            Self::Float32(values) => rows(values, width as usize),
        }
    }
}

/// What each colour value becomes, looked up instead of computed.
#[derive(Clone, Debug)]
pub(super) enum Table {
    Int8([i8; 256]),
    UInt8([u8; 256]),
    Float32(Box<[f32; 256]>),
}

impl Table {
    pub(super) fn new(encoding: Encoding) -> Self {
        let integer = |p: usize| encoding.integer(p as u8);
        match encoding {
            Encoding::Int8 { .. } => Self::Int8(std::array::from_fn(|p| integer(p) as i8)),
            Encoding::UInt8 { .. } => Self::UInt8(std::array::from_fn(|p| integer(p) as u8)),
            Encoding::Float32 => Self::Float32(Box::new(std::array::from_fn(|p| p as f32 / 255.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_pixels_change_places_and_keep_their_colours() {
        let mut tensor = TensorBuffer::UInt8((1..=12).collect());
        tensor.mirror(2);
        assert_eq!(tensor, TensorBuffer::UInt8(vec![4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]));
        tensor.mirror(2);
        assert_eq!(tensor, TensorBuffer::UInt8((1..=12).collect()));
    }

    #[test]
    fn the_usual_int8_input_is_the_pixel_less_128() {
        let Table::Int8(table) =
            Table::new(Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 })
        else {
            panic!("wrong kind of table");
        };
        for (p, value) in table.iter().enumerate() {
            assert_eq!(i32::from(*value), p as i32 - 128);
        }
    }
}
