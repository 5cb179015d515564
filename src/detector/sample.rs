//! Numbers of an output tensor, read in their own type.

use tflitec::tensor::Tensor;

use super::tflite::{Dtype, Quantization, TensorInfo};

/// A number as a tensor stores it.
pub trait Sample: Copy + PartialOrd {
    /// What it means.
    fn real(self, quantization: Quantization) -> f32;

    /// The smallest stored number whose meaning is at least `value`; `None` if the
    /// type has none, so that comparing needs no conversion per number.
    fn at_least(value: f32, quantization: Quantization) -> Option<Self>;

    /// How far two neighbouring numbers of the type are apart; 0 where they are as good
    /// as continuous.
    fn step(quantization: Quantization) -> f32;
}

impl Sample for f32 {
    fn real(self, _: Quantization) -> f32 {
        self
    }

    fn at_least(value: f32, _: Quantization) -> Option<Self> {
        Some(value)
    }

    fn step(_: Quantization) -> f32 {
        0.0
    }
}

macro_rules! quantized_sample {
    ($type:ty) => {
        impl Sample for $type {
            fn real(self, quantization: Quantization) -> f32 {
                (i32::from(self) - quantization.zero_point) as f32 * quantization.scale
            }

            fn at_least(value: f32, quantization: Quantization) -> Option<Self> {
                let exact = value / quantization.scale + quantization.zero_point as f32;
                let mut least = exact.clamp(Self::MIN.into(), Self::MAX.into()).floor() as Self;
                // Division and product round differently: settle it by the meaning itself.
                while least.real(quantization) < value {
                    least = least.checked_add(1)?;
                }
                Some(least)
            }

            fn step(quantization: Quantization) -> f32 {
                quantization.scale
            }
        }
    };
}

quantized_sample!(i8);
quantized_sample!(u8);

/// A tensor's numbers and their meaning.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a, T> {
    /// As the tensor stores them.
    pub data: &'a [T],
    /// What they mean.
    pub quantization: Quantization,
}

impl<T: Sample> Values<'_, T> {
    /// The number at `index`, which must be below `data.len()`.
    pub fn real(&self, index: usize) -> f32 {
        self.data[index].real(self.quantization)
    }
}

/// An output tensor in its own type.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Quantized, signed.
    Int8(Values<'a, i8>),
    /// Quantized, unsigned.
    UInt8(Values<'a, u8>),
    /// Not quantized.
    Float32(Values<'a, f32>),
}

impl<'a> Output<'a> {
    /// The numbers of `tensor`, which `info` describes.
    pub fn of(tensor: &'a Tensor<'a>, info: &TensorInfo) -> Self {
        let quantization = info.quantization;
        match info.dtype {
            Dtype::Int8 => Self::Int8(Values { data: tensor.data(), quantization }),
            Dtype::UInt8 => Self::UInt8(Values { data: tensor.data(), quantization }),
            Dtype::Float32 => Self::Float32(Values { data: tensor.data(), quantization }),
        }
    }

    /// The number at `index`, which the tensor must have.
    pub fn real(&self, index: usize) -> f32 {
        match self {
            Self::Int8(values) => values.real(index),
            Self::UInt8(values) => values.real(index),
            Self::Float32(values) => values.real(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The quantized threshold lets through exactly what the real one does.
        #[test]
        fn comparing_stored_numbers_is_comparing_their_meaning(
            value in -30f32..30.0, scale in 0.001f32..0.3, zero_point in -128i32..128, q: i8,
        ) {
            let quantization = Quantization { scale, zero_point };
            let passes = i8::at_least(value, quantization).is_some_and(|least| q >= least);
            prop_assert_eq!(passes, q.real(quantization) >= value);
        }
    }
}
