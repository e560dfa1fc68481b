//! One table of requests through all fronts of the gate: the proxy, the Tower layer that stands alone, and forward-auth.
//! The same rules, the same tokens, the same answer: status and reason of each row hold for every front that can get it.
//!
//! Not in the table: our own pages, which only the proxy serves; browsers on their way to the sign-in page, which the
//! fronts send there differently (`forward_auth` has them); refreshes on the way, which are the proxy's.

use std::collections::BTreeMap;
use std::convert::Infallible;

use http::{Request, Response};
use stagedoor::model::ClientIp;
use stagedoor::token::{Revocations, Verifier};
use stagedoor::tower_layer::{Denied, GateLayer, PolicyLayer};
use tower::{Layer as _, ServiceExt as _};

use crate::fronts_table::{Front, GROUPS, Group};
use crate::jwt_forge::Forge;
use crate::support::{Person, TestApp, get};

/// The host of an upstream that another proxy reaches.
const OUTSIDE: &str = "outside.test";

/// A row of the table, for one front.
struct Row<'a> {
    group: &'a Group,
    target: &'a str,
    who: &'a str,
    credentials: &'a str,
}

/// Status, and the reason of a refusal.
type Said = (u16, String);

struct Stage {
    app: TestApp,
    layer: PolicyLayer,
    people: BTreeMap<&'static str, String>,
    /// For `{me}` in paths.
    me: String,
}

impl Stage {
    fn set() -> Self {
        let app = TestApp::with(|setup| {
            setup.server("trusted_proxies: [127.0.0.1]").upstream("outside", "{ servers: [] }");
            setup.route(&format!("{{ host: {OUTSIDE}, path: /**, upstream: outside }}"));
            for (path, option) in [("/public/semi/**", "allow_semicolon"), ("/Shop/**", "case_insensitive")] {
                setup.route(&format!("{{ path: {path}, upstream: app, {option}: true }}"));
                setup.route(&format!(
                    "{{ host: {OUTSIDE}, path: {path}, upstream: outside, {option}: true }}"
                ));
            }
            for (path, allow) in [
                ("/users/{user}/**", "{ any_of: [{ owner: user }, { role: admin }] }"),
                ("/fresh/**", "{ max_age: 10m }"),
                ("/both/**", "{ all_of: [{ role: admin }, { mfa: true }] }"),
                ("/near/**", "{ network: [203.0.113.0/24] }"),
                ("/team/**", "{ any_role: [admin, staff] }"),
                ("/all/**", "{ all_roles: [admin, staff] }"),
                ("/not/**", "{ not: { role: admin } }"),
                ("/never/**", "deny"),
                ("/shop/**", "public"),
                ("/shop/till/**", "deny"),
                ("/exact", "public"),
            ] {
                setup.rule(&format!("{{ path: \"{path}\", allow: {allow} }}"));
            }
            setup.rule("{ path: /events/**, methods: [GET], allow: { permission: events.view } }");
            setup.rule("{ path: /events/**, allow: { permission: events.edit } }");
        });
        let (people, me, revoked) = people(&app);
        let jwks = app.ask(get("/auth/.well-known/jwks.json", "")).text();
        let keys = Verifier::from_jwks(&jwks, app.public_url(), "stagedoor").expect("a key set");
        let layer = GateLayer::from_policy(app.settings().policy.clone(), &keys);
        let revocations: &Revocations = layer.revocations();
        revocations.revoke_session(revoked.session, app.now().after(std::time::Duration::from_secs(3600)));
        Self { app, layer, people, me }
    }

    fn ask(&self, front: Front, row: &Row<'_>) -> Said {
        match front {
            Front::Proxy => self.proxy(row),
            Front::ForwardAuth => self.forward_auth(row),
            Front::Tower => self.tower(row),
        }
    }

    fn fields(&self, row: &Row<'_>) -> String {
        format!("{}{}", row.credentials, row.group.extra.replace("{origin}", self.app.public_url()))
    }

