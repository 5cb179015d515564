//! Mending a JPEG picture that is whole but for bytes that do not belong there, or for what
//! its [`header`](super::header) states wrongly.
//!
//! Cameras put stray bytes before restart markers (Logitech C270, C310, C910), before
//! the end marker or between segments, and some leave the end marker away. libjpeg-turbo
//! warns of all that in the words with which it warns of lost data, and tells only the
//! first of several. So a picture of which it warns is read here block by block, as far
//! as that takes to know where each restart interval ends; what is behind that end is
//! left out. A block that is not there is an error: half a picture is never mended.

use super::header::Header;
use super::markers::{self, DHT, DRI, EOI, Outline, SOS};
use crate::geometry::Size;

/// More stray bytes than this before a marker are lost data, not a slip.
const STRAY: usize = 32;
/// Behind a picture without an end marker there may also be the words that separate two
/// pictures in a stream ("--boundary", "Content-Length: ...").
const SEPARATOR: usize = 256;

/// Why a picture cannot be mended, in words that follow "it".
pub(super) type Reason = &'static str;

/// Writes the picture to `out` without what does not belong there, ending in an end
/// marker. `standard` are the tables of a picture that brings none (T.81, K.3). Of kinds that
/// cameras do not send (progressive, arithmetic, in several scans) only the header is mended;
/// whether all of the rest is there is for the library to say.
///
/// # Errors
///
/// Something is missing, or nothing of what can be mended is wrong.
pub(super) fn mend(
    data: &[u8],
    outline: &Outline,
    standard: &Tables,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let (header, mut tables) = (Header::of(data, outline), standard.clone());
    let (mut frame, mut scan, mut interval) = (None, None, 0);
    out.clear();
    out.extend([0xFF, markers::SOI]);
    for (marker, content) in outline.segments(data) {
        let length = u16::try_from(content.len() + 2).map_err(|_| "has a segment too long")?;
        header.append(marker, length, content, out);
        match marker {
            DHT => tables.read(content).ok_or("has broken Huffman tables")?,
            DRI => {
                let bytes = content.first_chunk().ok_or("has a broken restart interval")?;
                interval = usize::from(u16::from_be_bytes(*bytes));
            }
            // Baseline and extended sequential, Huffman coded.
            0xC0 | 0xC1 => frame = Some(content),
            SOS => scan = Some(content),
            _ => {}
        }
    }
    let read = frame.zip(scan).and_then(|(frame, scan)| Some((frame, blocks(frame, scan)?)));
    let Some((frame, blocks)) = read else {
        let mended = out[..] != data[outline.start..outline.scan];
        let end = outline.end.filter(|_| mended).ok_or("is not one sequential scan")?;
        out.extend(&data[outline.scan..end]);
        return Ok(());
    };
    let units = units(frame, outline.size).ok_or("has a broken frame header")?;
    let end = outline.end.unwrap_or_else(|| without_padding(data));
    let mut bits =
        Bits { bytes: data.get(..end).unwrap_or(data), at: outline.scan, last: 0, left: 0 };
    let interval = if interval == 0 { units } else { interval };
    for (number, first) in (0..units).step_by(interval).enumerate() {
        if number > 0 {
            let marker = 0xD0 + ((number - 1) % 8) as u8;
            bits.restart(marker)?;
            out.extend([0xFF, marker]);
        }
        let begin = bits.at;
        for _ in first..(first + interval).min(units) {
            for block in blocks.as_slice() {
                block.pass_over(&tables, &mut bits)?;
            }
        }
        out.extend(&data[begin..bits.at]);
    }
    bits.end(outline.end.is_some())?;
    out.extend([0xFF, EOI]);
    Ok(())
}

/// Where a picture without an end marker ends: zeros behind it are the driver's, and
/// would be read as blocks. One may belong to a stuffed FF.
fn without_padding(data: &[u8]) -> usize {
    let used = data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let stuffed = used > 0 && data[used - 1] == 0xFF && used < data.len();
    used + usize::from(stuffed)
}

