//! Readings of the upstream's bytes by parsers that nobody here wrote (INV-1): h11, and the server of Python's standard
//! library with Werkzeug's chunks. One process reads all connections of a test at its end.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/count_requests.py");

/// How many requests each outside parser finds on each connection: by name, connection by connection.
///
/// Panics where Python or its packages are missing: a judge that stays away must not look like an acquittal.
pub fn count(wires: &[Vec<u8>]) -> Vec<(String, Vec<Result<usize, String>>)> {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let encoded: Vec<String> = wires.iter().map(|bytes| STANDARD.encode(bytes)).collect();
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3, or STAGEDOOR_TEST_PYTHON");
    let input = serde_json::to_vec(&encoded).expect("JSON");
    child.stdin.take().expect("piped").write_all(&input).expect("the judges read");
    let output = child.wait_with_output().expect("the judges end");
    assert!(
        output.status.success(),
        "the interpreter needs the packages of tests/python/requirements.txt; set STAGEDOOR_TEST_PYTHON: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let said = said.as_object().expect("by name");
    assert!(!said.is_empty(), "no judge");
    let one = |v: &serde_json::Value| match v.as_u64() {
        Some(n) => Ok(usize::try_from(n).expect("small")),
        None => Err(v.as_str().unwrap_or("?").to_owned()),
    };
    said.iter()
        .map(|(name, counts)| (name.clone(), counts.as_array().expect("a list").iter().map(one).collect()))
        .collect()
}

#[test]
fn the_outsiders_can_disagree() {
    let plain = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let both = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n".to_vec();
    let short = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nshort".to_vec();
    let judged = count(&[plain, both, short, Vec::new()]);
    assert_eq!(judged.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["h11", "http.server"]);
    for (name, counts) in &judged {
        assert_eq!(counts[0], Ok(2), "{name}");
        assert!(counts[2].is_err(), "{name}");
        assert_eq!(counts[3], Ok(0), "{name}");
    }
    assert_ne!(judged[0].1[1], judged[1].1[1], "one of them goes by the length");
}
