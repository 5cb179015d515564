//! Zones, drawn by mouse, by finger and by the keyboard alone.

use serde_json::json;

use crate::daemon::http::{post, until};
use crate::driver::{Browser, DOWN, END, ENTER, ESCAPE, LEFT, RIGHT};
use crate::{PHONE, WIDE, screenshot, shown, start, tried};

const TELLS: &str = "return document.getElementById('zone-said').textContent";
const NAMES: &str = "return [...document.querySelectorAll('#zone-names span')]
    .map((name) => name.textContent).join()";

const ZONES_SAVED: &str =
    "return document.getElementById('zone-saved').textContent.includes('90-page.toml')";

const FACE_IN: &str = "document.querySelectorAll('#boxes .box').length > 0";

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
    browser.draw("mouse", &[(-200, -150), (200, 150), (200, -150), (-200, 150)]);
    browser.until("why not", &format!("{TELLS}.includes('crosses')"));
    browser.drag("mouse", "#pen", (200, -150), (0, 190));
    browser.until("that it is well", &format!("{TELLS} === ''"));
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
    screenshot::check("zones", &browser);

    browser.click("#zone-save");
    browser.until("that it is saved", ZONES_SAVED);
    let text = std::fs::read_to_string(folder.path().join("conf.d/90-page.toml")).unwrap();
    assert_eq!(text.matches("[[zone]]").count(), 2, "{text}");
    device.checked_settings();

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
fn what_is_drawn_counts_and_hides_before_it_is_saved() {
    let (device, broker, folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    let half = |side: &str| {
        let script = format!("return document.getElementById('stage').{side} / 2 - 8");
        browser.run(&script).as_f64().unwrap() as i32
    };
    let (x, y) = (half("clientWidth"), half("clientHeight"));
    browser.draw("mouse", &[(-x, -y), (x, -y), (x, y), (-x, y)]);
    let inside = "document.querySelector('#zone-names span')?.dataset.inside";
    browser.until("a face in it", &format!("return {inside} > 0"));
    browser.until(
        "the same in words",
        "return /zone1 [1-9]/.test(document.getElementById('canvas').getAttribute('aria-label'))",
    );
    browser.type_into("#zone-list select", "never");
    browser
        .until("nobody behind a mask", &format!("return {inside} === undefined && !({FACE_IN})"));
    browser.until(
        "what it would have changed",
        "return /faces 0 instead/.test(document.getElementById('what-if').textContent)",
    );
    // What is hidden only for a try is shown again, and nobody was told of a zone.
    browser.click("#zone-discard");
    shows(&browser, "");
    browser.until("a face again", &format!("return {FACE_IN}"));
    assert!(!folder.path().join("conf.d").exists());
    let told: Vec<_> = broker.heard.try_iter().collect();
    assert!(told.iter().any(|(topic, _)| topic.ends_with("/event")), "{told:?}");
    assert!(told.iter().all(|(_, text)| !text.contains("zone1")), "{told:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn names_at_the_pictures_edges_are_whole() {
    let zone = |name: &str, x: f32| {
        let points = format!("[[{x}, 0.2], [0.5, 0.5], [{x}, 0.9]]");
        format!("[[zone]]\nname = \"{name}\"\npoints = {points}\n")
    };
    let zones = zone("on_the_left", 0.0) + &zone("on_the_right", 1.0);
    let (device, _broker, _folder) = start(&zones);
    let browser = shown(&device, PHONE);
    shows(&browser, "on_the_left,on_the_right");
    let inside = "const stage = document.getElementById('stage').getBoundingClientRect();
        return [...document.querySelectorAll('#zone-names span')].every((name) => {
            const { left, right } = name.getBoundingClientRect();
            return left > stage.left - 1 && right < stage.right + 1;
        })";
    assert_eq!(browser.run(inside), json!(true), "something is cut off");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_is_drawn_stays_when_somebody_else_tries_something_else() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-100, -50), (100, -50)]);
    let slower = json!({ "pace.max_fps": 3 });
    assert_eq!(post(device.port, "/api/try", &slower).status, 200);
    browser.until(
        "what somebody else tries",
        "return document.getElementById('knob-pace.max_fps').value === '3'",
    );
    browser.drag("mouse", "#pen", (100, 90), (100, 90));
    shows(&browser, "zone1");
    until("both", || {
        let tried = tried(&device);
        (tried["pace.max_fps"] == 3 && tried["zone"][0]["name"] == "zone1").then_some(())
    });
    assert_eq!(browser.complaints(), Vec::<String>::new());
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
    browser.draw("touch", &[(-20, 0), (100, 0), (60, 90), (-20, 90)]);
    browser.drag("touch", "#pen", (60, 90), (100, 90));
    shows(&browser, "sofa,zone1");
    let last = browser
        .run("return parseFloat(document.querySelectorAll('#corners button')[2].style.left)");
    assert!(last.as_f64().unwrap() > 70.0, "dragged to {last} %");
    // What was touched last goes without a key, down to three.
    browser.drag("touch", "#corners button:nth-child(2)", (0, 0), (0, 0));
    let corners = "[...document.querySelectorAll('#corners button')]";
    let second = browser.run(&format!("return {corners}[1].getAttribute('style')"));
    browser.click("#zone-list .eraser");
    let left = format!("return {corners}.map((corner) => corner.getAttribute('style'))");
    let left = browser.run(&left).as_array().unwrap().clone();
    assert!(left.len() == 3 && !left.contains(&second), "{second} of {left:?}");
    browser.click("#zone-list .open button");
    browser.click("#zone-list li:nth-child(2) button");
    // What the device says of the change before may come between.
    until("that no more go", || {
        browser.click("#zone-list .eraser");
        browser.run(TELLS).as_str()?.contains("three corners at least").then_some(())
    });
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.run(fits), json!(true), "nothing hangs over the edge");
    browser.click("#zone-save");
    browser.until("that it is saved", ZONES_SAVED);
    let seen =
        "const { top, bottom } = document.getElementById('zone-saved').getBoundingClientRect();
        return top >= 0 && bottom <= window.innerHeight";
    assert_eq!(browser.run(seen), json!(true), "the answer is off the screen");
}

/// Switched off by a command, the one that is deleted would have left that to the new one.
#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_zone_drawn_anew_takes_no_name_of_one_that_is_deleted() {
    let square = "points = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]";
    let (device, _broker, _folder) = start(&format!("[[zone]]\nname = \"zone1\"\n{square}\n"));
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    shows(&browser, "zone1");
    browser.click("#zone-list li button.quiet");
    shows(&browser, "");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-200, -150), (200, -150), (200, 150)]);
    shows(&browser, "zone2");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn an_impossible_zone_holds_up_no_slider() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-200, -150), (200, 150), (200, -150), (-200, 150)]);
    browser.until("why not", &format!("{TELLS}.includes('crosses')"));
    browser.type_into("#knob-expression\\.enter", END);
    until("the device tries it", || {
        let tried = tried(&device);
        (tried["expression.enter"] == 1).then_some(())
    });
    browser.until("why not, still", &format!("{TELLS}.includes('crosses')"));
}
