//! A camera, or the whole device, that goes away and comes back.

use std::net::TcpListener;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::daemon::Broker;
use crate::daemon::page::{Device, Picture, layer, settings};
use crate::driver::Browser;
use crate::{FACE, WIDE, shown, start};

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn of_a_camera_that_is_lost_no_picture_stays() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    let camera = Picture::instead(folder.path());
    let device = Device::start(settings(folder.path(), broker.port, ""));
    let browser = shown(&device, WIDE);
    camera.lose();
    browser.until(
        "that there is no picture",
        "return /gives no picture/.test(document.getElementById('veil').textContent)",
    );
    assert_eq!(browser.run(FACE), json!(false), "nothing is left of the picture");
    let said = browser.run(
        "return [document.getElementById('age').textContent,
            document.getElementById('canvas').getAttribute('aria-label')]",
    );
    assert_eq!(said, json!(["–", "The camera gives no picture."]));
    camera.put();
    browser.until("a face again", FACE);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The first question of the page is lost on its way.
const LOST: &str = "const real = window.fetch;
    let lost = 0;
    window.fetch = (path, options) => path === '/api/settings' && lost++ === 0
        ? Promise.reject(new TypeError('lost')) : real(path, options);";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_page_whose_first_question_is_lost_asks_again() {
    let (device, _broker, _folder) = start("");
    let browser = Browser::start(WIDE);
    browser.prepare(LOST);
    browser.open(device.port, "/");
    browser.until("a face in the picture", FACE);
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn an_open_page_takes_over_the_classes_of_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    let path = settings(folder.path(), broker.port, "");
    // At port 0 it would be elsewhere after the new start.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fixed = std::fs::read_to_string(&path).unwrap();
    let fixed = fixed.replace("127.0.0.1:0\"", &format!("127.0.0.1:{port}\""));
    std::fs::write(&path, fixed).unwrap();
    let device = Device::start(path);
    let browser = shown(&device, WIDE);
    let other = "[model]\nname = \"expression-yolo12n-7\"\n\
                 [home_assistant]\ndevice_name = \"Hall\"\n";
    layer(folder.path(), "30-other.toml", other);
    kill_process(Pid::from_child(&device.process.0), Signal::HUP).unwrap();
    browser.until("its new name", "return document.getElementById('name').textContent === 'Hall'");
    browser.until(
        "a bar for each of its classes",
        "return document.querySelector('#faces li')?.querySelectorAll('meter').length === 7",
    );
}
