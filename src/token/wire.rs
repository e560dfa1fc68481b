//! The JSON payload of our tokens, written and read. One fixed set of claims; verified values leave this file as
//! [`Claims`](super::Claims) or [`AssertionClaims`](super::AssertionClaims) only.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use super::Person;
use crate::model::{AccountId, RoleName, SessionId, TokenId};

/// What is written. Times are whole seconds since 1970.
#[derive(Serialize)]
pub(super) struct Outgoing<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(serialize_with = "text")]
    sub: AccountId,
    #[serde(serialize_with = "text")]
    sid: SessionId,
    #[serde(serialize_with = "text")]
    jti: TokenId,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
    auth_time: i64,
    amr: &'a [String],
    #[serde(serialize_with = "texts")]
    roles: &'a [RoleName],
    permissions: &'a [String],
    email: &'a str,
    email_verified: bool,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    htm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hash: Option<&'a str>,
}

/// Who says it to whom, and when.
pub(super) struct Envelope<'a> {
    pub iss: &'a str,
    pub aud: &'a str,
    pub jti: TokenId,
    pub iat: i64,
    pub exp: i64,
}

impl<'a> Outgoing<'a> {
    pub fn new(envelope: &Envelope<'a>, person: &Person<'a>) -> Self {
        Self {
            iss: envelope.iss,
            aud: envelope.aud,
            sub: person.account,
            sid: person.session,
            jti: envelope.jti,
            iat: envelope.iat,
            nbf: None,
            exp: envelope.exp,
            auth_time: person.auth_time.secs(),
            amr: person.amr,
            roles: person.roles,
            permissions: person.permissions,
            email: person.email,
            email_verified: person.email_verified,
            name: person.name,
            htm: None,
            host: None,
            path_hash: None,
        }
    }

    /// With a begin, as access tokens have it.
    pub fn not_before(mut self, secs: i64) -> Self {
        self.nbf = Some(secs);
        self
    }

    /// For one request only, as bound assertions are.
    pub fn bound(mut self, method: &'a str, host: &'a str, path_hash: &'a str) -> Self {
        (self.htm, self.host, self.path_hash) = (Some(method), Some(host), Some(path_hash));
        self
    }

    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists of strings always serialize")
    }
}

/// What is read, after the signature was checked. Serde refuses doubled members and wrong kinds: an integer is neither
/// a float nor a string, and `null` is nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incoming<'a> {
    #[serde(borrow)]
    pub iss: Cow<'a, str>,
    #[serde(borrow)]
    pub aud: Cow<'a, str>,
    #[serde(deserialize_with = "parsed")]
    pub sub: AccountId,
    #[serde(deserialize_with = "parsed")]
    pub sid: SessionId,
    #[serde(deserialize_with = "parsed")]
    pub jti: TokenId,
    #[serde(deserialize_with = "time")]
    pub iat: i64,
    #[serde(default, deserialize_with = "some_time")]
    pub nbf: Option<i64>,
    #[serde(deserialize_with = "time")]
    pub exp: i64,
    #[serde(deserialize_with = "time")]
    pub auth_time: i64,
    pub amr: Vec<String>,
    #[serde(deserialize_with = "roles")]
    pub roles: Vec<RoleName>,
    pub permissions: Vec<String>,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    #[serde(default, deserialize_with = "some_text")]
    pub htm: Option<String>,
    #[serde(default, deserialize_with = "some_text")]
    pub host: Option<String>,
    #[serde(default, deserialize_with = "some_text")]
    pub path_hash: Option<String>,
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

fn texts<S: Serializer>(values: &&[RoleName], s: S) -> Result<S::Ok, S::Error> {
    let mut list = s.serialize_seq(Some(values.len()))?;
    for value in *values {
        list.serialize_element(value.as_str())?;
    }
    list.end()
}

/// A text borrowed where the JSON has no escapes in it. (`Cow` alone would always copy.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn parsed<'de, T: std::str::FromStr, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Text::deserialize(d)?.0.parse().map_err(|_| D::Error::custom("not an identifier"))
}

fn roles<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<RoleName>, D::Error> {
    let names = Vec::<Text<'de>>::deserialize(d)?;
    names.iter().map(|name| RoleName::parse(&name.0).map_err(D::Error::custom)).collect()
}

fn time<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    let secs = i64::deserialize(d)?;
    if secs >= 0 { Ok(secs) } else { Err(D::Error::custom("a time before 1970")) }
}

/// Absent is `None`; `null` is an error, as for the claims that must be there.
fn some_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    time(d).map(Some)
}

fn some_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    String::deserialize(d).map(Some)
}
