//! The canonical form: what is refused and why, what is rewritten, what stays.

use proptest::prelude::*;

use super::*;

fn refused(raw: &str) -> &'static str {
    Policy::read_path(raw).map_or_else(PathRefusal::id, |p| panic!("{raw} was read as {p}"))
}

fn read(raw: &str) -> String {
    Policy::read_path(raw).unwrap_or_else(|r| panic!("{raw}: {r}")).to_string()
}

#[test]
fn every_refusal_has_its_case() {
    let long = "/a".repeat(MAX_PATH);
    let cases = [
        ("/a%2fb", "encoded_slash"),
        ("/a\\b", "backslash"),
        ("/a%00", "control_character"),
        ("/a%", "invalid_escape"),
        ("/a%ff", "invalid_utf8"),
        ("/a/../b", "dot_segment"),
        ("/a//b", "empty_segment"),
        ("/a#b", "fragment"),
        ("http://a/", "not_origin_form"),
        ("/%2561", "double_encoding"),
        ("/a b", "unescaped_character"),
        (&long, "too_long"),
    ];
    for (raw, id) in cases {
        assert_eq!(refused(raw), id, "{raw}");
    }
    let policy = compiled(&sample());
    assert_eq!(get(&policy, "/public/a;b", None), Err("semicolon"));
    // Each id once, and none without a case.
    let mut ids: Vec<&str> = cases.iter().map(|(_, id)| *id).chain(["semicolon"]).collect();
    let mut all: Vec<&str> = PathRefusal::ALL.iter().map(|r| r.id()).collect();
    ids.sort_unstable();
    all.sort_unstable();
    assert_eq!(ids, all);
}

#[test]
fn p_03_raw_fragment() {
    assert_eq!(refused("/admin#/../public/x"), "fragment");
    assert_eq!(refused("/admin/x#/public/y"), "fragment");
}

#[test]
fn p_04_dot_segments_in_any_encoding() {
    for raw in [
        "/public/../admin/x",
        "/public/./../admin",
        "/public/%2e%2e/admin",
        "/public/.%2e/admin",
        "/public/%2E./admin",
        "/.",
        "/..",
        "/a/.",
        "/a/%2e",
        "/a/..%23",
        "/a/.%3Fx/b",
    ] {
        assert_eq!(refused(raw), "dot_segment", "{raw}");
    }
    for raw in ["/...", "/.well-known/x", "/a..b", "/a/..b"] {
        assert_eq!(read(raw), raw);
    }
}

#[test]
fn p_05_encoded_separators() {
    for raw in ["/public/..%2fadmin", "/public/x%2Fy", "/public%2f..%2fadmin", "/api%2fx"] {
        assert_eq!(refused(raw), "encoded_slash", "{raw}");
    }
    for raw in ["/public/x%5cy", "/public/x%5Cy"] {
        assert_eq!(refused(raw), "backslash", "{raw}");
    }
}

#[test]
fn p_06_encoded_control_characters() {
    for value in (0..0x20_u8).chain([0x7f]) {
        assert_eq!(refused(&format!("/%{value:02x}a/b")), "control_character");
        assert_eq!(refused(&format!("/a/b%{value:02X}")), "control_character");
        if value != 0x7f {
            assert_eq!(refused(&format!("/a{}", char::from(value))), "control_character");
        }
    }
    assert_eq!(refused("/a%C2%85"), "control_character");
}

#[test]
fn p_08_p_11_p_30_borders_and_length() {
    for raw in ["//admin/x", "/admin//x", "//", "//auth/login"] {
        assert_eq!(refused(raw), "empty_segment", "{raw}");
    }
    assert_eq!(read("/a/b/"), "/a/b/");
    assert_eq!(refused(&"/..".repeat(8000)), "too_long");
    assert_eq!(refused(&"/a".repeat(8000)), "too_long");
    assert_eq!(refused(&"/..".repeat(2000)), "dot_segment");
    assert_eq!(read(&"/a".repeat(4096)).len(), MAX_PATH);
}

