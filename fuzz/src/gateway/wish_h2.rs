//! Conversations over HTTP/2 made of pieces that matter: the preface, and then requests on streams, with blocks of fields
//! written by hand; more for streams that are open; frames that steer; any frames; any bytes.

use arbitrary::{Result, Unstructured};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, frame, literal, number, text,
};
use super::stage::Person;
use super::wish::{HOSTS, LINES, METHODS, credentials, pieces, rarely, tame_target, target};

type Field = (Vec<u8>, Vec<u8>);

/// So many of the lines mean nothing to a connection.
const HARMLESS: usize = 14;
/// The static table, where it has what requests are made of (RFC 7541 appendix A).
const KNOWN: [(usize, &str); 8] = [
    (1, ":authority"),
    (2, ":method"),
    (4, ":path"),
    (6, ":scheme"),
    (23, "authorization"),
    (28, "content-length"),
    (32, "cookie"),
    (38, "host"),
];
/// Those that only HTTP/2 can say.
const ODD: [(&str, &str); 24] = [
    ("host", "localhost"),
    ("host", "evil.example"),
    ("host", "LOCALHOST"),
    ("content-length", "0"),
    ("content-length", "5"),
    ("content-length", "05"),
    ("content-length", "+5"),
    ("te", "trailers"),
    ("te", "trailers, deflate"),
    ("expect", "100-continue"),
    ("expect", "something"),
    (":status", "200"),
    (":protocol", "websocket"),
    (":x", "y"),
    ("", "y"),
    ("x-auth-roles ", "admin"),
    (" x-auth-roles", "admin"),
    ("x-auth-roles:", "admin"),
    ("x-auth-roles\0", "admin"),
    ("x-a", "b\r\nx-auth-roles: admin"),
    ("x-a\r\nx-auth-roles", "admin"),
    ("x-a", " padded\t"),
    ("x-a", "\0"),
    ("x-a", "Z\u{fc}rich"),
];
const TRAILERS: [(&str, &str); 8] = [
    ("grpc-status", "0"),
    ("x-auth-roles", "admin"),
    ("content-length", "0"),
    ("transfer-encoding", "chunked"),
    ("host", "evil.example"),
    (":path", "/admin"),
    ("X-Upper", "1"),
    ("authorization", "Bearer a.b.c"),
];
/// "www.example.com" as Huffman has it (RFC 7541 section C.4.1).
const HUFFMAN: [u8; 13] = [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];

/// What is sent, piece after piece.
pub fn chunks(u: &mut Unstructured<'_>, people: &[Person]) -> Result<Vec<Vec<u8>>> {
    let mut talk = Talk { next: 1, people };
    let mut before = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    pieces(u, (8, 2), |u| {
        let bytes = talk.step(u)?;
        Ok([std::mem::take(&mut before), bytes].concat())
    })
}

/// Plain requests for paths with a token each, all at once.
pub fn plain(asks: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for (stream, (path, token)) in (1..).step_by(2).zip(asks) {
        let mut fields = request("GET", path, "localhost");
        fields.push(owned(("authorization", &format!("Bearer {token}"))));
        let mut block = Vec::new();
        fields.iter().for_each(|(name, value)| literal(0x10, name, value, &mut block));
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    }
    bytes
}

struct Talk<'p> {
    /// The number of the next stream.
    next: u32,
    people: &'p [Person],
}

