//! The table itself: groups of rows with the same answer. Each target is asked for by each of `who`.

/// A front of the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Front {
    Proxy,
    ForwardAuth,
    Tower,
}

use Front::{ForwardAuth, Proxy, Tower};

/// Requests with one answer.
pub struct Group {
    pub method: &'static str,
    pub targets: &'static [&'static str],
    /// Kinds of callers; `fronts::people` says what they send.
    pub who: &'static [&'static str],
    /// More field lines, each with its CRLF.
    pub extra: &'static str,
    /// `{host}` is the front's own.
    pub host: &'static str,
    /// The client's address.
    pub client: &'static str,
    pub status: u16,
    /// Empty where it is allowed.
    pub reason: &'static str,
    /// Fronts that cannot get such a request, and why.
    pub not: &'static [(Front, &'static str)],
}

const GET: Group = Group {
    method: "GET",
    targets: &[],
    who: &["nobody"],
    extra: "",
    host: "{host}",
    client: "203.0.113.9",
    status: 200,
    reason: "",
    not: &[],
};

const fn allowed(targets: &'static [&'static str], who: &'static [&'static str]) -> Group {
    Group { targets, who, ..GET }
}

const fn refused(
    (status, reason): (u16, &'static str),
    targets: &'static [&'static str],
    who: &'static [&'static str],
) -> Group {
    Group { targets, who, status, reason, ..GET }
}

const ANYBODY: &[&str] = &["nobody", "user", "admin", "expired"];
const SIGNED_IN: &[&str] = &["user", "user's cookie", "staff", "admin", "mfa", "long ago"];
const NO_URI: &[(Front, &str)] = &[(Tower, "the http crate makes no URI of it")];
const NO_FRAGMENT: &[(Front, &str)] =
    &[(Tower, "the http crate drops fragments, before and behind the layer")];

