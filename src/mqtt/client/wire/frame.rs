//! Cuts what arrives into packets, and passes over what is too large to read.
//!
//! A message that is too large must not end the connection: if it is retained it would
//! come again with every new one, and the device would never hear a command again.

use bytes::{Buf, BytesMut};

/// The fixed header has one byte of type and at most four of length (MQTT 5, 2.1).
const LONGEST_HEADER: usize = 5;

/// A packet without its fixed header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Type in the upper half, flags in the lower.
    pub first: u8,
    /// What follows the length; of a packet that is too large, only its beginning.
    pub body: BytesMut,
    /// Bytes of the whole packet, when it is larger than what is read.
    pub oversized: Option<usize>,
}

/// The length of a packet is written in more than four bytes: this is not MQTT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLength;

pub(super) struct Frames {
    buffer: BytesMut,
    /// Bytes of the largest packet that is read.
    largest: usize,
    /// Bytes still to come of a packet that is too large.
    skipping: usize,
}

impl Frames {
    /// `largest` is the size of a packet, with its header.
    pub(super) fn new(largest: usize) -> Self {
        Self { buffer: BytesMut::new(), largest, skipping: 0 }
    }

    /// Where bytes from the network go.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next packet that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, BadLength> {
        let skipped = self.skipping.min(self.buffer.len());
        self.buffer.advance(skipped);
        self.skipping -= skipped;
        let Some((header, length)) = fixed_header(&self.buffer)? else { return Ok(None) };
        let size = header + length;
        let oversized = (size > self.largest).then_some(size);
        let kept = size.min(self.largest);
        if self.buffer.len() < kept {
            return Ok(None);
        }
        let first = self.buffer[0];
        self.buffer.advance(header);
        let body = self.buffer.split_to(kept - header);
        self.skipping = size - kept;
        Ok(Some(Frame { first, body, oversized }))
    }
}

/// Bytes of the fixed header and of what follows it; none while it is incomplete.
fn fixed_header(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadLength> {
    let mut length = 0;
    for index in 1..LONGEST_HEADER {
        let Some(byte) = bytes.get(index) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (index - 1));
        if byte & 0x80 == 0 {
            return Ok(Some((index + 1, length)));
        }
    }
    Err(BadLength)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet of this type and body.
    fn packet(first: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        let mut rest = body.len();
        loop {
            let byte = (rest % 128) as u8;
            rest /= 128;
            bytes.push(if rest > 0 { byte | 0x80 } else { byte });
            if rest == 0 {
                break;
            }
        }
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_length_of_five_bytes_is_not_mqtt() {
        let mut frames = Frames::new(100);
        frames.buffer().extend_from_slice(&[0x30, 0xff, 0xff, 0xff]);
        assert_eq!(frames.next(), Ok(None));
        frames.buffer().extend_from_slice(&[0xff, 0x01]);
        assert_eq!(frames.next(), Err(BadLength));
    }

    proptest! {
        /// However the bytes are cut on their way, the same packets come out, and one
        /// that is too large costs none of the others.
        #[test]
        fn any_cut_gives_the_same_packets(
            bodies in prop::collection::vec((any::<u8>(), 0usize..400), 1..8),
            cuts in prop::collection::vec(1usize..60, 1..40),
        ) {
            const LARGEST: usize = 150;
            let bodies: Vec<_> =
                bodies.into_iter().map(|(first, length)| (first, vec![first; length])).collect();
            let bytes: Vec<u8> =
                bodies.iter().flat_map(|(first, body)| packet(*first, body)).collect();
            let mut frames = Frames::new(LARGEST);
            let mut found = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let size = rest.len().min(*cuts.next().expect("it cycles"));
                frames.buffer().extend_from_slice(&rest[..size]);
                rest = &rest[size..];
                while let Some(frame) = frames.next().expect("well formed") {
                    found.push(frame);
                }
            }
            prop_assert_eq!(found.len(), bodies.len());
            for (frame, (first, body)) in found.iter().zip(&bodies) {
                prop_assert_eq!(frame.first, *first);
                prop_assert!(body.starts_with(&frame.body));
                let size = packet(*first, body).len();
                prop_assert_eq!(frame.oversized, (size > LARGEST).then_some(size));
                prop_assert_eq!(frame.body == body[..], size <= LARGEST);
            }
        }

        #[test]
        fn any_bytes_can_be_cut(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::new(64);
            frames.buffer().extend_from_slice(&bytes);
            while let Ok(Some(frame)) = frames.next() {
                prop_assert!(frame.body.len() < 64);
            }
        }
    }
}
