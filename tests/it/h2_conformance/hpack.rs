//! The compression of fields (RFC 7541): what cannot be decoded ends the connection, since all that follows on any of
//! its streams would be read wrongly.

use super::{COMPRESSION, Case, Must, PROTOCOL, WHOLE, block, judge, then};
use crate::support::TestApp;
use crate::support::h2::{self, H2, frame};

/// An ordinary request with these bytes behind its fields.
fn behind(bytes: &[u8]) -> Vec<u8> {
    frame(h2::HEADERS, WHOLE, 1, &[&block("GET", "/public/x", &[]), bytes].concat())
}

fn before(bytes: &[u8]) -> Vec<u8> {
    frame(h2::HEADERS, WHOLE, 1, &[bytes, &block("GET", "/public/x", &[])].concat())
}

/// A literal whose name is `x` and whose value is these bytes in Huffman code.
fn huffman(value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("short") | 0x80;
    behind(&[&[0, 1, b'x', length], value].concat())
}

#[test]
fn z_16_what_cannot_be_decoded_ends_the_connection() {
    let end = |section, what, bytes| Case(section, what, bytes, Must::End(COMPRESSION));
    judge(vec![
        end("2.3.3", "an index beyond both tables", behind(&[0xff, 0x00])),
        end("2.3.3", "a name from beyond both tables", behind(&[0x7f, 0x1f, 1, b'a'])),
        end("6.1", "index 0", behind(&[0x80])),
        end("4.2", "a smaller table at the end", behind(&[0x20])),
        end("6.3", "a table larger than was offered", before(&[0x3f, 0xe2, 0x1f])),
        end("5.1", "a number without an end", behind(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80])),
        end("5.1", "a number beyond 32 bits", behind(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
        end("5.2", "a text shorter than was said", behind(&[0, 1, b'x', 40, b'a'])),
        end("5.2", "a name and no value", behind(&[0, 1, b'x'])),
        end("5.2", "padding of more than seven bits", huffman(&[0x1f, 0xff, 0xff])),
        end("5.2", "padding of zeros", huffman(&[0x18])),
        end("5.2", "the end of text within", huffman(&[0x1f, 0xff, 0xff, 0xff, 0xf0])),
        end("4.3 of RFC 9113", "half a field", frame(h2::HEADERS, WHOLE, 1, &[0x40, 5, b'a'])),
    ]);
}

#[test]
fn z_16_what_can_be_decoded_is_read() {
    let fine = |section, what, bytes| Case(section, what, bytes, Must::Answer(200));
    judge(vec![
        fine("6.3", "a smaller table in front", before(&[0x20])),
        fine("6.3", "two changes of the table in front", before(&[0x20, 0x3f, 0xe1, 0x1f])),
        fine("5.2", "a value in Huffman code", huffman(&[0x1f])),
        // `:method: GET`, `:scheme: http`, `:path: /` of the static table, a literal that is kept, and its use.
        fine(
            "6.2.1",
            "fields that are kept",
            then(&[
                frame(
                    h2::HEADERS,
                    WHOLE,
                    1,
                    &[&[0x82, 0x86, 0x44, 9][..], b"/public/x", &[0x41, 9], b"localhost"].concat(),
                ),
                // The newest entries of the dynamic table: `:authority` 62, `:path` 63.
                frame(h2::HEADERS, WHOLE, 3, &[0x82, 0x86, 0xbe, 0xbf]),
            ]),
        ),
    ]);
}

/// Section 4.3 of RFC 9113: a block is decoded also when nothing comes of its request, or others would be read wrongly.
#[test]
fn z_16_what_a_malformed_request_has_kept_is_kept() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    // `:method: GET`, `:scheme: http`; `:authority` and `:path` are kept, and so is what must not be there.
    let fields = [&[0x82, 0x86, 0x41, 9][..], b"localhost", &[0x44, 9], b"/public/x"];
    let malformed = [&fields.concat()[..], &[0x40, 10], b"connection", &[5], b"close"].concat();
    let first = connection.open_block(&malformed, true);
    assert_eq!(connection.end_of(first), h2::End::Reset(PROTOCOL));
    // The newest has number 62: `connection`, then `:path`, then `:authority`.
    let second = connection.open_block(&[0x82, 0x86, 0xbf, 0xc0], true);
    assert_eq!(connection.end_of(second).status(), Some(200));
    assert_eq!(app.upstream().last().target, "/public/x");
}
