//! Messages as subject, text and HTML. The words are in `templates/mail/`.

use askama::Template;

use super::Message;
use super::plain::plain;
use crate::model::Timestamp;

/// A message in words.
#[derive(Clone)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

// The two forms of one message; only the HTML one escapes.
macro_rules! forms {
    ($($form:ident, $html:literal, $text:literal, { $($field:ident: $of:ty),* };)+) => {
        mod html {
            $(#[derive(super::Template)] #[template(path = $html)]
              pub(super) struct $form<'a> { pub(super) brand: &'a str, $(pub(super) $field: &'a $of),* })+
        }
        mod text {
            $(#[derive(super::Template)] #[template(path = $text)]
              pub(super) struct $form<'a> { pub(super) brand: &'a str, $(pub(super) $field: &'a $of),* })+
        }
    };
}

forms! {
    Activation, "mail/activation.html", "mail/activation.txt",
        { name: str, link: str, code: str, link_hours: u64, code_minutes: u64 };
    Welcome, "mail/welcome.html", "mail/welcome.txt",
        { name: str, home_link: str };
    SomeoneRegistered, "mail/someone_registered.html", "mail/someone_registered.txt",
        { name: str, login_link: str };
    Otp, "mail/otp.html", "mail/otp.txt",
        { name: str, code: str, code_minutes: u64 };
    Reset, "mail/reset.html", "mail/reset.txt",
        { name: str, link: str, code: str, link_minutes: u64, code_minutes: u64 };
    ResetDone, "mail/reset_done.html", "mail/reset_done.txt",
        { name: str, at: str, ip: str, user_agent: str };
    PasswordChanged, "mail/password_changed.html", "mail/password_changed.txt",
        { name: str, at: str, ip: str, user_agent: str, reset_link: str };
    EmailChange, "mail/email_change.html", "mail/email_change.txt",
        { name: str, link: str, code: str, link_hours: u64, code_minutes: u64 };
    EmailChanged, "mail/email_changed.html", "mail/email_changed.txt",
        { name: str, email: str, at: str, ip: str, user_agent: str };
    Locked, "mail/locked.html", "mail/locked.txt",
        { name: str, until: str, link: str };
    NewDevice, "mail/new_device.html", "mail/new_device.txt",
        { name: str, at: str, ip: str, user_agent: str, link: str, link_hours: u64 };
    RefreshReused, "mail/refresh_reused.html", "mail/refresh_reused.txt",
        { name: str, at: str, ip: str, user_agent: str };
    FactorChanged, "mail/factor_changed.html", "mail/factor_changed.txt",
        { name: str, what: str, at: str, ip: str, user_agent: str, reset_link: str };
    Approved, "mail/approved.html", "mail/approved.txt",
        { name: str, role: str, home_link: str };
    Rejected, "mail/rejected.html", "mail/rejected.txt",
        { name: str, role: str };
    Invited, "mail/invited.html", "mail/invited.txt",
        { name: str, link: str, link_hours: u64 };
    Deletion, "mail/deletion.html", "mail/deletion.txt",
        { name: str, until: str, link: str };
    Test, "mail/test.html", "mail/test.txt",
        { name: str, at: str };
}

macro_rules! both {
    ($subject:expr, $form:ident { $($field:ident),* }) => {
        Rendered {
            subject: $subject,
            text: words(&text::$form { $($field),* }),
            html: words(&html::$form { $($field),* }),
        }
    };
}

/// `message` in the name of `brand`.
#[expect(clippy::too_many_lines, reason = "one arm for each mail, all of one form")]
pub(super) fn render(brand: &str, message: &Message) -> Rendered {
    let brand = &plain(brand);
    match message {
        Message::Activation { name, link, code, link_hours, code_minutes } => {
            let name = &person(name);
            let link = link.expose();
            let code = code.expose();
            both!(
                format!("Activate your {brand} account"),
                Activation { brand, name, link, code, link_hours, code_minutes }
            )
        }
        Message::Welcome { name, home_link } => {
            let name = &person(name);
            both!(format!("Welcome to {brand}"), Welcome { brand, name, home_link })
        }
        Message::SomeoneRegistered { name, login_link } => {
            let name = &person(name);
            both!(
                format!("You have a {brand} account already"),
                SomeoneRegistered { brand, name, login_link }
            )
        }
        Message::Otp { name, code, code_minutes } => {
            let name = &person(name);
            let code = code.expose();
            both!(format!("Your {brand} code"), Otp { brand, name, code, code_minutes })
        }
        Message::Reset { name, link, code, link_minutes, code_minutes } => {
            let name = &person(name);
            let link = link.expose();
            let code = code.expose();
            both!(
                format!("Choose a new {brand} password"),
                Reset { brand, name, link, code, link_minutes, code_minutes }
            )
        }
        Message::ResetDone { name, seen } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            both!(format!("Your {brand} password was reset"), ResetDone { brand, name, at, ip, user_agent })
        }
        Message::PasswordChanged { name, seen, reset_link } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            both!(
                format!("Your {brand} password was changed"),
                PasswordChanged { brand, name, at, ip, user_agent, reset_link }
            )
        }
        Message::EmailChange { name, link, code, link_hours, code_minutes } => {
            let name = &person(name);
            let link = link.expose();
            let code = code.expose();
            both!(
                format!("Confirm your new address at {brand}"),
                EmailChange { brand, name, link, code, link_hours, code_minutes }
            )
        }
        Message::EmailChanged { name, email, seen } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            both!(
                format!("Your {brand} address was changed"),
                EmailChanged { brand, name, email, at, ip, user_agent }
            )
        }
        Message::Locked { name, until, link } => {
            let name = &person(name);
            let until = &moment(*until);
            let link = link.expose();
            both!(format!("Your {brand} account is locked for now"), Locked { brand, name, until, link })
        }
        Message::NewDevice { name, seen, link, link_hours } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            let link = link.expose();
            both!(
                format!("New sign-in to {brand}"),
                NewDevice { brand, name, at, ip, user_agent, link, link_hours }
            )
        }
        Message::RefreshReused { name, seen } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            both!(
                format!("We ended one of your {brand} sign-ins"),
                RefreshReused { brand, name, at, ip, user_agent }
            )
        }
        Message::FactorChanged { name, what, seen, reset_link } => {
            let name = &person(name);
            let (at, ip, user_agent) = (&moment(seen.at), &seen.ip.to_string(), &plain(&seen.user_agent));
            both!(
                format!("Your second factor at {brand} was changed"),
                FactorChanged { brand, name, what, at, ip, user_agent, reset_link }
            )
        }
        Message::Approved { name, role, home_link } => {
            let name = &person(name);
            let role = &plain(role);
            both!(format!("Your role at {brand} was approved"), Approved { brand, name, role, home_link })
        }
        Message::Rejected { name, role } => {
            let name = &person(name);
            let role = &plain(role);
            both!(format!("Your request at {brand} was declined"), Rejected { brand, name, role })
        }
        Message::Invited { name, link, link_hours } => {
            let name = &person(name);
            let link = link.expose();
            both!(format!("You are invited to {brand}"), Invited { brand, name, link, link_hours })
        }
        Message::Deletion { name, until, link } => {
            let name = &person(name);
            let until = &moment(*until);
            let link = link.expose();
            both!(format!("Your {brand} account will be deleted"), Deletion { brand, name, until, link })
        }
        Message::Test { name, at } => {
            let (name, at) = (&person(name), &moment(*at));
            both!(format!("A test mail from {brand}"), Test { brand, name, at })
        }
    }
}

