//! Pictures in the raw format that most cameras send.

use image::RgbImage;

/// YUYV as cameras send it: BT.601 in limited range (ITU-R BT.601-7, 2.5.3).
pub(super) fn to_yuyv(picture: &RgbImage) -> Vec<u8> {
    let pairs = picture.as_raw().chunks_exact(6);
    let yuv = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f32::from);
        let y = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
        let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
        let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
        [y, u, v].map(|value| value.round() as u8)
    };
    let pair = |rgb: &[u8]| {
        let ([y0, u, v], [y1, ..]) = (yuv(&rgb[..3]), yuv(&rgb[3..]));
        [y0, u, y1, v]
    };
    pairs.flat_map(pair).collect()
}
