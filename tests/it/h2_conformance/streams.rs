//! Frames, their sizes, and the states of streams (sections 4 to 6).

use super::{
    Case, FLOW_CONTROL, FRAME_SIZE, Must, PADDED, PRIORITISED, PROTOCOL, REFUSED, STREAM_CLOSED, WHOLE,
    block, get, judge, post, then,
};
use crate::support::TestApp;
use crate::support::h2::{self, H2, fields, frame};

fn reset(stream: u32) -> Vec<u8> {
    frame(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(h2::DATA, flags, stream, payload)
}

/// Two halves of a block of fields.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let whole = block("GET", "/public/x", &[]);
    let (first, second) = whole.split_at(whole.len() / 2);
    (first.to_vec(), second.to_vec())
}

#[test]
fn z_16_sizes_and_padding() {
    let end = |section, what, bytes, code| Case(section, what, bytes, Must::End(code));
    let answer = |section, what, bytes| Case(section, what, bytes, Must::Answer(200));
    let padded = [&[3][..], &block("GET", "/public/x", &[]), &[0; 3]].concat();
    let weighted = [&[0, 0, 0, 9, 15][..], &block("GET", "/public/x", &[])].concat();
    let both = [&[2, 0, 0, 0, 9, 15][..], &block("GET", "/public/x", &[]), &[0; 2]].concat();
    judge(vec![
        answer("4.2", "the largest DATA", then(&[post(1), data(1, h2::END_STREAM, &[b'a'; 16_384])])),
        end(
            "4.2",
            "DATA larger than any",
            then(&[post(1), data(1, h2::END_STREAM, &[b'a'; 16_385])]),
            FRAME_SIZE,
        ),
        end("4.2", "HEADERS larger than any", frame(h2::HEADERS, WHOLE, 1, &[0; 16_385]), FRAME_SIZE),
        end("4.2", "SETTINGS larger than any", frame(h2::SETTINGS, 0, 0, &[0; 16_386]), FRAME_SIZE),
        answer("6.1", "padding", then(&[post(1), data(1, PADDED | h2::END_STREAM, b"\x03abc\0\0\0")])),
        answer(
            "6.1",
            "nothing but padding",
            then(&[post(1), data(1, PADDED | h2::END_STREAM, b"\x03\0\0\0")]),
        ),
        answer("6.1", "flags that mean nothing", then(&[post(1), data(1, 0xf6 | h2::END_STREAM, b"abc")])),
        end(
            "6.1",
            "padding as long as the frame",
            then(&[post(1), data(1, PADDED, b"\x06abcd\0")]),
            PROTOCOL,
        ),
        end("6.1", "padding longer than the frame", then(&[post(1), data(1, PADDED, b"\xffabcd")]), PROTOCOL),
        answer("6.2", "padded fields", frame(h2::HEADERS, WHOLE | PADDED, 1, &padded)),
        answer("6.2", "fields with a priority", frame(h2::HEADERS, WHOLE | PRIORITISED, 1, &weighted)),
        answer("6.2", "fields with both", frame(h2::HEADERS, WHOLE | PRIORITISED | PADDED, 1, &both)),
        end(
            "6.2",
            "padding that is not there",
            frame(h2::HEADERS, WHOLE | PADDED, 1, &[200, 0x82]),
            PROTOCOL,
        ),
        end("6.3", "a PRIORITY on stream 0", frame(h2::PRIORITY, 0, 0, &[0, 0, 0, 1, 9]), PROTOCOL),
        answer(
            "6.3",
            "a PRIORITY before its stream",
            then(&[frame(h2::PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), get(1, "/public/x")]),
        ),
        answer(
            "5.3",
            "a PRIORITY on another stream",
            then(&[frame(h2::PRIORITY, 0, 77, &[0, 0, 0, 1, 9]), get(1, "/public/x")]),
        ),
        end(
            "6.4",
            "a RST_STREAM of three bytes",
            then(&[post(1), frame(h2::RST_STREAM, 0, 1, &[0; 3])]),
            FRAME_SIZE,
        ),
        end("6.4", "a RST_STREAM on stream 0", reset(0), PROTOCOL),
        end("6.1", "DATA on stream 0", data(0, 0, b"a"), PROTOCOL),
        end(
            "6.2",
            "HEADERS on stream 0",
            frame(h2::HEADERS, WHOLE, 0, &block("GET", "/public/x", &[])),
            PROTOCOL,
        ),
        Case(
            "6.9",
            "a growth of nothing",
            then(&[post(1), frame(h2::WINDOW_UPDATE, 0, 1, &[0; 4])]),
            Must::Refuse(PROTOCOL),
        ),
        Case(
            "6.9.1",
            "a window beyond 2^31 - 1",
            then(&[post(1), frame(h2::WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())]),
            Must::Refuse(FLOW_CONTROL),
        ),
    ]);
}

