use super::super::exif;
use super::*;
use crate::clock::at;
use crate::pixels::frame::Orientation;
use crate::pixels::markers::APP1;
use image::codecs::jpeg::JpegEncoder;
use proptest::prelude::*;
use std::cell::Cell;
use std::io::{Cursor, Write};

fn jpeg(w: u32, h: u32) -> Vec<u8> {
    let picture =
        image::RgbImage::from_fn(w, h, |x, y| image::Rgb([(x * 7) as u8, (y * 13) as u8, 99]));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
    bytes
}

/// The same picture with another inside a comment, as a camera's thumbnail is.
fn with_thumbnail(whole: &[u8]) -> Vec<u8> {
    let inner = jpeg(8, 8);
    let mut bytes = vec![0xFF, SOI, 0xFF, 0xFE];
    bytes.extend((inner.len() as u16 + 2).to_be_bytes());
    bytes.extend(inner);
    bytes.extend(&whole[2..]);
    bytes
}

/// Where the pictures lie that stand in memory, read at once.
fn split(bytes: &[u8]) -> Vec<Range<usize>> {
    let found = super::split(Cursor::new(bytes)).unwrap();
    found.into_iter().map(|range| range.start as usize..range.end as usize).collect()
}

fn split_in_pieces(bytes: &[u8], piece: usize) -> Vec<Range<usize>> {
    let found = super::split(BufReader::with_capacity(piece, Cursor::new(bytes))).unwrap();
    found.into_iter().map(|range| range.start as usize..range.end as usize).collect()
}

#[test]
fn pictures_are_found_with_rubbish_between_and_thumbnails_inside() {
    let (a, b) = (jpeg(40, 30), with_thumbnail(&jpeg(64, 16)));
    let file = [b"--boundary\r\n".as_slice(), &a, b"\r\n\xFF\xD8", &b, b"end"].concat();
    let found = split(&file);
    assert_eq!(found.len(), 2);
    assert_eq!((&file[found[0].clone()], &file[found[1].clone()]), (&a[..], &b[..]));
    assert_eq!(size(&a), Some(Size::new(40, 30)));
    assert_eq!(size(&b), Some(Size::new(64, 16)));
}

#[test]
fn a_picture_without_an_end_ends_where_the_next_begins() {
    let (a, b) = (jpeg(40, 30), jpeg(64, 16));
    let endless = &a[..a.len() - 2];
    let twice = [&[0xFF, SOI], &*b].concat();
    let file = [endless, &*twice, endless].concat();
    let found = split(&file);
    let lengths: Vec<usize> = found.iter().map(Range::len).collect();
    assert_eq!(lengths, [endless.len(), b.len(), endless.len()]);
    assert_eq!(size(&file[found[1].clone()]), Some(Size::new(64, 16)));
}

/// A long recording takes minutes: the watchdog is fed meanwhile, and a pause is obeyed.
#[test]
fn a_file_is_looked_through_only_for_as_long_as_it_is_wanted() {
    let file = jpeg(64, 64).repeat(400);
    let looked = |most: usize| {
        let asked = Cell::new(0);
        let wanted = || asked.replace(asked.get() + 1) < most;
        let input = WhileWanted { input: Cursor::new(&file), wanted: &wanted };
        let found = super::split(BufReader::with_capacity(PIECE, input));
        (found.map(|pictures| pictures.len()), asked.get())
    };
    let pieces = file.len().div_ceil(PIECE);
    assert!(pieces > 4, "{pieces}");
    let (found, asked) = looked(usize::MAX);
    assert_eq!(found.unwrap(), 400);
    assert!(asked >= pieces, "{asked} for {pieces}");
    let (found, asked) = looked(2);
    let error = found.unwrap_err().downcast::<SourceError>();
    assert!(matches!(error, Ok(SourceError::Unwanted)), "{error:?}");
    assert_eq!(asked, 3);
}

/// A picture that is larger than any piece has its parts in several.
#[test]
fn pictures_are_the_same_wherever_the_pieces_of_the_file_end() {
    let (a, b) = (jpeg(16, 8), with_thumbnail(&jpeg(24, 8)));
    let endless = &b[..b.len() - 2];
    let impossible = [0xFF, SOI, 0xFF, 0xE0, 0xFF];
    let file = [b"\r\n\xFF", &*a, endless, &[0xFF, SOI], &*a, b"\xFF\xD8 ", &*b, &impossible, &*a];
    let file = file.concat();
    let whole = split(&file);
    let lengths: Vec<usize> = whole.iter().map(Range::len).collect();
    assert_eq!(lengths, [a.len(), endless.len(), a.len(), b.len(), a.len()]);
    for piece in 1..=file.len() {
        assert_eq!(split_in_pieces(&file, piece), whole, "pieces of {piece}");
    }
}

/// One after the other in a file, and that file.
fn recorded(folder: &Path, pictures: &[&[u8]]) -> PathBuf {
    let path = folder.join("film.mjpeg");
    fs::write(&path, pictures.concat()).unwrap();
    path
}

fn reason(error: SourceError) -> String {
    assert!(matches!(error, SourceError::Lost(_)), "to be opened again: {error:?}");
    error.to_string()
}

