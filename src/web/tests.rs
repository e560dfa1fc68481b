//! Tests of the whole router: what each door answers before and around the use cases.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use tower::ServiceExt;

use super::test_support::{RIGHT, anonymous, client, mia, signed_in, state};
use super::*;
use crate::gate::CrossSite;

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

async fn send(state: WebState, request: Request<Body>) -> Answer {
    let response = router(state).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(state(), anonymous(method, path, headers, body)).await
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

#[tokio::test]
async fn every_path_answers_with_and_without_the_final_slash() {
    for route in routes::ALL {
        let path = format!("/auth{route}").replace("{uid}", "u").replace("{token}", "t");
        let file = if *route == routes::DOCS_FILE { "swagger-ui.css" } else { assets::names().css };
        let path = path.replace("{file}", file);
        let bare = path.trim_end_matches('/');
        for path in [bare.to_owned(), format!("{bare}/")] {
            let answer = ask("GET", &path, &[], "").await;
            assert_ne!(answer.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn c_13_wrong_paths_and_methods_are_problems_or_pages() {
    let json = ask("GET", "/auth/nothing/", &[], "").await;
    assert_eq!(
        (json.status, json.json()["type"].as_str().unwrap()),
        (404, "urn:stagedoor:problem:not-found")
    );
    let page = ask("GET", "/auth/nothing/", &[HTML], "").await;
    assert_eq!(page.status, 404);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    for (method, path, allow) in [
        ("GET", "/auth/token/", "POST"),
        ("DELETE", "/auth/me/", "GET,HEAD"),
        ("PUT", "/auth/register/", "GET"),
        ("TRACE", "/auth/login", "POST"),
    ] {
        let answer = ask(method, path, &[], "").await;
        assert_eq!((answer.status, answer.json()["status"].as_u64()), (405, Some(405)), "{path}");
        assert!(answer.headers["allow"].to_str().unwrap().contains(allow), "{path} {:?}", answer.headers);
    }
}

#[tokio::test]
async fn c_08_every_answer_carries_the_headers() {
    for (method, path) in [
        ("GET", "/auth/login/"),
        ("GET", "/auth/me/"),
        ("GET", "/auth/nothing"),
        ("PUT", "/auth/me/"),
        ("POST", "/auth/token/"),
        ("GET", "/auth/.well-known/jwks.json"),
    ] {
        let h = ask(method, path, &[], "").await.headers;
        assert_eq!(h["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(h["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(h["x-frame-options"], "DENY", "{path}");
        assert_eq!(h["content-security-policy"], headers::CSP, "{path}");
        assert!(h.contains_key("strict-transport-security"), "{path}");
        let cache = if path.contains("jwks") { "public, max-age=300" } else { "no-store" };
        assert_eq!(h["cache-control"], cache, "{path}");
        assert!(!h.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn c_06_cross_site_requests_are_refused() {
    let cookie = ("cookie", "__Host-stagedoor_refresh=x");
    for (headers, body, from, status) in [
        (vec![FORM], "email=a&password=b", CrossSite::Cross, 403),
        (vec![JSON, cookie], "{}", CrossSite::Cross, 403),
        (vec![JSON, cookie], "{}", CrossSite::Unknown, 403),
        (vec![("content-type", "text/plain"), cookie], "{}", CrossSite::Cross, 403),
        (vec![JSON], "{}", CrossSite::Cross, 422),
        (vec![JSON, cookie], "{}", CrossSite::Same, 422),
        (vec![("content-type", "text/plain")], "{}", CrossSite::Cross, 403),
        (vec![("content-type", "text/plain")], "{}", CrossSite::Unknown, 415),
    ] {
        let mut request = anonymous("POST", "/auth/token/", &headers, body);
        request.extensions_mut().insert(ClientInfo { cross_site: from, ..client() });
        assert_eq!(send(state(), request).await.status, status, "{headers:?} {from:?}");
    }
}

#[tokio::test]
async fn l_19_cookies_are_not_set_for_another_site() {
    let body = r#"{"email":"a@b.de","password":"x","session":"cookie"}"#;
    let mut request = anonymous("POST", "/auth/token/", &[JSON], body);
    request.extensions_mut().insert(ClientInfo { cross_site: CrossSite::Cross, ..client() });
    assert_eq!(send(state(), request).await.status, 403);
}

#[tokio::test]
async fn a_front_that_says_nothing_is_not_served() {
    let request = Request::post("/auth/logout/").body(Body::empty()).unwrap();
    assert_eq!(send(state(), request).await.status, 500);
}

#[tokio::test]
async fn l_12_l_14_bodies_are_read_strictly_at_every_path() {
    for path in ["/auth/token/", "/auth/register/", "/auth/verify-email/code/", "/auth/resend-verification/"]
    {
        for (content_type, body, status) in [
            ("application/json", r#"{"email":["v@x","a@x"]}"#, 400),
            ("application/json", r#"{"email":"a@x","email":"b@x"}"#, 400),
            ("application/json", r#"{"email":"a@x","is_admin":true}"#, 400),
            ("application/json; charset=utf-16", "{}", 415),
            ("text/plain", "{}", 415),
        ] {
            let answer = ask("POST", path, &[("content-type", content_type)], body).await;
            assert_eq!(answer.status, status, "{path} {content_type} {body}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
        let long = format!("{{\"email\":\"{}\"}}", "a".repeat(20_000));
        assert_eq!(ask("POST", path, &[JSON], &long).await.status, 413, "{path}");
    }
}

#[tokio::test]
async fn me_tells_who_is_asking() {
    let nobody = ask("GET", "/auth/me/", &[], "").await;
    assert_eq!((nobody.status, nobody.headers.contains_key("www-authenticate")), (401, true));
    let mia = send(state(), signed_in("GET", "/auth/me/", &[], "")).await;
    assert_eq!(mia.status, 200);
    for key in ["id", "email", "name", "roles", "permissions", "session", "auth_time", "amr"] {
        assert!(!mia.json()[key].is_null(), "{key}");
    }
}

#[tokio::test]
async fn c_12_sign_out_works_for_everyone_and_clears_everything() {
    for request in [
        anonymous("POST", "/auth/logout/", &[], ""),
        signed_in("POST", "/auth/logout", &[JSON], "{\"all\":true}"),
    ] {
        let answer = send(state(), request).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.headers["clear-site-data"], "\"cache\", \"storage\"");
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), 2);
        assert!(
            cookies
                .iter()
                .all(|c| c.to_str().unwrap().contains("Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"))
        );
    }
    let form = send(state(), signed_in("POST", "/auth/logout/", &[FORM], "")).await;
    assert_eq!((form.status, form.location()), (303, "/auth/login/?notice=signed-out"));
    assert_eq!(form.headers["clear-site-data"], "\"cache\", \"storage\"");
}

#[tokio::test]
async fn home_and_sign_in_send_people_to_each_other() {
    assert_eq!(ask("GET", "/auth/", &[], "").await.location(), "/auth/login/");
    assert_eq!(send(state(), signed_in("GET", "/auth/login/", &[], "")).await.location(), "/auth/");
    let home = send(state(), signed_in("GET", "/auth", &[], "")).await;
    assert!(home.status == 200 && home.body.contains("Mia"));
}

#[tokio::test]
async fn c_02_only_our_own_targets_reach_the_form() {
    let good = ask("GET", "/auth/login/?next=%2Fevents%2F7%3Fa%3Db&mac=good", &[], "").await;
    assert!(good.body.contains("name=\"next\" value=\"/events/7?a=b\""), "{}", good.body);
    for bad in [
        "next=%2Fevents%2F7&mac=bad",
        "next=%2F%2Fevil&mac=good",
        "next=%2F%5Cevil&mac=good",
        "next=/a&next=/b&mac=good",
    ] {
        let answer = ask("GET", &format!("/auth/login/?{bad}"), &[], "").await;
        assert!(answer.status == 200 && !answer.body.contains("name=\"next\""), "{bad}");
    }
}

#[tokio::test]
async fn c_03_the_query_is_never_shown() {
    let answer =
        ask("GET", "/auth/login/?notice=%3Cscript%3Ealert(1)&next=%3Cscript%3Ealert(1)", &[], "").await;
    assert!(!answer.body.contains("alert(1)"));
    let answer = ask("GET", "/auth/login/?notice=signed-out", &[], "").await;
    assert!(answer.body.contains("You are signed out."));
}

#[tokio::test]
async fn r_10_r_11_wrong_form_fields_come_back_with_the_address_but_not_the_password() {
    let form = "name=&email=mia%40example.org&password=canary-1&password_confirm=canary-2&role=";
    let answer = ask("POST", "/auth/register/", &[FORM], form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(answer.body.contains("value=\"mia@example.org\"") && answer.body.contains("role=\"alert\""));
    assert!(!answer.body.contains("canary"));
}

#[tokio::test]
async fn r_03_a_dead_link_is_a_page_with_a_way_out() {
    let answer = ask("GET", "/auth/verify-email/no/such/", &[HTML], "").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("/auth/check-mail/"));
}

#[tokio::test]
async fn jwks_and_static_files_can_be_kept() {
    let jwks = ask("GET", "/auth/.well-known/jwks.json", &[], "").await;
    assert_eq!(jwks.json(), serde_json::json!({"keys": []}));
    let css = ask("GET", &format!("/auth/static/{}", assets::names().css), &[], "").await;
    assert_eq!(
        (css.status, &css.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );
    assert!(css.headers["cache-control"].to_str().unwrap().contains("immutable"));
}

fn credentials(password: &str, more: &str) -> String {
    format!(r#"{{"email":"mia@example.org","password":"{password}"{more}}}"#)
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect()
}

#[tokio::test]
async fn tokens_are_issued_refreshed_and_reported_in_the_agreed_shape() {
    let state = state();
    mia(&state).await;
    let issued =
        send(state.clone(), anonymous("POST", "/auth/token/", &[JSON], &credentials(RIGHT, ""))).await;
    let body = issued.json();
    assert_eq!(
        (issued.status, body["token_type"].as_str(), body["expires_in"].as_u64()),
        (200, Some("Bearer"), Some(600))
    );
    assert_eq!(body["user"]["roles"], serde_json::json!(["participant"]));
    let cookies = set_cookies(&issued);
    assert!(
        cookies.len() == 1 && cookies[0].starts_with("__Host-stagedoor_device="),
        "no tokens: {cookies:?}"
    );
    let refresh = serde_json::json!({ "refresh": body["refresh"] }).to_string();
    let next = send(state.clone(), anonymous("POST", "/auth/token/refresh/", &[JSON], &refresh)).await;
    assert_eq!(next.status, 200);
    assert!(next.json()["access"].is_string() && next.json()["refresh"] != body["refresh"]);
    for dead in ["{\"refresh\":\"nonsense\"}", "{}", ""] {
        let answer = send(state.clone(), anonymous("POST", "/auth/token/refresh/", &[JSON], dead)).await;
        assert_eq!(answer.status, 401, "{dead}");
    }
}

#[tokio::test]
async fn c_04_a_cookie_session_never_shows_its_tokens() {
    let state = state();
    mia(&state).await;
    let body = credentials(RIGHT, r#","session":"cookie","keep":true"#);
    let issued = send(state.clone(), anonymous("POST", "/auth/token/", &[JSON], &body)).await;
    assert_eq!(issued.status, 200);
    assert!(issued.json().get("access").is_none() && issued.json().get("refresh").is_none());
    let cookies = set_cookies(&issued);
    assert!(
        cookies[0].starts_with("__Host-stagedoor_access=")
            && cookies[1].contains("; Max-Age=43200; HttpOnly")
    );
    assert!(cookies.iter().all(|c| c.len() < 4096), "browsers drop longer ones");
    let value = cookies[1].split(['=', ';']).nth(1).unwrap().to_owned();
    let mut request = anonymous("POST", "/auth/token/refresh/", &[], "");
    let refresh = Some(crate::model::Secret::new(value));
    request.extensions_mut().insert(Presented { refresh, ..Presented::default() });
    let next = send(state, request).await;
    assert_eq!((next.status, set_cookies(&next).len()), (200, 2));
    assert!(next.json().get("refresh").is_none());
}

#[tokio::test]
async fn c_04_a_dead_cookie_session_is_cleared() {
    let mut request = anonymous("POST", "/auth/token/refresh/", &[], "");
    let refresh = Some(crate::model::Secret::new("gone"));
    request.extensions_mut().insert(Presented { refresh, ..Presented::default() });
    let answer = send(state(), request).await;
    assert_eq!(answer.status, 401);
    assert!(set_cookies(&answer).iter().all(|c| c.contains("Max-Age=0")) && set_cookies(&answer).len() == 2);
}

#[tokio::test]
async fn l_11_both_doors_say_the_same_about_locks_and_limits() {
    let state = state();
    mia(&state).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer =
            send(state.clone(), anonymous("POST", "/auth/token/", &[JSON], &credentials("wrong", ""))).await;
        seen.push(answer.status);
    }
    assert_eq!(seen, [401, 401, 401, 423]);
    let form = "email=mia%40example.org&password=Correct-Horse-7";
    let page = send(state.clone(), anonymous("POST", "/auth/login/", &[FORM], form)).await;
    assert_eq!(page.status, 423, "also with the right password");
    assert!(page.body.contains("locked for a while") && page.body.contains("value=\"mia@example.org\""));
    let limited = send(state, anonymous("POST", "/auth/login/", &[FORM], form)).await;
    assert_eq!(limited.status, 429);
    assert!(limited.headers.contains_key("retry-after") && limited.headers.contains_key("ratelimit"));
}

#[tokio::test]
async fn c_01_after_signing_in_people_go_where_they_were_sent_from() {
    let state = state();
    mia(&state).await;
    for (target, to) in [
        ("&next=%2Fevents%2F7&mac=good", "/events/7"),
        ("&next=%2Fevents%2F7&mac=bad", "/auth/"),
        ("", "/auth/"),
    ] {
        let form = format!("email=mia%40example.org&password={RIGHT}{target}");
        let answer = send(state.clone(), anonymous("POST", "/auth/login/", &[FORM], &form)).await;
        assert_eq!((answer.status, answer.location(), set_cookies(&answer).len()), (303, to, 3));
    }
}

#[tokio::test]
async fn registration_answers_at_both_doors() {
    let state = state();
    let json = r#"{"name":"Ida","email":"ida@example.org","password":"Correct-Horse-7","password_confirm":"Correct-Horse-7"}"#;
    let api = send(state.clone(), anonymous("POST", "/auth/register/", &[JSON], json)).await;
    assert_eq!(api.status, 202);
    assert!(api.json()["detail"].is_string());
    let form = "name=Ole&email=ole%40example.org&password=Correct-Horse-7&password_confirm=Correct-Horse-7&role=organizer";
    let page = send(state.clone(), anonymous("POST", "/auth/register/", &[FORM], form)).await;
    assert_eq!((page.status, page.location()), (303, "/auth/check-mail/?notice=registered"));
    assert!(set_cookies(&page)[0].starts_with("__Secure-stagedoor_mail=ole%40example%2Eorg; Path=/auth/;"));
    let bad = send(state.clone(), anonymous("POST", "/auth/register/", &[JSON], "{}")).await;
    assert_eq!(bad.status, 422);
    assert!(
        bad.json()["errors"]["email"].is_array() && bad.json()["errors"]["password"].is_array(),
        "{}",
        bad.body
    );
    let code = send(
        state,
        anonymous("POST", "/auth/verify-email/code/", &[FORM], "email=ole%40example.org&code=000000"),
    )
    .await;
    assert_eq!(code.status, 400);
    assert!(code.body.contains("role=\"alert\""));
}
