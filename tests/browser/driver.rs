//! Chromium through its driver: WebDriver (<https://www.w3.org/TR/webdriver2/>) is JSON
//! over HTTP.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::daemon::http::{ask, until};
use crate::daemon::ports::free_port;
use crate::daemon::{LIMIT, Running};

/// Keys as WebDriver writes them (17.4.2).
pub const HOME: &str = "\u{e011}";
pub const END: &str = "\u{e010}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const LEFT: &str = "\u{e012}";
pub const RIGHT: &str = "\u{e014}";
pub const DOWN: &str = "\u{e015}";

/// A window of its own, which does not outlive its test.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Running,
}

impl Browser {
    pub fn start((width, height): (u32, u32)) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("make browser-test brings chromedriver");
        let driver = Running(driver);
        until("the driver", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        // Root has no sandbox of Chromium's, and a container little shared memory.
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer = ask(port, "POST", "/session", &[], &wanted.to_string()).json();
        let session = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let browser = Self { port, session: session.to_owned(), _driver: driver };
        browser.cdp(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        let answer = ask(self.port, "POST", &path, &[], &body.to_string());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["value"].clone()
    }

    fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Runs a script in each page that is opened from now on, before the page's own.
    pub fn prepare(&self, script: &str) {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    pub fn open(&self, port: u16, path: &str) {
        self.post("url", &json!({ "url": format!("http://127.0.0.1:{port}{path}") }));
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script returns true.
    pub fn until(&self, what: &str, script: &str) {
        let end = std::time::Instant::now() + LIMIT;
        while self.run(script) != json!(true) {
            assert!(
                std::time::Instant::now() < end,
                "not within {LIMIT:?}: {what}; the page says: {}",
                self.run("return document.body.innerText")
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        // The constant of the standard (12.1).
        found["element-6066-11e4-a52e-4f735466cecf"].as_str().unwrap().to_owned()
    }

    pub fn click(&self, selector: &str) {
        self.post(&format!("element/{}/click", self.element(selector)), &json!({}));
    }

    /// By the keyboard.
    pub fn type_into(&self, selector: &str, keys: &str) {
        self.post(&format!("element/{}/value", self.element(selector)), &json!({ "text": keys }));
    }

    pub fn clear(&self, selector: &str) {
        self.post(&format!("element/{}/clear", self.element(selector)), &json!({}));
    }

    /// Sets the corners of a zone, in pixels from the middle of the picture.
    pub fn draw(&self, pointer: &str, corners: &[(i32, i32)]) {
        corners.iter().for_each(|&corner| self.drag(pointer, "#pen", corner, corner));
    }

    /// Presses there and lets go elsewhere, both in pixels from the middle of an element;
    /// `pointer` is `mouse` or `touch`.
    pub fn drag(&self, pointer: &str, selector: &str, from: (i32, i32), to: (i32, i32)) {
        let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": self.element(selector) });
        let go = |(x, y)| json!({ "type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y });
        let steps = json!([
            go(from),
            { "type": "pointerDown", "button": 0 },
            go(to),
            { "type": "pointerUp", "button": 0 },
        ]);
        let source = json!({
            "type": "pointer", "id": pointer, "parameters": { "pointerType": pointer },
            "actions": steps,
        });
        self.post("actions", &json!({ "actions": [source] }));
    }

    pub fn dark(&self, on: bool) {
        let value = if on { "dark" } else { "light" };
        let feature = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": feature }));
    }

    /// A PNG of the window.
    pub fn screenshot(&self) -> Vec<u8> {
        let answer =
            ask(self.port, "GET", &format!("/session/{}/screenshot", self.session), &[], "");
        decode(answer.json()["value"].as_str().unwrap())
    }

    /// What the browser's console holds against the page: a broken policy, an exception.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        let severe = |entry: &&Value| entry["level"] == "SEVERE";
        entries
            .as_array()
            .unwrap()
            .iter()
            .filter(severe)
            .map(|entry| entry["message"].to_string())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Or its windows would outlive the driver.
        let _ = ask(self.port, "DELETE", &format!("/session/{}", self.session), &[], "");
    }
}

/// Base64 (RFC 4648, 4).
fn decode(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |byte: u8| digits.iter().position(|digit| *digit == byte).map(|at| at as u32);
    let values: Vec<u32> = text.bytes().filter_map(value).collect();
    let whole = |four: &[u32]| {
        let bits =
            four.iter().enumerate().fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    values.chunks(4).flat_map(whole).collect()
}
