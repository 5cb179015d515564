//! What a JPEG picture's header may state wrongly while every decoder knows what is meant.
//!
//! libjpeg-turbo only warns of that and goes on; but a warning may as well be of lost data,
//! so a picture of which it warns is tried once more with what it has assumed written into
//! the header. There are cameras and telephones of which every picture is so.

use super::markers::{self, APP0, APP2, APP14, Outline, SOS};

/// What a frame header says of all that is to be mended.
#[derive(Clone, Copy, Default)]
pub(super) struct Header {
    /// Its spectral selection and approximation have only one possible value.
    sequential: bool,
    components: u8,
}

impl Header {
    pub(super) fn of(data: &[u8], outline: &Outline) -> Self {
        let frame = outline.segments(data).find(|(marker, _)| markers::is_frame_header(*marker));
        let Some((marker, content)) = frame else { return Self::default() };
        // Baseline, extended sequential, and the latter with arithmetic coding.
        let sequential = [0xC0, 0xC1, 0xC9].contains(&marker);
        Self { sequential, components: content.get(5).copied().unwrap_or_default() }
    }

    /// Appends a segment as it should be. `length` is that of its content and of itself.
    pub(super) fn append(self, marker: u8, length: u16, content: &[u8], out: &mut Vec<u8>) {
        // A colour profile is of no use here, and a warning where parts of it are missing.
        if marker == APP2 && content.starts_with(b"ICC_PROFILE\0") {
            return;
        }
        out.extend([0xFF, marker]);
        out.extend(length.to_be_bytes());
        let begin = out.len();
        out.extend(content);
        self.mend(marker, &mut out[begin..]);
    }

    fn mend(self, marker: u8, content: &mut [u8]) {
        match marker {
            // Left away, it would no longer say that the components are YCbCr.
            APP0 if content.starts_with(b"JFIF\0") => {
                // The first part of the version: there is only one (T.871, 10.1).
                if let Some(major) = content.get_mut(5) {
                    *major = 1;
                }
            }
            APP14 if content.starts_with(b"Adobe") => {
                if let Some(transform) = content.get_mut(11) {
                    *transform = match (self.components, *transform) {
                        (3, 2..) => 1,
                        (4, 1 | 3..) => 2,
                        (_, known) => known,
                    };
                }
            }
            // The whole spectrum, at once (T.81, table B.3).
            SOS if self.sequential => {
                if let Some(parameters) = content.last_chunk_mut() {
                    *parameters = [0, 63, 0];
                }
            }
            _ => {}
        }
    }
}
