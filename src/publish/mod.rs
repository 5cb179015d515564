//! Events and states to an MQTT broker.
