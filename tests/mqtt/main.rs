//! The publisher against real brokers: Mosquitto and the one inside.

mod contract;
mod delivery;
mod mosquitto;
mod observer;
mod support;