    fn host(row: &Row<'_>, ours: &str) -> String {
        row.group.host.replace("{host}", ours).replace("{HOST}", &ours.to_uppercase())
    }

    fn proxy(&self, row: &Row<'_>) -> Said {
        let (method, host) = (row.group.method, Self::host(row, "localhost"));
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {}\r\n",
            row.target, row.group.client
        );
        self.over_http(format!("{head}{}\r\n", self.fields(row)).as_bytes())
    }

    fn forward_auth(&self, row: &Row<'_>) -> Said {
        let (method, host) = (row.group.method, Self::host(row, OUTSIDE));
        let fields = format!(
            "X-Forwarded-Method: {method}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: {host}\r\n\
             X-Forwarded-Uri: {}\r\nX-Forwarded-For: {}\r\n{}",
            row.target,
            row.group.client,
            self.fields(row)
        );
        self.over_http(&get("/auth/verify", &fields))
    }

    /// The reason is the one that was counted: a 401 does not say it. One for each refusal (INV-7).
    fn over_http(&self, bytes: &[u8]) -> Said {
        let before = self.denials();
        let answer = self.app.ask(bytes);
        let after = self.denials();
        let new: Vec<&String> =
            after.iter().filter(|(r, n)| before.get(*r) != Some(n)).map(|(r, _)| r).collect();
        let reason = new.iter().map(|r| r.as_str()).collect::<Vec<_>>().join("+");
        if answer.status >= 400 && answer.status != 401 && !answer.body.is_empty() {
            assert_eq!(answer.json()["reason"], *reason, "told and counted");
        }
        (answer.status, reason)
    }

    fn denials(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for line in self.app.metrics().lines().filter(|l| l.starts_with("stagedoor_denials_total")) {
            let reason = line.split("reason=\"").nth(1).and_then(|r| r.split('"').next()).expect("a label");
            let count: usize = line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
            *all.entry(reason.to_owned()).or_default() += count;
        }
        all
    }

    fn tower(&self, row: &Row<'_>) -> Said {
        let mut request = Request::builder().method(row.group.method).uri(row.target);
        request = request.header("host", Self::host(row, "localhost"));
        for line in self.fields(row).lines() {
            let (name, value) = line.split_once(':').expect("a field");
            request = request.header(name, value.trim());
        }
        let Ok(mut request) = request.body(()) else { return (0, "the http crate refuses it".into()) };
        let client: std::net::IpAddr = row.group.client.parse().expect("an address");
        request.extensions_mut().insert(ClientIp::new(client));
        let echo =
            tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
        let Ok(answer) = self.app.wait_for(self.layer.layer(echo).oneshot(request));
        let reason = answer.extensions().get::<Denied>().map_or("", |d| d.reason);
        (answer.status().as_u16(), reason.to_owned())
    }
}

