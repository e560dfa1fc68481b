//! Two gateways, what they need, and the people in front of them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::flows_process::{Ports, eventually};
use crate::support::exchange::{NoReply, Reply, bytes, exchange};
use crate::support::{
    Database, FaultProxy, Load, Node, PASSWORD, PROXIED_EVERY, PostgresServer, Tokens, Upstream, tokens_in,
};

/// Stands in the address of the database and must be seen nowhere else.
const DATABASE_PASSWORD: &str = "Trap-Door-77";
/// How many honest people there are.
const PEOPLE: usize = 4;
/// For requests of the rows themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a row wants to be different.
pub struct Plan {
    /// Further top-level lines of the configuration.
    pub top: String,
    /// Further lines below `server`.
    pub server: String,
    /// Where people reach the gateways; `None`: the first of them, without TLS.
    pub public_url: Option<String>,
    /// The whole `mail` line.
    pub mail: String,
    /// The whole `password` line.
    pub password: String,
    /// How often somebody may try to sign in.
    pub login: &'static str,
    /// How long a refresh token is good after it was replaced.
    pub reuse_window: &'static str,
    /// How many connections to the database a gateway makes.
    pub connections: u16,
    /// The time from one page that people ask for to the next.
    pub proxied_every: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            top: String::new(),
            server: String::new(),
            public_url: None,
            mail: "mail: { transport: file, dir: mails, from: \"Site <no-reply@localhost>\" }".to_owned(),
            password: "password: { argon2: { memory: 7MiB, iterations: 5 } }".to_owned(),
            login: "100000/1m",
            reuse_window: "10s",
            connections: 16,
            proxied_every: PROXIED_EVERY,
        }
    }
}

/// Two gateways over one database; a proxy stands between them and it.
pub struct Stage {
    pub nodes: Vec<Node>,
    pub upstream: Upstream,
    pub door: FaultProxy,
    pub postgres: PostgresServer,
    proxied_every: Duration,
    people: Vec<(String, Tokens)>,
    dead: Vec<String>,
    folder: TempDir,
}

