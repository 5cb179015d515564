//! Cameras that their own names do not tell apart.
//!
//! A link below `/dev/v4l/by-id` is made of a camera's make, model and serial number, one below
//! by-path of the port (systemd/rules.d/60-persistent-v4l.rules). Two cameras of one kind without
//! a serial number, or with the same one, claim the same link by-id. One of them has it, and after
//! the next start of the machine perhaps the other (udev(7), `SYMLINK`).

use std::path::{Path, PathBuf};

/// Where udev puts links by a camera's own name, and by its port.
pub(super) const BY_ID: &str = "/dev/v4l/by-id";
pub(super) const BY_PATH: &str = "/dev/v4l/by-path";

/// What tells cameras apart.
#[derive(Clone, Debug)]
pub(super) struct Plugged {
    /// The device's own name.
    pub card: String,
    /// Where it is plugged in; empty where it could not be opened.
    pub bus: String,
    /// Those that lead to it.
    pub links: Vec<PathBuf>,
    /// Whether it is a camera, and not its metadata or something else.
    pub is_camera: bool,
}

/// The link to put into `camera.source` for the camera `at` of all that are plugged in, and
/// what to know of it.
pub(super) fn steady(all: &[Plugged], at: usize) -> (Option<PathBuf>, Option<String>) {
    let Some(own) = all.get(at) else { return (None, None) };
    if !all.iter().any(|other| claims_the_same(own, other)) {
        return (own.links.first().cloned(), None);
    }
    let by_path = own.links.iter().find(|link| link.starts_with(BY_PATH)).cloned();
    let what = match by_path {
        Some(_) => "this name is that of the port".to_owned(),
        None => format!("put its port into camera.source, \"{}\"", own.bus),
    };
    let note = format!(
        "another camera has the same name and serial number, so that a name below {BY_ID} may \
         lead to either of them after a restart: {what}"
    );
    (by_path, Some(note))
}

/// Whether of two cameras in different places only one has a link by its own name.
fn claims_the_same(own: &Plugged, other: &Plugged) -> bool {
    let both = own.is_camera && other.is_camera;
    let elsewhere = !own.bus.is_empty() && !other.bus.is_empty() && own.bus != other.bus;
    let named = |camera: &Plugged| camera.links.iter().any(|link| is_by_id(link));
    both && elsewhere && own.card == other.card && named(own) != named(other)
}

/// Whether a link goes by the camera's own name.
pub(super) fn is_by_id(link: &Path) -> bool {
    link.starts_with(BY_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/dev/v4l/by-id/usb-046d_C270-video-index0";
    const PORT: &str = "/dev/v4l/by-path/pci-0000:01:00.0-usb-0:1.3:1.0-video-index0";
    const OTHER_PORT: &str = "/dev/v4l/by-path/pci-0000:01:00.0-usb-0:1.4:1.0-video-index0";

    fn plugged(card: &str, bus: &str, links: &[&str]) -> Plugged {
        let links = links.iter().map(PathBuf::from).collect();
        Plugged { card: card.into(), bus: bus.into(), links, is_camera: true }
    }

    #[test]
    fn of_two_cameras_with_one_name_each_goes_by_its_port() {
        let twins =
            [plugged("C270", "usb-1.3", &[ID, PORT]), plugged("C270", "usb-1.4", &[OTHER_PORT])];
        for (at, port) in [(0, PORT), (1, OTHER_PORT)] {
            let (link, note) = steady(&twins, at);
            assert_eq!(link.as_deref(), Some(Path::new(port)));
            assert!(note.is_some_and(|note| note.contains("name is that of the port")));
        }
        let bare = [twins[1].clone(), plugged("C270", "usb-1.3", &[ID])];
        let (link, note) = steady(&bare, 1);
        assert_eq!(link, None);
        assert!(note.is_some_and(|note| note.contains("\"usb-1.3\"")));
    }

    #[test]
    fn others_go_by_their_own_name() {
        let own = plugged("C270", "usb-1.3", &[ID, PORT]);
        let named = "/dev/v4l/by-id/usb-046d_C270_5A3C1F-video-index0";
        let metadata = Plugged { is_camera: false, ..plugged("C270", "usb-1.4", &[]) };
        for other in [
            plugged("C920", "usb-1.4", &[OTHER_PORT]),
            // The second node of the same camera.
            plugged("C270", "usb-1.3", &[]),
            plugged("C270", "usb-1.4", &[named, OTHER_PORT]),
            // One that may not be opened tells no place.
            plugged("C270", "", &[OTHER_PORT]),
            metadata,
        ] {
            let (link, note) = steady(&[own.clone(), other.clone()], 0);
            assert_eq!((link.as_deref(), note), (Some(Path::new(ID)), None), "{other:?}");
        }
        assert_eq!(steady(&[plugged("loop", "platform-0", &[])], 0), (None, None));
    }
}
