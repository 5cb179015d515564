//! Where the pictures are taken from: by which camera, and how they stand.
//!
//! Pure: what is open and the frame come in. Places in one picture say nothing of places in
//! one that was taken otherwise.

use crate::geometry::Size;
use crate::pixels::frame::{Frame, Orientation};
use crate::source::Opened;

/// What is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is another camera.
    Camera,
    /// Pictures are turned or mirrored otherwise, or of another size.
    Picture,
}

/// Follows a camera's frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Viewpoint {
    source: Option<Opened>,
    picture: Option<(Orientation, Size)>,
}

impl Viewpoint {
    /// What has changed with this frame; `source` is what took it, none where that is not known.
    pub(crate) fn follow(&mut self, source: Option<&Opened>, frame: &Frame) -> Option<Change> {
        let picture = (frame.orientation, frame.upright_size());
        let turned = self.picture.replace(picture).is_some_and(|before| before != picture);
        let picture = turned.then_some(Change::Picture);
        let Some(source) = source else { return picture };
        let goes_on = |before: &Opened| before.is_same_camera(source);
        if self.source.as_ref().is_some_and(goes_on) {
            return picture;
        }
        let is_first = self.source.replace(source.clone()).is_none();
        if is_first { picture } else { Some(Change::Camera) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    fn camera(node: &str, bus: &str, card: &str) -> Opened {
        Opened::Device { node: node.into(), bus: bus.into(), card: card.into() }
    }

    fn frame(width: u32, mirror: bool) -> Frame {
        let orientation = Orientation { mirror, ..Orientation::default() };
        let size = Size::new(width, 480);
        Frame { size, orientation, ..Frame::empty(SystemClock.now()) }
    }

    #[test]
    fn another_name_or_place_is_another_camera_and_another_node_is_not() {
        let mut viewpoint = Viewpoint::default();
        let mut follow = |source: Option<&Opened>| viewpoint.follow(source, &frame(640, false));
        assert_eq!(follow(Some(&camera("/dev/video0", "usb-1.3", "A"))), None, "the first");
        assert_eq!(follow(None), None);
        assert_eq!(follow(Some(&camera("/dev/video2", "usb-1.3", "A"))), None, "it came back");
        assert_eq!(follow(Some(&camera("/dev/video2", "usb-1.3", "B"))), Some(Change::Camera));
        assert_eq!(follow(Some(&camera("/dev/video2", "usb-1.3", "B"))), None);
        assert_eq!(follow(Some(&camera("/dev/video2", "usb-1.4", "B"))), Some(Change::Camera));
        assert_eq!(follow(Some(&Opened::Files)), Some(Change::Camera));
        assert_eq!(follow(Some(&Opened::Files)), None);
    }

    #[test]
    fn pictures_that_stand_otherwise_or_have_another_size_are_others() {
        let (mut viewpoint, source) = (Viewpoint::default(), Opened::Files);
        let mut follow = |frame: &Frame| viewpoint.follow(Some(&source), frame);
        assert_eq!(follow(&frame(640, false)), None);
        assert_eq!(follow(&frame(640, true)), Some(Change::Picture));
        assert_eq!(follow(&frame(640, true)), None);
        assert_eq!(follow(&frame(1280, true)), Some(Change::Picture));
    }
}
