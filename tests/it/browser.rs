//! People in a real Chromium: the pages, forms, cookies and redirects of the demo, under the pages' own
//! content security policy. Pictures of every page are left in `screenshots/` of the target folder.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::browser_driver::Browser;
use crate::flows_process::{Ports, Server, Site};

/// What the people of the demo have, and everybody who registers here.
const PASSWORD: &str = "Curtain-Up-42!";

/// `stagedoor demo` on ports of its own.
struct Demo {
    url: String,
    admin: SocketAddr,
    _server: Server,
    _dir: TempDir,
    _ports: Ports,
}

impl Demo {
    fn start() -> Self {
        let (ports, dir) = (Ports::lease(3), tempfile::tempdir().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagedoor"));
        let port = ports.first.to_string();
        command.args(["demo", "--port", &port, "--dir"]).arg(dir.path()).stdout(Stdio::piped());
        let mut server = Server(command.spawn().unwrap());
        assert_eq!(server.first_line(), "Stagedoor demo is running.");
        let (url, admin) = (format!("http://localhost:{port}"), ports.address(1));
        Self { url, admin, _server: server, _dir: dir, _ports: ports }
    }

    fn open(&self, browser: &Browser, path: &str) {
        browser.open(&format!("{}{path}", self.url));
    }

    /// Signs in on the page that the browser is on.
    fn sign_in(browser: &Browser, email: &str) {
        browser.fill("#email", email);
        browser.fill("#password", PASSWORD);
        browser.click("form button[type=submit]");
    }

    /// Goes to the newest mail of the operators' mailbox.
    fn newest_mail(&self, browser: &Browser, to: &str) {
        let mailbox = format!("http://{}/mailbox", self.admin);
        crate::flows_process::eventually("the mail arrives", || {
            browser.open(&mailbox);
            browser.text().contains(to).then_some(())
        });
        browser.picture("mailbox");
        browser.click("tbody tr:first-child a");
        browser.find_text("h1", "Activate your");
    }
}

fn fill_registration(browser: &Browser, name: &str, email: &str) {
    browser.fill("#name", name);
    browser.fill("#email", email);
    browser.fill("#password", PASSWORD);
    browser.fill("#password_confirm", PASSWORD);
}

/// No message of the console, but for the statuses that are the point of the test.
pub fn quiet(browser: &Browser, expected_statuses: &[u16]) {
    let expected =
        |line: &String| expected_statuses.iter().any(|s| line.contains(&format!("status of {s} ")));
    let complaints: Vec<_> = browser.complaints().into_iter().filter(|line| !expected(line)).collect();
    if std::env::var("SOFT").is_ok() {
        eprintln!("SOFT {complaints:#?}");
        return;
    }
    assert!(complaints.is_empty(), "at {}: {complaints:#?}", browser.url());
}

/// Registers, confirms and ends on the page that was asked for first.
fn join(demo: &Demo, browser: &Browser) {
    demo.open(browser, "/");
    browser.picture("landing");
    demo.open(browser, "/events");
    browser.arrive("/auth/login/");
    browser.picture("sign-in");
    browser.click("a[href='/auth/register/']");
    browser.arrive("/auth/register/");
    browser.picture("register");
    fill_registration(browser, "Nora Newcomer", "nora@example.org");
    browser.picture("register-filled");
    browser.click("form button[type=submit]");
    browser.arrive("/auth/check-mail/");
    browser.picture("check-mail");

    demo.newest_mail(browser, "nora@example.org");
    browser.picture("mail");
    browser.click("pre a");
    browser.find_text("h1", "Confirm your address");
    browser.picture("confirm");
    browser.click("form button[type=submit]");
    browser.arrive("/auth/verified/");
    browser.picture("confirmed");

    demo.open(browser, "/events?q=");
    browser.arrive("/auth/login/");
    Demo::sign_in(browser, "nora@example.org");
    browser.arrive("/events");
    assert!(browser.url().ends_with("/events?q="), "back to the very page: {}", browser.url());
    quiet(browser, &[]);
}

#[test]
fn a_participant_registers_takes_a_seat_and_leaves_no_trace() {
    let (demo, browser) = (Demo::start(), Browser::start());
    join(&demo, &browser);
    browser.picture("events");
    browser.click(".rows li:first-child a");
    browser.find_text("h2, h1, dt", "When");
    browser.picture("event");
    browser.click("form[action$='/register'] button");
    browser.find_text(".pill", "You are going");
    browser.picture("event-going");
    demo.open(&browser, "/dashboard");
    browser.picture("dashboard");
    browser.click("a[href^='/users/']");
    browser.find_text("body", "nora@example.org");
    browser.picture("person");
    demo.open(&browser, "/auth/");
    assert!(browser.text().contains("Nora Newcomer"), "{}", browser.text());
    browser.picture("account");
    quiet(&browser, &[]);

    demo.open(&browser, "/admin");
    assert_eq!(browser.path(), "/admin");
    let refusal = browser.text();
    assert!(refusal.contains("403") && refusal.contains("You may not do this"), "{refusal}");
    browser.picture("forbidden");
    quiet(&browser, &[403]);

    demo.open(&browser, "/auth/logout/");
    browser.picture("sign-out");
    browser.click("form button[type=submit]");
    browser.arrive("/auth/login/");
    assert!(browser.text().contains("You are signed out."), "{}", browser.text());
    browser.picture("signed-out");
    for _ in 0..6 {
        browser.back();
        let shown = browser.text();
        let private = ["Nora", "nora@", "You are going", "Take a seat"];
        assert!(!private.iter().any(|p| shown.contains(p)), "{} shows {shown}", browser.url());
    }
    quiet(&browser, &[403]);
}

#[test]
fn an_organizer_creates_an_event() {
    let (demo, browser) = (Demo::start(), Browser::start());
    demo.open(&browser, "/organizer");
    browser.arrive("/auth/login/");
    Demo::sign_in(&browser, "organizer@example.org");
    browser.arrive("/organizer");
    browser.picture("organizer");
    demo.open(&browser, "/events/new");
    browser.picture("event-new");
    browser.click("form.sheet button[type=submit]");
    browser.find_text(".summary", "Please look at");
    browser.picture("event-new-refused");
    browser.fill("#title", "An Evening of One-Act Plays");
    browser.fill("#place", "The small stage");
    for (field, time) in [("starts", "2030-05-01T19:30"), ("ends", "2030-05-01T22:00")] {
        browser.script(&format!("document.getElementById('{field}').value = '{time}'"));
    }
    browser.fill("#seats", "40");
    browser.fill("#summary", "Three plays and a piano.");
    browser.click("form.sheet button[type=submit]");
    browser.find_text("h1", "An Evening of One-Act Plays");
    browser.picture("event-own");
    browser.click(".manage a[href$='/edit']");
    browser.find_text("button", "Save");
    browser.picture("event-edit");
    browser.click(".crumb a");
    browser.click(".manage a[href$='/attendees']");
    browser.find_text("h1", "");
    browser.picture("attendees");
    demo.open(&browser, "/admin");
    assert!(browser.text().contains("403"), "{}", browser.text());
    quiet(&browser, &[403, 422]);
}

#[test]
fn an_admin_reaches_everything() {
    let (demo, browser) = (Demo::start(), Browser::start());
    demo.open(&browser, "/admin");
    browser.arrive("/auth/login/");
    Demo::sign_in(&browser, "admin@example.org");
    browser.arrive("/admin");
    browser.picture("admin");
    for path in ["/organizer", "/events/new", "/dashboard", "/events", "/auth/"] {
        demo.open(&browser, path);
        assert_eq!(browser.path(), path);
        assert!(!browser.has("p.status"), "{path}: {}", browser.text());
    }
    assert!(browser.has("a[href='/admin']"), "{}", browser.text());
    browser.picture("account-admin");
    demo.open(&browser, "/auth/login/");
    browser.arrive("/auth/");
    browser.open(&format!("http://{}/", demo.admin));
    browser.picture("operations");
    quiet(&browser, &[]);
}

#[test]
fn everything_works_without_javascript() {
    let (demo, browser) = (Demo::start(), Browser::without_javascript());
    demo.open(&browser, "/auth/register/");
    assert!(!browser.has(".peek"), "scripts are switched off");
    fill_registration(&browser, "Nils Noscript", "nils@example.org");
    browser.click("form button[type=submit]");
    browser.arrive("/auth/check-mail/");
    demo.newest_mail(&browser, "nils@example.org");
    browser.click("pre a");
    browser.click("form button[type=submit]");
    browser.arrive("/auth/verified/");
    demo.open(&browser, "/dashboard");
    browser.arrive("/auth/login/");
    browser.picture("sign-in-without-javascript");
    Demo::sign_in(&browser, "nils@example.org");
    browser.arrive("/dashboard");
    demo.open(&browser, "/auth/");
    assert!(browser.text().contains("Nils Noscript"), "{}", browser.text());
    browser.click("form[action='/auth/logout/'] button");
    browser.arrive("/auth/login/");
}

/// The error is in the field's own block, tied to the field for screen readers, and linked from a summary.
pub fn beside(browser: &Browser, field: &str, words: &str) {
    let error = format!("#{field}-error");
    assert!(browser.text_of(&format!(".field.bad > {error}")).contains(words), "{field}: {}", browser.text());
    let described = browser.attribute(&format!("#{field}"), "aria-describedby").unwrap_or_default();
    assert!(described.split(' ').any(|id| id == &error[1..]), "{described}");
    assert_eq!(browser.attribute(&format!("#{field}"), "aria-invalid").as_deref(), Some("true"));
    assert!(browser.has(&format!(".summary[role=alert] a[href='#{field}']")), "{}", browser.text());
}

#[test]
fn errors_are_shown_beside_their_fields() {
    let (demo, browser) = (Demo::start(), Browser::start());
    demo.open(&browser, "/auth/register/");
    assert!(browser.has(".peek"), "scripts run");
    fill_registration(&browser, "Erin Error", "erin@example.org");
    browser.fill("#password", "abc");
    assert!(browser.text_of(".strength").contains("more character"), "{}", browser.text());
    browser.click("form button[type=submit]");
    beside(&browser, "password", "Use at least 8 characters.");
    beside(&browser, "password_confirm", "differ");
    let focused = browser.script("return document.activeElement.className");
    assert_eq!(focused, "summary", "a screen reader starts at what went wrong");
    let kept = ["name", "email"].map(|f| browser.attribute(&format!("#{f}"), "value").unwrap());
    assert_eq!(kept, ["Erin Error", "erin@example.org"]);
    assert_eq!(
        browser.attribute("#password", "value").unwrap_or_default(),
        "",
        "passwords are not sent back"
    );
    browser.picture("register-refused");

    demo.open(&browser, "/auth/login/");
    browser.fill("#email", "participant@example.org");
    browser.fill("#password", "Wrong-Pass-1");
    browser.click("form button[type=submit]");
    assert!(browser.text_of(".summary[role=alert]").contains("is wrong"), "{}", browser.text());
    browser.picture("sign-in-refused");

    demo.open(&browser, "/auth/check-mail/");
    browser.fill("#email", "erin@example.org");
    browser.fill("#code", "000 000");
    browser.click("form button[type=submit]");
    assert!(browser.text_of(".summary[role=alert]").contains("not valid"), "{}", browser.text());
    browser.picture("code-refused");

    demo.open(&browser, "/auth/verify-email/00000000-0000-4000-8000-000000000000/nothing/");
    browser.find_text("h1", "This link is not valid any more");
    browser.picture("link-refused");
    demo.open(&browser, "/auth/nothing/");
    browser.find_text("h1", "Not found");
    browser.picture("not-found");
    quiet(&browser, &[400, 401, 404, 422]);
}

#[test]
fn an_unreachable_application_is_explained() {
    let (site, browser) = (Site::new(), Browser::start());
    let _server = site.serve();
    browser.open(&format!("{}/public/page", site.url()));
    browser.find_text("h1", "The application cannot be reached");
    browser.picture("unreachable");
    quiet(&browser, &[502]);
}
