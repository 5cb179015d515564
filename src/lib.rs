//! Facial-expression events from a local camera over MQTT.
//!
//! One direction of flow: [`source`] → [`pixels`] → [`detector`] → [`tracks`] →
//! [`events`] → [`publish`]; [`pipeline`] runs it, [`cmd`] is the command line.
//! `docs/design/architecture.md` follows one frame all the way.

#![forbid(unsafe_code)]

pub mod alarm;
pub mod annotate;
pub mod attention;
pub mod backoff;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod detector;
pub mod doctor;
pub mod error;
pub mod evaluate;
pub mod events;
pub mod geometry;
pub mod logging;
pub mod pipeline;
pub mod pixels;
pub mod process;
pub mod publish;
pub mod service;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod source;
pub mod tracks;
