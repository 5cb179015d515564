//! Camera pixels and the way from them into the detector's input tensor.

pub mod frame;
