//! The publisher against real brokers: Mosquitto and the one inside.

mod certificates;
mod contract;
mod delivery;
mod kills;
mod mosquitto;
mod observer;
mod support;
mod tls;
