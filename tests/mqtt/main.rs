//! The publisher against real brokers: Mosquitto and the one inside.

mod access;
mod addresses;
mod bridge;
mod certificates;
mod contract;
mod daemon;
mod delivery;
mod doctor;
mod fake;
mod home_assistant;
mod kills;
mod late;
mod limits;
mod monitoring;
#[path = "../daemon/mosquitto.rs"]
mod mosquitto;
mod observer;
#[path = "../daemon/ports.rs"]
mod ports;
#[path = "../daemon/program.rs"]
mod program;
#[path = "../reference/mod.rs"]
mod reference;
mod rights;
#[path = "../daemon/running.rs"]
mod running;
mod support;
mod sweep;
mod tls;
mod version;
mod web_sockets;
mod zones;