/// The tables that one block of a minimum coded unit is read with.
#[derive(Clone, Copy, Default)]
struct Block {
    dc: usize,
    ac: usize,
}

/// The blocks of a minimum coded unit: at most ten (T.81, B.2.3).
#[derive(Default)]
struct Blocks {
    all: [Block; 10],
    count: usize,
}

impl Blocks {
    fn as_slice(&self) -> &[Block] {
        &self.all[..self.count]
    }

    fn push(&mut self, block: Block) -> Option<()> {
        *self.all.get_mut(self.count)? = block;
        self.count += 1;
        Some(())
    }
}

/// The blocks of a minimum coded unit, if one scan has all components.
fn blocks(frame: &[u8], scan: &[u8]) -> Option<Blocks> {
    let components = usize::from(*frame.get(5)?);
    if usize::from(*scan.first()?) != components || components == 0 {
        return None;
    }
    let mut blocks = Blocks::default();
    for selector in scan.get(1..1 + 2 * components)?.as_chunks::<2>().0 {
        let described = frame.get(6..6 + 3 * components)?.as_chunks::<3>().0;
        let [_, sampling, _] = described.iter().find(|component| component[0] == selector[0])?;
        // A scan of one component has one block in each unit, whatever its sampling.
        let count = if components == 1 { 1 } else { (sampling >> 4) * (sampling & 15) };
        let block = Block { dc: usize::from(selector[1] >> 4), ac: usize::from(selector[1] & 15) };
        for _ in 0..count {
            blocks.push(block)?;
        }
    }
    (blocks.count > 0).then_some(blocks)
}

/// How many minimum coded units the picture has (T.81, A.2).
fn units(frame: &[u8], size: Size) -> Option<usize> {
    let components = usize::from(*frame.get(5)?);
    let described = frame.get(6..6 + 3 * components)?.as_chunks::<3>().0;
    let most = |of: fn(u8) -> u8| described.iter().map(|[_, sampling, _]| of(*sampling)).max();
    let (across, down) = (most(|sampling| sampling >> 4)?, most(|sampling| sampling & 15)?);
    let (across, down) = if components == 1 { (1, 1) } else { (across, down) };
    let count = |side: u32, factor: u8| Some(side.div_ceil(8 * u32::from(factor.max(1))) as usize);
    count(size.width, across)?.checked_mul(count(size.height, down)?).filter(|units| *units > 0)
}

impl Block {
    /// Reads over the block's 64 coefficients (T.81, F.2.2).
    fn pass_over(&self, tables: &Tables, bits: &mut Bits) -> Result<(), Reason> {
        let missing = "refers to a Huffman table that is not there";
        let dc = tables.dc.get(self.dc).and_then(Option::as_ref).ok_or(missing)?;
        let ac = tables.ac.get(self.ac).and_then(Option::as_ref).ok_or(missing)?;
        let size = dc.read(bits)?;
        bits.skip(size)?;
        let mut coefficient = 1;
        while coefficient < 64 {
            let (zeros, size) = match ac.read(bits)? {
                0 => break,
                run => (run >> 4, run & 15),
            };
            bits.skip(size)?;
            coefficient += usize::from(zeros) + 1;
            // The library reads on here; but only a reader that lost its place comes here.
            if coefficient > 64 {
                return Err("has a block with more than 64 coefficients");
            }
        }
        Ok(())
    }
}

/// The Huffman tables in force, by their numbers 0 to 3.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
}

impl Tables {
    /// The tables that a picture's header brings.
    pub(super) fn of(picture: &[u8]) -> Self {
        let mut tables = Self::default();
        if let Ok(outline) = Outline::of(picture) {
            for (_, content) in outline.segments(picture).filter(|(marker, _)| *marker == DHT) {
                let _ = tables.read(content);
            }
        }
        tables
    }

    fn read(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = content.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let length = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(length)?;
            let class = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *class.get_mut(usize::from(kind & 15))? = Some(Huffman::new(counts, values));
            content = rest;
        }
        Some(())
    }
}

