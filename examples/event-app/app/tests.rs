//! The app's own logic, with people put where the gate layer would put them.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use stagedoor::gate::Principal;
use stagedoor::model::{AccountId, ManualClock, RoleName, SessionId, Timestamp};
use tower::ServiceExt;

use super::{App, open, router, routes, seed};

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000); // 2030-03-17 17:46 UTC

fn person(n: u8, role: &str, permissions: &[&str]) -> Principal {
    Principal {
        id: AccountId::from_bytes([n; 16]),
        session: SessionId::from_bytes([n; 16]),
        email: format!("person{n}@example.org"),
        email_verified: true,
        name: format!("Person {n}"),
        roles: vec![RoleName::parse(role).unwrap()],
        permissions: permissions.iter().map(ToString::to_string).collect(),
        amr: vec!["pwd".into()],
        auth_time: NOW,
        expires: NOW,
    }
}

fn participant() -> Principal {
    person(1, "participant", &["events.view", "events.register"])
}

fn organizer(n: u8) -> Principal {
    let may = ["events.view", "events.create", "events.edit", "events.delete", "registrations.view"];
    person(n, "organizer", &may)
}

fn admin() -> Principal {
    person(9, "admin", &["*"])
}

struct Site(Router);

struct Answer {
    status: StatusCode,
    location: String,
    kind: String,
    text: String,
}

impl Site {
    fn new() -> Self {
        Self(routes(App::new("/auth/", Arc::new(ManualClock::at(NOW)))))
    }

    async fn send(&self, who: Option<&Principal>, request: http::request::Builder, body: &str) -> Answer {
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().extend(
            who.cloned()
                .map(|p| {
                    let mut all = http::Extensions::new();
                    all.insert(p);
                    all
                })
                .unwrap_or_default(),
        );
        read(self.0.clone().oneshot(request).await.unwrap()).await
    }

    async fn get(&self, who: Option<&Principal>, path: &str) -> Answer {
        self.send(who, Request::get(path).header("accept", "text/html"), "").await
    }

    async fn post(&self, who: Option<&Principal>, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(who, request, form).await
    }

    async fn json(&self, who: &Principal, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("accept", "application/json").header("content-type", "application/json");
        self.send(Some(who), request, body).await
    }
}

async fn read(response: Response<Body>) -> Answer {
    let text =
        |name| response.headers().get(name).map_or_else(String::new, |v| v.to_str().unwrap().to_owned());
    let (status, location, kind) = (response.status(), text(header::LOCATION), text(header::CONTENT_TYPE));
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, location, kind, text: String::from_utf8(body.to_vec()).unwrap() }
}

const FORM: &str =
    "title=Kite+day&place=Long+Beach&starts=2030-05-01T10%3A00&ends=2030-05-01T16%3A00&seats=2&summary=Wind.";
const JSON: &str = r#"{"title":"Kite day","place":"Long Beach","starts":"2030-05-01T10:00",
    "ends":"2030-05-01T16:00","seats":2,"summary":"Wind."}"#;