/// What each kind of caller sends; the id of the ordinary one; and who has signed out.
fn people(app: &TestApp) -> (BTreeMap<&'static str, String>, String, Person) {
    let (user, staff, admin) = (app.person("user"), app.person("staff"), app.person("admin"));
    let both =
        app.minted(&admin, |g| g.roles.extend(app.minted(&staff, |_| {}).roles.iter().map(|r| role(r))));
    let revoked = app.person("admin");
    assert_eq!(app.post_json("/logout/", &revoked.bearer(), &serde_json::json!({})).status, 204);
    let forge = Forge::of(app);
    let (payload, forged) =
        (crate::jwt_forge::payload_of(&admin.access), admin.access.rsplit_once('.').unwrap().0.to_owned());
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let cookie = |token: &str| format!("Cookie: stagedoor_access={token}\r\n");
    let hour = std::time::Duration::from_secs(3600);
    let all = [
        ("nobody", String::new()),
        ("user", user.bearer()),
        ("user's cookie", cookie(&user.access)),
        ("staff", staff.bearer()),
        ("admin", admin.bearer()),
        ("admin's cookie", cookie(&admin.access)),
        ("admin and staff", both.bearer()),
        ("mfa", app.with_mfa(&user).bearer()),
        ("admin with mfa", app.with_mfa(&admin).bearer()),
        ("long ago", app.minted(&user, |g| g.auth_time = g.auth_time.before(hour)).bearer()),
        ("expired", app.expired(&admin).bearer()),
        ("expired cookie", cookie(&app.expired(&admin).access)),
        (
            "not yet",
            app.minted_at(&admin, app.now().after(hour), |g| g.auth_time = g.auth_time.after(hour)).bearer(),
        ),
        ("revoked", revoked.bearer()),
        ("revoked cookie", cookie(&revoked.access)),
        ("garbage", bearer("a.b.c")),
        ("empty", "Authorization: Bearer\r\n".into()),
        ("two words", "Authorization: Bearer a b\r\n".into()),
        ("basic", "Authorization: Basic dTpw\r\n".into()),
        ("forged", bearer(&format!("{forged}.{}", crate::jwt_forge::encode([7; 64])))),
        ("unsigned", bearer(&format!("{forged}."))),
        (
            "alg none",
            bearer(&forge.token(forge.header().replace(&forge.algorithm, "none"), payload.to_string())),
        ),
        (
            "other type",
            bearer(&forge.token(forge.header().replace("at+jwt", "assertion+jwt"), payload.to_string())),
        ),
        ("other key", bearer(&forge.token(forge.header().replace(&forge.kid, "0000"), payload.to_string()))),
        ("other audience", bearer(&forge.token(forge.header(), with(&payload, "aud", "other")))),
        ("other issuer", bearer(&forge.token(forge.header(), with(&payload, "iss", "https://evil.example")))),
        ("roles as text", bearer(&forge.token(forge.header(), with(&payload, "roles", "admin")))),
        ("refresh", bearer(&admin.refresh)),
        ("bearer twice", format!("{}{}", user.bearer(), user.bearer())),
        ("bearer and cookie", format!("{}{}", user.bearer(), cookie(&admin.access))),
        ("the same twice over", format!("{}{}", user.bearer(), cookie(&user.access))),
        (
            "two cookies",
            format!("Cookie: stagedoor_access={}; stagedoor_access={}\r\n", user.access, admin.access),
        ),
        ("empty cookie", cookie("")),
        ("odd cookie", cookie("%%%")),
    ];
    (all.into(), user.id.to_string(), revoked)
}

fn role(name: &str) -> stagedoor::model::RoleName {
    stagedoor::model::RoleName::parse(name).expect("a role")
}

fn with(payload: &serde_json::Value, claim: &str, value: &str) -> String {
    let mut payload = payload.clone();
    payload[claim] = value.into();
    payload.to_string()
}

#[test]
fn p_i_j_every_front_says_the_same() {
    let stage = Stage::set();
    let (mut rows, mut wrong) = (0, Vec::new());
    for group in GROUPS {
        for target in group.targets {
            let target = target.replace("{me}", &stage.me);
            for who in group.who {
                rows += 1;
                let row = Row { group, target: &target, who, credentials: &stage.people[who] };
                for front in [Front::Proxy, Front::ForwardAuth, Front::Tower] {
                    let kept_out = group.not.iter().any(|(f, _)| *f == front);
                    let said = if kept_out { continue } else { stage.ask(front, &row) };
                    if said != (group.status, group.reason.to_owned()) {
                        let Row { target, who, .. } = row;
                        wrong.push(format!(
                            "{} {target} {who}: {front:?} says {said:?}, the table {:?}",
                            group.method,
                            (group.status, group.reason)
                        ));
                    }
                }
            }
        }
    }
    println!("{rows} rows");
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 150, "{rows} rows");
}