pub const GROUPS: &[Group] = &[
    // Rules of the sample policy.
    allowed(&["/public/x", "/public", "/public/", "/public/x?a=b", "/exact", "/exact/"], ANYBODY),
    allowed(&["/api/x", "/api", "/ws", "/api/x?/public"], SIGNED_IN),
    refused(
        (401, "unauthenticated"),
        &["/api/x", "/ws", "/admin/x", "/mfa/x", "/team/x", "/fresh/x", "/not/x"],
        &["nobody", "basic"],
    ),
    allowed(&["/admin/x", "/admin"], &["admin", "admin's cookie", "admin and staff", "admin with mfa"]),
    refused(
        (403, "role_required"),
        &["/admin/x", "/admin", "/admin?x=/public/"],
        &["user", "user's cookie", "staff", "mfa"],
    ),
    allowed(&["/mfa/x", "/fresh/x"], &["mfa"]),
    refused((401, "mfa_required"), &["/mfa/x"], &["user", "admin"]),
    refused((401, "step_up_required"), &["/fresh/x"], &["long ago"]),
    refused((401, "mfa_required"), &["/both/x"], &["admin"]),
    refused((403, "role_required"), &["/both/x"], &["mfa"]),
    allowed(&["/both/x"], &["admin with mfa"]),
    allowed(&["/team/x"], &["staff", "admin"]),
    refused((403, "role_required"), &["/team/x", "/all/x"], &["user"]),
    refused((403, "role_required"), &["/all/x"], &["staff", "admin"]),
    allowed(&["/all/x"], &["admin and staff"]),
    allowed(&["/not/x"], &["user", "staff"]),
    refused((403, "excluded"), &["/not/x"], &["admin"]),
    refused((403, "denied_by_rule"), &["/never/x", "/never"], &["nobody", "user", "admin with mfa"]),
    allowed(&["/users/{me}/x", "/users/me/x", "/users/me"], &["user"]),
    allowed(&["/users/{me}/x"], &["admin"]),
    refused((403, "not_owner"), &["/users/{me}/x"], &["staff"]),
    refused((401, "unauthenticated"), &["/users/{me}/x", "/users/me/x"], &["nobody"]),
    allowed(&["/near/x"], &["nobody", "user"]),
    Group {
        client: "198.51.100.1",
        ..refused((403, "network_denied"), &["/near/x"], &["nobody", "user", "admin"])
    },
    Group { client: "::ffff:203.0.113.7", ..allowed(&["/near/x"], &["nobody"]) },
    allowed(&["/events/7"], &["user", "staff", "admin"]),
    Group { method: "HEAD", ..allowed(&["/events/7", "/public/x"], &["user"]) },
    Group { method: "POST", ..allowed(&["/events/7"], &["staff", "admin"]) },
    Group { method: "DELETE", ..refused((403, "permission_required"), &["/events/7"], &["user"]) },
    Group { method: "PUT", ..refused((401, "unauthenticated"), &["/events/7"], &["nobody"]) },
    refused((403, "no_rule"), &["/", "/nothing", "/publi"], &["nobody", "user", "admin"]),
    // P-01, P-02, P-03: query and fragment.
    refused(
        (401, "unauthenticated"),
        &["/admin?x=/public/", "/api/a?/public", "/admin?/public/../public"],
        &["nobody"],
    ),
    refused((401, "unauthenticated"), &["/admin/x%23/public/y"], &["nobody"]),
    Group {
        not: NO_FRAGMENT,
        ..refused((400, "fragment"), &["/admin/x#/public/y", "/public/x#", "/public/x?a#b"], ANYBODY)
    },
    // P-04 to P-08: dots and separators.
    refused(
        (400, "dot_segment"),
        &[
            "/public/../admin/x",
            "/public/./../admin",
            "/public/%2e%2e/admin",
            "/public/.%2e/admin",
            "/public/%2E./admin",
            "/public/..",
            "/api%2e/../x",
        ],
        &["nobody", "user"],
    ),
    refused(
        (400, "encoded_slash"),
        &["/public/..%2fadmin", "/public/..%2Fadmin", "/public%2f..%2fadmin", "/api%2fx", "/public/x%2f"],
        &["nobody", "admin"],
    ),
    refused(
        (400, "backslash"),
        &["/public/..%5cadmin", "/public/..%5Cadmin", "/public/a%5cb"],
        &["nobody", "admin"],
    ),
    refused(
        (400, "control_character"),
        &["/public/%00", "/public%0a/x", "/public/x%0D", "/public/%09", "/public/%7f", "/public/%1F/x"],
        &["nobody", "admin"],
    ),
    allowed(&["/ap%69/x", "/%61pi/%7e%c3%a4", "/api/%7Ex"], &["user"]),
    refused((401, "unauthenticated"), &["/ap%69/x", "/api/%7Ex"], &["nobody"]),
    refused(
        (403, "no_rule"),
        &["/public../admin", "/public.admin", "/public..", "/api%2e/admin"],
        &["nobody", "user"],
    ),
    // P-10, P-11: other targets, empty segments.
    Group {
        not: NO_URI,
        ..refused((400, "not_origin_form"), &["foo:bar", "http:/admin", "admin/x"], &["nobody", "admin"])
    },
    refused((400, "not_origin_form"), &["*"], &["nobody", "admin"]),
    refused((400, "empty_segment"), &["/admin//x", "/public//x", "/public/x//"], &["nobody", "admin"]),
    // P-12: path parameters.
    refused((400, "semicolon"), &["/public/x;y=1", "/admin;x=1/y"], &["nobody", "user"]),
    allowed(&["/public/semi/x;y=1/z"], &["nobody", "user"]),
    // P-13: backslashes.
    Group {
        not: NO_URI,
        ..refused((400, "backslash"), &["/public\\..\\admin", "/\\admin"], &["nobody", "admin"])
    },
    // P-14, P-15: case, borders.
    refused((403, "no_rule"), &["/ADMIN/x", "/Admin/x", "/%41dmin/x", "/PUBLIC/x"], &["nobody", "user"]),
    refused(
        (403, "no_rule"),
        &["/publicadmin", "/public.json", "/public%41", "/public-x", "/public%20"],
        &["nobody", "user"],
    ),
    allowed(&["/Shop/x", "/shop/x", "/shop"], &["nobody"]),
    // P-18, P-19: encodings.
    refused(
        (400, "double_encoding"),
        &["/public/%252e%252e/admin", "/%2561dmin", "/public/%252f"],
        &["nobody", "user"],
    ),
    refused(
        (400, "invalid_utf8"),
        &["/public/%c0%ae%c0%ae/admin", "/public/%ff", "/public/%ed%a0%80"],
        &["nobody", "user"],
    ),
    refused(
        (400, "invalid_escape"),
        &["/public/%", "/public/%2", "/public/%zz", "/public/%u002e"],
        &["nobody", "user"],
    ),
    Group {
        not: &[
            (Tower, "the http crate makes no URI of it"),
            (Proxy, "a space ends the target: `request_line`"),
        ],
        ..refused((400, "unescaped_character"), &["/public/x y"], &["nobody"])
    },
    Group {
        not: NO_URI,
        ..refused((400, "unescaped_character"), &["/public/a<b>", "/public/x?a\tb"], &["nobody"])
    },
    // P-22, P-23, P-24, F-01: fields that steer nothing.
    Group {
        extra: "X-Middleware-Subrequest: middleware:middleware\r\nX-GW-Internal: 1\r\nX-Skip-Auth: 1\r\n\
            X-Original-URL: /public/x\r\nX-Rewrite-URL: /public/x\r\nUser-Agent: kube-probe/1.29\r\n",
        ..refused((401, "unauthenticated"), &["/admin/x", "/api/x"], &["nobody"])
    },
    Group {
        extra: "X-HTTP-Method-Override: GET\r\nX-Method-Override: GET\r\nX-HTTP-Method: GET\r\nContent-Length: 0\r\n",
        method: "POST",
        ..refused((403, "permission_required"), &["/events/7"], &["user"])
    },
    Group {
        extra: "X_Forwarded_Uri: /public/x\r\nX_Forwarded_Method: GET\r\nForwarded: for=10.0.0.1\r\n",
        ..refused((401, "unauthenticated"), &["/admin/x"], &["nobody"])
    },
    Group { method: "get", ..refused((400, "method_malformed"), &["/public/x"], &["nobody", "admin"]) },
    Group { method: "PROPFIND", ..refused((501, "method_unknown"), &["/public/x"], &["nobody"]) },
    Group { method: "TRACE", ..refused((405, "method_not_allowed"), &["/public/x"], &["nobody"]) },
    // H: the host.
    Group { host: "{HOST}", ..allowed(&["/public/x", "/api/x"], &["user"]) },
    Group { host: "{host}.", ..allowed(&["/public/x"], &["nobody"]) },
    Group { host: "{host}:8443", ..refused((401, "unauthenticated"), &["/api/x"], &["nobody"]) },
    Group { host: "a/b", ..refused((400, "host_malformed"), &["/public/x"], &["nobody"]) },
    Group { host: "u@{host}", ..refused((400, "host_malformed"), &["/public/x"], &["nobody"]) },
    Group { host: "{host}:99999", ..refused((400, "host_malformed"), &["/public/x"], &["nobody"]) },
    Group {
        extra: "Host: elsewhere\r\n",
        not: &[(ForwardAuth, "this is the host of the question, not of the request")],
        ..refused((400, "host_twice"), &["/public/x"], &["nobody"])
    },
    // I-01 to I-09: fields that claim to be somebody.
    Group {
        extra: "X-Auth-User-Id: 1\r\nX-Auth-Roles: admin\r\nX_Auth_Roles: admin\r\nx.auth.roles: admin\r\n\
            X-Auth-Assertion: a.b.c\r\nRemote-User: admin\r\nX-Forwarded-User: admin\r\nCf-Access-Jwt-Assertion: x\r\n",
        ..refused((401, "unauthenticated"), &["/api/x", "/admin/x"], &["nobody"])
    },
    Group {
        extra: "X-Auth-Roles: admin\r\nX-Auth-Roles: admin\r\n",
        ..refused((403, "role_required"), &["/admin/x"], &["user"])
    },
    Group { extra: "X-Auth-Roles: admin\r\n", ..allowed(&["/public/x"], &["nobody", "user", "forged"]) },
    refused(
        (401, "token_malformed"),
        &["/api/x", "/admin/x", "/nothing"],
        &["empty", "two words", "garbage", "unsigned", "refresh"],
    ),
    refused((401, "token_malformed"), &["/api/x"], &["odd cookie", "empty cookie"]),
    allowed(&["/public/x"], &["empty", "garbage", "odd cookie", "bearer twice", "revoked"]),
    // J: tokens.
    refused((401, "token_algorithm"), &["/api/x"], &["alg none"]),
    refused((401, "token_signature"), &["/api/x", "/admin/x"], &["forged"]),
    refused((401, "token_type"), &["/api/x"], &["other type"]),
    refused((401, "token_key_unknown"), &["/api/x"], &["other key"]),
    refused((401, "token_audience"), &["/api/x"], &["other audience"]),
    refused((401, "token_issuer"), &["/api/x"], &["other issuer"]),
    refused((401, "token_claims"), &["/api/x"], &["roles as text"]),
    refused((401, "token_expired"), &["/api/x", "/admin/x", "/nothing"], &["expired", "expired cookie"]),
    refused((401, "token_not_yet_valid"), &["/api/x"], &["not yet"]),
    refused((401, "token_revoked"), &["/api/x", "/admin/x"], &["revoked", "revoked cookie"]),
    refused(
        (401, "token_ambiguous"),
        &["/api/x", "/admin/x"],
        &["bearer twice", "bearer and cookie", "two cookies"],
    ),
    allowed(&["/api/x"], &["the same twice over"]),
    refused((401, "unauthenticated"), &["/api/x?access_token=a.b.c", "/api/x?token=x"], &["nobody"]),
    // C-06, C-09: a cookie counts for unsafe requests of our own pages only.
    Group {
        method: "POST",
        extra: "Content-Length: 0\r\n",
        ..refused((403, "cross_site"), &["/api/x"], &["user's cookie"])
    },
    Group {
        method: "POST",
        extra: "Content-Length: 0\r\nOrigin: https://evil.example\r\n",
        ..refused((403, "cross_site"), &["/api/x"], &["user's cookie"])
    },
    Group {
        method: "POST",
        extra: "Content-Length: 0\r\nOrigin: {origin}\r\n",
        ..allowed(&["/api/x"], &["user's cookie", "user"])
    },
    Group {
        method: "POST",
        extra: "Content-Length: 0\r\nSec-Fetch-Site: same-site\r\nOrigin: {origin}\r\n",
        ..refused((403, "cross_site"), &["/api/x"], &["user's cookie"])
    },
    Group { extra: "Origin: https://evil.example\r\n", ..allowed(&["/api/x"], &["user's cookie"]) },
];