fn words(template: &impl Template) -> String {
    template.render().expect("a template that only prints texts and numbers cannot fail")
}

/// A name to greet somebody by.
fn person(name: &str) -> String {
    let name = plain(name);
    if name.is_empty() { "there".to_owned() } else { name }
}

/// `21 November 2026, 05:44 UTC`: no reader should have to know RFC 3339.
fn moment(at: Timestamp) -> String {
    let Ok(time) = jiff::Timestamp::from_second(at.secs()) else { return at.to_string() };
    time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Sighting;
    use crate::model::{ClientIp, Secret};

    #[test]
    fn every_message_renders_from_its_sample() {
        for message in Message::samples() {
            let mail = render("Stage & Door", &message);
            let kind = message.kind();
            assert!(mail.subject.contains("Stage & Door"), "{kind}");
            assert!(mail.text.starts_with("Hello Ada Lovelace,\n"), "{kind}: {}", mail.text);
            assert!(mail.text.trim_end().ends_with("-- Stage & Door"), "{kind}");
            assert!(
                mail.html.starts_with("<!doctype html>") && mail.html.contains("Stage &#38; Door"),
                "{kind}"
            );
            for left in ["{{", "{%", "Secret(", "http://"] {
                assert!(!mail.html.contains(left) && !mail.text.contains(left), "{kind}: {left}");
            }
        }
    }

    /// Lines of our own words; what people and browsers call themselves may be longer.
    #[test]
    fn texts_fit_a_narrow_window() {
        for message in Message::samples() {
            for line in render("Stagedoor", &message).text.lines() {
                let given = line.starts_with("https://")
                    || line.starts_with("Device: ")
                    || line.starts_with("With: ");
                assert!(given || line.chars().count() <= 76, "{}: {line}", message.kind());
            }
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let facts = [
            "https://app.example.org/auth/verify#id.token",
            "https://app.example.org/",
            "https://app.example.org/auth/login",
            "https://app.example.org/auth/password-reset/",
            "042137",
            "24 hours",
            "15 minutes",
            "30 minutes",
            "21 November 2026, 05:46 UTC",
            "192.0.2.7",
            "Firefox/140.0",
            "ada@new.example.org",
            "organizer",
            "codes from an app",
            "Ada Lovelace",
            "If it was not you",
            "works once",
        ];
        let mut seen = std::collections::BTreeSet::new();
        for message in Message::samples() {
            let mail = render("Door", &message);
            let text = mail.text.replace('\n', " ");
            for fact in facts {
                assert_eq!(text.contains(fact), mail.html.contains(fact), "{}: {fact}", message.kind());
                seen.extend(text.contains(fact).then_some(fact));
            }
            // A page that can be opened is there to be copied, too.
            for link in mail.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let shown = mail.html.contains(&format!(">{link}<"));
                assert!(text.contains(link) && shown, "{}: {link}", message.kind());
            }
            let tracks = ["<img", "src=", "url(", "@import", "<script", "<link"];
            assert!(tracks.iter().all(|t| !mail.html.contains(t)), "nothing is fetched: {}", message.kind());
            assert!(mail.html.contains("prefers-color-scheme: dark"));
        }
        assert_eq!(seen.len(), facts.len(), "each of the facts is in some mail: {seen:?}");
    }

    #[test]
    fn codes_stand_out_and_stay_out_of_subjects() {
        for message in Message::samples() {
            let mail = render("Door", &message);
            assert!(!mail.subject.contains("042137"), "INV-4: {}", message.kind());
            let has_code = mail.text.contains("042137");
            assert_eq!(has_code, mail.html.contains("<p class=\"code\">042137</p>"), "{}", message.kind());
        }
    }

    #[test]
    fn the_activation_says_all_there_is_to_know() {
        let mail = render("Door", &Message::samples()[0]);
        for body in [&mail.text, &mail.html] {
            for part in ["https://app.example.org/auth/verify#id.token", "042137", "24 hours", "15 minutes"] {
                assert!(body.contains(part), "{part} in {body}");
            }
        }
        assert!(!mail.subject.contains("042137"), "INV-4: no secret in a subject");
    }

    #[test]
    fn r_11_a_name_stays_a_name() {
        let name =
            format!("<img src=x onerror=alert(1)>{{{{7*7}}}}\r\nBcc: x\u{202e}{}", "a".repeat(100_000));
        let mail =
            render("Door", &Message::Locked { name, until: Timestamp::from_secs(0), link: Secret::new("x") });
        assert!(!mail.html.contains("<img") && mail.html.contains("&#60;img"));
        assert!(mail.text.contains("{{7*7}} Bcc: x"), "{}", mail.text);
        for body in [&mail.text, &mail.html] {
            assert!(!body.contains('\r') && !body.contains('\u{202e}') && !body.contains(&"a".repeat(60)));
        }
        assert!(mail.html.contains("1 January 1970, 00:00 UTC"));
    }

    #[test]
    fn r_11_user_agents_and_links_are_escaped() {
        let mail = render(
            "Door",
            &Message::RefreshReused {
                name: String::new(),
                seen: Sighting {
                    at: Timestamp::from_secs(0),
                    ip: ClientIp::new(std::net::Ipv6Addr::LOCALHOST.into()),
                    user_agent: "\"><script>x</script>".to_owned(),
                },
            },
        );
        assert!(!mail.html.contains("<script") && mail.text.contains("Hello there,"));
        let link = Secret::new("https://a.example/?a=1&b=\"><b>");
        let mail = render(
            "Door",
            &Message::Activation {
                name: "x".into(),
                link,
                code: Secret::new("1"),
                link_hours: 1,
                code_minutes: 1,
            },
        );
        assert!(!mail.html.contains("<b>") && mail.html.contains("1 hour,"));
    }
}
