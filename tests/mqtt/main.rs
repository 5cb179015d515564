//! The publisher against real brokers: Mosquitto and the one inside.

mod contract;
mod delivery;
mod kills;
mod mosquitto;
mod observer;
mod support;
