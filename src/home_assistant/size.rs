//! Whether the announcement fits into a packet.

use super::About;
use crate::mqtt::message::packet_size;

/// The announcement is larger than what may be sent: Home Assistant never hears of this device, or
/// where only what is taken back makes it so, never that entities of an earlier run are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is never told {}: the announcement has {size} bytes, more than \
     mqtt.max_packet_bytes = {limit}",
    if *with_earlier { "what is gone since an earlier run" } else { "of this device" }
)]
pub struct TooLarge {
    /// Bytes of its packet, at most.
    pub size: usize,
    /// `mqtt.max_packet_bytes`.
    pub limit: usize,
    /// Whether it has entities of an earlier run in it, which it takes back.
    pub with_earlier: bool,
}

impl TooLarge {
    /// What to do. An announcement grows with zones, cameras and versions.
    pub fn remedy(&self) -> String {
        // This run's own announcement takes the place of the earlier one at the broker: whoever
        // starts with more room finds nothing there any more of what is gone.
        if self.with_earlier {
            return "delete there by hand what is gone".to_owned();
        }
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
        if size > limit { Err(TooLarge { size, limit, with_earlier: false }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::topics::Topics;
    use crate::home_assistant::{Hardware, Page, Settings};
    use crate::name::Name;
    use crate::zones;

    /// With names of so many letters below this topic, and what may be on or off.
    fn announced(base: &str, length: usize, is_on: bool, zones: usize) -> usize {
        let name = "n".repeat(length);
        let device = Name::new(&*name).expect("a name");
        let points = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let zone = |letter| zones::Settings {
            name: String::from(letter).repeat(length),
            kind: zones::Kind::Count,
            points: points.clone(),
            enabled: true,
        };
        let about = About {
            settings: Settings::default(),
            topics: Topics::new(base, device).expect("a topic"),
            cameras: vec![Name::camera(&*name).expect("a name")],
            classes: vec!["happy".into(), "not_happy".into()],
            snapshots: is_on,
            zones: ('a'..).take(zones).map(zone).collect(),
            page: is_on.then(Page::default),
            hardware: Hardware::default(),
        };
        about.check_size(0).expect_err("nothing is so small").size
    }

    #[test]
    fn the_reference_says_how_large_an_announcement_is() {
        let long = "n".repeat(64);
        let range = [("expressiond", 1, false), (&*long, 64, true)].map(|(base, length, is_on)| {
            let alone = announced(base, length, is_on, 0);
            let each_zone = (announced(base, length, is_on, 10) - alone) / 10;
            (alone.div_ceil(1024), each_zone.div_ceil(1024))
        });
        let [least, most] = range;
        let words = format!(
            "some {} to {} KiB, by its names and what is on, and {} to {} more for each zone that \
             counts",
            least.0, most.0, least.1, most.1
        );
        let reference = include_str!("../../docs/ref/config.md");
        assert!(reference.contains(&words), "it is {words}");
    }

    #[test]
    fn only_a_device_that_is_not_told_of_is_called_so() {
        let whole = TooLarge { size: 5000, limit: 4096, with_earlier: false };
        assert!(whole.to_string().contains("never told of this device: the announcement has 5000"));
        assert!(whole.remedy().ends_with("to 5000 at least, better to 8192"));
        let earlier = TooLarge { with_earlier: true, ..whole };
        assert!(earlier.to_string().contains("never told what is gone"));
        assert!(!earlier.remedy().contains("max_packet"), "it would come too late");
        assert!(earlier.remedy().contains("by hand"));
    }
}
