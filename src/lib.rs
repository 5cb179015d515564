//! Facial-expression events from a local camera over MQTT.
//!
//! One direction of flow: [`source`] → [`pixels`] → [`detector`] → [`tracks`] →
//! [`events`] → [`publish`]; [`attention`] says which frames are looked at, [`mqtt`]
//! carries what is published, [`control`] is what the daemon is told, and [`pipeline`]
//! runs it all. The command line is in the binary.
//! `docs/design/architecture.md` follows one frame all the way.

#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::missing_errors_doc)]
// They panic where they cannot write.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod alarm;
pub mod annotate;
pub mod attention;
pub(crate) mod backoff;
pub(crate) mod board;
pub mod clock;
pub mod config;
pub mod contract;
pub mod control;
pub mod detector;
pub mod doctor;
pub mod error;
mod escapes;
pub mod evaluate;
pub mod events;
pub mod geometry;
mod hexadecimal;
pub mod home_assistant;
pub mod identity;
mod limits;
pub mod logging;
pub mod mqtt;
pub mod name;
pub mod outbox;
pub(crate) mod package;
pub mod panics;
pub mod paths;
pub mod pipeline;
pub mod pixels;
pub mod preview;
pub mod printable;
pub mod process;
pub mod publish;
pub mod random;
pub mod runtime;
pub mod service;
pub mod settings_files;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod source;
mod storage;
mod token_bucket;
pub mod tracks;
pub mod zones;
