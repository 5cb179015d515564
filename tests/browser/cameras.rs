//! A camera is chosen by its picture.
//!
//! There is none where this runs: the list and the pictures are made up in the browser, at
//! the place where the device's answers arrive. What the device answers is tested without a
//! browser (`tests/preview`, `src/preview/first_run.rs`, `src/source/still.rs`).

use serde_json::json;

use crate::daemon::http::post;
use crate::daemon::ports::free_port;
use crate::driver::{DOWN, RIGHT};
use crate::{PHONE, screenshot, shown, start, start_at_one_port};

/// Four cameras: the one that is watched, two that are free (one of which gives no picture),
/// and one that is none. Pictures are the live one, mirrored.
const CAMERAS: &str = r#"
    const real = window.fetch;
    window.asked = [];
    window.fetch = async (path, options) => {
      if (path === "/api/setup") {
        const shown = await (await real(path, options)).json();
        const camera = (number, card, state, unusable = null) =>
          ({ path: `/dev/video${number}`, link: null, card, state, unusable });
        shown.cameras = [
          camera(0, "HD Pro Webcam C920", "busy", "another program uses it"),
          camera(2, "USB Camera", "usable"),
          camera(4, "Capture card", "usable"),
          camera(5, "bcm2835-isp", "not_a_camera", "an image processor of the board, not a camera"),
        ];
        shown.open = "/dev/video0";
        return new Response(JSON.stringify(shown));
      }
      if (path === "/api/setup/picture") {
        const asked = JSON.parse(options.body).path;
        window.asked.push(asked);
        if (asked === "/dev/video4") {
          const why = "/dev/video4: no whole picture within 2 s";
          return new Response(JSON.stringify({ why, lines: "" }), { status: 409 });
        }
        const canvas = new OffscreenCanvas(320, 240);
        const context = canvas.getContext("2d");
        context.scale(-1, 1);
        context.drawImage(document.getElementById("canvas"), -320, 0, 320, 240);
        return new Response(await canvas.convertToBlob({ type: "image/jpeg" }));
      }
      return real(path, options);
    };
"#;
/// The card of the camera with this number.
const CARD: &str = "const card = (number) => [...document.querySelectorAll('.camera')]
    .find((card) => card.textContent.includes(`/dev/video${number})`));";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_camera_is_chosen_by_its_picture() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, PHONE);
    browser.run(CAMERAS);
    browser.click("#setup summary");
    let is = |what: &str, script: &str| browser.until(what, &format!("{CARD} {script}"));
    is("the picture of a free camera", "return card(2)?.querySelector('canvas').hidden === false");
    is("and of the one that is watched", "return !card(0).querySelector('canvas').hidden");
    is("why there is none", "return /no whole picture/.test(card(4).textContent)");
    let asked = browser.run("return window.asked");
    assert_eq!(asked, json!(["/dev/video2", "/dev/video4"]), "no other is opened");
    is(
        "something on it",
        "const canvas = card(2).querySelector('canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, at) => at % 4 < 3 && value > 60)",
    );
    is("what is no camera cannot be chosen", "return card(5).querySelector('input').disabled");
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.run(fits), json!(true), "nothing hangs over the edge");
    browser.run("document.getElementById('setup').scrollIntoView()");
    screenshot::check("cameras", &browser);

    // With the keyboard alone: from the pictures that are played to the free camera.
    let chosen = "return document.querySelector('.camera :checked').value";
    assert_eq!(browser.run(chosen), json!("tests/demo/frames"));
    browser.type_into(".camera :checked", &format!("{DOWN}{DOWN}{RIGHT}"));
    assert_eq!(browser.run(chosen), json!("/dev/video2"));
    browser.click("#setup summary");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn where_nothing_was_changed_there_is_nothing_to_save() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, PHONE);
    browser.click("#setup summary");
    browser.until("cameras", "return document.querySelectorAll('#setup-camera input').length > 1");
    browser.click("#setup-save");
    let said = "document.getElementById('findings').textContent";
    browser.until("that there is nothing", &format!("return {said}.startsWith('Nothing to save')"));
    let again = "return !document.getElementById('setup-save').disabled";
    browser.until("that it may be pressed again", again);
}

