//! What is shown of settings that somebody else holds, or has written in another way.

use serde_json::{Value, json};

use crate::daemon::http::{post, until};
use crate::driver::{Browser, END, LEFT};
use crate::{KNOB, SAVED, WIDE, shown, start, tried};

/// Waits until the slider of the threshold stands at `value`, and the number beside it.
fn stands(browser: &Browser, what: &str, value: &str, beside: &str) {
    let script = format!(
        "const knob = document.querySelector({KNOB:?});
        return knob?.value === '{value}' && knob.previousElementSibling.textContent === '{beside}'"
    );
    browser.until(what, &script);
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_slider_shows_what_a_command_gives_and_goes_back_after_it() {
    let (device, broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    stands(&browser, "the file's value", "0.7", "70 %");
    browser.type_into(KNOB, LEFT);
    stands(&browser, "what is tried", "0.69", "69 %");
    let tries = |wanted: Value| {
        until(&format!("the device tries {wanted}"), || (tried(&device) == wanted).then_some(()));
    };
    tries(json!({ "tracking.start_confidence": 0.69 }));
    // Only then does it hear commands.
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "online");
    broker.say("expressiond/test/command", r#"{"command":"set","threshold":0.8}"#);
    stands(&browser, "the command's value", "0.8", "80 %");
    // What is tried beside it is not refused for its sake.
    browser.type_into("#knob-expression\\.enter", END);
    tries(json!({ "expression.enter": 1 }));
    broker.say("expressiond/test/command", r#"{"command":"set","threshold":"reset"}"#);
    stands(&browser, "the file's value again", "0.7", "70 %");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn two_pages_tune_the_same_device_and_know_of_each_other() {
    let (device, _broker, _folder) = start("");
    let (one, other) = (shown(&device, WIDE), shown(&device, WIDE));
    let tries = |wanted: Value| {
        until(&format!("the device tries {wanted}"), || (tried(&device) == wanted).then_some(()));
    };
    let said = "return document.getElementById('what-if').textContent";
    one.type_into(KNOB, LEFT);
    stands(&other, "what the other page tries", "0.69", "69 %");
    other.until("who does that", &format!("{said}.startsWith('Somebody else')"));
    other.type_into("#knob-expression\\.enter", END);
    tries(json!({ "tracking.start_confidence": 0.69, "expression.enter": 1 }));
    one.until("who does that", &format!("{said}.startsWith('Somebody else')"));
    one.click("#save");
    one.until("that it is saved", SAVED);
    let changed = "return document.querySelectorAll('.knob.changed').length === 0";
    other.until("that nothing is only tried any more", changed);
    stands(&other, "the saved value", "0.69", "69 %");
    assert_eq!(one.complaints(), Vec::<String>::new());
    assert_eq!(other.complaints(), Vec::<String>::new());
}

/// The settings come late, as from a device with much to do.
const LATE: &str = "const real = window.fetch;
    window.fetch = async (path, options) => {
      const answer = await real(path, options);
      if (path !== '/api/settings') return answer;
      await new Promise((come) => { window.come = come; });
      return answer;
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_is_moved_while_the_settings_are_on_their_way_is_not_lost() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.run(LATE);
    let slower = json!({ "pace.max_fps": 3 });
    assert_eq!(post(device.port, "/api/try", &slower).status, 200);
    browser.until("that the page asks", "return Boolean(window.come)");
    browser.type_into("#knob-expression\\.enter", END);
    browser.run("window.come()");
    let wanted = json!({ "pace.max_fps": 3, "expression.enter": 1 });
    until("both are tried", || (tried(&device) == wanted).then_some(()));
    let knob = "return document.getElementById('knob-expression.enter').value === '1'";
    browser.until("the slider where it was moved to", knob);
}

/// A save waits for its disk until `go` is called.
const SLOW_DISK: &str = "const real = window.fetch;
    window.fetch = async (path, options) => {
      if (path === '/api/save') await new Promise((go) => { window.go = go; });
      return real(path, options);
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_is_moved_and_drawn_while_a_save_is_under_way_is_not_lost() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    browser.run(SLOW_DISK);
    browser.type_into(KNOB, LEFT);
    browser.click("#save");
    browser.until("that it is being saved", "return Boolean(window.go)");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-200, -150), (200, -150), (200, 150)]);
    browser.type_into("#zone-list select", "never");
    browser.type_into("#knob-expression\\.enter", END);
    // Later than the page waits for more movements.
    browser.run("setTimeout(window.go, 500)");
    browser.until("that it is saved", SAVED);
    until("both are tried", || {
        let tried = tried(&device);
        let all = tried["expression.enter"] == 1 && tried["zone"][0]["kind"] == "mask";
        all.then_some(())
    });
    browser.until(
        "both on the screen",
        "return document.getElementById('knob-expression.enter').value === '1' &&
            document.querySelector('#zone-names .mask') !== null &&
            document.querySelectorAll('#corners button').length === 3",
    );
    stands(&browser, "what was saved", "0.69", "69 %");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn who_draws_keeps_the_pen_when_a_slider_is_saved() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-100, -50), (100, -50)]);
    browser.type_into(KNOB, LEFT);
    browser.click("#save");
    browser.until("that it is saved", SAVED);
    browser.drag("mouse", "#pen", (100, 90), (100, 90));
    browser.until("the zone", "return document.querySelectorAll('#zone-names span').length === 1");
}

