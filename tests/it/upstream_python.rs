//! A Python service behind the real binary: whatever a client claims to be, the service sees the gateway's word, once,
//! and can check it with PyJWT, which knows nothing of our code.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::flows_client::Client;
use crate::flows_process::{PASSWORD, Server, Site};
use crate::support::Answer;

/// The identity fields that an upstream may see, folded as in INV-3.
const OURS: [&str; 9] = [
    "x_auth_user_id",
    "x_auth_email",
    "x_auth_name",
    "x_auth_roles",
    "x_auth_permissions",
    "x_auth_session",
    "x_auth_amr",
    "x_auth_time",
    "x_auth_assertion",
];

/// What no upstream may ever read in a header.
const LIE: &str = "spoofed-by-the-client";

const SPELLINGS: [&str; 44] = [
    "X-Auth-User-Id",
    "x-auth-user-id",
    "X_Auth_User_Id",
    "X.Auth.User.Id",
    "X-AUTH-USER-ID",
    "X-Auth-User_Id",
    "X-Auth-Email",
    "x_auth_email",
    "X-Auth-Name",
    "X-Auth-Roles",
    "x-auth_roles",
    "X_AUTH_ROLES",
    "X.Auth.Roles",
    "X-Auth-Permissions",
    "x_auth_permissions",
    "X-Auth-Session",
    "X-Auth-Amr",
    "X-Auth-Time",
    "X-Auth-Assertion",
    "x_auth_assertion",
    "X-Auth.Assertion",
    "X-Auth-User",
    "X-Auth-Groups",
    "Remote-User",
    "remote_user",
    "Remote-Groups",
    "Remote-Email",
    "X-Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X_Forwarded_Groups",
    "X-Forwarded-Preferred-Username",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Authentik-Username",
    "X-Authentik-Jwt",
    "X-Pomerium-Claim-Email",
    "X-Pomerium-Jwt-Assertion",
    "Cf-Access-Jwt-Assertion",
    "Cf-Access-Authenticated-User-Email",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Oidc-Data",
    "X-Goog-Authenticated-User-Email",
    "X-Webauth-User",
];

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name)
}

/// The interpreter, with what `verify_assertion.py` needs.
fn python() -> String {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import jwt, cryptography"]).output();
    let there = probe.as_ref().is_ok_and(|o| o.status.success());
    assert!(
        there,
        "{python} has no PyJWT. Make an environment with `python3 -m venv DIR && DIR/bin/pip install -r \
         tests/python/requirements.txt` and set STAGEDOOR_TEST_PYTHON=DIR/bin/python (scripts/test does it): {probe:?}"
    );
    python
}

/// The echo upstream, the gateway before it, and two people.
struct Stage {
    python: String,
    site: Site,
    user: String,
    admin: String,
    _servers: [Server; 2],
}

impl Stage {
    fn set() -> Self {
        let (python, site) = (python(), Site::new());
        let mut echo = Command::new(&python);
        echo.arg(script("echo_upstream.py")).arg(site.upstream().port().to_string()).stdout(Stdio::piped());
        let mut echo = Server(echo.spawn().unwrap());
        assert_eq!(echo.first_line(), site.upstream().port().to_string());
        let user = site.create_user("user@example.org", "user");
        let admin = site.create_user("admin@example.org", "admin");
        let gateway = site.serve();
        Self { python, site, user, admin, _servers: [echo, gateway] }
    }

