//! One request and its answer, on a connection of its own, without waiting for it on a thread: for load.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReply {
    /// Nobody listens.
    Refused,
    /// The connection ended before a whole answer.
    Broken,
    /// Nothing within the time.
    Late,
}

impl Reply {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).next()
    }

    /// Whether it says "later", and when.
    pub fn says_later(&self) -> bool {
        let after = self.field("retry-after").and_then(|s| s.parse::<u32>().ok());
        self.status == 503 && after.is_some_and(|s| s > 0)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request as bytes. `fields` are whole lines with CRLF.
pub fn bytes(method: &str, path: &str, fields: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string);
    let length =
        body.as_ref().map(|b| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", b.len()));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}{}\r\n{}",
        length.unwrap_or_default(),
        body.unwrap_or_default()
    )
    .into_bytes()
}

/// Sends `request` (which asks for the end of the connection) and reads to the end.
pub async fn exchange(to: SocketAddr, request: &[u8], patience: Duration) -> Result<Reply, NoReply> {
    timeout(patience, attempt(to, request)).await.unwrap_or(Err(NoReply::Late))
}

async fn attempt(to: SocketAddr, request: &[u8]) -> Result<Reply, NoReply> {
    let mut stream = TcpStream::connect(to).await.map_err(|_| NoReply::Refused)?;
    stream.write_all(request).await.map_err(|_| NoReply::Broken)?;
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all).await;
    let reply = read(&all).ok_or(NoReply::Broken)?;
    ended.map(|_| reply).map_err(|_| NoReply::Broken)
}

/// A whole answer, or nothing.
fn read(all: &[u8]) -> Option<Reply> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let reply = Reply { status, head, body: all[end + 4..].to_vec() };
    match reply.field("content-length") {
        Some(length) if length.parse() != Ok(reply.body.len()) => None,
        _ => Some(reply),
    }
}
