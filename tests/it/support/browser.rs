//! A browser as far as the gateway can tell: a cookie jar, Fetch Metadata, forms. It follows no redirects by itself.

use std::collections::BTreeMap;

use super::wire::{Answer, RawClient};
use super::{Person, TestApp};

/// One browser profile.
#[derive(Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
    host: String,
    address: Option<std::net::SocketAddr>,
}

impl Browser {
    /// A fresh profile that only knows this gateway.
    pub fn new(app: &TestApp) -> Self {
        let host = app.public_url().trim_start_matches("http://").to_owned();
        Self { cookies: BTreeMap::new(), host, address: Some(app.address()) }
    }

    /// A fresh profile that knows a host, and where that is.
    pub fn at(host: &str, address: std::net::SocketAddr) -> Self {
        Self { cookies: BTreeMap::new(), host: host.to_owned(), address: Some(address) }
    }

    /// A profile that holds a person's cookies.
    pub fn of(app: &TestApp, person: &Person) -> Self {
        let mut browser = Self::new(app);
        browser.cookies.insert("stagedoor_access".into(), person.access.clone());
        browser.cookies.insert("stagedoor_refresh".into(), person.refresh.clone());
        browser
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.into(), value.into());
    }

    pub fn forget_cookie(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// Types an address or follows a link.
    pub fn visit(&mut self, target: &str) -> Answer {
        self.send(&self.bytes("GET", target, NAVIGATION, b""))
    }

    /// Sends a form of one of our own pages.
    pub fn post_form(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let extra =
            format!("{NAVIGATION}Content-Type: application/x-www-form-urlencoded\r\n{}", self.own_origin());
        self.send(&self.bytes("POST", target, &extra, body.as_bytes()))
    }

    /// A script's `fetch` on one of our own pages.
    pub fn fetch(&mut self, method: &str, target: &str, extra: &str, body: &[u8]) -> Answer {
        let extra = format!("{SCRIPT}{}{extra}", self.own_origin());
        self.send(&self.bytes(method, target, &extra, body))
    }

    /// The request as bytes, with this browser's cookies.
    pub fn bytes(&self, method: &str, target: &str, extra: &str, body: &[u8]) -> Vec<u8> {
        let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookie =
            if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) };
        let length = match method {
            "GET" | "HEAD" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let host = &self.host;
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{cookie}{extra}{length}\r\n");
        [head.as_bytes(), body].concat()
    }

    /// Sends bytes on a fresh connection and keeps the cookies of the answer.
    pub fn send(&mut self, bytes: &[u8]) -> Answer {
        let mut client = RawClient::connect(self.address.expect("made with an app"));
        client.send(bytes);
        let answer = client.answer().unwrap_or_else(|silence| panic!("no answer: {silence:?}"));
        self.keep(&answer);
        answer
    }

    /// Takes over the cookies of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().and_then(|p| p.split_once('=')).expect("name=value");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
    }

    fn own_origin(&self) -> String {
        format!("Origin: http://{}\r\n", self.host)
    }
}

/// What a browser adds to a top-level navigation.
pub const NAVIGATION: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: same-origin\r\n\
    Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const SCRIPT: &str =
    "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Site: same-origin\r\nAccept: */*\r\n";
