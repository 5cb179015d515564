//! Without a camera, a picture or a model.

use super::Device;
use crate::certificates::text;
use crate::mosquitto::Mosquitto;
use crate::support::url;

#[test]
fn a_missing_camera_and_a_refused_model() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "");
    let report = device.examine(&["--set", "camera.source=/dev/video-none"]);
    report.ends_with(69, "camera", "is it plugged in?");
    assert_eq!(report.check("camera")["reason"], "no_camera");
    report.is("permissions", "skipped", "no video device");

    let broken = device.file("m.tflite");
    std::fs::write(&broken, "nonsense").unwrap();
    let report = device.examine(&["--set", &format!("model.path={}", text(&broken))]);
    report.ends_with(70, "model", "not a TensorFlow Lite file");
    assert_eq!(report.check("model")["reason"], "model_refused");
    report.is("camera", "skipped", "without a model");
    report.is("topics", "ok", "d1");
}

/// No cable and no USB port mends a picture.
#[test]
fn a_recording_of_which_no_picture_can_be_read() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "");
    let picture = device.file("x.jpg");
    std::fs::write(&picture, "no picture").unwrap();
    let report = device.examine(&["--set", &format!("camera.source={}", text(&picture))]);
    report.ends_with(69, "camera", "x.jpg: neither JPEG nor PNG");
    let remedy = report.check("camera")["remedy"].clone();
    assert!(remedy.as_str().unwrap().contains("expressiond detect"), "{remedy}");
}

#[test]
fn an_owner_who_has_paused_it_finds_the_camera_closed() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "");
    std::fs::write(device.file("state").join("runtime.json"), r#"{"paused":true}"#).unwrap();
    let report = device.examine(&[]);
    report.is("camera", "warning", "paused");
    assert_eq!(report.check("camera")["reason"], "paused");
}