impl Talk<'_> {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        match u.int_in_range(0..=15)? {
            0..=6 => self.tame(u),
            7..=10 => self.wild(u),
            11 | 12 => self.more(u),
            13 => self.steer(u),
            14 => self.any(u),
            _ => Ok(u.arbitrary::<&[u8]>()?.to_vec()),
        }
    }

    /// A request that gets past the guard, mostly, so that more depends on who asks for what.
    fn tame(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let mut fields = request(u.choose(&METHODS[..7])?, &tame_target(u)?, "localhost");
        fields.extend(lines(&credentials(u, self.people)?).map(|(n, v)| (n, v.trim_ascii().to_vec())));
        crumble(u, &mut fields)?;
        for _ in 0..u.int_in_range(0..=2)? {
            fields.extend(lines(u.choose(&LINES[..HARMLESS])?));
        }
        let stream = self.open();
        let inside: &[u8] = if rarely(u, 3)? { u.arbitrary()? } else { b"" };
        let how = u.int_in_range(0..=3)?;
        if how == 1 {
            fields.push((b"content-length".to_vec(), inside.len().to_string().into_bytes()));
        }
        let block = block(u, &fields)?;
        let mut bytes = headers(u, stream, &block, how == 0)?;
        if how == 0 {
            return Ok(bytes);
        }
        for piece in inside.chunks(5) {
            bytes.extend(data(u, stream, piece, false)?);
        }
        bytes.extend(if how == 3 { trailers(u, stream)? } else { data(u, stream, b"", true)? });
        Ok(bytes)
    }

    fn wild(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let host = if rarely(u, 4)? { *u.choose(&HOSTS)? } else { "localhost" };
        let path = if rarely(u, 2)? { target(u)? } else { tame_target(u)? };
        let mut fields = request(u.choose(&METHODS)?, &path, host);
        fields.extend(lines(&credentials(u, self.people)?));
        crumble(u, &mut fields)?;
        for _ in 0..u.int_in_range(0..=3)? {
            fields.extend(match u.int_in_range(0..=2)? {
                0 => lines(u.choose(&LINES)?).collect(),
                1 => Vec::from([owned(*u.choose(&ODD)?)]),
                _ => lines(u.choose(&LINES[..HARMLESS])?).collect(),
            });
        }
        match u.int_in_range(0..=11)? {
            0 => drop(fields.remove(u.choose_index(fields.len())?)),
            1 => fields.push(fields[u.choose_index(fields.len())?].clone()),
            2 => {
                let (a, b) = (u.choose_index(fields.len())?, u.choose_index(fields.len())?);
                fields.swap(a, b);
            }
            3 => fields[u.choose_index(4)?].1 = u.arbitrary::<&[u8]>()?.to_vec(),
            4 => fields.push((u.arbitrary::<&[u8]>()?.to_vec(), u.arbitrary::<&[u8]>()?.to_vec())),
            5 => {
                let at = u.choose_index(fields.len())?;
                fields[at].0.make_ascii_uppercase();
            }
            6 => fields.push((vec![b'n'; u.int_in_range(250..=300)?], b"1".to_vec())),
            7 => fields[2] = owned(("host", host)),
            _ => {}
        }
        let stream = if rarely(u, 12)? { u.int_in_range(0..=self.next)? } else { self.open() };
        let (block, ends) = (block(u, &fields)?, u.arbitrary()?);
        let mut bytes = headers(u, stream, &block, ends)?;
        for _ in 0..u.int_in_range(0..=2)? {
            let inside: &[u8] = if u.arbitrary()? { b"hello" } else { u.arbitrary()? };
            let ends = u.arbitrary()?;
            bytes.extend(data(u, stream, inside, ends)?);
        }
        Ok(bytes)
    }

    fn open(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// One that was opened, mostly.
    fn one(&self, u: &mut Unstructured<'_>) -> Result<u32> {
        let any = u.int_in_range(0..=self.next)?;
        Ok(if rarely(u, 8)? { any } else { any | 1 })
    }

    fn more(&self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let stream = self.one(u)?;
        match u.int_in_range(0..=5)? {
            0 | 1 => {
                let (inside, ends) = (u.arbitrary()?, u.arbitrary()?);
                data(u, stream, inside, ends)
            }
            2 => trailers(u, stream),
            3 | 4 => Ok(frame(RST_STREAM, 0, stream, &u.int_in_range(0..=14u32)?.to_be_bytes())),
            _ => Ok(frame(WINDOW_UPDATE, 0, stream, &window(u)?.to_be_bytes())),
        }
    }

    fn steer(&self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        Ok(match u.int_in_range(0..=5)? {
            0 | 1 => {
                let mut inside = Vec::new();
                for _ in 0..u.int_in_range(0..=3)? {
                    inside.extend(u.int_in_range(0..=9u16)?.to_be_bytes());
                    let value = *u.choose(&[0, 1, 5, 100, 4096, 16_384, 65_535, 0x7fff_ffff, u32::MAX])?;
                    inside.extend(value.to_be_bytes());
                }
                frame(SETTINGS, u8::from(rarely(u, 8)?), 0, &inside)
            }
            2 => frame(WINDOW_UPDATE, 0, 0, &window(u)?.to_be_bytes()),
            3 => frame(PING, u8::from(rarely(u, 4)?), 0, &[7; 8]),
            4 => frame(PRIORITY, 0, self.one(u)?, &[0, 0, 0, u.arbitrary()?, 15]),
            _ => frame(GOAWAY, 0, 0, &[0, 0, 0, u.arbitrary()?, 0, 0, 0, 0]),
        })
    }

    /// Any kind, flags and length.
    fn any(&self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let (kind, flags) = (u.int_in_range(0..=11)?, u.arbitrary()?);
        let stream = self.one(u)?;
        let mut bytes = frame(kind, flags, stream, u.arbitrary()?);
        if rarely(u, 4)? {
            bytes[1..3].copy_from_slice(&u.arbitrary::<u16>()?.to_be_bytes());
        }
        Ok(bytes)
    }
}

fn owned((name, value): (&str, &str)) -> Field {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn request(method: &str, path: &str, authority: &str) -> Vec<Field> {
    let fields = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)];
    fields.map(owned).to_vec()
}