/// A Huffman table (T.81, annex C).
#[derive(Clone, Debug)]
struct Huffman {
    /// For each length 1 to 16: the code behind the last one of this length, and what to
    /// add to a code to find its value.
    lengths: [(i32, i32); 16],
    values: [u8; 256],
    count: usize,
}

impl Huffman {
    fn new(counts: &[u8; 16], values: &[u8]) -> Self {
        let (mut code, mut index) = (0, 0);
        let lengths = counts.map(|count| {
            let count = i32::from(count);
            let entry = (code + count, index - code);
            index += count;
            code = (code + count) << 1;
            entry
        });
        let mut all = [0; 256];
        let count = values.len().min(all.len());
        all[..count].copy_from_slice(&values[..count]);
        Self { lengths, values: all, count }
    }

    fn read(&self, bits: &mut Bits) -> Result<u8, Reason> {
        let mut code = 0;
        for (behind, add) in self.lengths {
            code = code << 1 | i32::from(bits.bit()?);
            if code < behind {
                let values = &self.values[..self.count];
                let value = usize::try_from(code + add).ok().and_then(|at| values.get(at));
                return value.copied().ok_or("has a code that its tables do not know");
            }
        }
        Err("has a code that its tables do not know")
    }
}

/// Reads compressed data bit by bit, up to a marker.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Behind the last byte that was taken, and the zero stuffed behind it.
    at: usize,
    last: u8,
    /// Bits of it that were not read yet.
    left: u8,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<u8, Reason> {
        if self.left == 0 {
            self.take()?;
        }
        self.left -= 1;
        Ok(self.last >> self.left & 1)
    }

    fn skip(&mut self, mut count: u8) -> Result<(), Reason> {
        while count > self.left {
            count -= self.left;
            self.take()?;
        }
        self.left -= count;
        Ok(())
    }

    fn take(&mut self) -> Result<(), Reason> {
        let cut = "is cut off";
        self.last = *self.bytes.get(self.at).ok_or(cut)?;
        self.left = 8;
        if self.last != 0xFF {
            self.at += 1;
            return Ok(());
        }
        // FF is data only before a zero; more of them in front are fill bytes.
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().position(|byte| *byte != 0xFF).ok_or(cut)?;
        if rest[fill] != 0 {
            return Err(cut);
        }
        self.at += fill + 1;
        Ok(())
    }

    /// Passes over what stands before this marker, and over it.
    fn restart(&mut self, marker: u8) -> Result<(), Reason> {
        self.pad()?;
        let (found, behind) = markers::next(self.bytes, self.at).ok_or("is cut off")?;
        if found != marker || behind - self.at > STRAY + 2 {
            return Err("has lost a restart interval");
        }
        self.at = behind;
        Ok(())
    }

    /// Passes over what fills the last byte of an interval: ones (T.81, F.1.2.3), or zeros
    /// as hardware may have it. A reader that lost its place finds both by chance only.
    fn pad(&mut self) -> Result<(), Reason> {
        let ones = (1_u8 << self.left) - 1;
        let fill = self.last & ones;
        if fill != ones && fill != 0 {
            return Err("has an interval that does not end where it should");
        }
        self.left = 0;
        Ok(())
    }

    /// Whether what is left is little enough for the picture to be whole: a reader that
    /// lost its place ends early.
    fn end(&mut self, marked: bool) -> Result<(), Reason> {
        self.pad()?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (rest, most) = if marked {
            let (marker, behind) = markers::next(self.bytes, self.at).ok_or("is cut off")?;
            if marker != EOI {
                return Err("goes on behind its last block");
            }
            (&self.bytes[self.at..behind - 2], STRAY)
        } else {
            (rest, SEPARATOR)
        };
        let stray = rest.iter().filter(|byte| ![0, 0xFF].contains(*byte)).count();
        if stray > most { Err("goes on behind its last block") } else { Ok(()) }
    }
}
