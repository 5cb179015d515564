//! Whether the announcement fits into a packet.

use super::About;
use crate::mqtt::message::packet_size;

/// Home Assistant never hears of this device: its announcement is larger than what may be
/// sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is never told of this device: the announcement has {size} bytes, more than \
     mqtt.max_packet_bytes = {limit}"
)]
pub struct TooLarge {
    /// Bytes of its packet, at most.
    pub size: usize,
    /// `mqtt.max_packet_bytes`.
    pub limit: usize,
}

impl TooLarge {
    /// What to do. An announcement grows with zones, cameras and versions.
    pub fn remedy(&self) -> String {
        let enough = self.size.next_power_of_two();
        format!("set mqtt.max_packet_bytes to {} at least, better to {enough}", self.size)
    }
}

impl About {
    /// # Errors
    ///
    /// The announcement, with nothing of an earlier run in it, has more bytes than `limit`.
    pub fn check_size(&self, limit: usize) -> Result<(), TooLarge> {
        let size = packet_size(&self.topic(), self.payload(None).to_string().len());
        if size > limit { Err(TooLarge { size, limit }) } else { Ok(()) }
    }
}
