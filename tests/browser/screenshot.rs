//! The guide's pictures of the page, and whether the page still looks like them.

use std::path::Path;

use image::imageops::{FilterType, resize};
use image::{GrayImage, ImageFormat};

use crate::driver::Browser;

/// Both pictures are made so small: letters do not count, but where things stand, and whether
/// the page is dark, does.
const SIDE: u32 = 24;
/// What shows another moment each time: the live picture.
const LIVE: &str = "#stage, .camera canvas";
/// Of the parts outside of it so many are alike: the rest has lists and bars of that moment.
const ALIKE: f64 = 0.9;
/// How much the brightness of those may differ, of 255: the same page by 1 to 9, one without its
/// sliders by 13, a dark one by 60 and more.
const MOST: u8 = 12;

fn small(bytes: &[u8]) -> GrayImage {
    let picture = image::load_from_memory(bytes).unwrap().to_luma8();
    resize(&picture, SIDE, SIDE, FilterType::Triangle)
}

/// Left, top, right and bottom of each live picture, as shares of the window.
fn live(browser: &Browser) -> Vec<[f64; 4]> {
    let rects = browser.run(&format!(
        "return [...document.querySelectorAll({LIVE:?})].map((e) => e.getBoundingClientRect()).map(
            (r) => [r.left / innerWidth, r.top / innerHeight, r.right / innerWidth, r.bottom / innerHeight])"
    ));
    serde_json::from_value(rects).unwrap()
}

/// Whether this part of the picture shows any of it.
fn touches([left, top, right, bottom]: &[f64; 4], x: u32, y: u32) -> bool {
    // Where a part is made small of its neighbours' edges it has a share of them, too.
    let (x, y, side) = (f64::from(x), f64::from(y), f64::from(SIDE));
    left * side < x + 1.5
        && right * side > x - 0.5
        && top * side < y + 1.5
        && bottom * side > y - 0.5
}

/// Compares with the guide's picture of this name, or replaces that.
pub fn check(name: &str, browser: &Browser) {
    let (png, live) = (&browser.screenshot()[..], live(browser));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/guide/preview/{name}.jpg"));
    if std::env::var_os("SCREENSHOTS").is_some_and(|what| what == "write") {
        let picture = image::load_from_memory(png).unwrap().to_rgb8();
        picture.save_with_format(&path, ImageFormat::Jpeg).unwrap();
        return;
    }
    let (ours, known) = (small(png), small(&std::fs::read(&path).unwrap()));
    let mut differences: Vec<u8> = ours
        .enumerate_pixels()
        .filter(|(x, y, _)| !live.iter().any(|rect| touches(rect, *x, *y)))
        .map(|(x, y, pixel)| pixel.0[0].abs_diff(known.get_pixel(x, y).0[0]))
        .collect();
    assert!(differences.len() > 100, "{name}: {} parts are compared", differences.len());
    differences.sort_unstable();
    let difference = differences[(differences.len() as f64 * ALIKE) as usize];
    if difference > MOST {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::write(&kept, png).unwrap();
        panic!("{name} differs by {difference} from {}: {}", path.display(), kept.display());
    }
}
