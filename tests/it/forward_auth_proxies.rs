//! Forward-auth with a real nginx and a real Caddy in front, set up as docs/forward-auth.md says.

use std::net::SocketAddr;

use serde_json::json;

use crate::flows_process::Ports;
use crate::forward_auth::{HOST, PAGE, about, outside};
use crate::support::{Answer, Browser, FrontProxy, Person, RawClient, TestApp, Upstream, get, request};

/// A proxy, the gateway and an application that echoes.
struct Stage {
    proxy: FrontProxy,
    app: TestApp,
    application: Upstream,
}

impl Stage {
    fn all() -> [Self; 2] {
        [Self::behind(FrontProxy::nginx), Self::behind(FrontProxy::caddy)]
    }

    fn behind(start: fn(Ports, &str, SocketAddr, SocketAddr) -> FrontProxy) -> Self {
        let ports = Ports::lease(1);
        let url = format!("http://{HOST}:{}", ports.first);
        let app = TestApp::with(|setup| {
            outside(setup);
            let url = url.clone();
            setup.tweak(move |settings| {
                settings.gate.public_url.clone_from(&url);
                settings.web.public_url = url;
            });
        });
        let application = Upstream::start();
        let proxy = start(ports, HOST, app.address(), application.address());
        Self { proxy, app, application }
    }

    fn ask(&self, bytes: &[u8]) -> Answer {
        let port = self.proxy.address().port();
        let text = String::from_utf8(bytes.to_vec())
            .unwrap()
            .replace("Host: localhost", &format!("Host: {HOST}:{port}"));
        let mut client = RawClient::connect(self.proxy.address());
        client.send(text);
        client.answer().expect("an answer")
    }

    /// The fields of identity at the application, all of them.
    fn seen(&self) -> Vec<(String, String)> {
        let last = self.application.last();
        let fields = last.fields.iter().filter(|(n, _)| n.replace(['_', '.'], "-").starts_with("x-auth-"));
        fields.map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into_owned())).collect()
    }
}

#[test]
fn i_01_i_02_proxies_hand_on_who_asks_and_nothing_else() {
    Stage::all().iter().for_each(hands_on_who_asks);
}

fn hands_on_who_asks(stage: &Stage) {
    let user = stage.app.person("user");
    let spoof = "X-Auth-User-Id: 1\r\nX-Auth-Roles: admin\r\nx-auth-roles: admin\r\nX_Auth_Roles: admin\r\n\
        X-Auth-Assertion: a.b.c\r\nX.Auth.Roles: admin\r\n";
    assert_eq!(stage.ask(&get("/public/x", spoof)).status, 200);
    assert!(stage.seen().is_empty(), "{:?}", stage.seen());
    let anonymous = stage.application.last();
    assert_eq!((anonymous.field("cookie"), anonymous.field("authorization")), (None, None));
    for credentials in [user.bearer(), user.cookies()] {
        let answer =
            stage.ask(&get("/api/x?q=%2F&a=%61", &format!("{spoof}{credentials}Cookie: theme=dark\r\n")));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = stage.seen();
        assert_eq!(seen.len(), 9, "{seen:?}");
        let roles: Vec<_> = seen.iter().filter(|(n, _)| n == "x-auth-roles").collect();
        assert!(matches!(roles[..], [(_, v)] if v == "user"), "{roles:?}");
        let last = stage.application.last();
        assert_eq!(last.target, "/api/x?q=%2F&a=%61", "as it came");
        assert_eq!(last.field("cookie").as_deref(), Some("theme=dark"));
        assert_eq!(last.field("authorization"), None);
    }
    let body = stage.ask(&request("POST", "/api/x", &user.bearer(), b"a body"));
    assert_eq!((body.status, stage.application.last().body.as_slice()), (200, &b"a body"[..]));
}

#[test]
fn j_19_proxies_let_nobody_through_whom_the_gateway_refuses() {
    Stage::all().iter().for_each(lets_nobody_through);
}

