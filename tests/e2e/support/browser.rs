//! A real browser: Debian's Chromium, driven over the WebDriver protocol.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::clock::{DEADLINE, wait_for, wait_until};
use super::http::Connection;
use super::process::{Process, run};

pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with one empty tab. It resolves no name, so that nothing it is told to fetch elsewhere gets out.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let profile = TempDir::new().unwrap();
        let driver = Process::start(Command::new("chromedriver").arg("--port=0"), "chromium-driver");
        let port = driver.wait_said("the port it listens on", |said| {
            let port = said.split_once("started successfully on port ")?.1;
            port.split_once('.')?.0.parse::<u16>().ok()
        });
        let mut browser = Self {
            address: ([127, 0, 0, 1], port).into(),
            session: String::new(),
            _driver: driver,
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            "--window-size=1280,1000",
            &profile,
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let made = browser.ask("POST", "/session", &capabilities);
        browser.session = made["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned();
        browser
    }

    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    /// Runs the body of a function in the page and gives what it returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same for a function that ends by calling `arguments[0]`.
    #[track_caller]
    pub(crate) fn run_async(&self, script: &str) -> Value {
        self.command("execute/async", &json!({"script": script, "args": []}))
    }

    /// The text of an element as it is seen.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(selector));
        self.run(&script).as_str().unwrap().replace('\u{a0}', " ")
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, deadline: Duration, condition: &str) {
        wait_until(what, deadline, || {
            self.run(&format!("return Boolean({condition})")) == json!(true)
        });
    }

    #[track_caller]
    pub(crate) fn wait_text(&self, selector: &str, part: &str) -> String {
        wait_for(&format!("{selector} to say {part:?}"), DEADLINE, || {
            Some(self.text(selector)).filter(|text| text.contains(part))
        })
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    #[track_caller]
    pub(crate) fn press(&self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        let code = if key == "Enter" { 13 } else { 9 };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code});
            self.devtools("Input.dispatchKeyEvent", event);
        }
    }

    /// What the console has been told since the last call, warnings and worse.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({"type": "browser"}));
        let bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE"));
        let log = log.as_array().unwrap();
        log.iter()
            .filter(bad)
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Addresses asked for since the last call.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({"type": "performance"}));
        let events = log.as_array().unwrap().iter();
        let events =
            events.filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let address = |event: Value| {
            event["message"]["params"]["request"]["url"]
                .as_str()
                .map(str::to_owned)
        };
        sent.filter_map(address).collect()
    }

    /// What is in the window as a picture.
    #[track_caller]
    pub(crate) fn picture(&self, file: &Path) {
        let taken = self.devtools(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": false}),
        );
        let encoded = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(encoded.path(), taken["data"].as_str().unwrap()).unwrap();
        let decoded = run(Command::new("base64").arg("-d").arg(encoded.path()), "coreutils");
        std::fs::write(file, decoded.stdout).unwrap();
    }

    #[track_caller]
    fn command(&self, command: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{command}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (address, body) = (self.address, body.to_string());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = Connection::open(address).unwrap();
        connection.send((head + &body).as_bytes()).unwrap();
        let response = connection.receive(false).unwrap();
        let mut answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(response.status, 200, "{method} {path}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    /// Without it the browser would outlive its driver.
    fn drop(&mut self) {
        let address = self.address;
        let head = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: {address}\r\n\r\n",
            self.session
        );
        if let Ok(mut connection) = Connection::open(address) {
            let _ = connection.send(head.as_bytes());
            let _ = connection.receive(false);
        }
    }
}