/// Fields as HTTP/1 writes them.
fn lines(text: &str) -> impl Iterator<Item = Field> + '_ {
    let split = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some(owned((&name.to_ascii_lowercase(), value.strip_prefix(' ').unwrap_or(value))))
    };
    text.split("\r\n").filter_map(split)
}

/// Cookies may come in a field each (RFC 9113 section 8.2.3).
fn crumble(u: &mut Unstructured<'_>, fields: &mut Vec<Field>) -> Result<()> {
    let Some(at) = fields.iter().position(|(name, _)| name == b"cookie") else { return Ok(()) };
    if rarely(u, 4)? {
        let (name, value) = fields.remove(at);
        fields.extend(value.split(|b| *b == b';').map(|one| (name.clone(), one.trim_ascii().to_vec())));
    }
    Ok(())
}

/// A block of fields, each in one of the ways there are.
fn block(u: &mut Unstructured<'_>, fields: &[Field]) -> Result<Vec<u8>> {
    let mut block = Vec::new();
    if rarely(u, 16)? {
        number(0x20, 5, *u.choose(&[0, 50, 4096, 4097])?, &mut block);
    }
    let plain = u.int_in_range(0..=2)? != 2;
    for (name, value) in fields {
        let known = KNOWN.iter().find(|(_, known)| known.as_bytes() == name);
        let way = if plain { 0 } else { u.int_in_range(0..=5)? };
        match way {
            0 => literal(0x10, name, value, &mut block),
            1 => literal(0, name, value, &mut block),
            2 => literal(0x40, name, value, &mut block),
            3 if name == b":authority" => {
                number(0, 4, 1, &mut block);
                block.extend(HUFFMAN);
            }
            // One of the table that grows, whatever it holds.
            4 if rarely(u, 2)? => number(0x80, 7, u.int_in_range(60..=70)?, &mut block),
            _ => match known {
                Some((at, _)) => {
                    let (first, bits) = *u.choose(&[(0x40, 6), (0x10, 4), (0, 4)])?;
                    number(first, bits, *at, &mut block);
                    text(value, &mut block);
                }
                None => literal(0x40, name, value, &mut block),
            },
        }
    }
    Ok(block)
}

/// HEADERS, and perhaps CONTINUATION.
fn headers(u: &mut Unstructured<'_>, stream: u32, block: &[u8], ends: bool) -> Result<Vec<u8>> {
    let mut flags = if ends { END_STREAM } else { 0 };
    let mut first = Vec::new();
    let padding: u8 = if rarely(u, 8)? { u.int_in_range(0..=9)? } else { 0 };
    if padding > 0 {
        flags |= PADDED;
        first.push(padding);
    }
    if rarely(u, 8)? {
        flags |= WITH_PRIORITY;
        first.extend([0, 0, 0, u.arbitrary()?, 15]);
    }
    let (mut cut, mut behind) = (block.len(), Vec::new());
    if rarely(u, 6)? {
        cut = u.choose_index(block.len().max(1))?;
        let middle = cut + u.choose_index((block.len() - cut).max(1))?;
        if rarely(u, 8)? {
            behind.extend(frame(PING, 0, 0, &[0; 8]));
        }
        behind.extend(frame(CONTINUATION, 0, stream, &block[cut..middle]));
        // One that never ends, now and then.
        let ends = if rarely(u, 12)? { 0 } else { END_HEADERS };
        behind.extend(frame(CONTINUATION, ends, stream, &block[middle..]));
    } else {
        flags |= END_HEADERS;
    }
    first.extend_from_slice(&block[..cut]);
    first.resize(first.len() + usize::from(padding), 0);
    Ok([frame(HEADERS, flags, stream, &first), behind].concat())
}

fn data(u: &mut Unstructured<'_>, stream: u32, inside: &[u8], ends: bool) -> Result<Vec<u8>> {
    let flags = if ends { END_STREAM } else { 0 };
    if !rarely(u, 6)? {
        return Ok(frame(DATA, flags, stream, inside));
    }
    let padding: u8 = u.arbitrary()?;
    let mut padded = [&[padding], inside].concat();
    let wrong = usize::from(rarely(u, 12)?);
    padded.resize(padded.len() + usize::from(padding).saturating_sub(wrong), 0);
    Ok(frame(DATA, flags | PADDED, stream, &padded))
}

fn trailers(u: &mut Unstructured<'_>, stream: u32) -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    for _ in 0..u.int_in_range(0..=2)? {
        fields.push(owned(*u.choose(&TRAILERS)?));
    }
    let (block, ends) = (block(u, &fields)?, !rarely(u, 8)?);
    headers(u, stream, &block, ends)
}

fn window(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(*u.choose(&[0, 1, 5, 65_535, 0x7fff_ffff, u32::MAX])?)
}
