//! Gateways that share a database: each with its own port, clock, memory and upstream, all with one secret.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::config::SecretSource;
use stagedoor::model::{Clock as _, Secret, SystemClock};
use stagedoor::store;
use stagedoor::token;

use crate::support::fault_proxy::FaultProxy;
use crate::support::{Answer, Person, PostgresServer, RedisServer, Setup, TestApp, get, request, until};

/// Two gateways; the second reaches the database through something that can fail.
pub struct Nodes {
    pub a: TestApp,
    pub b: TestApp,
    pub way: FaultProxy,
    pub server: PostgresServer,
}

impl Nodes {
    /// With clocks that only tests move, and what `choose` changes on both.
    pub fn with(choose: impl Fn(&mut Setup)) -> Self {
        let server = PostgresServer::start();
        let way = FaultProxy::to(database(&server));
        let url = server.url();
        let a = node(&url, None, |setup| choose(setup.manual_clock()));
        let b = node(&detour(&url, &way), Some(&a), |setup| choose(setup.manual_clock()));
        Self { a, b, way, server }
    }

    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// Time passes everywhere.
    pub fn advance(&self, time: Duration) {
        self.a.advance(time);
        self.b.advance(time);
    }
}

/// The secret and what tokens say, in which nodes of one deployment agree.
type Ours = (SecretSource, token::Settings);

fn ours(app: &TestApp) -> Ours {
    (app.settings().secret.clone(), app.settings().token.clone())
}

/// One gateway over a database; with the secret and the tokens of another.
pub fn node(url: &str, like: Option<&TestApp>, choose: impl Fn(&mut Setup)) -> TestApp {
    one_more(url, like.map(ours).as_ref(), choose)
}

fn one_more(url: &str, ours: Option<&Ours>, choose: impl Fn(&mut Setup)) -> TestApp {
    TestApp::with(|setup| {
        let (url, ours) = (Secret::new(url.to_owned()), ours.cloned());
        choose(setup);
        setup.tweak(move |s| {
            s.store = store::Settings::Postgres(store::PostgresSettings { url, ca: None, connections: 4 });
            if let Some((secret, token)) = ours {
                (s.secret, s.token) = (secret, token);
            }
        });
    })
}

/// A database and a Redis for any number of nodes, all by the machine's clock.
pub struct Around {
    pub server: PostgresServer,
    pub redis: RedisServer,
    first: OnceCell<Ours>,
}

impl Around {
    pub fn start() -> Self {
        Self { server: PostgresServer::start(), redis: RedisServer::start(), first: OnceCell::new() }
    }

    /// One more node; the secret is the first one's, which has to live as long as they are made.
    pub fn node(&self) -> TestApp {
        let app = one_more(&self.server.url(), self.first.get(), |setup| {
            with_redis(setup, self.redis.address());
        });
        self.first.get_or_init(|| ours(&app));
        app
    }

    /// To the database, through something that can fail; the second is its URL.
    pub fn way_to_the_store(&self) -> (FaultProxy, String) {
        let way = FaultProxy::to(database(&self.server));
        let url = detour(&self.server.url(), &way);
        (way, url)
    }
}

/// A node tells and hears others there.
pub fn with_redis(setup: &mut Setup, address: SocketAddr) {
    setup.top(&format!("redis: {{ url: \"redis://{address}\" }}"));
}

/// Waits until each has heard all of them.
pub fn hear_each_other(nodes: &[&TestApp]) {
    for app in nodes {
        let heard = || app.metric("stagedoor_revocation_messages_total", "received");
        let before = heard();
        // Each sends once a second; so many in a row are not those of one.
        until("a beat of each", || (heard() > before + 2 * nodes.len()).then_some(()));
    }
}

fn port(url: &str) -> &str {
    url.split("localhost:").nth(1).and_then(|rest| rest.split('/').next()).expect("a port")
}

/// Where a server listens.
fn database(server: &PostgresServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port(&server.url()).parse().expect("a number")))
}

/// The same database by another way.
fn detour(url: &str, way: &FaultProxy) -> String {
    url.replace(&format!("localhost:{}", port(url)), &format!("127.0.0.1:{}", way.address().port()))
}

/// What a node says to a person who asks for `path`.
pub fn asks(app: &TestApp, person: &Person, path: &str) -> Answer {
    app.ask(get(path, &person.bearer()))
}

/// One of our own endpoints; below `/auth`.
pub fn call(app: &TestApp, method: &str, path: &str, person: &Person, body: &Value) -> Answer {
    let fields = format!("{}Content-Type: application/json\r\n", person.bearer());
    app.ask(request(method, &format!("/auth{path}"), &fields, body.to_string().as_bytes()))
}

/// Signs out.
pub fn sign_out(app: &TestApp, person: &Person) {
    let answer = call(app, "POST", "/logout/", person, &json!({}));
    assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
}

/// How long from now on a node lets a person through who has been ended.
pub fn time_until_refused(app: &TestApp, person: &Person) -> Duration {
    let wall = SystemClock::new();
    let begun = wall.monotonic();
    until("it is refused", || {
        let status = asks(app, person, "/api/x").status;
        assert!(matches!(status, 200 | 401), "{status}");
        (status == 401).then_some(())
    });
    wall.monotonic().saturating_sub(begun)
}
