//! A real Chromium, driven through chromedriver by the WebDriver protocol (W3C) and a little of the DevTools
//! protocol: colour scheme, screen size, screenshots.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::flows_process::{PATIENCE, Ports, eventually};
use crate::support::RawClient;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
];
/// Width and height of the two screens, in CSS pixels.
const SCREENS: [(&str, u64, u64); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// One browser with a profile of its own.
pub struct Browser {
    driver: Child,
    ports: Ports,
    session: String,
    profile: TempDir,
    too_wide: RefCell<Vec<String>>,
    /// Kept open, so that the driver can go on writing.
    _output: BufReader<ChildStdout>,
}

impl Browser {
    pub fn start() -> Self {
        Self::start_with(true)
    }

    pub fn without_javascript() -> Self {
        Self::start_with(false)
    }

    fn start_with(javascript: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Left to itself the driver takes a free port over IPv4 and ends if IPv6 has given the same one away.
        let ports = Ports::lease(1);
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={}", ports.first))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: apt install chromium chromium-driver)");
        let mut output = BufReader::new(driver.stdout.take().expect("piped"));
        wait_until_started(&mut output);
        let mut browser = Self {
            driver,
            ports,
            session: String::new(),
            profile,
            too_wide: RefCell::default(),
            _output: output,
        };
        let mut args: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        args.push(format!("--user-data-dir={}", browser.profile.path().display()));
        let setting = if javascript { 1 } else { 2 };
        let always = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": args,
                "prefs": { "profile.managed_default_content_settings.javascript": setting },
            },
        });
        let answer = browser.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": always } }));
        answer["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        browser
    }

    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    pub fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// The path of the page, without the query.
    pub fn path(&self) -> String {
        let url = self.url();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        path.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    /// Waits until the page at this path is there.
    pub fn arrive(&self, path: &str) {
        eventually(&format!("the browser arrives at {path}, it is at {}", self.url()), || {
            (self.path() == path).then_some(())
        });
    }

    /// What a person reads on the page.
    pub fn text(&self) -> String {
        self.text_of("body")
    }

    pub fn text_of(&self, css: &str) -> String {
        self.on(css, "GET", "text", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Waits for an element that says this.
    pub fn find_text(&self, css: &str, text: &str) {
        eventually(&format!("{css} says {text:?} on {}", self.url()), || {
            let said = |id: &String| self.ask_element(id, "GET", "text", &Value::Null);
            let texts: Vec<Value> = self.find_all(css).iter().filter_map(said).collect();
            texts.iter().any(|t| t.as_str().is_some_and(|t| t.contains(text))).then_some(())
        });
    }

    pub fn has(&self, css: &str) -> bool {
        !self.find_all(css).is_empty()
    }

    pub fn attribute(&self, css: &str, name: &str) -> Option<String> {
        self.on(css, "GET", &format!("attribute/{name}"), &Value::Null).as_str().map(str::to_owned)
    }

    /// Clears a field and types into it.
    pub fn fill(&self, css: &str, text: &str) {
        self.on(css, "POST", "clear", &json!({}));
        self.on(css, "POST", "value", &json!({ "text": text }));
    }

    pub fn click(&self, css: &str) {
        self.on(css, "POST", "click", &json!({}));
    }

    /// Runs a function body in the page.
    pub fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// What the console said since the last call, one line for each entry of level warning or above; and pages of
    /// which a picture showed that they have to be scrolled sideways.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a list").iter();
        let bad = entries.filter(|e| matches!(e["level"].as_str(), Some("WARNING" | "SEVERE")));
        let said = bad.map(|e| e["message"].to_string());
        said.chain(self.too_wide.take()).collect()
    }

    /// Pictures of the whole page: two screens, two colour schemes.
    pub fn picture(&self, name: &str) {
        for (screen, width, height) in SCREENS {
            for scheme in SCHEMES {
                self.look_like(width, height, scheme);
                let (wide, high) = self.content_size();
                if wide > width {
                    self.too_wide.borrow_mut().push(format!("{name}: {wide} wide on a {screen} of {width}"));
                }
                // What lies below the screen may not have been painted, frames above all.
                self.look_like(width, high.max(height), scheme);
                let shot = json!({ "format": "png", "captureBeyondViewport": true });
                let data = self.devtools("Page.captureScreenshot", &shot);
                let png = STANDARD.decode(data["data"].as_str().unwrap()).unwrap();
                std::fs::write(pictures().join(format!("{name}-{screen}-{scheme}.png")), png).unwrap();
            }
        }
        let (_, width, height) = SCREENS[0];
        self.look_like(width, height, SCHEMES[0]);
    }

    fn look_like(&self, width: u64, height: u64, scheme: &str) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
        // Colours may fade from one scheme to the other.
        let moving = "document.getAnimations().length";
        eventually("the page stands still", || {
            let count = self.devtools("Runtime.evaluate", &json!({ "expression": moving }));
            (count["result"]["value"] == 0).then_some(())
        });
    }

    fn content_size(&self) -> (u64, u64) {
        let size = self.devtools("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
        let [width, height] = ["width", "height"].map(|side| size[side].as_u64().expect("a length"));
        (width, height)
    }

    fn devtools(&self, command: &str, params: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Does something with the first element that fits, as soon as there is one.
    fn on(&self, css: &str, method: &str, what: &str, body: &Value) -> Value {
        eventually(&format!("{css} on {}", self.url()), || {
            let element = self.find_all(css).into_iter().next()?;
            self.ask_element(&element, method, what, body)
        })
    }

    /// `None` when the element has gone with its page; nothing was done then.
    fn ask_element(&self, element: &str, method: &str, what: &str, body: &Value) -> Option<Value> {
        let path = format!("/session/{}/element/{element}/{what}", self.session);
        match self.ask(method, &path, body) {
            Ok(value) => Some(value),
            Err(problem) if is_gone(&problem) => None,
            Err(problem) => panic!("{what}: {problem}"),
        }
    }

    fn find_all(&self, css: &str) -> Vec<String> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": css }));
        let found = found.as_array().expect("a list").iter();
        found.map(|e| e[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", &format!("/session/{}{path}", self.session), &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, path, body).unwrap_or_else(|problem| panic!("{method} {path}: {problem}"))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            self.ports.first,
            text.len(),
        );
        let mut client = RawClient::connect(self.ports.address(0));
        client.patience(PATIENCE).send(request);
        let answer = client.answer().unwrap_or_else(|silence| panic!("{method} {path}: {silence:?}"));
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }
}

impl Drop for Browser {
    /// Never panics: it also runs while a failed test unwinds.
    fn drop(&mut self) {
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
            self.session, self.ports.first
        );
        if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.ports.first)) {
            let _ = socket.write_all(request.as_bytes());
            let _ = socket.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Whether the element went with its page. While the next page is loading, chromedriver passes on what the browser
/// said instead of `stale element reference`.
fn is_gone(problem: &Value) -> bool {
    let message = problem["message"].as_str().unwrap_or_default();
    problem["error"] == "stale element reference" || message.contains("does not belong to the document")
}

/// Reads what the driver says until it takes requests.
fn wait_until_started(output: &mut BufReader<ChildStdout>) {
    let mut said = String::new();
    while !said.contains("started successfully") {
        assert!(output.read_line(&mut said).is_ok_and(|n| n > 0), "chromedriver ended: {said}");
    }
}

/// `screenshots/` in the target folder.
fn pictures() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
