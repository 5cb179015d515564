//! A camera, or the whole device, that goes away and comes back.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::daemon::Broker;
use crate::daemon::http::until;
use crate::daemon::page::{Device, Picture, layer, settings};
use crate::driver::{Browser, END, LEFT};
use crate::{FACE, KNOB, WIDE, shown, shown_after, start, start_at_one_port, tried};

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn of_a_camera_that_is_lost_no_picture_stays() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
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
    // It waits for a face in the picture.
    shown_after(&device, WIDE, LOST);
}

/// The live picture can be cut off, and kept away for as long as `out` holds; `back` is called
/// as it comes again.
const OUTAGE: &str = "const real = window.fetch;
    window.fetch = async (path, options) => {
        if (path !== '/api/live') return real(path, options);
        if (window.out) throw new TypeError('out');
        const control = new AbortController();
        window.cut = () => control.abort();
        const answer = await real(path, { ...options, signal: control.signal });
        window.back?.();
        return answer;
    };";
const LOST_SIGHT: &str = "return !document.getElementById('veil').hidden";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn who_draws_keeps_the_pen_over_an_outage() {
    let (device, _broker, _folder) = start("");
    let browser = shown_after(&device, WIDE, OUTAGE);
    browser.click("#zone-panel summary");
    browser.click("#zone-draw");
    browser.draw("mouse", &[(-100, -50), (100, -50)]);
    browser.run("window.cut()");
    browser.until("that it is lost", LOST_SIGHT);
    browser.until("a face again", FACE);
    browser.drag("mouse", "#pen", (100, 90), (100, 90));
    browser.until("the zone", "return document.querySelectorAll('#zone-names span').length === 1");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_an_outage_has_taken_back_is_said() {
    let (device, _broker, _folder) = start("");
    let browser = shown_after(&device, WIDE, OUTAGE);
    browser.type_into(KNOB, LEFT);
    let tries = |count: usize| {
        until(&format!("{count} tried"), || {
            let tried = tried(&device);
            (tried.as_object().unwrap().len() == count).then_some(())
        });
    };
    tries(1);
    browser.run("window.out = true; window.cut()");
    tries(0);
    browser.run("window.out = false");
    browser.until(
        "what has become of it",
        &format!(
            "return document.querySelector({KNOB:?}).value === '0.7' &&
                document.getElementById('what-if').textContent.includes('taken back')"
        ),
    );
}

/// So that the device has not been told yet when the page asks what is so now.
const MOVED: &str = "window.back = () => {
        const knob = document.getElementById('knob-expression.enter');
        knob.value = 1;
        knob.dispatchEvent(new Event('input'));
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn what_is_moved_as_an_outage_ends_is_tried() {
    let (device, _broker, _folder) = start("");
    let browser = shown_after(&device, WIDE, OUTAGE);
    browser.run(&format!("{MOVED} window.out = true; window.cut()"));
    browser.until("that it is lost", LOST_SIGHT);
    browser.run("window.out = false");
    until("the device tries it", || {
        let tried = tried(&device);
        (tried["expression.enter"] == 1).then_some(())
    });
}

/// The first try never has an answer, as where the device is switched off before it.
const NO_ANSWER: &str = "const before = window.fetch;
    window.tries = 0;
    window.fetch = (path, options) => {
        if (path !== '/api/try') return before(path, options);
        window.tries += 1;
        if (window.tries > 1) return before(path, options);
        return new Promise((_, refuse) => options.signal?.addEventListener('abort', refuse));
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn a_question_that_an_outage_left_without_an_answer_holds_up_no_other() {
    let (device, _broker, _folder) = start("");
    let browser = shown_after(&device, WIDE, OUTAGE);
    browser.run(NO_ANSWER);
    browser.type_into(KNOB, LEFT);
    browser.until("that it is asked", "return window.tries === 1");
    browser.run("window.cut()");
    browser.until("that it is lost", LOST_SIGHT);
    browser.until("a face again", FACE);
    browser.type_into("#knob-expression\\.enter", END);
    until("the device tries it", || {
        let tried = tried(&device);
        (tried["expression.enter"] == 1).then_some(())
    });
}

/// 2 kB a second: a picture takes longer than the silence after which a device is gone.
const SLOW_LINK: &str = "const real = window.fetch;
    window.fetch = async (path, options) => {
        const answer = await real(path, options);
        if (path !== '/api/live') return answer;
        const reader = answer.body.getReader();
        let left = new Uint8Array();
        return new Response(new ReadableStream({
            start(out) {
                options.signal.addEventListener('abort', () => out.error(new Error('ended')));
            },
            async pull(out) {
                await new Promise((go) => { setTimeout(go, 100); });
                if (left.length === 0) left = (await reader.read()).value;
                out.enqueue(left.slice(0, 200));
                left = left.slice(200);
            },
        }));
    };";

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn over_a_very_slow_link_a_picture_comes() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    // Those of the demonstration are small where nobody is in them.
    let _camera = Picture::instead(folder.path());
    let device = Device::start(settings(folder.path(), broker.port, ""));
    let browser = Browser::start(WIDE);
    browser.prepare(SLOW_LINK);
    browser.open(device.port, "/");
    browser.until("a picture", "return document.getElementById('veil').hidden");
}

#[test]
#[ignore = "needs chromium-driver: make browser-test"]
fn an_open_page_takes_over_the_classes_of_a_new_start() {
    let (device, _broker, folder) = start_at_one_port();
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
