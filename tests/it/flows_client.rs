//! Somebody who talks to the real binary: fields and cookies are kept from one request to the next.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;

use crate::flows_process::PATIENCE;
use crate::support::{Answer, RawClient};

/// The last word of a problem's `type`.
pub fn problem(answer: &Answer) -> String {
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{body}");
    let kind = body["type"].as_str().unwrap_or_default();
    kind.strip_prefix("urn:stagedoor:problem:").unwrap_or_else(|| panic!("type {kind}")).to_owned()
}

/// A program; a new connection for each request.
#[derive(Clone)]
pub struct Client {
    to: SocketAddr,
    /// Sent with every request, after `Host`.
    pub headers: Vec<(String, String)>,
}

impl Client {
    /// Without credentials.
    pub fn new(to: SocketAddr) -> Self {
        Self { to, headers: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&self.request("GET", path, None))
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(&self.request("POST", path, Some(body)))
    }

    /// The request as bytes, for those who send it themselves.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\n", self.to.port());
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let Some(body) = body.map(Value::to_string) else { return (text + "\r\n").into_bytes() };
        let _ =
            write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        text.into_bytes()
    }

    /// The answer, or `None` when there is nobody to give a whole one.
    pub fn try_post_json(&self, path: &str, body: &Value) -> Option<Answer> {
        let mut connection = RawClient::try_connect(self.to).ok()?;
        connection.patience(PATIENCE).send(self.request("POST", path, Some(body)));
        connection.answer().ok()
    }

    fn send(&self, bytes: &[u8]) -> Answer {
        let mut connection = RawClient::connect(self.to);
        connection.patience(PATIENCE).send(bytes);
        connection.answer().unwrap_or_else(|silence| panic!("no answer: {silence:?}"))
    }
}
