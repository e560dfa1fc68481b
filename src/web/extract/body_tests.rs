//! Tests of the body readers.

use axum::body::Body;
use axum::extract::OptionalFromRequest;
use axum::http::StatusCode;

use super::*;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Typed {
    email: String,
    password: Hidden,
    keep: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct TypedForm {
    email: String,
}

fn request(content_type: &str, body: impl Into<Body>) -> Request {
    Request::post("/").header(CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

async fn json(content_type: &str, body: impl Into<Body>) -> Result<Typed, Problem> {
    let request = request(content_type, body);
    <Json<Typed> as FromRequest<()>>::from_request(request, &()).await.map(|j| j.0)
}

async fn status(content_type: &str, body: impl Into<Body>) -> StatusCode {
    json(content_type, body).await.map_or_else(|p| p.status, |_| StatusCode::OK)
}

#[tokio::test]
async fn a_good_body_is_read() {
    let t = json("application/json", r#"{"email":"a@b.de","password":"x","keep":true}"#).await.ok().unwrap();
    assert_eq!((t.email.as_str(), t.password.0.expose(), t.keep), ("a@b.de", "x", true));
    assert!(json("Application/JSON; charset=\"UTF-8\"", "{}").await.is_ok());
}

#[tokio::test]
async fn l_12_only_plain_texts_in_their_fields() {
    for body in [
        r#"{"email":["v@x","a@x"]}"#,
        r#"{"email":{"$ne":1}}"#,
        r#"{"email":"a","email":"b"}"#,
        r#"{"password":null}"#,
        r#"{"password":true}"#,
        r#"{"password":[]}"#,
        r#"{"password":1}"#,
        "[]",
        " [\"a@b.de\",\"x\",true]",
        "null",
        "",
        "{",
        "{} {}",
        "\u{feff}{}",
        r#"{"email":"\ud800"}"#,
    ] {
        assert_eq!(status("application/json", body).await, 400, "{body}");
    }
    assert_eq!(status("application/json", vec![b'"', 0xff, b'"']).await, 400);
    assert_eq!(status("application/json", "[".repeat(10_000)).await, 400);
}

#[tokio::test]
async fn l_12_only_json_in_utf_8() {
    for kind in [
        "application/json; charset=utf-16",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json, text/plain",
        "application/jsonx",
        "",
        "application/json; a=b",
    ] {
        assert_eq!(status(kind, "{}").await, 415, "{kind}");
    }
    let mut twice = request("application/json", "{}");
    twice.headers_mut().append(CONTENT_TYPE, "text/plain".parse().unwrap());
    let refused = <Json<Typed> as FromRequest<()>>::from_request(twice, &()).await;
    assert_eq!(refused.err().unwrap().status, 415);
}

#[tokio::test]
async fn l_14_unknown_fields_are_refused() {
    for field in
        ["role", "roles", "is_admin", "email_verified", "id", "tenant", "password_hash", "created_at"]
    {
        let body = format!(r#"{{"email":"a@b.de","{field}":"x"}}"#);
        assert_eq!(status("application/json", body).await, 400, "{field}");
    }
}

#[tokio::test]
async fn inv_4_refusals_do_not_repeat_values() {
    let p = json("application/json", r#"{"keep":"canary-password"}"#).await.err().unwrap();
    assert!(!p.detail.contains("canary"), "{}", p.detail);
}

#[tokio::test]
async fn d_08_long_and_packed_bodies_are_refused() {
    let fits = format!(r#"{{"email":"{}"}}"#, "a".repeat(MAX_BODY - 12));
    assert_eq!(fits.len(), MAX_BODY);
    assert_eq!(status("application/json", fits.clone()).await, 200);
    assert_eq!(status("application/json", fits + " ").await, 413);
    let mut packed = request("application/json", "{}");
    packed.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    let refused = <Json<Typed> as FromRequest<()>>::from_request(packed, &()).await;
    assert_eq!(refused.err().unwrap().status, 415);
}

#[tokio::test]
async fn an_optional_body_may_be_missing_but_not_wrong() {
    let read = async |kind: &str, body: &'static str| {
        <Json<Typed> as OptionalFromRequest<()>>::from_request(request(kind, body), &()).await
    };
    assert!(matches!(read("text/plain", "").await, Ok(None)));
    assert!(matches!(read("application/json", "{}").await, Ok(Some(_))));
    assert_eq!(read("text/plain", "{}").await.err().unwrap().status, 415);
    assert_eq!(read("application/json", "{").await.err().unwrap().status, 400);
}

#[tokio::test]
async fn l_12_forms_are_read_as_strictly() {
    let read = async |body: &'static str| {
        let request = request("application/x-www-form-urlencoded", body);
        <Form<TypedForm> as FromRequest<()>>::from_request(request, &()).await.map(|f| f.0.email)
    };
    assert_eq!(read("email=a%40b.de").await.ok().unwrap(), "a@b.de");
    assert_eq!(read("").await.ok().unwrap(), "");
    for bad in ["email=a&email=b", "email[]=a", "email=a&is_admin=1", "email=%ff"] {
        assert_eq!(read(bad).await.err().unwrap().status, 400, "{bad}");
    }
}