async fn kite_day(site: &Site, who: &Principal) -> String {
    let made = site.post(Some(who), "/events", FORM).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    made.location.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn strangers_look_around_and_are_asked_to_sign_in() {
    let site = Site::new();
    let front = site.get(None, "/").await;
    assert_eq!(front.status, StatusCode::OK);
    assert!(
        front.text.contains(r#"href="/auth/login/""#) && front.text.contains(r#"href="/auth/register/""#)
    );
    assert!(site.get(None, "/events").await.text.contains("Harbour Strings"));
    for path in ["/dashboard", "/organizer", "/admin", "/users/me", "/events/new", "/events/1/attendees"] {
        let answer = site.get(None, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.text.contains("Please sign in"), "{path}");
    }
    assert_eq!(site.post(None, "/events/1/register", "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_list_puts_the_next_first_and_finds_words() {
    let site = Site::new();
    let all = site.get(None, "/events").await.text;
    let at = |title: &str| all.find(title).unwrap();
    assert!(at("sketch walk") < at("Harbour Strings") && at("lighthouse") < at("Film night"));
    assert!(at("Film night") < at("First aid"), "the latest of what is over first");
    let found = site.get(None, "/events?q=CITY+park").await.text;
    assert!(found.contains("Film night") && !found.contains("Harbour Strings"));
    assert!(site.get(None, "/events?q=%3Cb%3E").await.text.contains("Nothing fits “&#60;b&#62;”"));
}

#[tokio::test]
async fn an_organizer_changes_own_events_and_no_others() {
    let site = Site::new();
    let (own, other) = (organizer(2), organizer(3));
    let path = kite_day(&site, &own).await;
    let edit = format!("{path}/edit");
    assert_eq!(site.get(Some(&own), &edit).await.status, StatusCode::OK);
    for path in [edit.clone(), format!("{path}/attendees")] {
        assert_eq!(site.get(Some(&other), &path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(site.get(Some(&admin()), &path).await.status, StatusCode::OK, "{path}");
    }
    let renamed = FORM.replace("Kite", "Drachen");
    assert_eq!(site.post(Some(&other), &edit, &renamed).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.json(&other, Method::PUT, &path, JSON).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.json(&other, Method::DELETE, &path, "").await.status, StatusCode::FORBIDDEN);
    assert!(site.get(None, &path).await.text.contains("Kite day"));
    assert_eq!(site.post(Some(&own), &edit, &renamed).await.location, format!("{path}?done=saved"));
    assert!(site.get(None, &path).await.text.contains("Drachen day"));
    let gone = format!("{path}/delete");
    assert_eq!(site.post(Some(&other), &gone, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.post(Some(&own), &gone, "").await.location, "/events?done=deleted");
    assert_eq!(site.get(Some(&own), &path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_participant_creates_nothing() {
    let site = Site::new();
    assert_eq!(site.get(Some(&participant()), "/events/new").await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.post(Some(&participant()), "/events", FORM).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn seats_are_taken_once_given_back_and_run_out() {
    let site = Site::new();
    let path = kite_day(&site, &organizer(2)).await;
    let (take, give) = (format!("{path}/register"), format!("{path}/unregister"));
    let guest = |n| person(n, "participant", &["events.register"]);
    for _ in 0..2 {
        let taken = site.post(Some(&guest(20)), &take, "").await;
        assert_eq!(taken.location, format!("{path}?done=registered"));
    }
    assert!(site.get(None, &path).await.text.contains("1 of 2 taken"));
    assert_eq!(site.post(Some(&guest(21)), &take, "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.post(Some(&guest(22)), &take, "").await.status, StatusCode::CONFLICT);
    assert_eq!(site.post(Some(&guest(20)), &give, "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.post(Some(&guest(22)), &take, "").await.status, StatusCode::SEE_OTHER);
    let list = site.get(Some(&organizer(2)), &format!("{path}/attendees")).await.text;
    assert!(list.contains("Person 21") && list.contains("Person 22") && !list.contains("Person 20"));
    assert_eq!(site.post(Some(&organizer(2)), &take, "").await.status, StatusCode::FORBIDDEN);
    assert!(site.get(Some(&guest(22)), "/dashboard").await.text.contains("Kite day"));
    let over = site.post(Some(&guest(22)), "/events/8/register", "").await;
    assert_eq!(over.status, StatusCode::CONFLICT, "the film night is over");
}

#[tokio::test]
async fn complaints_stand_beside_the_fields_and_the_input_stays() {
    let site = Site::new();
    let bad = "title=+x+&place=&starts=2030-05-01T10%3A00&ends=2030-05-01T09%3A00&seats=0&summary=%3Ci%3E";
    let answer = site.post(Some(&organizer(2)), "/events", bad).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["title", "place", "ends", "seats"] {
        assert!(answer.text.contains(&format!(r#"id="{field}-error""#)), "{field}");
    }
    assert!(!answer.text.contains(r#"id="starts-error""#));
    assert!(answer.text.contains("&#60;i&#62;</textarea>"));
    let past = FORM.replace("2030-05-01", "2029-05-01");
    assert!(site.post(Some(&organizer(2)), "/events", &past).await.text.contains("still to come"));
    let strange = site.post(Some(&organizer(2)), "/events", &format!("{FORM}&id=7")).await;
    assert_eq!(strange.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn nobody_loses_a_seat_when_an_event_is_made_smaller() {
    let site = Site::new();
    let path = kite_day(&site, &organizer(2)).await;
    for n in [20, 21] {
        site.post(Some(&person(n, "participant", &["events.register"])), &format!("{path}/register"), "")
            .await;
    }
    let small = FORM.replace("seats=2", "seats=1");
    let answer = site.post(Some(&organizer(2)), &format!("{path}/edit"), &small).await;
    assert!(answer.text.contains("2 people have a seat already."));
}

#[tokio::test]
async fn api_clients_create_replace_read_and_delete() {
    let site = Site::new();
    let who = organizer(2);
    let made = site.json(&who, Method::POST, "/events", JSON).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let path = made.location;
    let put = site.json(&who, Method::PUT, &path, &JSON.replace("Kite", "Boat")).await;
    assert_eq!(put.status, StatusCode::OK);
    let event: serde_json::Value = serde_json::from_str(&put.text).unwrap();
    assert_eq!((&event["title"], &event["starts"]), (&"Boat day".into(), &"2030-05-01T10:00:00".into()));
    let list = site.json(&who, Method::GET, "/events?q=boat+day", "").await;
    let list: serde_json::Value = serde_json::from_str(&list.text).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let bad = site.json(&who, Method::PUT, &path, &JSON.replace("\"seats\":2", "\"seats\":0")).await;
    assert_eq!((bad.status, &*bad.kind), (StatusCode::UNPROCESSABLE_ENTITY, "application/problem+json"));
    let bad: serde_json::Value = serde_json::from_str(&bad.text).unwrap();
    assert!(bad["errors"]["seats"][0].is_string());
    assert_eq!(site.json(&who, Method::POST, "/events", "{").await.status, StatusCode::BAD_REQUEST);
    let long = JSON.replace("Wind.", &"w".repeat(20_000));
    assert_eq!(site.json(&who, Method::POST, "/events", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(site.json(&who, Method::DELETE, &path, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(site.json(&who, Method::GET, &path, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_depend_on_the_role() {
    let site = Site::new();
    let (guest, host, boss) = (participant(), organizer(2), admin());
    assert!(site.get(Some(&guest), "/dashboard").await.text.contains("My registrations"));
    let dashboard = site.get(Some(&host), "/dashboard").await.text;
    assert!(dashboard.contains("My events") && !dashboard.contains("All events"));
    assert!(site.get(Some(&boss), "/dashboard").await.text.contains("All events"));
    let allowed = [("/organizer", [403, 200, 200]), ("/admin", [403, 403, 200]), ("/users/me", [200; 3])];
    for (path, wanted) in allowed {
        for (who, status) in [&guest, &host, &boss].into_iter().zip(wanted) {
            assert_eq!(site.get(Some(who), path).await.status, status, "{path} {}", who.name);
        }
    }
}

#[tokio::test]
async fn a_persons_page_is_their_own() {
    let site = Site::new();
    let (me, other) = (participant(), person(5, "participant", &[]));
    let path = format!("/users/{}", me.id);
    assert!(site.get(Some(&me), &path).await.text.contains("person1@example.org"));
    assert_eq!(site.get(Some(&other), &path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.get(Some(&other), "/users/nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let site = Site::new();
    let mut who = organizer(2);
    who.name = "<script>alert(1)</script>\"'&".into();
    let path = kite_day(&site, &who).await;
    for path in ["/", "/dashboard", "/users/me", &path] {
        let text = site.get(Some(&who), path).await.text;
        assert!(!text.contains("<script") && text.contains("&#60;script&#62;"), "{path}");
    }
}

#[tokio::test]
async fn an_old_event_belongs_to_the_proved_address_only() {
    let site = Site::new();
    let mut who = organizer(2);
    who.email = seed::ORGANIZER_EMAIL.into();
    assert_eq!(site.get(Some(&who), "/events/1/edit").await.status, StatusCode::OK);
    who.email_verified = false;
    assert_eq!(site.get(Some(&who), "/events/1/edit").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let site = Site::new();
    let request = || Request::post("/events/1/register").header("accept", "text/html");
    for from in ["cross-site", "same-site"] {
        let answer = site.send(Some(&participant()), request().header("sec-fetch-site", from), "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from}");
    }
    let own = site.send(Some(&participant()), request().header("sec-fetch-site", "same-origin"), "").await;
    assert_eq!(own.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn unknown_pages_and_methods_say_so() {
    let site = Site::new();
    assert!(site.get(None, "/nowhere").await.text.contains("There is nothing here"));
    for id in ["0", "999", "x", "-1", "99999999999999999999"] {
        assert_eq!(site.get(None, &format!("/events/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
    }
    let patch = site.json(&admin(), Method::PATCH, "/events/1", "{}").await;
    assert_eq!(patch.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(patch.kind, "application/problem+json");
}

#[tokio::test]
async fn the_whole_app_trusts_no_plain_header_and_serves_its_assets() {
    let app = router("http://127.0.0.1:9/jwks.json", "events", "/auth").unwrap();
    let ask = |path: &str, name: &'static str| {
        app.clone().oneshot(Request::get(path).header(name, "admin").body(Body::empty()).unwrap())
    };
    let spoofed = ask("/admin", "x-auth-roles").await.unwrap();
    assert_eq!(spoofed.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(spoofed.headers()[header::CONTENT_TYPE], "application/problem+json");
    let page = ask("/", "x-other").await.unwrap();
    assert!(page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'"));
    assert_eq!(ask("/healthz", "x-other").await.unwrap().status(), StatusCode::OK);
    let css =
        read(open().oneshot(Request::get("/assets/events.css").body(Body::empty()).unwrap()).await.unwrap());
    assert!(css.await.kind.starts_with("text/css"));
}