fn lets_nobody_through(stage: &Stage) {
    let user: Person = stage.app.person("user");
    let before = stage.application.count();
    let nobody = stage.ask(&get("/api/x", ""));
    assert_eq!(nobody.status, 401);
    assert_eq!(stage.ask(&get("/api/x", &stage.app.expired(&user).bearer())).status, 401);
    assert_eq!(stage.ask(&get("/admin/x", &user.bearer())).status, 403, "403 stays 403");
    let page = stage.ask(&get("/api/x?y=1", PAGE));
    let location = page.field("location").unwrap().to_owned();
    let origin = format!("http://{HOST}:{}", stage.proxy.address().port());
    assert_eq!(page.status, 302);
    assert!(location.starts_with(&format!("{origin}/auth/login/?next=/api/x%3Fy%3D1&mac=")), "{location}");
    let sign_in = stage.ask(&get(location.strip_prefix(&origin).unwrap(), PAGE));
    assert_eq!(sign_in.status, 200, "and the proxy shows the page");
    assert_eq!(
        stage.ask(&get("/auth/verify", &format!("{}{}", about("GET", "/api/x"), user.bearer()))).status,
        404
    );
    let live = get("/api/x", &user.bearer());
    assert_eq!(stage.application.count(), before);
    assert_eq!(stage.ask(&live).status, 200, "positive control");
    assert_eq!(stage.app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    assert_eq!(stage.ask(&live).status, 401, "revoked");
    assert_eq!(stage.application.count(), before + 1);
}

#[test]
fn p_05_p_12_spellings_through_proxies_reach_no_further_than_through_us() {
    Stage::all().iter().for_each(spellings_reach_no_further);
}

fn spellings_reach_no_further(stage: &Stage) {
    let user = stage.app.person("user");
    let targets = [
        "/admin?x=/public/",
        "/public/../admin/x",
        "/public/./../admin",
        "/public/%2e%2e/admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/api%2fx",
        "/public/..%5cadmin",
        "/public/%00",
        "/public/%0a",
        "/public/%3b/x",
        "/ap%69/x",
        "/%61pi/~",
        "/public../admin",
        "//admin",
        "/admin//x",
        "/public//x",
        "/admin;x=1/y",
        "/public/..;/admin/y",
        "/public;/../admin",
        "/public\\..\\admin",
        "/ADMIN/x",
        "/%41dmin/x",
        "/publicadmin",
        "/public/%252e%252e/admin",
        "/%2561dmin",
        "/public/%c0%ae",
        "/public/%",
        "/public/x",
        "/api/x",
        "/admin/x",
    ];
    for target in targets {
        for credentials in [String::new(), user.bearer()] {
            let before = stage.application.count();
            let there = stage.ask(&get(target, &credentials)).status;
            let here = stage.app.ask(get(target, &credentials)).status;
            let reached = stage.application.count() - before;
            assert_eq!(reached, usize::from(there == 200), "{target}");
            assert!(
                there == here || (there >= 400 && here >= 400),
                "{target}: {there} through the proxy, {here} here"
            );
        }
    }
}

#[test]
fn a_browser_signs_in_through_a_proxy_and_comes_back() {
    Stage::all().iter().for_each(signs_in_and_comes_back);
}

fn signs_in_and_comes_back(stage: &Stage) {
    let user = stage.app.person("user");
    let mut browser = Browser::at(&format!("{HOST}:{}", stage.proxy.address().port()), stage.proxy.address());
    let sent = browser.visit("/api/mine");
    let way = sent.field("location").unwrap().split_once("/auth").unwrap().1.to_owned();
    let value = |name: &str| {
        let pairs = form_urlencoded::parse(way.split_once('?').unwrap().1.as_bytes());
        pairs.filter(|(n, _)| n == name).map(|(_, v)| v.into_owned()).next().unwrap()
    };
    let form = [
        ("email", &*user.email),
        ("password", crate::support::PASSWORD),
        ("next", &*value("next")),
        ("mac", &*value("mac")),
    ];
    let signed_in = browser.post_form("/auth/login/", &form);
    assert_eq!(
        (signed_in.status, signed_in.field("location")),
        (303, Some("/api/mine")),
        "{}",
        signed_in.text()
    );
    assert_eq!(browser.visit("/api/mine").status, 200);
    assert_eq!(stage.application.last().field("x-auth-user-id"), Some(user.id.to_string()));
    // The access cookie ends; the browser follows the detour and never sees a form.
    browser.set_cookie("stagedoor_access", &stage.app.expired(&user).access);
    let detour = browser.visit("/api/mine");
    let resume = format!("/auth{}", detour.field("location").unwrap().split_once("/auth").unwrap().1);
    assert!(detour.status == 302 && resume.starts_with("/auth/resume/"), "{resume}");
    assert_eq!(browser.visit(&resume).field("location"), Some("/api/mine"));
    assert_eq!(browser.visit("/api/mine").status, 200);
}