#[test]
fn p_10_p_16_only_origin_form() {
    for raw in
        ["http:http://internal/admin", "http:/admin", "http:///admin", "foo:bar", "admin/x", "", "*", "?a"]
    {
        assert_eq!(refused(raw), "not_origin_form", "{raw}");
    }
}

#[test]
fn p_12_parameters_around_dots() {
    for raw in ["/public/..;/admin/y", "/public/..%3B/admin", "/a/.;x"] {
        assert_eq!(refused(raw), "dot_segment", "{raw}");
    }
    for raw in ["/;x/admin", "/a/;", "/%3Bx/admin"] {
        assert_eq!(refused(raw), "empty_segment", "{raw}");
    }
    assert_eq!(refused("/public;/../admin"), "dot_segment");
    assert!(Policy::read_path("/a;x=1/b").unwrap().has_semicolon());
}

#[test]
fn p_13_backslash() {
    for raw in ["/public\\..\\admin", "/\\admin", "/public/%5c..%5cadmin"] {
        assert_eq!(refused(raw), "backslash", "{raw}");
    }
}

#[test]
fn p_18_double_encoding() {
    for raw in ["/public/%252e%252e/admin", "/%2561dmin", "/%25%36%31", "/a%252Fb", "/%25u002e"] {
        assert_eq!(refused(raw), "double_encoding", "{raw}");
    }
    assert_eq!(read("/100%25/x"), "/100%25/x");
    assert_eq!(read("/100%25%20off"), "/100%25%20off");
}

#[test]
fn p_19_escapes_that_are_none_and_bytes_that_are_no_text() {
    for raw in ["/public/%c0%ae%c0%ae/admin", "/%ff", "/%ed%a0%80", "/%C3", "/%C3%20"] {
        assert_eq!(refused(raw), "invalid_utf8", "{raw}");
    }
    for raw in ["/%", "/%2", "/%zz", "/%u002e", "/a%+1", "/%é"] {
        assert_eq!(refused(raw), "invalid_escape", "{raw}");
    }
}

#[test]
fn p_20_bytes_that_must_be_escaped() {
    for raw in ["/public/x y/admin", "/a\"b", "/a<b>", "/é", "/a|b", "/a^", "/a`", "/{a}", "/[a]", "/a?b"] {
        assert_eq!(refused(raw), "unescaped_character", "{raw}");
    }
    assert_eq!(refused("/a\tb"), "control_character");
}

#[test]
fn p_27_pairs_of_raw_and_normalised() {
    let pairs = [
        ("/%61b", "/ab"),
        ("/a%2db%5F%7e%2E", "/a-b_~."),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/a%2b%2B+", "/a%2B%2B+"),
        ("/%7Euser/%41", "/~user/A"),
        ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="),
        ("/a%20b%3f%23", "/a%20b%3F%23"),
    ];
    for (raw, canonical) in pairs {
        assert_eq!(read(raw), canonical);
        assert_eq!(Policy::read_path(raw).unwrap().is_borrowed(), raw == canonical);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn canonical_form_is_a_fixed_point(raw in properties::nasty_path()) {
        if let Ok(path) = Policy::read_path(&raw) {
            let again = Policy::read_path(path.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), path.as_str());
            prop_assert!(again.is_borrowed());
            let plain = reference::decode(path.as_str().as_bytes());
            prop_assert_eq!(reference::decode(&plain), plain, "decoding twice is decoding once");
            prop_assert_eq!(&again.clone().into_owned(), &path.clone().into_owned());
        }
    }

    #[test]
    fn p_28_any_text_is_read_or_refused(raw in any::<String>(), tail in "[ -~]{0,24}") {
        for raw in [raw.clone(), format!("/{raw}"), format!("/{tail}")] {
            if let Ok(path) = Policy::read_path(&raw) {
                // By hand: every byte is allowed in a path, and decoding gives the same text.
                prop_assert!(path.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b)));
                prop_assert_eq!(reference::decode(path.as_str().as_bytes()), reference::decode(raw.as_bytes()));
            }
        }
    }
}
