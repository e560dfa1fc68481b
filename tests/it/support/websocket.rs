//! WebSocket frames by hand (RFC 6455), for both sides.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Received;

/// How long an application thinks before it accepts an upgrade. A faster one meets the race in the proxy library that
/// docs/security.md tells of.
const THINKING: Duration = Duration::from_millis(80);

/// RFC 6455: accepts, then sends every message back as it came.
pub fn websocket(request: &Received, stream: &mut TcpStream) {
    std::thread::sleep(THINKING);
    accept_websocket(request, stream);
}

/// The same without any delay.
pub fn accept_websocket(request: &Received, stream: &mut TcpStream) {
    let key = request.field("sec-websocket-key").unwrap_or_default();
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    while let Some((opcode, payload)) = read_frame(stream) {
        if stream.write_all(&server_frame(opcode, &payload)).is_err() || opcode == 8 {
            return;
        }
    }
}

/// A masked frame of a client, unmasked.
fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start).ok()?;
    let length = match start[1] & 0x7f {
        126 => {
            let mut n = [0; 2];
            stream.read_exact(&mut n).ok()?;
            usize::from(u16::from_be_bytes(n))
        }
        127 => {
            let mut n = [0; 8];
            stream.read_exact(&mut n).ok()?;
            usize::try_from(u64::from_be_bytes(n)).ok()?
        }
        n => usize::from(n),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(b, m)| *b ^= m);
    Some((start[0] & 0x0f, payload))
}

/// A whole, unmasked frame.
pub fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, None)
}

/// A whole, masked frame.
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, Some([0x37, 0xfa, 0x21, 0x3d]))
}

fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..=125 => out.push(bit | u8::try_from(n).unwrap()),
        n @ 126..=0xffff => {
            out.push(bit | 0x7e);
            out.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        n => {
            out.push(bit | 0x7f);
            out.extend((n as u64).to_be_bytes());
        }
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend(mask);
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        }
    }
    out
}
