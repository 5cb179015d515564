//! What a broker sends, or whoever answers in its place: it is read before anybody has logged
//! in. However it is cut on its way, it says the same, and no more is kept than is read.
#![no_main]

use expressiond::mqtt::read_pieces;

/// The largest packet that is read: small, so that one of a fuzzer's inputs is larger.
const LARGEST: usize = 64;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The protocol, and the size of the pieces.
    let Some((first, bytes)) = data.split_first() else { return };
    let (five, piece) = (first & 1 == 1, usize::from(first >> 1));
    let whole = read_pieces(five, LARGEST, bytes.len(), bytes);
    assert_eq!(read_pieces(five, LARGEST, piece, bytes), whole);
    for (kept, said) in whole {
        assert!(kept < LARGEST, "{kept} bytes are kept of {said}");
        // Text that is no UTF-8 is replaced, and any character may be escaped.
        assert!(said.len() < 40 * LARGEST, "{} bytes of words: {said}", said.len());
    }
});
