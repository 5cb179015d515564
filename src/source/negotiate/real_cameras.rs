//! What real cameras list (`v4l2-ctl --list-formats-ext`), and what is made of it.
//!
//! The C920's list is that of bug reports (pikvm/ustreamer 213, crowsnest 57); the others
//! are written down from the makers' and users' public listings and shortened where sizes
//! repeat. Rates are frames per second, the highest first.

use super::super::modes::{Mode, SizeRange};
use super::*;

/// `YUYV=640x480@30+15,320x240@30;MJPG=...`; without `@`, the driver tells no rates.
fn list(text: &str) -> Vec<Offer> {
    let mode = |text: &str| {
        let (size, rates) = text.split_once('@').unwrap_or((text, ""));
        let (width, height) = size.split_once('x').expect("a size");
        let side = |text: &str| text.parse().expect("pixels");
        let interval = |text: &str| {
            let fps: f64 = text.parse().expect("a rate");
            Interval { numerator: 1000, denominator: (fps * 1000.0).round() as u32 }
        };
        let rates = rates.split('+').filter(|text| !text.is_empty()).map(interval).collect();
        let rates: Vec<Interval> = rates;
        let rates = if rates.is_empty() { Rates::Unknown } else { Rates::Listed(rates) };
        Mode::new(side(width), side(height), rates)
    };
    let offer = |text: &str| {
        let (fourcc, sizes) = text.split_once('=').expect("a format");
        Offer {
            fourcc: format!("{fourcc:<4}"),
            description: String::new(),
            readable: true,
            sizes: sizes.split(',').map(mode).collect(),
            range: None,
        }
    };
    text.split(';').map(offer).collect()
}

const C920: &str = "YUYV=640x480@30+24+20+15+10+7.5+5,160x90@30+24+20+15+10+7.5+5,\
160x120@30+24+20+15+10+7.5+5,176x144@30+24+20+15+10+7.5+5,320x180@30+24+20+15+10+7.5+5,\
320x240@30+24+20+15+10+7.5+5,352x288@30+24+20+15+10+7.5+5,432x240@30+24+20+15+10+7.5+5,\
640x360@30+24+20+15+10+7.5+5,800x448@30+24+20+15+10+7.5+5,800x600@24+20+15+10+7.5+5,\
864x480@24+20+15+10+7.5+5,960x720@15+10+7.5+5,1024x576@15+10+7.5+5,1280x720@10+7.5+5,\
1600x896@7.5+5,1920x1080@5,2304x1296@2,2304x1536@2;\
H264=640x480@30+24+20+15+10+7.5+5,1280x720@30+24+15,1920x1080@30+24+15;\
MJPG=640x480@30+24+20+15+10+7.5+5,160x90@30+15,160x120@30+15,176x144@30+15,320x180@30+15,\
320x240@30+15,352x288@30+15,432x240@30+15,640x360@30+15,800x448@30+15,800x600@30+15,\
864x480@30+15,960x720@30+15,1024x576@30+15,1280x720@30+15,1600x896@30+15,1920x1080@30+15";

const C270: &str = "YUYV=640x480@30+25+20+15+10+5,160x120@30+25+20+15+10+5,\
176x144@30+25+20+15+10+5,320x176@30+25+20+15+10+5,320x240@30+25+20+15+10+5,\
352x288@30+25+20+15+10+5,432x240@30+25+20+15+10+5,544x288@30+25+20+15+10+5,\
640x360@30+25+20+15+10+5,752x416@25+20+15+10+5,800x448@20+15+10+5,800x600@20+15+10+5,\
864x480@20+15+10+5,960x544@15+10+5,960x720@10+5,1024x576@10+5,1184x656@10+5,1280x720@7.5+5,\
1280x960@7.5+5;\
MJPG=640x480@30+25+20+15+10+5,160x120@30+15,176x144@30+15,320x176@30+15,320x240@30+15,\
352x288@30+15,432x240@30+15,544x288@30+15,640x360@30+15,752x416@30+15,800x448@30+15,\
800x600@30+15,864x480@30+15,960x544@30+15,960x720@30+15,1024x576@30+15,1184x656@30+15,\
1280x720@30+15,1280x960@30+15";

