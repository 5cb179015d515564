//! Zones, drawn by mouse, by finger and by the keyboard alone.

use std::process::Command;

use serde_json::json;

use crate::driver::{Browser, DOWN, ENTER, ESCAPE, LEFT, RIGHT};
use crate::{PHONE, SAVED, WIDE, screenshot, shown, start};

const TELLS: &str = "return document.getElementById('zone-said').textContent";
const NAMES: &str = "return [...document.querySelectorAll('#zone-names span')]
    .map((name) => name.textContent).join()";

/// Waits until the zones on the picture have these names.
fn shows(browser: &Browser, names: &str) {
    let is = format!("{} === {names:?}", NAMES);
    browser.until(&format!("zones {names:?}"), &is);
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn zones_are_drawn_saved_and_seen_again() {
    let (device, _broker, folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#looks-on");
    browser.until("where it looks", "return document.querySelectorAll('#shapes rect').length > 0");
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    // Crosswise: the device says in words what is wrong.
    for corner in [(-200, -150), (200, 150), (200, -150), (-200, 150)] {
        browser.drag("mouse", "#pen", corner, corner);
    }
    browser.until("why not", &format!("{TELLS}.includes('crosses')"));
    browser.drag("mouse", "#pen", (200, -150), (0, 190));
    browser.until("that it is well", &format!("{TELLS} === ''"));
    // While it is only drawn, faces are counted in it already.
    browser
        .until("faces in it", "return document.querySelector('[data-inside]')?.dataset.inside > 0");
    browser.until(
        "the same in words",
        "return /zone1 1/.test(document.getElementById('canvas').getAttribute('aria-label'))",
    );
    let before = browser.run("return document.querySelector('#corners button').style.left");
    browser.type_into("#corners button", LEFT);
    let after = browser.run("return document.querySelector('#corners button').style.left");
    assert_ne!(before, after, "an arrow moves a corner");
    browser.clear("#zone-list input");
    browser.type_into("#zone-list input", "desk");
    browser.click("#zone-list li button");
    shows(&browser, "desk");

    // Another one with the keyboard alone.
    browser.type_into("#zone-draw", ENTER);
    let (right, down) = (RIGHT.repeat(20), DOWN.repeat(20));
    browser.type_into("#pen", &format!("{ENTER}{right}{ENTER}{down}{ENTER}{ESCAPE}"));
    browser.type_into("#zone-list li:nth-child(2) select", "never");
    shows(&browser, "desk,zone1: never looked at");
    screenshot::check("zones", &browser.screenshot());

    browser.click("#zone-save");
    browser.until("that it is saved", SAVED);
    let text = std::fs::read_to_string(folder.path().join("conf.d/90-page.toml")).unwrap();
    assert_eq!(text.matches("[[zone]]").count(), 2, "{text}");
    let checked = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["check-config", "--config"])
        .arg(&device.settings)
        .output()
        .unwrap();
    assert!(checked.status.success());

    // Port 0 is another one after the new start.
    browser.open(device.listens(), "/");
    shows(&browser, "desk,zone1: never looked at");
    browser.until("a picture", "return document.getElementById('veil').hidden");
    browser.click("#undo");
    browser.open(device.listens(), "/");
    browser.until("no zone", &format!("{NAMES} === '' && document.getElementById('veil').hidden"));
    // A refusal, and a device that starts again, are failed requests to the browser.
    let mut complaints = browser.complaints();
    complaints.retain(|complaint| !complaint.contains("Failed to load resource"));
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_finger_draws_on_a_phone() {
    let zone = "[[zone]]\nname = \"sofa\"\npoints = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]\n";
    let (device, _broker, _folder) = start(zone);
    let browser = shown(&device, PHONE);
    shows(&browser, "sofa");
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    browser.run("document.getElementById('stage').scrollIntoView()");
    for corner in [(-20, 0), (100, 0), (60, 90)] {
        browser.drag("touch", "#pen", corner, corner);
    }
    browser.drag("touch", "#pen", (60, 90), (100, 90));
    shows(&browser, "sofa,zone1");
    let last = browser
        .run("return parseFloat(document.querySelectorAll('#corners button')[2].style.left)");
    assert!(last.as_f64().unwrap() > 70.0, "dragged to {last} %");
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.run(fits), json!(true), "nothing hangs over the edge");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
