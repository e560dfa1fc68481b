//! Whether the bytes of a chunked body are what RFC 9112 section 7.1 writes. Pingora takes the chunks apart and frames
//! them anew for the upstream, but it reads more than that: blanks behind a size, no size at all for the last chunk,
//! any byte in an extension. A proxy in front of us that reads such a line in another way would lose count of the
//! requests on the connection, so it is refused, and before Pingora has seen it.

use super::strict::is_token;

/// Bytes of one chunk's extensions, with the `;`.
const MAX_EXTENSION: usize = 256;
/// Digits of a size; leading zeros are digits too. More would not fit into 60 bits.
const MAX_DIGITS: u8 = 15;

/// A chunked body that two parsers could read differently.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunked body that breaks RFC 9112 section 7.1")]
pub(super) struct BadChunks;

/// How far a chunked body has been read.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// How many more bytes of extensions and trailers there may be.
    allowance: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// In the digits of a size.
    Size {
        digits: u8,
        size: u64,
    },
    /// In the extensions behind it, of which there were so many bytes.
    Extension {
        bytes: usize,
        size: u64,
    },
    /// Behind the CR that ends the line of a size.
    SizeLf {
        size: u64,
    },
    /// In the data, of which so much is still to come.
    Data {
        left: u64,
    },
    /// Behind the data.
    DataCr,
    DataLf,
    /// Behind the last chunk, at the start of a line.
    Line,
    /// In the name of a trailer.
    Name,
    /// In its value.
    Value,
    /// Behind the CR that ends it.
    ValueLf,
    /// Behind the CR of the empty line.
    LastLf,
    /// Behind the body; whatever comes now belongs to no chunk.
    Over,
}

impl Chunks {
    /// At the start of a body. Extensions and trailers may have so many bytes together.
    pub(super) fn new(allowance: usize) -> Self {
        Self { at: At::Size { digits: 0, size: 0 }, allowance }
    }

    /// Reads on.
    ///
    /// # Errors
    /// [`BadChunks`] for the first byte that does not belong there. Nothing can be read after that.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), BadChunks> {
        while let Some((&b, rest)) = bytes.split_first() {
            match self.at {
                At::Over => return Ok(()),
                At::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left - here as u64;
                    self.at = if left == 0 { At::DataCr } else { At::Data { left } };
                    bytes = &bytes[here..];
                }
                at => {
                    self.at = self.next(at, b)?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    fn next(&mut self, at: At, b: u8) -> Result<At, BadChunks> {
        match (at, b) {
            (At::Size { digits, size }, b) => size_goes_on(digits, size, b),
            (At::Extension { size, bytes: 2.. }, b'\r') => Ok(At::SizeLf { size }),
            (At::Extension { size, bytes: 1..MAX_EXTENSION }, b) if is_text(b) => {
                self.spend()?;
                let At::Extension { bytes, .. } = at else { return Err(BadChunks) };
                Ok(At::Extension { bytes: bytes + 1, size })
            }
            (At::SizeLf { size: 0 }, b'\n') => Ok(At::Line),
            (At::SizeLf { size }, b'\n') => Ok(At::Data { left: size }),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size { digits: 0, size: 0 }),
            (At::Line, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::Over),
            (At::Name, b':') => self.spend().map(|()| At::Value),
            (At::Line | At::Name, b) if is_token(b) => self.spend().map(|()| At::Name),
            (At::Value, b'\r') => Ok(At::ValueLf),
            (At::Value, b) if is_text(b) || b >= 0x80 => self.spend().map(|()| At::Value),
            (At::ValueLf, b'\n') => self.spend().map(|()| At::Line),
            _ => Err(BadChunks),
        }
    }

    fn spend(&mut self) -> Result<(), BadChunks> {
        self.allowance = self.allowance.checked_sub(1).ok_or(BadChunks)?;
        Ok(())
    }
}

fn size_goes_on(digits: u8, size: u64, b: u8) -> Result<At, BadChunks> {
    match (b, char::from(b).to_digit(16)) {
        (_, Some(digit)) if digits < MAX_DIGITS => {
            Ok(At::Size { digits: digits + 1, size: size * 16 + u64::from(digit) })
        }
        (b'\r', _) if digits > 0 => Ok(At::SizeLf { size }),
        (b';', _) if digits > 0 => Ok(At::Extension { bytes: 1, size }),
        _ => Err(BadChunks),
    }
}

/// What may stand in an extension: ASCII that can be seen, blanks and tabs.
fn is_text(b: u8) -> bool {
    matches!(b, b'\t' | 0x20..0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read whole and byte by byte; both must say the same.
    fn read(body: &[u8]) -> Result<bool, BadChunks> {
        let mut whole = Chunks::new(1024);
        let result = whole.read(body).map(|()| whole.at == At::Over);
        let mut slow = Chunks::new(1024);
        let bytewise = body.iter().try_for_each(|b| slow.read(&[*b])).map(|()| slow.at == At::Over);
        assert_eq!(result, bytewise, "{body:?}");
        result
    }

    #[test]
    fn s_13_to_s_16_bodies_that_are_none() {
        for body in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "5\t;a\r\nhello\r\n0\r\n\r\n",
            "5;\r\nhello\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            "5;a\0\r\nhello\r\n0\r\n\r\n",
            "\r\n\r\n",
            ";a\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloXX0\r\n\r\n",
            "5\r\nhello\r\n\r\n0\r\n\r\n",
            "0000000000000005\r\nhello\r\n0\r\n\r\n",
            "0\r\n : b\r\n\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\nX: a\nY: b\r\n\r\n",
            "0\r\nX: a\rY: b\r\n\r\n",
        ] {
            assert_eq!(read(body.as_bytes()), Err(BadChunks), "{body:?}");
        }
    }

    #[test]
    fn bodies_that_are_whole_and_what_follows_them() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "000a;a=\"b c\";d\r\nhello\r\nyou\r\n00\r\nX-Sum: 1\r\nY:\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\n\n",
        ] {
            assert_eq!(read(body.as_bytes()), Ok(true), "{body:?}");
        }
        assert_eq!(read(b"5\r\nhello\r\n0\r\n"), Ok(false));
    }

    #[test]
    fn s_13_s_16_extensions_and_trailers_have_an_end() {
        let extended = |n: usize| format!("1;{}\r\na\r\n", "x".repeat(n - 1));
        assert_eq!(read(format!("{}0\r\n\r\n", extended(256)).as_bytes()), Ok(true));
        assert_eq!(read(extended(257).as_bytes()), Err(BadChunks));
        assert_eq!(read(extended(200).repeat(6).as_bytes()), Err(BadChunks), "all of them together");
        let trailers = |n: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(n));
        assert_eq!(read(trailers(200).as_bytes()), Ok(true));
        assert_eq!(read(trailers(210).as_bytes()), Err(BadChunks));
    }
}
