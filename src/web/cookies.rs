//! The cookies of browser mode (accounts.md "Browser mode", C-04).

use std::time::Duration;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

use crate::account::SignedIn;
use crate::gate;
use crate::model::{Email, Secret};

/// How our cookies are called and whether they are bound to https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames {
    /// Carries the access token.
    pub access: &'static str,
    /// Carries the refresh token.
    pub refresh: &'static str,
    /// Remembers, below our own prefix only, which address a code was mailed to.
    pub mail: &'static str,
    /// Says which device this is; kept for a year, over sign-outs.
    pub device: &'static str,
    /// Binds a challenge to the browser that began it.
    pub challenge: &'static str,
    /// Whether `Secure` is set; `false` only on plain-http localhost.
    pub secure: bool,
}

/// How long the "check your mail" page remembers the address.
const MAIL_MEMORY: Duration = Duration::from_mins(15);
/// How long a browser keeps who it is; browsers allow no more than 400 days.
const DEVICE_MEMORY: Duration = Duration::from_hours(365 * 24);

impl CookieNames {
    /// Names with the `__Host-` prefix when `secure`, else without: browsers accept the prefix on https only.
    #[must_use]
    pub const fn new(secure: bool) -> Self {
        let gate::CookieNames { access, refresh, secure } = gate::CookieNames::new(secure);
        let mail = if secure { "__Secure-stagedoor_mail" } else { "stagedoor_mail" };
        let device = if secure { "__Host-stagedoor_device" } else { "stagedoor_device" };
        let challenge = if secure { "__Host-stagedoor_challenge" } else { "stagedoor_challenge" };
        Self { access, refresh, mail, device, challenge, secure }
    }

    /// The cookie of that name (one of ours); none when there are several (C-05).
    #[must_use]
    pub fn only(&self, headers: &HeaderMap, name: &str) -> Option<Secret> {
        let mut all = values(headers, name);
        match (all.next(), all.next()) {
            (Some(value), None) if !value.is_empty() => Some(Secret::new(value)),
            _ => None,
        }
    }

    /// Lets the browser keep who it is.
    pub fn remember_device(&self, device: Option<&Secret>, headers: &mut HeaderMap) {
        if let Some(device) = device {
            self.set(headers, self.device, device.expose(), "/", DEVICE_MEMORY);
        }
    }

    /// Binds a challenge to this browser for as long as it lives.
    pub fn bind_challenge(&self, binding: &Secret, life: Duration, headers: &mut HeaderMap) {
        self.set(headers, self.challenge, binding.expose(), "/", life);
    }

    /// Forgets a challenge that has ended.
    pub fn unbind_challenge(&self, headers: &mut HeaderMap) {
        self.set(headers, self.challenge, "", "/", Duration::ZERO);
    }

    /// Sets both tokens. The access cookie outlives the token in it, so that the gateway still knows the
    /// session when it refreshes in line and when the person signs out.
    pub fn sign_in(&self, signed_in: &SignedIn, headers: &mut HeaderMap) {
        let life = signed_in.refresh_expires_in;
        self.set(headers, self.access, signed_in.access.expose(), "/", life);
        self.set(headers, self.refresh, signed_in.refresh.expose(), "/", life);
        self.remember_device(signed_in.device.as_ref(), headers);
    }

    /// Puts a new access token in the place of the one that is set; `life` is that of the session.
    pub fn renew_access(&self, access: &Secret, life: Duration, headers: &mut HeaderMap) {
        self.set(headers, self.access, access.expose(), "/", life);
    }

    /// What binds a challenge to this browser, if it has begun one.
    #[must_use]
    pub fn binding(&self, headers: &HeaderMap) -> Option<Secret> {
        self.only(headers, self.challenge)
    }

    /// Removes both tokens, with the attributes they were set with.
    pub fn sign_out(&self, headers: &mut HeaderMap) {
        self.set(headers, self.access, "", "/", Duration::ZERO);
        self.set(headers, self.refresh, "", "/", Duration::ZERO);
    }

    /// Remembers the address for the "check your mail" page; anything that is no address is not kept.
    pub fn remember_mail(&self, email: &str, prefix: &str, headers: &mut HeaderMap) {
        if let Ok(email) = Email::parse(email) {
            self.set(headers, self.mail, &encode(email.as_str()), &mail_path(prefix), MAIL_MEMORY);
        }
    }

