//! Honest load while something fails: people whose requests go to the application through both gateways (50 a second),
//! who refresh (2 a second) and sign in (one a second). Nobody waits for anybody: a slow answer does not make
//! the load smaller. And those who must never get through: without a token, with forged ones, with tokens of sessions
//! that have ended (INV-6, 20 a second).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};
use tokio::runtime::Runtime;

use super::exchange::{NoReply, Reply, bytes, exchange};
use super::load_report::{Class, Event, Outcome, Report};
use super::people::PASSWORD;
use crate::flows_process::eventually;

/// How long anybody waits for an answer.
pub const WAIT: Duration = Duration::from_secs(12);
/// Pages, unless a row wants more of them.
pub const PROXIED_EVERY: Duration = Duration::from_millis(20);
/// Of so many proxied requests one is for a place that asks for a recent sign-in.
const SENSITIVE_ONE_IN: usize = 10;
const REFRESH_EVERY: Duration = Duration::from_millis(500);
const SIGN_IN_EVERY: Duration = Duration::from_secs(1);
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// What a signed-in person holds.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

struct Person {
    email: String,
    tokens: Mutex<Tokens>,
    /// Held while a refresh is under way: honest people wait for its answer.
    refreshing: tokio::sync::Mutex<()>,
}

struct World {
    nodes: Vec<SocketAddr>,
    people: Vec<Person>,
    dead: Mutex<Vec<String>>,
    turn: AtomicUsize,
    over: AtomicBool,
    under_way: AtomicUsize,
    clock: SystemClock,
    events: Mutex<Vec<Event>>,
    violations: Mutex<Vec<String>>,
    refused: AtomicUsize,
}

/// Load that goes on until it is asked for its report.
pub struct Load {
    world: Arc<World>,
    runtime: Option<Runtime>,
}

impl Load {
    /// Begins. `people` are signed in; `dead` are access tokens of sessions that have ended.
    pub fn start(nodes: Vec<SocketAddr>, people: Vec<(String, Tokens)>, dead: Vec<String>) -> Self {
        Self::at(PROXIED_EVERY, nodes, people, dead)
    }