const C310: &str = "YUYV=640x480@30+15+5,160x120@30+15+5,176x144@30+15+5,320x176@30+15+5,\
320x240@30+15+5,432x240@30+15+5,352x288@30+15+5,544x288@30+15+5,640x360@30+15+5,752x416@25+15+5,\
800x448@20+15+5,864x480@20+15+5,960x544@15+5,1024x576@10+5,800x600@20+15+5,1184x656@10+5,\
960x720@10+5,1280x720@7.5+5,1392x768@5,1504x832@5,1600x896@5,1280x960@5,1712x960@5,1792x1008@5,\
1920x1080@5,1600x1200@5,2048x1536@2;\
MJPG=640x480@30+15+5,320x240@30+15+5,640x360@30+15+5,800x600@30+15+5,1280x720@30+15+5,\
1280x960@30+15+5";

const BRIO: &str = "YUYV=640x480@30+24+20+15+10+7.5+5,160x120@30+15,176x144@30+15,320x180@30+15,\
320x240@30+15,340x340@30,352x288@30+15,424x240@30+15,440x440@30,480x270@30+15,640x360@30+15,\
800x448@30+15,800x600@30+15,848x480@30+15,960x540@30+15,1024x576@30+15,1280x720@10+7.5+5,\
1600x896@7.5+5,1920x1080@5;\
MJPG=640x480@120+90+60+30+24+15,160x120@30,320x180@30,320x240@30,640x360@30,800x600@30,\
1280x720@60+30+15,1920x1080@60+30+15,2560x1440@30+15,3840x2160@30+15+5;NV12=640x480@30+15,\
640x360@30+15,1280x720@10,1920x1080@5";

const PS3_EYE: &str = "YUYV=320x240@187+150+137+125+100+90+75+60+50+37+30,\
640x480@60+50+40+30+25+20+15+10+8;GRBG=320x240@187+60+30,640x480@60+30+15";

const HDMI_MS2109: &str = "MJPG=1920x1080@60+50+30+25+20+10,1600x1200@60+50+30+25+20+10,\
1360x768@60+30+10,1280x1024@60+30+10,1280x960@60+30+10,1280x720@60+30+10,1024x768@60+30+10,\
800x600@60+30+10,720x576@60+30+10,720x480@60+30+10,640x480@60+30+10;\
YUYV=1920x1080@5,1600x1200@5,1360x768@8,1280x1024@8,1280x960@8,1280x720@10,1024x768@10,\
800x600@20+10+5,720x576@25+20+10+5,720x480@30+20+10+5,640x480@30+20+10+5";

/// The largest picture is of a shape that nothing else has.
const LARGEST_OF_ITS_OWN_SHAPE: &str = "MJPG=4096x2160@30,3840x2160@30,1920x1080@30+15,\
1280x720@30+15,640x480@30+15,320x240@30+15;YUYV=4096x2160@1,640x480@30+15,320x240@30+15";

fn chosen(text: &str, request: &Request) -> String {
    let choice = choose(&list(text), request).expect("a mode");
    let (letters, fps) =
        (String::from_utf8_lossy(&choice.fourcc).into_owned(), choice.interval.fps());
    format!("{} {} at {fps}", letters.trim_end(), choice.size)
}

fn needs(width: u32, height: u32, fps: u32) -> Request {
    let (pinned, needed) = (Size::new(0, 0), Size::new(width, height));
    Request { format: None, pinned, needed, fps }
}

/// A network of 224 pixels, at the rate of the built-in settings.
#[test]
fn a_small_picture_of_all_that_the_camera_sees_at_the_wanted_rate() {
    for (camera, text, mode) in [
        ("Logitech C920", C920, "YUYV 640x360 at 15"),
        ("Logitech C270", C270, "YUYV 320x240 at 15"),
        ("Logitech C310", C310, "YUYV 320x240 at 15"),
        ("Logitech Brio", BRIO, "YUYV 424x240 at 15"),
        ("PlayStation 3 Eye", PS3_EYE, "YUYV 320x240 at 30"),
        ("HDMI grabber MS2109", HDMI_MS2109, "YUYV 640x480 at 20"),
        (
            "HDMI grabber Cam Link 4K",
            "NV12=3840x2160@29.97;YU12=3840x2160@29.97",
            "NV12 3840x2160 at 29.97",
        ),
        ("HDMI grabber of 1080p", "YUYV=1920x1080@60;NV12=1920x1080@60", "NV12 1920x1080 at 60"),
        ("4096x2160", LARGEST_OF_ITS_OWN_SHAPE, "YUYV 320x240 at 15"),
        ("Pi camera bridge", "YU12=640x480@30;YUYV=640x480@30", "YU12 640x480 at 30"),
        ("a bridge without rates", "YUYV=640x480", "YUYV 640x480 at 15"),
        ("a square infrared sensor", "GREY=340x340@30+15,640x640@30+15", "GREY 340x340 at 15"),
        (
            "a square sensor",
            "MJPG=2160x2160@30,1080x1080@30,480x480@30+15;YUYV=480x480@15,640x480@15",
            "YUYV 480x480 at 15",
        ),
        (
            "a fisheye of 2592x1944",
            "MJPG=2592x1944@15,1920x1080@30,1280x720@30,640x480@30,320x240@30;YUYV=2592x1944@3,640x480@30,320x240@30",
            "YUYV 320x240 at 30",
        ),
        (
            "16 megapixels, MJPEG only",
            "MJPG=4656x3496@10,3840x2160@10,1920x1080@30,1280x720@30,640x480@30",
            "MJPG 640x480 at 30",
        ),
        (
            "a thermal camera",
            "UYVY=160x120@9;Y16=160x120@9;GREY=160x120@9;RGBP=160x120@9;BGR3=160x120@9",
            "UYVY 160x120 at 9",
        ),
    ] {
        assert_eq!(chosen(text, &needs(224, 224, 15)), mode, "{camera}");
    }
}