/// A camera with a menu, of which there is none where this runs, and settings that have one of
/// its entries by its words.
const MENU: &str = r#"
    const real = window.fetch;
    window.fetch = async (path, options) => {
      if (path === "/api/try") window.tried = options.body;
      const answer = await real(path, options);
      if (path !== "/api/settings") return answer;
      const settings = await answer.json();
      settings.values["camera.controls.power_line_frequency"] = "50 Hz";
      settings.controls = [{
        name: "power_line_frequency", value: 2, kind: "menu",
        entries: [[0, "Disabled"], [1, "50 Hz"], [2, "60 Hz"]],
      }];
      return new Response(JSON.stringify(settings));
    };
    document.getElementById("discard").disabled = false;
    document.getElementById("discard").click();
"#;

/// A camera that is opened after the page was loaded.
const LATER: &str = r#"
    const [real, parse] = [window.fetch, JSON.parse];
    JSON.parse = (text) => {
      const value = parse(text);
      if (value?.kind === "state") value.offered += 1;
      return value;
    };
    window.fetch = async (path, options) => {
      const answer = await real(path, options);
      if (path !== "/api/settings") return answer;
      const settings = await answer.json();
      settings.offered += 1;
      settings.controls = [{ name: "gain", value: 3, kind: "number", least: 0, most: 9, step: 1 }];
      return new Response(JSON.stringify(settings));
    };
"#;

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn the_controls_are_those_of_the_camera_that_is_open_now() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.run(&format!("document.querySelector({KNOB:?}).focus(); {LATER}"));
    browser.until(
        "its gain",
        "return document.getElementById('knob-camera.controls.gain')?.value === '3'
            && !document.getElementById('camera').hidden",
    );
    let said = browser.run("return document.getElementById('what-if').textContent");
    assert_eq!(said, json!(""), "nobody else is at it");
    let focused = browser.run("return document.activeElement.id");
    assert_eq!(focused, json!("knob-tracking.start_confidence"), "the keyboard stays where it was");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_menu_stands_at_the_entry_that_the_settings_name_in_words() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, WIDE);
    browser.run(MENU);
    let menu = "document.getElementById('knob-camera.controls.power_line_frequency')";
    browser.until("the menu", &format!("return {menu}?.value === '1'"));
    let choose = |entry: &str, tried: &str| {
        browser.run(&format!(
            "window.tried = undefined; {menu}.value = '{entry}';
            {menu}.dispatchEvent(new Event('input'))"
        ));
        browser.until(tried, &format!("return window.tried === '{tried}'"));
    };
    choose("2", r#"{"camera.controls.power_line_frequency":2}"#);
    choose("1", "{}");
}