    /// With so much time from one page to the next.
    pub fn at(
        proxied_every: Duration,
        nodes: Vec<SocketAddr>,
        people: Vec<(String, Tokens)>,
        dead: Vec<String>,
    ) -> Self {
        let person = |(email, tokens): (String, Tokens)| Person {
            email,
            tokens: Mutex::new(tokens),
            refreshing: tokio::sync::Mutex::default(),
        };
        let world = Arc::new(World {
            nodes,
            people: people.into_iter().map(person).collect(),
            dead: Mutex::new(dead),
            turn: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            clock: SystemClock::new(),
            events: Mutex::default(),
            violations: Mutex::default(),
            refused: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("load")
            .enable_all()
            .build()
            .expect("a runtime");
        for (class, every) in [
            (Class::Proxied, proxied_every),
            (Class::Refresh, REFRESH_EVERY),
            (Class::SignIn, SIGN_IN_EVERY),
            (Class::Probe, PROBE_EVERY),
        ] {
            runtime.spawn(repeat(world.clone(), class, every));
        }
        Self { world, runtime: Some(runtime) }
    }

    /// Time since the load began.
    pub fn now(&self) -> Duration {
        self.world.clock.monotonic()
    }

    /// Lets people act for a while: how many requests there are is a matter of time.
    pub fn run_for(&self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// From now on this access token must not get through either.
    pub fn must_be_dead(&self, access: &str) {
        locked(&self.world.dead).push(access.to_owned());
    }

    /// The access tokens that people hold right now.
    pub fn held(&self) -> Vec<String> {
        self.world.people.iter().map(|p| locked(&p.tokens).access.clone()).collect()
    }

    /// What happened up to now.
    pub fn report(&self) -> Report {
        Report {
            refused: self.world.refused.load(Ordering::SeqCst),
            events: locked(&self.world.events).clone(),
            violations: locked(&self.world.violations).clone(),
        }
    }

    /// Ends when the answers under way have come; says what happened, and what people hold now.
    pub fn finish(mut self) -> (Report, Vec<(String, Tokens)>) {
        self.world.over.store(true, Ordering::SeqCst);
        eventually("the last answers", || (self.world.under_way.load(Ordering::SeqCst) == 0).then_some(()));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let people = self.world.people.iter().map(|p| (p.email.clone(), locked(&p.tokens).clone()));
        (self.report(), people.collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn repeat(world: Arc<World>, class: Class, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    for n in 0usize.. {
        ticks.tick().await;
        let world = world.clone();
        world.under_way.fetch_add(1, Ordering::SeqCst);
        if world.over.load(Ordering::SeqCst) {
            world.under_way.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        tokio::spawn(async move {
            match class {
                Class::Proxied | Class::Sensitive => world.proxied(n).await,
                Class::Refresh => world.refresh(n).await,
                Class::SignIn => world.sign_in(n).await,
                Class::Probe => world.probe(n).await,
            }
            world.under_way.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl World {
    async fn proxied(&self, n: usize) {
        let person = &self.people[n % self.people.len()];
        let sensitive = n.is_multiple_of(SENSITIVE_ONE_IN);
        let (class, path) = if sensitive { (Class::Sensitive, "secure") } else { (Class::Proxied, "api") };
        let bearer = format!("Authorization: Bearer {}\r\n", locked(&person.tokens).access);
        let request = bytes("GET", &format!("/{path}/honest/{n}"), &bearer, None);
        let reply = self.ask(class, &request).await;
        if let Ok(reply) = &reply.answer
            && matches!(reply.status, 401 | 403)
        {
            self.violation(format!("a good token was refused: {} {}", reply.status, reply.text()));
        }
        self.note(reply);
    }

    async fn refresh(&self, n: usize) {
        let person = &self.people[n % self.people.len()];
        let Ok(_one_at_a_time) = person.refreshing.try_lock() else { return };
        let held = locked(&person.tokens).refresh.clone();
        let request = bytes("POST", "/auth/token/refresh/", "", Some(&json!({ "refresh": held })));
        let reply = self.ask(Class::Refresh, &request).await;
        if let Ok(reply) = &reply.answer {
            match reply.status {
                200 => *locked(&person.tokens) = tokens_in(reply).expect("tokens"),
                401 => self.violation(format!("signed out by a fault: {}", reply.text())),
                _ if reply.field("set-cookie").is_some() => {
                    self.violation(format!("cookies change in an outage: {}", reply.head));
                }
                _ => {}
            }
        }
        self.note(reply);
    }

    async fn sign_in(&self, n: usize) {
        let person = &self.people[n % self.people.len()];
        let body = json!({ "email": person.email, "password": PASSWORD });
        let reply = self.ask(Class::SignIn, &bytes("POST", "/auth/token/", "", Some(&body))).await;
        self.note(reply);
    }

    /// Whatever the answer, it must not come from the application. The application counts as well.
    async fn probe(&self, n: usize) {
        let dead = locked(&self.dead).clone();
        let alive = locked(&self.people[n % self.people.len()].tokens).access.clone();
        let place = if n.is_multiple_of(2) { "api" } else { "secure" };
        let (kind, token) = match (n / 2) % 4 {
            0 => ("none", None),
            1 => ("forged", Some(forged(&alive))),
            2 => ("role", Some(alive)),
            _ => ("dead", dead.get((n / 8) % dead.len().max(1)).cloned()),
        };
        let place = if kind == "role" { "admin" } else { place };
        let fields = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        let to = self.nodes[(n / 16) % self.nodes.len()];
        let request = bytes("GET", &format!("/{place}/probe/{kind}/{n}"), &fields, None);
        let Ok(reply) = exchange(to, &request, WAIT).await else { return };
        self.refused.fetch_add(1, Ordering::SeqCst);
        if !matches!(reply.status, 401 | 403 | 503) {
            self.violation(format!("{kind} on {to} was answered {}: {}", reply.status, reply.text()));
        }
    }

    /// As a balancer does: where nobody answers, the next gateway is asked.
    async fn ask(&self, class: Class, request: &[u8]) -> Asked {
        let began = self.clock.monotonic();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut answer = Err(NoReply::Refused);
        let mut rerouted = false;
        for again in 0..self.nodes.len() {
            answer = exchange(self.nodes[(turn + again) % self.nodes.len()], request, WAIT).await;
            rerouted = again > 0;
            if !matches!(answer, Err(NoReply::Refused | NoReply::Broken)) {
                break;
            }
        }
        Asked { class, began, took: self.clock.monotonic().saturating_sub(began), rerouted, answer }
    }

    fn note(&self, asked: Asked) {
        let Asked { class, began, took, rerouted, answer } = asked;
        let outcome = match answer {
            Ok(reply) if reply.status == 200 => Outcome::Good,
            Ok(reply) if reply.says_later() => Outcome::Later,
            Ok(reply) => Outcome::Wrong(format!("{} {}", reply.status, reply.text())),
            Err(silence) => Outcome::Wrong(format!("{silence:?}")),
        };
        locked(&self.events).push(Event { class, began, took, rerouted, outcome });
    }

    fn violation(&self, what: String) {
        locked(&self.violations).push(what);
    }
}

struct Asked {
    class: Class,
    began: Duration,
    took: Duration,
    rerouted: bool,
    answer: Result<Reply, NoReply>,
}

/// The tokens of an answer.
pub fn tokens_in(reply: &Reply) -> Option<Tokens> {
    let body = reply.json();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    Some(Tokens { access: text("access")?, refresh: text("refresh")? })
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &signature[1..])
}

/// Whatever became of the thread that held it before: the first panic is what the test tells.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