/// The request decides: a faster one, and one that looks across a room.
#[test]
fn more_frames_and_more_pixels_are_had_for_the_asking() {
    assert_eq!(chosen(C920, &needs(224, 224, 30)), "YUYV 640x360 at 30");
    assert_eq!(chosen(C920, &needs(1280, 720, 15)), "MJPG 1280x720 at 15");
    assert_eq!(chosen(C920, &needs(1280, 720, 10)), "YUYV 1280x720 at 10");
    assert_eq!(chosen(C270, &needs(640, 480, 15)), "YUYV 640x480 at 15");
    assert_eq!(chosen(C270, &needs(1280, 720, 15)), "MJPG 1280x960 at 15");
    assert_eq!(chosen(BRIO, &needs(1920, 1080, 30)), "MJPG 1920x1080 at 30");
    assert_eq!(chosen(PS3_EYE, &needs(224, 224, 100)), "YUYV 320x240 at 100");
    assert_eq!(chosen(PS3_EYE, &needs(1280, 720, 15)), "YUYV 640x480 at 15", "all there is");
    assert_eq!(chosen(HDMI_MS2109, &needs(1280, 720, 15)), "MJPG 1280x720 at 30");
    // No mode is fast enough: as fast as it goes.
    assert_eq!(chosen(HDMI_MS2109, &needs(224, 224, 120)), "MJPG 640x480 at 60");
}

/// What `attention.farthest_face` asks for by default, and for a hall.
#[test]
fn across_a_room_a_camera_sends_all_that_is_needed_or_the_most_it_can() {
    for (camera, text, room, hall) in [
        ("Logitech C920", C920, "MJPG 1280x720 at 15", "MJPG 1920x1080 at 15"),
        ("Logitech C270", C270, "MJPG 1280x960 at 15", "MJPG 1280x960 at 15"),
        ("Logitech Brio", BRIO, "MJPG 1280x720 at 15", "MJPG 1920x1080 at 15"),
        ("PlayStation 3 Eye", PS3_EYE, "YUYV 640x480 at 15", "YUYV 640x480 at 15"),
    ] {
        assert_eq!(chosen(text, &needs(1114, 626, 15)), room, "{camera}");
        assert_eq!(chosen(text, &needs(1714, 964, 15)), hall, "{camera}");
    }
}

/// Drivers that scale list limits: the first camera modules of Raspberry Pi, as they were
/// before libcamera (bcm2835-v4l2).
#[test]
fn a_scaler_gives_a_usual_size() {
    let limits =
        SizeRange { least: Size::new(32, 32), most: Size::new(2592, 1944), step: Size::new(2, 2) };
    let rates = || Rates::Between { slowest: Interval::of_fps(1), fastest: Interval::of_fps(90) };
    let sizes = [(320, 240), (640, 360), (640, 480), (1280, 720), (1920, 1080), (2592, 1944)];
    let offer = |fourcc: &str| Offer {
        fourcc: fourcc.into(),
        description: String::new(),
        readable: true,
        sizes: sizes.iter().map(|(width, height)| Mode::new(*width, *height, rates())).collect(),
        range: Some(limits),
    };
    let offers =
        ["YU12", "YUYV", "RGB3", "JPEG", "MJPG", "YVYU", "NV12", "NV21", "RX24"].map(offer);
    let choice = choose(&offers, &needs(224, 224, 15)).expect("a mode");
    assert_eq!((&choice.fourcc, choice.size), (b"NV12", Size::new(320, 240)));
    assert_eq!(choice.interval, Interval::of_fps(15));
}