#[test]
fn z_16_blocks_of_fields_come_in_one_piece() {
    let (first, second) = halves();
    let begun = || frame(h2::HEADERS, h2::END_STREAM, 1, &first);
    let rest = |stream| frame(h2::CONTINUATION, h2::END_HEADERS, stream, &second);
    let end = |section, what, bytes| Case(section, what, bytes, Must::End(PROTOCOL));
    let one_by_one: Vec<Vec<u8>> =
        second.chunks(20).map(|piece| frame(h2::CONTINUATION, 0, 1, piece)).collect();
    let last = frame(h2::CONTINUATION, h2::END_HEADERS, 1, &[]);
    judge(vec![
        Case("6.10", "two pieces", then(&[begun(), rest(1)]), Must::Answer(200)),
        Case("6.10", "several pieces", then(&[begun(), one_by_one.concat(), last]), Must::Answer(200)),
        end(
            "4.3",
            "a PRIORITY in between",
            then(&[begun(), frame(h2::PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), rest(1)]),
        ),
        end("4.3", "DATA in between", then(&[begun(), data(1, 0, b"a"), rest(1)])),
        end("4.3", "a PING in between", then(&[begun(), frame(h2::PING, 0, 0, &[0; 8]), rest(1)])),
        end("4.3", "an unknown frame in between", then(&[begun(), frame(0x16, 0, 1, &[0; 8]), rest(1)])),
        end("4.3", "another stream in between", then(&[begun(), get(3, "/public/x"), rest(1)])),
        end("6.10", "the rest on another stream", then(&[begun(), rest(3)])),
        end("6.10", "the rest on stream 0", then(&[begun(), rest(0)])),
        end("6.10", "a rest of nothing", rest(1)),
        end("6.10", "a rest of what was whole", then(&[get(1, "/public/x"), rest(1)])),
        end("6.10", "a rest behind DATA", then(&[post(1), data(1, 0, b"a"), rest(1)])),
    ]);
}

#[test]
fn z_16_states_of_streams() {
    let end = |section, what, bytes, code| Case(section, what, bytes, Must::End(code));
    let request = || get(1, "/public/x");
    judge(vec![
        end("5.1", "DATA on an idle stream", data(1, 0, b"a"), PROTOCOL),
        end("5.1", "a reset of an idle stream", reset(1), PROTOCOL),
        end("5.1", "a window of an idle stream", frame(h2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), PROTOCOL),
        Case("5.1", "DATA behind the end", then(&[request(), data(1, 0, b"a")]), Must::Refuse(STREAM_CLOSED)),
        Case("5.1", "fields behind the end", then(&[request(), request()]), Must::Refuse(STREAM_CLOSED)),
        Case(
            "5.1",
            "DATA on a stream that was reset",
            then(&[post(1), reset(1), data(1, 0, b"a")]),
            Must::Refuse(STREAM_CLOSED),
        ),
        Case(
            "5.1",
            "fields on a stream that was reset",
            then(&[post(1), reset(1), post(1)]),
            Must::Refuse(STREAM_CLOSED),
        ),
        Case(
            "5.1",
            "a window and a priority behind the end",
            then(&[
                request(),
                frame(h2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
                frame(h2::PRIORITY, 0, 1, &[0, 0, 0, 0, 9]),
            ]),
            Must::Answer(200),
        ),
        end("5.1.1", "a stream of ours", get(2, "/public/x"), PROTOCOL),
        end("5.1.1", "a stream before the last", then(&[get(5, "/public/x"), get(3, "/public/x")]), PROTOCOL),
        Case(
            "5.1.1",
            "streams that are left out",
            then(&[get(1, "/public/x"), get(101, "/public/x")]),
            Must::Answer(200),
        ),
    ]);
}

/// Section 5.1.2: as many streams as were said to be allowed, and not one more.
#[test]
fn z_16_a_stream_too_many_is_refused() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    let mut allowed = None;
    while allowed.is_none() {
        let (kind, flags, _, payload) = connection.next_frame().expect("SETTINGS");
        if kind == h2::SETTINGS && flags & h2::ACK == 0 {
            let settings = payload.chunks(6).filter(|s| s[..2] == [0, 3]);
            allowed = settings.map(|s| u32::from_be_bytes([s[2], s[3], s[4], s[5]])).next_back();
        }
    }
    let allowed = allowed.expect("it is said");
    assert_eq!(allowed, 100);
    let mut post = fields("/public/x", &[]);
    post[0].1 = b"POST";
    let open: Vec<u32> = (0..allowed).map(|_| connection.open(&post, false)).collect();
    let extra = connection.open(&post, false);
    assert_eq!(connection.end_of(extra), h2::End::Reset(REFUSED));
    // When others have ended there is room again.
    for stream in &open {
        connection.data(*stream, b"a", true);
    }
    connection.ends_of(&open);
    let next = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(next).status(), Some(200));
    app.settle();
}
