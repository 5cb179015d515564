//! The page in a real browser, against the real daemon and the demonstration: what a
//! person does with it. `make browser-test` brings Chromium and its driver.
//!
//! `SCREENSHOTS=write make browser-test` replaces the guide's pictures, with which the
//! page is compared roughly otherwise.

mod away;
mod cameras;
#[path = "../daemon/mod.rs"]
mod daemon;
mod driver;
mod held;
mod screenshot;
mod zones;

use std::process::Command;

use daemon::Broker;
use daemon::http::get;
use daemon::page::{Device, settings};
use daemon::ports::free_port;
use driver::Browser;
use serde_json::{Value, json};
use tempfile::TempDir;

const WIDE: (u32, u32) = (1280, 1100);
const PHONE: (u32, u32) = (390, 844);

fn start(more: &str) -> (Device, Broker, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let device = Device::start(settings(folder.path(), broker.port, more));
    (device, broker, folder)
}

/// A device whose page is where it was after a new start: at port 0 it would be elsewhere.
fn start_at_one_port() -> (Device, Broker, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let path = settings(folder.path(), broker.port, "");
    let fixed = std::fs::read_to_string(&path).unwrap();
    let fixed = fixed.replace("127.0.0.1:0\"", &format!("127.0.0.1:{}\"", free_port()));
    std::fs::write(&path, fixed).unwrap();
    (Device::start(path), broker, folder)
}

/// What the device tries.
fn tried(device: &Device) -> Value {
    get(device.port, "/api/settings").json()["tried"].clone()
}

/// The device's page in a window of this size, with a face in the picture.
fn shown(device: &Device, size: (u32, u32)) -> Browser {
    opened(Browser::start(size), device)
}

/// The same where this script runs before the page's own.
fn shown_after(device: &Device, size: (u32, u32), script: &str) -> Browser {
    let browser = Browser::start(size);
    browser.prepare(script);
    opened(browser, device)
}

fn opened(browser: Browser, device: &Device) -> Browser {
    browser.open(device.port, "/");
    browser.until("a face in the picture", FACE);
    browser
}

const FACE: &str = "return document.querySelectorAll('#boxes .box').length > 0";
const HAPPY: &str = "return [...document.querySelectorAll('#boxes .box span')]
    .some((label) => / happy/.test(label.textContent))";