fn config(plan: &Plan, front: u16, upstream: SocketAddr, database: SocketAddr) -> String {
    let public_url = plan.public_url.clone().unwrap_or_else(|| format!("http://localhost:{front}"));
    let Plan { top, server, mail, password, login, reuse_window, connections, .. } = plan;
    format!(
        r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: {public_url}
  threads: 1
{server}store:
  url: "postgres://gate:{DATABASE_PASSWORD}@{database}/postgres?sslmode=disable"
  connections: {connections}
{mail}
{password}
{top}
rate_limits:
  login: {login}
  register: 100000/1h
  resend: 100000/1m
  refresh: 100000/1m
  otp: 100000/1m
  password_reset: 100000/1h
  password_reset_account: 100000/1h
session: {{ max_per_account: 100, refresh_reuse_window: {reuse_window} }}
roles:
  admin: {{ permissions: ["*"] }}
  user: {{ permissions: [], registration: open, default: true }}
upstreams:
  app: {{ servers: ["http://{upstream}"] }}
routes:
  - {{ path: /**, upstream: app }}
rules:
  - {{ path: /public/**, allow: public }}
  - {{ path: /api/**, allow: authenticated }}
  - {{ path: /secure/**, allow: {{ max_age: 1h }} }}
  - {{ path: /admin/**, allow: {{ role: admin }} }}
"#
    )
}

impl Stage {
    /// Everything runs, people are signed in, and one session has ended.
    pub fn start(plan: &Plan) -> Self {
        let mut stage = Self::set(plan);
        stage.nodes[0].start();
        stage.make_people();
        let gone = stage.sign_in("person0@example.org", 0).expect("signed in");
        assert_eq!(stage.sign_out(&gone, 0), Ok(204));
        stage.dead.push(gone.access);
        // It has to know of what ended before it began.
        stage.nodes[1].start();
        stage.people = (0..PEOPLE)
            .map(|n| {
                let email = email(n);
                let tokens = stage.sign_in(&email, n % 2).expect("signed in");
                (email, tokens)
            })
            .collect();
        stage
    }

    /// The database runs, the gateways do not yet.
    pub fn set(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (upstream, postgres) = (Upstream::start(), PostgresServer::start());
        postgres.connect().run("CREATE ROLE gate LOGIN; GRANT ALL ON SCHEMA public TO gate");
        let door = FaultProxy::to(postgres.address());
        let (first, second) = (Ports::lease(2), Ports::lease(2));
        let text = config(plan, first.first, upstream.address(), door.address());
        let nodes = vec![
            Node::on(first, folder.path(), "first", &text),
            Node::on(second, folder.path(), "second", &text),
        ];
        let proxied_every = plan.proxied_every;
        Self { nodes, upstream, door, postgres, proxied_every, people: Vec::new(), dead: Vec::new(), folder }
    }

    /// One is made by the program, the others are copies: hashing takes its time.
    fn make_people(&self) {
        let args =
            ["user", "create", "--email", "person0@example.org", "--name", "Robin Roe", "--role", "user"];
        let made = self.nodes[0].run(&[&args[..], &["--password-stdin"]].concat(), PASSWORD);
        assert!(made.status.success(), "{made:?}");
        let copy = |n: usize| {
            format!(
                "UPDATE one SET id = '018f0000-0000-7000-8000-00000000000{n}', email = '{}';
                 INSERT INTO accounts SELECT * FROM one;
                 INSERT INTO account_roles SELECT id, 'user' FROM one;",
                email(n)
            )
        };
        let copies: String = (1..PEOPLE).map(copy).collect();
        self.postgres.connect().run(&format!("CREATE TEMP TABLE one AS SELECT * FROM accounts; {copies}"));
    }

    /// The usual load through both gateways.
    pub fn load(&self) -> Load {
        let nodes = self.nodes.iter().map(Node::public).collect();
        Load::at(self.proxied_every, nodes, self.people.clone(), self.dead.clone())
    }

    /// What people hold after a load.
    pub fn now_hold(&mut self, people: Vec<(String, Tokens)>) {
        self.people = people;
    }

    /// What no log may say.
    pub fn secrets(&self) -> Vec<(&'static str, String)> {
        let key =
            std::fs::read_to_string(self.folder.path().join("stagedoor.secret")).expect("made at the start");
        let mut all = vec![
            ("a password", PASSWORD.to_owned()),
            ("the database's password", DATABASE_PASSWORD.to_owned()),
            ("the operator's secret", key.trim().to_owned()),
        ];
        all.extend(self.people.iter().map(|(_, tokens)| ("a refresh token", tokens.refresh.clone())));
        all.extend(self.dead.iter().map(|token| ("an access token", token.clone())));
        all
    }

    /// A connection to the database that no fault touches.
    pub fn database(&self) -> Database {
        self.postgres.connect()
    }

    /// Asks one gateway for one thing; no other is asked instead.
    pub fn ask(&self, node: usize, request: &[u8]) -> Result<Reply, NoReply> {
        ask(self.nodes[node].public(), request)
    }

    pub fn post(&self, node: usize, path: &str, body: &Value) -> Result<Reply, NoReply> {
        self.ask(node, &bytes("POST", path, "", Some(body)))
    }

    pub fn sign_in(&self, email: &str, node: usize) -> Option<Tokens> {
        let body = json!({ "email": email, "password": PASSWORD });
        tokens_in(&self.post(node, "/auth/token/", &body).ok()?)
    }

    /// The status.
    pub fn sign_out(&self, tokens: &Tokens, node: usize) -> Result<u16, NoReply> {
        let bearer = format!("Authorization: Bearer {}\r\n", tokens.access);
        let body = json!({ "refresh": tokens.refresh });
        self.ask(node, &bytes("POST", "/auth/logout/", &bearer, Some(&body))).map(|r| r.status)
    }

    pub fn register(&self, node: usize, email: &str) -> Result<Reply, NoReply> {
        let body = json!({
            "name": "Robin Roe", "email": email, "password": PASSWORD, "password_confirm": PASSWORD,
        });
        self.post(node, "/auth/register/", &body)
    }

    pub fn refresh(&self, node: usize, token: &str) -> Result<Reply, NoReply> {
        self.post(node, "/auth/token/refresh/", &json!({ "refresh": token }))
    }

    /// What a page of the application answers to this access token.
    pub fn page(&self, node: usize, path: &str, access: &str) -> Result<u16, NoReply> {
        let bearer = format!("Authorization: Bearer {access}\r\n");
        self.ask(node, &bytes("GET", path, &bearer, None)).map(|r| r.status)
    }

    /// Waits until every gateway says that it cannot, or can again, work on accounts.
    pub fn await_accounts(&self, ready: bool) {
        eventually("readiness tells", || {
            self.nodes.iter().all(|node| node.accounts_are_ready() == ready).then_some(())
        });
    }
}

/// Asks one gateway, from outside any runtime.
pub fn ask(to: SocketAddr, request: &[u8]) -> Result<Reply, NoReply> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(exchange(to, request, PATIENCE))
}

pub fn email(n: usize) -> String {
    format!("person{n}@example.org")
}
