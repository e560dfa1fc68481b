//! Mail over SMTP to a server that knows nothing of our code: what arrives, what is refused, what is tried again.

use std::path::Path;
use std::time::Duration;

use stagedoor::mail::Message;
use stagedoor::model::{Email, Secret};

use crate::smtp_stage::{PostOffice, Received, SmtpServer, certificates};

const PLAIN: &str = "smtp://127.0.0.1:PORT";
const STARTTLS: &str = "smtp://localhost:PORT?tls=required";
const IMPLICIT: &str = "smtps://localhost:PORT";

fn activation(name: &str, link: &str) -> Message {
    let (link, code) = (Secret::new(link), Secret::new("042137"));
    Message::Activation { name: name.into(), link, code, link_hours: 24, code_minutes: 15 }
}

fn hello() -> Message {
    activation("Ada", "https://app.example.org/auth/verify-email/u/t/")
}

fn otp() -> Message {
    Message::Otp { name: "Ada".into(), code: Secret::new("042137"), code_minutes: 10 }
}

/// `--tls KIND --cert … --key …` for the certificate called `name`.
fn showing(dir: &Path, kind: &str, name: &str) -> Vec<String> {
    let file = |ending: &str| dir.join(format!("{name}.{ending}")).display().to_string();
    ["take", "--tls", kind, "--cert", &file("pem"), "--key", &file("key")].map(str::to_owned).to_vec()
}