/// Two addresses in the settings, and a save that is only looked at.
const BROKERS: &str = r#"
    const real = window.fetch;
    window.fetch = async (path, options) => {
      if (path === "/api/setup") {
        const shown = await (await real(path, options)).json();
        shown.values["mqtt.url"] = ["mqtt://one:1883", "mqtt://two:1883"];
        return new Response(JSON.stringify(shown));
      }
      if (path === "/api/setup/save") {
        window.saved = options.body;
        return new Response(JSON.stringify({ file: "90-page.toml", written: true }));
      }
      return real(path, options);
    };
"#;

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn of_several_brokers_none_is_saved_that_nobody_has_changed() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, PHONE);
    browser.run(BROKERS);
    browser.click("#setup summary");
    browser.until(
        "both addresses",
        "return document.getElementById('setup-url').value === 'mqtt://one:1883,mqtt://two:1883'",
    );
    let save = |field: &str, value: &str| {
        browser.run(&format!(
            "window.saved = undefined; document.getElementById('{field}').value = '{value}';
            document.getElementById('setup-form').requestSubmit()"
        ));
        browser.until("what is saved", "return window.saved !== undefined");
        browser.run("return JSON.parse(window.saved)")
    };
    let named = json!({ "home_assistant.device_name": "Hall" });
    assert_eq!(save("setup-name", "Hall"), named);
    let second = json!({ "mqtt.url": "mqtt://two:1883" });
    assert_eq!(save("setup-url", "mqtt://two:1883"), second);
    // And back to what it was when the panel was opened.
    assert_eq!(save("setup-name", ""), json!({ "home_assistant.device_name": "" }));
}

/// A last save that was of the name, and a save that is only looked at.
const NAMED: &str = r#"
    const real = window.fetch;
    window.called = "Hall";
    window.fetch = async (path, options) => {
      if (path === "/api/setup") {
        const shown = await (await real(path, options)).json();
        shown.values["home_assistant.device_name"] = window.called;
        return new Response(JSON.stringify(shown));
      }
      if (path === "/api/undo") {
        window.called = "";
        return new Response(JSON.stringify({ restarts: false, tuning: 0 }));
      }
      if (path === "/api/setup/save") {
        window.saved = options.body;
        return new Response(JSON.stringify({ file: "90-page.toml", written: true }));
      }
      return real(path, options);
    };
    document.getElementById("undo").hidden = false;
"#;

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_was_taken_back_can_be_saved_again_and_what_is_being_written_stays() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, PHONE);
    browser.run(NAMED);
    browser.click("#setup summary");
    let name = "document.getElementById('setup-name').value";
    browser.until("its name", &format!("return {name} === 'Hall'"));
    browser.type_into("#setup-area", "Entrance");
    browser.click("#undo");
    browser.until(
        "that it is taken back",
        "return document.getElementById('saved').textContent.includes('taken back')",
    );
    assert_eq!(browser.run(&format!("return {name}")), json!("Hall"));
    browser.click("#setup-save");
    browser.until("what is saved", "return window.saved !== undefined");
    assert_eq!(
        browser.run("return JSON.parse(window.saved)"),
        json!({ "home_assistant.device_name": "Hall", "home_assistant.suggested_area": "Entrance" })
    );
}

/// A save that is only looked at.
const LOOKED_AT: &str = r#"
    const real = window.fetch;
    window.fetch = async (path, options) => {
      if (path !== "/api/setup/save") return real(path, options);
      window.saved = options.body;
      return new Response(JSON.stringify({ file: "90-page.toml", written: true }));
    };
"#;

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_somebody_else_has_saved_meanwhile_is_not_taken_back() {
    let (device, _broker, _folder) = start_at_one_port();
    let browser = shown(&device, PHONE);
    browser.click("#setup summary");
    let url = "document.getElementById('setup-url').value";
    browser.until("an address", &format!("return {url} !== ''"));
    browser.type_into("#setup-area", "Entrance");
    let other = format!("mqtt://127.0.0.1:{}", free_port());
    let theirs = json!({ "mqtt.url": other, "camera.source": "./tests/demo/frames" });
    assert_eq!(post(device.port, "/api/setup/save", &theirs).status, 200);
    browser.until("their address", &format!("return {url} === '{other}'"));
    browser.until(
        "their camera",
        "return document.querySelector('.camera :checked').value === './tests/demo/frames'",
    );
    browser.run(LOOKED_AT);
    browser.type_into("#setup-user", "door");
    browser.click("#setup-save");
    browser.until("what is saved", "return window.saved !== undefined");
    assert_eq!(
        browser.run("return JSON.parse(window.saved)"),
        json!({ "home_assistant.suggested_area": "Entrance", "mqtt.username": "door" })
    );
}
