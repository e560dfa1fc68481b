//! One gateway over SQLite with everything open that has to be seen through a stop or a hand-over.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::stage::ask;
use crate::support::exchange::bytes;
use crate::support::{
    Ask, Next, Node, PASSWORD, RawClient, Received, Tokens, Upstream, client_frame, server_frame, tokens_in,
};

const EMAIL: &str = "robin@example.org";

/// The gateway, its application, and one person.
pub struct Lone {
    pub node: Node,
    pub upstream: Upstream,
    pub tokens: Tokens,
    _folder: TempDir,
}

fn config(server: &str, upstream: std::net::SocketAddr) -> String {
    format!(
        r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 2
  h2c: true
{server}
store: {{ url: "sqlite:site.db" }}
mail: {{ transport: file, dir: mails, from: "Site <no-reply@localhost>" }}
password: {{ argon2: {{ memory: 7MiB, iterations: 5 }} }}
rate_limits: {{ login: 100000/1m, refresh: 100000/1m }}
session: {{ max_per_account: 100 }}
roles:
  user: {{ permissions: [], registration: open, default: true }}
upstreams:
  app: {{ servers: ["http://{upstream}"] }}
routes:
  - {{ path: /**, upstream: app }}
rules:
  - {{ path: /public/**, allow: public }}
  - {{ path: /api/**, allow: authenticated }}
"#
    )
}

fn slowly(pause: Duration) -> impl Fn(&Received, &mut TcpStream) -> Next + Send + Sync + 'static {
    move |_, stream| {
        std::thread::sleep(pause);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
        Next::KeepAlive
    }
}

impl Lone {
    /// Runs, with these further lines below `server`.
    pub fn start(server: &str) -> Self {
        let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
        // Nobody else may enter: the socket of hand-overs lies there.
        std::fs::DirBuilder::new().mode(0o700).create(folder.path().join("run")).expect("a folder");
        upstream.script("/api/slow", slowly(Duration::from_millis(1200)));
        upstream.script("/api/slower", slowly(Duration::from_secs(5)));
        upstream.script("/api/slowest", slowly(Duration::from_secs(8)));
        let node = Node::new(folder.path(), "lone", &config(server, upstream.address()));
        let args = ["user", "create", "--email", EMAIL, "--name", "Robin Roe", "--role", "user"];
        let made = node.run(&[&args[..], &["--password-stdin"]].concat(), PASSWORD);
        assert!(made.status.success(), "{made:?}");
        node.start();
        let tokens = sign_in(&node);
        Self { node, upstream, tokens, _folder: folder }
    }

    /// One more sign-in of the person.
    pub fn sign_in(&self) -> Tokens {
        sign_in(&self.node)
    }

    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.tokens.access)
    }

    /// What the usual load asks: a page, and in between somebody who may not.
    pub fn asks(&self) -> Vec<Ask> {
        let good = Ask { path: "/api/steady".into(), fields: self.bearer(), status: 200 };
        let bad = Ask { path: "/api/probe".into(), fields: String::new(), status: 401 };
        vec![good.clone(), good.clone(), good.clone(), good, bad]
    }

    /// A request under way; the answer is read later.
    pub fn send(&self, path: &str) -> RawClient {
        let mut client = RawClient::connect(self.node.public());
        client.patience(Duration::from_secs(40));
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", self.bearer()));
        client
    }

    /// A page, on a connection that is kept.
    pub fn keep(&self) -> RawClient {
        let mut client = self.send("/api/first");
        assert_eq!(client.answer().expect("an answer").status, 200);
        client
    }

    /// Asks for a further page on that connection.
    pub fn ask_further(&self, client: &mut RawClient) {
        client.send(format!("GET /api/further HTTP/1.1\r\nHost: localhost\r\n{}\r\n", self.bearer()));
    }

    /// An open WebSocket.
    pub fn websocket(&self) -> RawClient {
        self.websocket_of(&self.tokens)
    }

    /// One of another sign-in.
    pub fn websocket_of(&self, tokens: &Tokens) -> RawClient {
        let mut client = RawClient::connect(self.node.public());
        client.send(format!(
            "GET /api/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {}\r\n\r\n",
            tokens.access
        ));
        assert_eq!(client.head().expect("an answer").status, 101);
        client
    }
}

/// Whether a message comes back.
pub fn echoes(websocket: &mut RawClient) -> bool {
    let sent = websocket.try_send(&client_frame(1, b"still there?")).is_ok();
    let wanted = server_frame(1, b"still there?");
    sent && websocket.exactly(wanted.len()).is_ok_and(|got| got == wanted)
}

fn sign_in(node: &Node) -> Tokens {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let reply = ask(node.public(), &bytes("POST", "/auth/token/", "", Some(&body))).expect("an answer");
    tokens_in(&reply).unwrap_or_else(|| panic!("{} {}", reply.status, reply.text()))
}
