//! Camera pixels and the way from them into the detector's input tensor.
//!
//! A frame is never turned into a full-size RGB picture on its way to the
//! detector: [`planes`] says where its samples lie, [`sampling`] shrinks them row by
//! row into the input's size, and only what arrives there becomes RGB.

pub(crate) mod decode;
mod error;
mod format;
pub mod frame;
mod header;
pub(crate) mod jpeg;
pub mod letterbox;
pub(crate) mod markers;
pub(crate) mod planes;
pub mod preprocess;
pub mod rgb;
mod sampling;
mod scan;
pub(crate) mod scene;
pub mod tensor;
mod unpack;

pub use error::PixelError;
