//! Which headers a client may never bring to an upstream, whatever the route.

use http::HeaderName;

/// Names that say who someone is, where a request came from, or how it shall be treated: ours and those of every
/// well-known gateway, by first letter. A `*` at the end stands for anything. Compared after folding, so `X_Auth.User` is
/// `x-auth-user`.
fn reserved_by_letter(first: u8) -> &'static [&'static str] {
    match first {
        b'a' => &["auth-user"],
        b'c' => &["cf-access-*", "cf-connecting-ip", "client-ip"],
        b'f' => &["forwarded"],
        b'p' => &["proxy"],
        b'r' => &["remote-*"],
        b't' => &["true-client-ip"],
        b'x' => &[
            "x-amzn-oidc-*",
            "x-auth-*",
            "x-authentik-*",
            "x-client-cert*",
            "x-client-ip",
            "x-envoy-*",
            "x-forwarded*",
            "x-goog-iap-*",
            "x-gw-*",
            "x-http-method*",
            "x-internal-*",
            "x-method-override*",
            "x-middleware-*",
            "x-ms-client-principal*",
            "x-original-*",
            "x-pomerium-*",
            "x-real-ip",
            "x-remote-*",
            "x-request-id",
            "x-rewrite-*",
            "x-skip-auth",
            "x-stagedoor-*",
            "x-webauth-*",
        ],
        _ => &[],
    }
}

/// Names that steer the connection or carry credentials: reserved only when they are spelled with
/// `_` or `.`, which some servers read as `-`.
const FRAMING_NAMES: [&str; 8] =
    ["authorization", "connection", "content-length", "cookie", "host", "te", "transfer-encoding", "upgrade"];

/// Longest name that can be reserved; longer ones are compared by their beginning.
const MAX_FOLDED: usize = 64;

/// Whether a client's header of this name is dropped before anything is forwarded, in every case,
/// `-`/`_`/`.` variant and duplicate (I-02, I-04).
#[must_use]
pub fn is_reserved_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    if is_goog_user(name.as_bytes()) {
        return true;
    }
    if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return is_reserved_folded(name);
    }
    let mut buf = [0u8; MAX_FOLDED];
    let len = name.len().min(MAX_FOLDED);
    for (to, from) in buf.iter_mut().zip(name.bytes()) {
        *to = fold(from);
    }
    let folded = std::str::from_utf8(&buf[..len]).unwrap_or("x-auth-");
    is_reserved_folded(folded) || FRAMING_NAMES.contains(&folded)
}

/// `X-Goog-*-User*`, whatever the `*` stand for.
fn is_goog_user(name: &[u8]) -> bool {
    let folds_to = |part: &[u8], text: &[u8]| part.iter().map(|b| fold(*b)).eq(text.iter().copied());
    name.get(..7).is_some_and(|start| folds_to(start, b"x-goog-"))
        && name[6..].windows(5).any(|part| folds_to(part, b"-user"))
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

fn is_reserved_folded(name: &str) -> bool {
    let Some(first) = name.bytes().next() else { return false };
    reserved_by_letter(first).iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(name: &str) -> bool {
        is_reserved_header(&HeaderName::from_bytes(name.as_bytes()).unwrap())
    }

    #[test]
    fn i_02_i_04_every_spelling_of_an_identity_name_is_reserved() {
        for name in [
            "X-Auth-User",
            "x_auth_user",
            "X-Auth_User",
            "x.auth.user",
            "X~Auth~User",
            "x-auth-user-id",
            "X-AUTH-ROLES",
            "Remote-User",
            "remote_user",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "x_forwarded_proto",
            "X-Forwarded-Prefix",
            "X-Auth-Request-Email",
            "X-Authentik-Username",
            "X-Pomerium-Claim-Email",
            "Cf-Access-Jwt-Assertion",
            "X-Amzn-Oidc-Data",
            "X-Goog-Authenticated-User-Email",
            "x_goog_anything_user_email",
            "X-Goog-User",
            "Forwarded",
            "Proxy",
            "X-Real-IP",
            "X-HTTP-Method-Override",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Envoy-Original-Path",
            "X-Internal-Request",
            "X-Middleware-Subrequest",
            "Transfer_Encoding",
            "content.length",
        ] {
            assert!(reserved(name), "{name}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "accept",
            "content-type",
            "user-agent",
            "x-requested-with",
            "x-csrf-token",
            "authorization",
            "cookie",
            "content-length",
            "api_key",
            "x-custom",
            "range",
            "referer",
            "priority",
            "te",
            "traceparent",
        ] {
            assert!(!reserved(name), "{name}");
        }
    }
}