    fn token(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.site.client().post_json("/auth/token/", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access"].as_str().unwrap().to_owned()
    }

    fn verify(&self, assertion: &str, audience: &str, issuer: &str) -> Output {
        let jwks = format!("http://{}/auth/.well-known/jwks.json", self.site.public());
        let mut command = Command::new(&self.python);
        command.arg(script("verify_assertion.py")).args([&jwks, audience, issuer]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child.stdin.take().unwrap().write_all(assertion.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// Adds every lie, each identity name twice, and a `Connection` field that would have ours removed on the way.
fn lying(client: Client) -> Client {
    let mut client = client;
    for name in SPELLINGS.iter().chain(&["X-Auth-User-Id", "X-Auth-Roles"]) {
        client.headers.push(((*name).to_owned(), LIE.to_owned()));
    }
    let nominated = "x-auth-user-id, x-auth-roles, x-auth-assertion";
    client.headers.push(("Connection".into(), nominated.into()));
    client
}

/// What the upstream received, its names folded.
fn received(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let fold = |name: &str| -> String {
        let lower = name.to_lowercase();
        lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    };
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let headers = answer.json()["headers"].as_array().unwrap().clone();
    headers.iter().map(|pair| (fold(&text(&pair[0])), text(&pair[1]))).collect()
}

fn all<'a>(received: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    received.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
}

fn without_lies(received: &[(String, String)]) {
    for (name, value) in received {
        assert!(!value.contains(LIE), "{name}: {value}");
        let identity =
            ["x_auth_", "remote_", "x_remote_", "x_forwarded_user", "x_authentik", "x_pomerium", "cf_access"];
        let claims = identity.iter().any(|p| name.starts_with(p));
        assert!(!claims || OURS.contains(&name.as_str()), "{name}: {value}");
    }
    for secret in ["authorization", "cookie"] {
        assert_eq!(all(received, secret), Vec::<&str>::new());
    }
}

#[test]
fn i_02_a_python_upstream_sees_nobody_for_an_anonymous_liar() {
    let stage = Stage::set();
    let seen = received(&lying(stage.site.client()).get("/public/page"));
    without_lies(&seen);
    for name in OURS {
        assert_eq!(all(&seen, name), Vec::<&str>::new(), "{name}");
    }
    let refused = lying(stage.site.client()).get("/api/page");
    assert_eq!(refused.status, 401);
}

#[test]
fn i_01_a_python_upstream_sees_each_identity_field_once_and_believes_it() {
    let stage = Stage::set();
    for (email, id, role, path) in [
        ("user@example.org", &stage.user, "user", "/api/page"),
        ("user@example.org", &stage.user, "user", "/public/page"),
        ("admin@example.org", &stage.admin, "admin", "/admin/page"),
    ] {
        let token = stage.token(email);
        let seen = received(&lying(stage.site.client().bearer(&token)).get(path));
        without_lies(&seen);
        for name in OURS {
            assert_eq!(all(&seen, name).len(), 1, "{path} {name}: {seen:?}");
        }
        let expected = [("x_auth_user_id", id.as_str()), ("x_auth_email", email), ("x_auth_roles", role)];
        for (name, value) in expected {
            assert_eq!(all(&seen, name), [value], "{path}");
        }
        let output = stage.verify(all(&seen, "x_auth_assertion")[0], "things", &stage.site.url());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let claims: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((claims["sub"].as_str(), claims["roles"].clone()), (Some(id.as_str()), json!([role])));
        assert_eq!(all(&seen, "x_auth_session"), [claims["sid"].as_str().unwrap()]);
    }
}

#[test]
fn j_09_a_python_upstream_believes_no_bent_or_borrowed_assertion() {
    let stage = Stage::set();
    let token = stage.token("user@example.org");
    let seen = received(&stage.site.client().bearer(&token).get("/api/page"));
    let (assertion, url) = (all(&seen, "x_auth_assertion")[0], stage.site.url());
    assert_eq!(stage.verify(assertion, "things", &url).status.code(), Some(0), "positive control");

    let [head, payload, signature]: [&str; 3] = assertion.split('.').collect::<Vec<_>>().try_into().unwrap();
    let bent_payload = payload.replacen(&payload[20..21], if &payload[20..21] == "A" { "B" } else { "A" }, 1);
    let reversed: String = signature.chars().rev().collect();
    for (what, assertion, audience, issuer) in [
        ("payload", format!("{head}.{bent_payload}.{signature}"), "things", url.as_str()),
        ("signature", format!("{head}.{payload}.{reversed}"), "things", &url),
        ("unsigned", format!("{head}.{payload}."), "things", &url),
        ("audience", assertion.to_owned(), "other-things", &url),
        ("issuer", assertion.to_owned(), "things", "https://elsewhere.example"),
        ("access token", token.clone(), "things", &url),
        ("access token, its own audience", token, "stagedoor", &url),
    ] {
        let output = stage.verify(&assertion, audience, issuer);
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
    }
}
