//! Tests of the operators' listener over its router.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use tower::ServiceExt;

use super::*;

struct OneMail;

impl Mailbox for OneMail {
    fn list(&self) -> Vec<MailSummary> {
        vec![self.get("m-1").unwrap().summary]
    }

    fn get(&self, id: &str) -> Option<MailView> {
        let summary = MailSummary {
            id: "m-1".into(),
            to: "mia@example.org".into(),
            subject: "<b>Confirm</b>".into(),
            at: "2026-11-21T05:44:19Z".into(),
        };
        let text = "Hello,\nopen http://localhost:8080/auth/x/ now\n<script>".to_owned();
        let html = Some("<p>Hello <script>alert(1)</script></p>".to_owned());
        (id == "m-1").then(|| MailView { summary, from: "Events <no-reply@x.y>".into(), text, html })
    }
}

fn state() -> AdminState {
    AdminState {
        settings: Arc::new(Settings {
            public_url: "http://localhost:8080".into(),
            auth_prefix: String::new(),
            brand: "Events".into(),
            home_links: vec![],
        }),
        listen: "127.0.0.1:9090".parse().unwrap(),
        hosts: vec!["stagedoor".into()],
        mailbox: Some(Arc::new(OneMail)),
        metrics: Arc::new(|| "up 1\n".into()),
        ready: Arc::new(|| Ok(())),
        accounts_ready: Arc::new(|| Err("the store does not answer".into())),
        reload: Arc::new(|| Ok("reloaded".into())),
    }
}

async fn ask(
    state: AdminState,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = admin_router(state).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (parts.status.as_u16(), parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn c_11_only_known_hosts_are_answered() {
    for good in [
        "localhost",
        "LOCALHOST:9090",
        "127.0.0.1:9090",
        "127.8.8.8",
        "[::1]:9090",
        "stagedoor:9090",
        "[::1]",
    ] {
        assert_eq!(ask(state(), "GET", "/metrics", &[("host", good)]).await.0, 200, "{good}");
    }
    for bad in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.5:9090",
        "",
        "evil.example:9090",
        "127.0.0.1.evil",
        "localhost:9090@evil",
        "[::2]",
    ] {
        assert_eq!(ask(state(), "GET", "/metrics", &[("host", bad)]).await.0, 403, "{bad}");
    }
    let everywhere = AdminState { listen: "0.0.0.0:9090".parse().unwrap(), ..state() };
    assert_eq!(ask(everywhere.clone(), "GET", "/healthz", &[("host", "10.0.0.5:9090")]).await.0, 200);
    assert_eq!(ask(everywhere, "GET", "/healthz", &[("host", "evil.example")]).await.0, 403);
}

#[tokio::test]
async fn c_11_reload_is_not_for_other_sites() {
    let host = ("host", "localhost:9090");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[host], 200),
        (&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:9090")], 200),
        (&[host, ("sec-fetch-site", "cross-site")], 403),
        (&[host, ("sec-fetch-site", "same-site")], 403),
        (&[host, ("origin", "http://localhost:8080")], 403),
        (&[host, ("origin", "null")], 403),
        (&[host, ("origin", "https://evil.example")], 403),
    ];
    for (headers, status) in cases {
        assert_eq!(ask(state(), "POST", "/reload", headers).await.0, *status, "{headers:?}");
    }
    assert_eq!(ask(state(), "GET", "/reload", &[host]).await.0, 405);
}

#[tokio::test]
async fn c_11_metrics_are_plain_text() {
    let (_, headers, body) = ask(state(), "GET", "/metrics", &[("host", "localhost")]).await;
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    assert_eq!((headers["x-content-type-options"].to_str().unwrap(), body.as_str()), ("nosniff", "up 1\n"));
}

#[tokio::test]
async fn health_and_readiness_differ() {
    let host = [("host", "localhost")];
    assert_eq!(ask(state(), "GET", "/healthz", &host).await.0, 200);
    let (status, _, body) = ask(state(), "GET", "/readyz", &host).await;
    assert_eq!((status, body.as_str()), (200, "ready\n"), "proxying needs no store");
    let (status, _, body) = ask(state(), "GET", "/readyz/accounts", &host).await;
    assert_eq!((status, body.as_str()), (503, "the store does not answer\n"));
    let (_, _, page) = ask(state(), "GET", "/", &host).await;
    assert!(page.contains("Ready for traffic") && page.contains("the store does not answer"), "{page}");
    let stopping = AdminState { ready: Arc::new(|| Err("stopping".into())), ..state() };
    assert_eq!(ask(stopping, "GET", "/readyz", &host).await.0, 503);
}

#[tokio::test]
async fn c_03_mails_are_shown_escaped_or_sandboxed() {
    let host = [("host", "localhost")];
    let (_, _, list) = ask(state(), "GET", "/mailbox", &host).await;
    assert!(list.contains("mia@example.org") && !list.contains("<b>Confirm"));
    let (_, headers, mail) = ask(state(), "GET", "/mailbox/m-1", &host).await;
    assert!(!mail.contains("<script>\n") && !mail.contains("alert(1)"));
    assert!(mail.contains("href=\"http://localhost:8080/auth/x/\""), "{mail}");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("frame-src 'self'"));
    let (_, headers, _) = ask(state(), "GET", "/mailbox/m-1/html", &host).await;
    let csp = headers["content-security-policy"].to_str().unwrap();
    assert!(
        csp.starts_with("sandbox") && !csp.contains("allow-scripts") && !csp.contains("allow-same-origin")
    );
    let (_, _, json) = ask(state(), "GET", "/mailbox.json", &host).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["items"][0]["to"], "mia@example.org");
}

#[tokio::test]
async fn without_a_mailbox_there_is_none() {
    let none = AdminState { mailbox: None, ..state() };
    for path in ["/mailbox", "/mailbox.json", "/mailbox/m-1", "/mailbox/m-1/html"] {
        assert_eq!(ask(none.clone(), "GET", path, &[("host", "localhost")]).await.0, 404, "{path}");
    }
    assert_eq!(ask(state(), "GET", "/mailbox/m-2", &[("host", "localhost")]).await.0, 404);
}