    /// Forgets the address again.
    pub fn forget_mail(&self, prefix: &str, headers: &mut HeaderMap) {
        self.set(headers, self.mail, "", &mail_path(prefix), Duration::ZERO);
    }

    /// The remembered address.
    #[must_use]
    pub fn mail(&self, headers: &HeaderMap) -> Option<Email> {
        let value = values(headers, self.mail).next()?;
        let text = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
        Email::parse(&text).ok()
    }

    /// Whether the request carries a credential cookie of ours, valid or not.
    #[must_use]
    pub fn carried(&self, headers: &HeaderMap) -> bool {
        values(headers, self.access).chain(values(headers, self.refresh)).next().is_some()
    }

    fn set(&self, headers: &mut HeaderMap, name: &str, value: &str, path: &str, life: Duration) {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{name}={value}; Path={path}; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            life.as_secs()
        );
        match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.append(SET_COOKIE, value);
            }
            Err(_) => tracing::error!(cookie = name, "cookie value is not a header value"),
        }
    }
}

fn mail_path(prefix: &str) -> String {
    format!("{prefix}/")
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(n, _)| *n == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::User;
    use crate::model::{AccountId, SessionId};

    fn signed_in() -> SignedIn {
        SignedIn {
            access: Secret::new("a.b.c"),
            expires_in: Duration::from_mins(10),
            refresh: Secret::new("r-1"),
            refresh_expires_in: Duration::from_mins(30),
            session: SessionId::from_bytes([1; 16]),
            user: User {
                id: AccountId::from_bytes([2; 16]),
                email: "a@b.de".into(),
                name: "A".into(),
                roles: vec![],
                permissions: vec![],
            },
            device: None,
        }
    }

    fn set_cookies(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect()
    }

    #[test]
    fn c_04_cookie_attributes() {
        let mut headers = HeaderMap::new();
        CookieNames::new(true).sign_in(&signed_in(), &mut headers);
        assert_eq!(
            set_cookies(&headers),
            [
                "__Host-stagedoor_access=a.b.c; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax; Secure",
                "__Host-stagedoor_refresh=r-1; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax; Secure",
            ]
        );
    }

    #[test]
    fn c_04_removal_has_the_same_attributes() {
        let mut headers = HeaderMap::new();
        CookieNames::new(true).sign_out(&mut headers);
        assert_eq!(
            set_cookies(&headers),
            [
                "__Host-stagedoor_access=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
                "__Host-stagedoor_refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
            ]
        );
    }

    #[test]
    fn c_04_plain_localhost_has_neither_prefix_nor_secure() {
        let mut headers = HeaderMap::new();
        CookieNames::new(false).sign_in(&signed_in(), &mut headers);
        for cookie in set_cookies(&headers) {
            assert!(cookie.starts_with("stagedoor_"), "{cookie}");
            assert!(!cookie.contains("Secure"), "{cookie}");
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        }
    }

    #[test]
    fn the_mail_cookie_keeps_addresses_only() {
        let names = CookieNames::new(true);
        let mut headers = HeaderMap::new();
        names.remember_mail("x\"; Domain=evil", "/auth", &mut headers);
        assert!(headers.is_empty());
        names.remember_mail("Mike+a@Example.org", "/auth", &mut headers);
        let set = set_cookies(&headers)[0].to_owned();
        assert!(set.starts_with("__Secure-stagedoor_mail=mike%2Ba%40example%2Eorg; Path=/auth/;"), "{set}");
        let mut request = HeaderMap::new();
        request.insert(COOKIE, HeaderValue::from_str(set.split(';').next().unwrap()).unwrap());
        assert_eq!(names.mail(&request).unwrap().as_str(), "mike+a@example.org");
    }

    #[test]
    fn carried_finds_exact_names_only() {
        let names = CookieNames::new(true);
        let with = |c: &'static str| {
            let mut h = HeaderMap::new();
            h.insert(COOKIE, HeaderValue::from_static(c));
            names.carried(&h)
        };
        assert!(with("a=b; __Host-stagedoor_refresh=x"));
        assert!(!with("x__Host-stagedoor_refresh=x; stagedoor_access=y"));
    }
}