const SAVED: &str = "return document.getElementById('saved').textContent.includes('90-page.toml')";
const KNOB: &str = "#knob-tracking\\.start_confidence";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_person_sees_tunes_saves_and_takes_back() {
    let (device, broker, folder) = start("");
    let browser = shown(&device, WIDE);
    browser.until(
        "bars of its classes",
        "return [...document.querySelectorAll('#faces meter')].some((bar) => bar.value > 0.5)",
    );
    browser.until("events", "return document.querySelectorAll('#events time').length >= 1");
    browser
        .until("that it is connected", "return document.getElementById('pill').className === 'ok'");
    for (name, dark) in [("wide", false), ("wide-dark", true)] {
        browser.dark(dark);
        browser.until("a happy face in the picture", HAPPY);
        screenshot::check(name, &browser);
    }
    browser.dark(false);

    // With the keyboard alone: to their ends the share from which an expression begins, which
    // no face has, and the threshold.
    browser.type_into("#knob-expression\\.enter", driver::END);
    browser.type_into(KNOB, driver::END);
    browser.until(
        "what it would have changed",
        "return /instead of/.test(document.getElementById('what-if').textContent)",
    );
    broker.until(|topic, text| {
        topic.ends_with("/status")
            && text.contains("\"threshold\":{\"value\":1.0,\"from\":\"file\"}")
    });
    screenshot::check("tuned", &browser);
    browser.type_into(KNOB, driver::HOME);
    browser.click("#save");
    browser.until("that it is saved", SAVED);
    let text = std::fs::read_to_string(folder.path().join("conf.d/90-page.toml")).unwrap();
    assert!(text.contains("start_confidence = 0.1"), "{text}");
    device.checked_settings();

    browser.open(device.port, "/");
    browser.until(
        "the saved value",
        &format!("return document.querySelector({KNOB:?})?.value === '0.1'"),
    );
    browser.click("#undo");
    browser.until(
        "the value before",
        &format!("return document.querySelector({KNOB:?})?.value === '0.7'"),
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn the_page_fits_a_phone_and_can_be_read_aloud() {
    let (device, _broker, _folder) = start("");
    let browser = shown(&device, PHONE);
    browser
        .until("that it is connected", "return document.getElementById('pill').className === 'ok'");
    browser.until("a happy face in the picture", HAPPY);
    screenshot::check("phone", &browser);
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.run(fits), json!(true), "nothing hangs over the edge");
    // Every control has a name, and the picture says what is in it.
    let nameless = browser.run(
        "return [...document.querySelectorAll('input, select, button, meter')]
            .filter((e) => !e.labels?.length && !e.textContent.trim() && !e.getAttribute('aria-label'))
            .map((e) => e.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    browser.until(
        "what the picture shows, in words",
        "return /one face/.test(document.getElementById('canvas').getAttribute('aria-label'))",
    );
    browser.click("#setup summary");
    browser.until("cameras", "return document.querySelectorAll('#setup-camera input').length > 1");
    browser.click("#setup-test");
    browser.until("findings", "return document.querySelectorAll('#findings .ok').length >= 2");
    assert_eq!(browser.run(fits), json!(true), "nothing hangs over the edge");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn an_older_browser_shows_the_page_or_is_said_to_be_too_old() {
    let (device, _broker, _folder) = start("");
    shown_after(&device, PHONE, "delete window.structuredClone");
    let browser = Browser::start(PHONE);
    browser.prepare("delete window.createImageBitmap");
    browser.open(device.port, "/");
    let said = "document.getElementById('veil').textContent";
    browser.until("that it is too old", &format!("return /browser is too old/.test({said})"));
}

/// The next question of the page is lost on its way.
const DEAF: &str = "const real = window.fetch;
    window.fetch = () => {
        window.fetch = real;
        return Promise.reject(new TypeError('lost'));
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn without_the_token_there_is_a_door_and_nothing_behind_it() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_expressiond")).arg("preview-token").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let token = said.lines().next().unwrap().rsplit(' ').next().unwrap();
    let (device, broker, _folder) = start(&String::from_utf8(output.stdout).unwrap());
    let browser = Browser::start(PHONE);
    browser.open(device.port, "/");
    browser.until("the door", "return location.pathname === '/login'");
    browser.until(
        "its words",
        "return document.querySelector('#login .lead').textContent.length > 20",
    );
    screenshot::check("login", &browser);
    browser.type_into("#token", "a guess");
    browser.click("#login button");
    browser.until(
        "a refusal",
        "return document.getElementById('login-answer').textContent.length > 0",
    );
    browser.run(DEAF);
    browser.click("#login button");
    let said = "return document.getElementById('login-answer').textContent";
    browser.until("that nobody answers", &format!("{said}.includes('does not answer')"));
    browser.type_into("#token", token);
    browser.click("#login button");
    browser.until("a face in the picture", FACE);
    browser.run(DEAF);
    browser.click("#logout");
    browser.until(
        "that nobody is logged out",
        "return document.getElementById('logout').textContent.startsWith('Not logged out')",
    );

    broker.say("expressiond/test/command", r#"{"command":"pause"}"#);
    browser.until(
        "that it is paused",
        "return /Paused/.test(document.getElementById('veil').textContent)",
    );
    assert_eq!(browser.run(FACE), json!(false), "nothing is left of the picture");
    screenshot::check("paused", &browser);
    browser.click("#logout");
    browser.until("the door", "return location.pathname === '/login'");
}