#[test]
fn a_file_that_changes_while_it_is_played_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (jpeg(40, 30), jpeg(64, 16));
    let path = recorded(folder.path(), &[&a, &b]);
    let open = || MotionJpeg::open(&path, &|| true).unwrap();
    let mut frame = Frame::empty(at(0));
    let film = open();
    film.read_into(1, &mut frame).unwrap();
    assert_eq!((&frame.data, frame.size), (&b, Size::new(64, 16)));
    // What is still being recorded grows.
    File::options().append(true).open(&path).unwrap().write_all(&a).unwrap();
    film.read_into(0, &mut frame).unwrap();
    assert_eq!((&frame.data, frame.size), (&a, Size::new(40, 30)));

    File::options().write(true).open(&path).unwrap().set_len(a.len() as u64 + 9).unwrap();
    film.read_into(0, &mut frame).unwrap();
    let error = reason(film.read_into(1, &mut frame).unwrap_err());
    assert!(error.contains("film.mjpeg: it became shorter"), "{error}");

    fs::write(&path, [b"in front".as_slice(), &b, &b, &b].concat()).unwrap();
    let error = reason(film.read_into(1, &mut frame).unwrap_err());
    assert!(error.contains("film.mjpeg: it was written anew"), "{error}");

    let film = open();
    fs::write(folder.path().join("new"), &a).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let error = reason(film.read_into(0, &mut frame).unwrap_err());
    assert!(error.contains("film.mjpeg: another file took its place"), "{error}");
    let film = open();
    fs::remove_file(&path).unwrap();
    let error = reason(film.read_into(0, &mut frame).unwrap_err());
    assert!(error.contains("film.mjpeg: No such file"), "{error}");
}

/// Each by itself: a telephone is turned between two of them.
#[test]
fn pictures_stand_upright_as_in_a_folder() {
    let turned = |tag: u32| {
        let exif = [b"Exif\0\0".as_slice(), &exif::tests::exif(3, tag, false)].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&[0xFF, SOI, 0xFF, APP1], &length[..], &exif, &jpeg(40, 30)[2..]].concat()
    };
    let pictures = [turned(6), jpeg(40, 30), turned(3)];
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path(), &pictures.each_ref().map(Vec::as_slice));
    let film = MotionJpeg::open(&path, &|| true).unwrap();
    let mut frame = Frame::empty(at(0));
    for (number, quarter_turns) in [1, 0, 2].into_iter().enumerate() {
        film.read_into(number, &mut frame).unwrap();
        assert_eq!(frame.orientation, Orientation { quarter_turns, mirror: false }, "{number}");
        let file = folder.path().join("one.jpg");
        fs::write(&file, &pictures[number]).unwrap();
        assert_eq!(picture::read(&file).unwrap().orientation, frame.orientation, "{number}");
    }
}

#[test]
fn a_picture_without_an_end_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (jpeg(40, 30), jpeg(64, 16));
    let path = recorded(folder.path(), &[&b, &a[..a.len() - 2]]);
    // A hole, which costs no disk.
    File::options().write(true).open(&path).unwrap().set_len(200 << 20).unwrap();
    let film = MotionJpeg::open(&path, &|| true).unwrap();
    let mut frame = Frame::empty(at(0));
    assert_eq!(film.len(), 2);
    film.read_into(0, &mut frame).unwrap();
    let error = film.read_into(1, &mut frame).unwrap_err();
    assert!(
        matches!(&error, SourceError::BadFrame(why)
        if why.contains("picture 2 has 199 MiB")),
        "{error:?}"
    );
    assert!(frame.data.capacity() < 1 << 20);
}

#[test]
fn a_picture_of_a_size_that_is_not_decoded_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut picture = jpeg(40, 30);
    let header = picture.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    picture[header + 5..header + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    let path = recorded(folder.path(), &[&picture]);
    let film = MotionJpeg::open(&path, &|| true).unwrap();
    let error = film.read_into(0, &mut Frame::empty(at(0))).unwrap_err();
    let words = "picture 1 is none: a picture of 65535x65535 is outside";
    assert!(matches!(&error, SourceError::BadFrame(why) if why.contains(words)), "{error:?}");
}

/// Those pictures, with what a device may write between two of them.
fn recording() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let (a, b) = (jpeg(16, 8), with_thumbnail(&jpeg(24, 8)));
    let pictures = prop_oneof![Just(a), Just(b)];
    let between = proptest::collection::vec(0u8..0xFF, 0..20);
    proptest::collection::vec((between, pictures), 0..6)
}

proptest! {
    #[test]
    fn whole_pictures_are_found_in_pieces_of_any_size(parts in recording(), piece in 1usize..300) {
        let (mut file, mut expected) = (Vec::new(), Vec::new());
        for (between, picture) in parts {
            file.extend(between);
            expected.push(file.len()..file.len() + picture.len());
            file.extend(picture);
        }
        prop_assert_eq!(split(&file), expected.clone());
        prop_assert_eq!(split_in_pieces(&file, piece), expected);
    }

    #[test]
    fn any_bytes_are_split_alike_in_pieces_of_any_size(bytes in proptest::collection::vec(
        prop_oneof![Just(0xFFu8), Just(SOI), Just(EOI), Just(SOS), Just(0), any::<u8>()], 0..400),
        piece in 1usize..40) {
        prop_assert_eq!(split_in_pieces(&bytes, piece), split(&bytes));
    }

    #[test]
    fn any_bytes_are_split_without_harm(bytes in proptest::collection::vec(
        prop_oneof![Just(0xFFu8), Just(SOI), Just(EOI), Just(SOS), any::<u8>()], 0..400)) {
        for picture in split(&bytes) {
            prop_assert!(picture.end <= bytes.len());
            let _ = size(&bytes[picture]);
        }
    }
}