fn start(port: u16, args: &[String]) -> SmtpServer {
    SmtpServer::at(port, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is(state: &(String, String), wanted: &str, why: &str) {
    assert!(state.0 == wanted && state.1.contains(why), "{state:?} is not {wanted} because of {why}");
}

fn ids(mails: &[Received]) -> Vec<&str> {
    mails.iter().map(Received::id).collect()
}

#[test]
fn a_mail_arrives_as_it_was_meant() {
    let server = SmtpServer::start(&["take"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    office.post("ada@example.org", &activation("Zoë", "https://app.example.org/auth/verify-email/u/t=/"));
    assert_eq!(office.drain(), 1);
    is(&office.state(), "sent", "");
    assert!(!office.has_bodies());
    let [mail] = server.wait_for(1).try_into().unwrap();
    assert_eq!((mail.str("from"), mail.to()), ("no-reply@door.example", vec!["ada@example.org"]));
    assert_eq!(mail.headers("From"), ["Döör <no-reply@door.example>"]);
    assert_eq!(mail.headers("To"), ["ada@example.org"]);
    assert_eq!(mail.headers("Subject"), ["Activate your Door account"]);
    assert_eq!(mail.headers("Auto-Submitted"), ["auto-generated"]);
    for body in [mail.str("text"), mail.str("html")] {
        let parts = ["Zoë", "042137", "https://app.example.org/auth/verify-email/u/t=/"];
        assert!(parts.iter().all(|part| body.contains(part)), "{body}");
    }
    assert!(mail.str("raw").is_ascii() && office.metrics.render().contains("outcome=\"sent\"} 1"));
}

#[test]
fn r_05_exactly_one_recipient_equal_to_the_stored_address() {
    let server = SmtpServer::start(&["take"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    let long = |local: usize, domain: usize| format!("{}@{}.example", "l".repeat(local), "d".repeat(domain));
    let (long_local, long_all) = (long(65, 5), long(60, 200));
    let mut taken = Vec::new();
    for address in [
        "\"a@evil.com x\"@victim.com",
        "user@good.com(x)evil.com",
        "a@b@c",
        "a@b,c@d",
        "a@b\r\nBcc: x",
        "a@b.example\r\nRCPT TO:<c@d.example>",
        "<a@b>",
        "a@[127.0.0.1]",
        "a@b..c",
        "Ada+tag@Example.org",
        "o'brien_{x}@sub.example.org",
        "ada@example.org> SIZE=1",
        "-oQ@example.org",
        &long_local,
        &long_all,
    ] {
        if let Ok(email) = Email::parse(address) {
            office.post(address, &hello());
            taken.push(email.as_str().to_owned());
        }
    }
    assert!(taken.contains(&"ada+tag@example.org".to_owned()), "{taken:?}");
    assert_eq!(office.drain(), taken.len());
    let mails = server.wait_for(taken.len());
    let mut seen: Vec<_> = mails.iter().map(|m| <[&str; 1]>::try_from(m.to()).expect("one")[0]).collect();
    seen.sort_unstable();
    taken.sort_unstable();
    assert_eq!(seen, taken);
}

#[test]
fn r_06_names_links_and_agents_make_no_second_mail_and_no_header() {
    let server = SmtpServer::start(&["take"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    let evil = "x\r\n.\r\nMAIL FROM:<e@x.y>\r\nRCPT TO:<eve@x.y>\r\nDATA\r\nBcc: eve@x.y\r\n\r\n.\r\n";
    office.post("ada@example.org", &activation(evil, &format!("https://a.example/{evil}")));
    let role = Message::Approved { name: evil.into(), role: evil.into(), home_link: format!(".\r\n{evil}") };
    office.post("ada@example.org", &role);
    assert_eq!(office.drain(), 2);
    let mails = server.wait_for(2);
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        assert_eq!((mail.to(), mail.str("from")), (vec!["ada@example.org"], "no-reply@door.example"));
        assert!(mail.headers("Bcc").is_empty() && mail.headers("To").len() == 1);
        assert!(mail.headers("Subject").len() == 1 && !mail.headers("Subject")[0].contains("MAIL"));
        assert!(mail.str("text").trim_end().ends_with("-- Door"), "whole: {}", mail.str("text"));
        assert!(mail.str("html").trim_end().ends_with("</html>"));
    }
}

#[test]
fn r_17_what_does_not_prove_itself_gets_nothing() {
    let dir = certificates();
    let dir = dir.path();
    let stripped = vec!["take".to_owned()];
    for (what, url, bad, why) in [
        ("wrong host", IMPLICIT, showing(dir, "implicit", "wrong"), "certificate"),
        ("self-signed", IMPLICIT, showing(dir, "implicit", "self"), "certificate"),
        ("wrong host", STARTTLS, showing(dir, "starttls", "wrong"), "certificate"),
        ("self-signed", STARTTLS, showing(dir, "starttls", "self"), "certificate"),
        ("stripped", STARTTLS, stripped, "no STARTTLS"),
    ] {
        let kind = if url == IMPLICIT { "implicit" } else { "starttls" };
        let server = start(0, &bad);
        let office = PostOffice::new(url, server.port, Some(dir));
        office.post("ada@example.org", &hello());
        for _ in 0..2 {
            assert_eq!(office.drain(), 1, "{what}");
            is(&office.state(), "waiting", why);
            office.wait();
        }
        assert!(server.mails().is_empty(), "{what}");
        let mended = start(server.stop(), &showing(dir, kind, "good"));
        assert_eq!(office.drain(), 1);
        is(&office.state(), "sent", "");
        assert_eq!(mended.wait_for(1)[0].0["tls"], kind == "starttls", "{what}");
    }
}

#[test]
fn r_17_a_private_authority_is_trusted_only_where_it_is_named() {
    let dir = certificates();
    let server = start(0, &showing(dir.path(), "implicit", "good"));
    let office = PostOffice::new(IMPLICIT, server.port, None);
    office.post("ada@example.org", &hello());
    office.drain();
    is(&office.state(), "waiting", "certificate");
    let office = PostOffice::new(IMPLICIT, server.port, Some(dir.path()));
    office.post("ada@example.org", &hello());
    office.drain();
    is(&office.state(), "sent", "");
}

#[test]
fn signing_in_at_the_server_and_the_wrong_password() {
    let server = SmtpServer::start(&["take", "--login", "door:s3cret-word"]);
    let office = PostOffice::new("smtp://door:s3cret-word@localhost:PORT", server.port, None);
    office.post("ada@example.org", &hello());
    office.drain();
    assert_eq!(server.wait_for(1)[0].0["login"], true);
    for url in ["smtp://door:wr0ng-word@localhost:PORT", PLAIN] {
        let office = PostOffice::new(url, server.port, None);
        office.post("ada@example.org", &hello());
        office.drain();
        is(&office.state(), "waiting", "53");
        assert!(!office.state().1.contains("wr0ng-word"), "INV-4");
    }
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn what_is_refused_for_good_is_given_up_at_once() {
    for (mode, why) in [("refuse-rcpt", "RCPT TO: permanent error (550)"), ("refuse-data", "(554)")] {
        let server = SmtpServer::start(&[mode]);
        let office = PostOffice::new(PLAIN, server.port, None);
        office.post("ada@example.org", &hello());
        assert_eq!(office.drain(), 1);
        is(&office.state(), "dead", why);
        office.clock.advance(Duration::from_secs(7200));
        assert_eq!(office.drain(), 0, "{mode}");
        assert!(office.metrics.render().contains("outcome=\"given_up\"} 1"), "{mode}");
    }
}

#[test]
fn what_may_pass_is_tried_again_until_it_does() {
    for (mode, why) in [
        ("later-rcpt", "RCPT TO: transient error (450)"),
        ("later-data", "(451)"),
        // The sender is a matter of the configuration: no mail dies of it.
        ("refuse-sender", "MAIL FROM: permanent error (550)"),
    ] {
        let server = SmtpServer::start(&[mode]);
        let office = PostOffice::new(PLAIN, server.port, None);
        office.post("ada@example.org", &hello());
        for _ in 0..3 {
            assert_eq!(office.drain(), 1, "{mode}");
            is(&office.state(), "waiting", why);
            assert_eq!(office.drain(), 0, "{mode}: not before the pause is over");
            office.wait();
        }
        let port = server.stop();
        assert_eq!(office.drain(), 1);
        is(&office.state(), "waiting", "refused");
        office.wait();
        let mended = SmtpServer::at(port, &["take"]);
        office.drain();
        is(&office.state(), "sent", "");
        assert_eq!(mended.wait_for(1).len(), 1);
    }
}

#[test]
fn a_cut_after_the_mail_means_at_most_one_more_copy_with_the_same_id() {
    let server = SmtpServer::start(&["cut"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    office.post("ada@example.org", &hello());
    office.drain();
    is(&office.state(), "waiting", "the end of the mail");
    office.wait();
    office.drain();
    is(&office.state(), "sent", "");
    let mails = server.wait_for(2);
    assert_eq!(ids(&mails), [mails[0].id(); 2]);
    assert_eq!(mails[0].headers("Date"), mails[1].headers("Date"));
}

#[test]
fn a_late_answer_is_never_taken_for_the_next_mail() {
    let server = SmtpServer::start(&["slow"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    office.post("ada@example.org", &hello());
    office.post("bob@example.org", &hello());
    assert_eq!(office.drain(), 2);
    for state in office.states() {
        is(&state, "waiting", "no answer within 2s");
    }
    let mut seen: Vec<_> = server.wait_for(2).iter().map(|m| m.to().join(" ")).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["ada@example.org", "bob@example.org"], "each in a conversation of its own");
}

#[test]
fn a_mute_server_costs_one_time_out() {
    let server = SmtpServer::start(&["mute"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    office.post("ada@example.org", &hello());
    assert_eq!(office.drain(), 1);
    is(&office.state(), "waiting", "connecting: no answer within 2s");
    let mended = SmtpServer::at(server.stop(), &["take"]);
    office.wait();
    office.drain();
    is(&office.state(), "sent", "");
    assert_eq!(mended.wait_for(1).len(), 1);
}

#[test]
fn a_code_is_not_sent_once_it_has_expired() {
    let server = SmtpServer::start(&["later-rcpt"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    office.post("ada@example.org", &otp());
    let mut tries = 0;
    while office.state().0 == "waiting" && tries < 100 {
        assert_eq!(office.drain(), 1);
        tries += 1;
        if office.state().0 == "waiting" {
            assert!(office.has_bodies());
            office.wait();
        }
    }
    is(&office.state(), "dead", "expired");
    assert!(!office.has_bodies(), "nobody needs it any more");
    let asked = server.said().len();
    assert!((5..60).contains(&asked) && asked == tries - 1, "{asked} tries, the last one without the server");
    assert!(office.metrics.render().contains("outcome=\"expired\"} 1"));
}

#[test]
fn mails_in_a_row_share_a_connection_and_survive_its_end() {
    let server = SmtpServer::start(&["take"]);
    let office = PostOffice::new(PLAIN, server.port, None);
    for n in 0..20 {
        office.post(&format!("person{n}@example.org"), &hello());
    }
    assert_eq!(office.drain(), 20);
    assert_eq!(server.wait_for(20).len(), 20);
    let again = SmtpServer::at(server.stop(), &["take"]);
    office.post("ada@example.org", &hello());
    office.drain();
    assert_eq!(again.wait_for(1)[0].to(), ["ada@example.org"]);
    assert!(office.states().iter().all(|s| s.0 == "sent"));
}
