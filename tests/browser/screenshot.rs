//! The guide's pictures of the page, and whether the page still looks like them.

use std::path::Path;

use image::imageops::{FilterType, resize};
use image::{GrayImage, ImageFormat};

/// Both pictures are made so small: letters and the person's place do not count, but
/// where things stand, and whether the page is dark, does.
const SIDE: u32 = 24;
/// The live picture, which shows another moment each time, covers less than the rest of
/// these parts (a third of a phone).
const COMPARED: f64 = 0.65;
/// How much the brightness of that many parts may differ, of 255: the same page by 1, a dark
/// one or one that says something else by 60 and more.
const MOST: u8 = 10;

fn small(bytes: &[u8]) -> GrayImage {
    let picture = image::load_from_memory(bytes).unwrap().to_luma8();
    resize(&picture, SIDE, SIDE, FilterType::Triangle)
}

/// Compares with the guide's picture of this name, or replaces that.
pub fn check(name: &str, png: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/guide/preview/{name}.jpg"));
    if std::env::var_os("SCREENSHOTS").is_some_and(|what| what == "write") {
        let picture = image::load_from_memory(png).unwrap().to_rgb8();
        picture.save_with_format(&path, ImageFormat::Jpeg).unwrap();
        return;
    }
    let (ours, known) = (small(png), small(&std::fs::read(&path).unwrap()));
    let pairs = ours.pixels().zip(known.pixels());
    let mut differences: Vec<u8> = pairs.map(|(a, b)| a.0[0].abs_diff(b.0[0])).collect();
    differences.sort_unstable();
    let difference = differences[(differences.len() as f64 * COMPARED) as usize];
    if difference > MOST {
        let kept = std::env::temp_dir().join(format!("{name}.png"));
        std::fs::write(&kept, png).unwrap();
        panic!("{name} differs by {difference} from {}: {}", path.display(), kept.display());
    }
}
