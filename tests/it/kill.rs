//! `kill -9` at random points while people register, activate, sign in, refresh and sign out (5.15, 5.16): nothing that was answered
//! is lost, nothing is half done, and a mail comes at most once more for each kill.
//!
//! `STAGEDOOR_KILLS=200` asks for a longer run (start the test binary itself, nextest ends tests after three minutes),
//! `STAGEDOOR_SEED` for the run of before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, Entropy, SystemClock, SystemEntropy};

use crate::flows_process::{Site, eventually};
use crate::kill_people::{Life, Moment, Told, Town};
use crate::smtp_stage::SmtpServer;

const CONFIG: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 1
store: { url: "sqlite:site.db" }
mail: { transport: smtp, url: "smtp://127.0.0.1:UPSTREAM", from: "Site <no-reply@localhost>" }
password: { argon2: { memory: 7MiB, iterations: 5 } }
rate_limits:
  login: 100000/1m
  register: 100000/1h
  resend: 100000/1m
  refresh: 100000/1m
  otp: 100000/1m
  password_reset: 100000/1h
  password_reset_account: 100000/1h
roles:
  user: { permissions: [], registration: open, default: true }
upstreams:
  nowhere: { servers: ["http://127.0.0.1:UPSTREAM"] }
routes:
  - { path: /**, upstream: nowhere }
rules:
  - { path: /**, allow: authenticated }
"#;

/// How many people act at once.
/// So many more kills until one meets a sign-out that is under way.
const SPARE: u64 = 40;
const PEOPLE: usize = 3;

/// What must never be found in the store: a change without the rest of it.
pub const HALF_STATES: &[&str] = &[
    "accounts a WHERE NOT EXISTS (SELECT 1 FROM audit WHERE target = a.id AND action = 'account.registered')",
    "accounts a WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE recipient = a.email AND kind = 'activation')",
    "accounts a WHERE verified_at IS NULL AND NOT EXISTS (SELECT 1 FROM codes WHERE account_id = a.id)",
    "accounts a WHERE verified_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM audit WHERE target = a.id AND action = 'account.activated')",
    "accounts a WHERE verified_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE recipient = a.email AND kind = 'welcome')",
    "audit u WHERE action IN ('account.registered', 'account.activated')
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = u.target)",
    "audit u WHERE action = 'account.activated'
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = u.target AND verified_at IS NOT NULL)",
    "outbox o WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE email = o.recipient)",
    "outbox o WHERE state = 'sent' AND body_text <> ''",
    "outbox o WHERE state = 'dead'",
    "sessions s WHERE (SELECT count(*) FROM sessions WHERE account_id = s.account_id)
         <> (SELECT count(*) FROM attempts WHERE account_id = s.account_id AND outcome = 'success')",
    // Those of the last minute: a revocation goes when the tokens have expired by themselves.
    "sessions s WHERE end_reason = 'logout' AND ended_at > (SELECT max(ended_at) - 60000 FROM sessions)
         AND NOT EXISTS (SELECT 1 FROM revocations WHERE kind = 'session' AND subject = s.id)",
    "revocations r WHERE kind = 'session'
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = r.subject AND ended_at IS NOT NULL)",
];

/// A small generator, so that a run can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn some_seed() -> u64 {
    let entropy: &dyn Entropy = &SystemEntropy;
    u64::from_le_bytes(entropy.bytes::<8>()) | 1
}

fn store(site: &Site) -> rusqlite::Connection {
    let store = rusqlite::Connection::open(site.path("site.db")).unwrap();
    store.busy_timeout(Duration::from_secs(30)).unwrap();
    store
}

fn count(db: &rusqlite::Connection, from: &str) -> usize {
    let counted: u32 = db.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).unwrap();
    counted as usize
}

/// With nobody else at the store: it is whole. Then the minute passes for which the dead worker holds its mails.
fn inspect(site: &Site) {
    let db = store(site);
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    for half in HALF_STATES {
        assert_eq!(count(&db, half), 0, "half done: {half}");
    }
    db.execute("UPDATE outbox SET leased_until = 0 WHERE state = 'waiting'", []).unwrap();
}

/// Waits until the server has read what the dead gateway had sent; how many mails it has.
fn settled(post: &SmtpServer) -> usize {
    let mut before = usize::MAX;
    eventually("the mail server is done", || {
        let now = post.said().len();
        let same = now == before;
        before = now;
        same.then_some(now)
    })
}

/// Several people act until the gateway is gone; it is killed when `wait` returns.
fn one_life(town: &Town<'_>, names: &AtomicUsize, wait: impl FnOnce(), kill: impl FnOnce()) -> Vec<Life> {
    std::thread::scope(|scope| {
        let person = || {
            let mut lives = Vec::new();
            loop {
                let n = names.fetch_add(1, Ordering::SeqCst);
                let mut life = Life::new(format!("person{n}@example.org"));
                let ended = life.live(town).is_none();
                lives.push(life);
                if ended {
                    return lives;
                }
            }
        };
        let people: Vec<_> = (0..PEOPLE).map(|_| scope.spawn(person)).collect();
        wait();
        kill();
        town.down.store(true, Ordering::SeqCst);
        people.into_iter().flat_map(|p| p.join().expect("a person is not surprised")).collect()
    })
}

/// For each mail id the lives of the gateway in which it came; `ends` are the numbers of mails at each kill.
fn copies(post: &SmtpServer, ends: &[usize]) -> BTreeMap<String, Vec<usize>> {
    let mut copies = BTreeMap::<String, Vec<usize>>::new();
    for (n, mail) in post.mails().iter().enumerate() {
        let life = ends.partition_point(|end| *end <= n);
        copies.entry(mail.id().to_owned()).or_default().push(life);
    }
    copies
}

#[test]
fn kill_nine_at_random_points_loses_nothing_and_leaves_nothing_half_done() {
    let kills = number("STAGEDOOR_KILLS").unwrap_or(10);
    let seed = number("STAGEDOOR_SEED").unwrap_or_else(some_seed);
    println!("STAGEDOOR_SEED={seed} STAGEDOOR_KILLS={kills}");
    let (began, mut dice) = (SystemClock::new().now(), Dice(seed));
    let site = Site::with(CONFIG);
    let post = SmtpServer::at(site.upstream().port(), &["take"]);
    let (names, mut ends, mut lives) = (AtomicUsize::new(0), Vec::new(), Vec::<Life>::new());
    let (mut last, mut unanswered) = (Vec::<Life>::new(), 0);
    for n in 0.. {
        let server = site.serve();
        let probe =
            site.client().try_post_json("/auth/password-reset/", &json!({ "email": "no@example.org" }));
        let resets = probe.is_some_and(|answer| answer.status == 202);
        let (departures, departed) = channel();
        let down = AtomicBool::new(false);
        let town = Town { client: site.client(), post: &post, resets, down, departures };
        for mut life in std::mem::take(&mut last) {
            assert!(life.stays_out(&town), "signed out, and in again after the restart: {life:?}");
            life.hold_to_word(&town);
            lives.push(life);
        }
        // Whether a kill meets a sign-out is chance: until one did.
        if n >= kills && (unanswered > 0 || n >= kills + SPARE) {
            eventually("all mail is sent", || {
                (count(&store(&site), "outbox WHERE state = 'waiting'") == 0).then_some(())
            });
            server.kill();
            break;
        }
        let moment = match n % 2 {
            0 => Moment::After(Duration::from_millis(40 + dice.below(900))),
            _ => Moment::Departure(Duration::from_micros(dice.below(4000))),
        };
        last = one_life(&town, &names, || moment.wait(&departed), || server.kill());
        unanswered += last.iter().filter(|l| l.is_leaving()).count();
        ends.push(settled(&post));
        inspect(&site);
    }
    settled(&post);
    inspect(&site);

    let db = store(&site);
    let told = |step: fn(&Life) -> Told| lives.iter().filter(|l| step(l) == Told::Done).count();
    for life in lives.iter().filter(|l| l.verified == Told::Done) {
        let there = format!("accounts WHERE email = '{}' AND verified_at IS NOT NULL", life.email);
        assert_eq!(count(&db, &there), 1, "lost: {life:?}");
    }
    let copies = copies(&post, &ends);
    let mut ids = db.prepare("SELECT id FROM outbox").unwrap();
    let ids: Vec<String> = ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let lost = ids.iter().filter(|id| !copies.keys().any(|k| k.contains(id.as_str()))).count();
    let extra = copies.values().map(|c| c.len() - 1).sum::<usize>();
    println!(
        "{} kills in {} s: {} registrations, {} activations, {} sign-ins, {} refreshes, {} resets, {} \
         sign-outs ({unanswered} of them unanswered); {} mails, {extra} second copies, {lost} lost",
        ends.len(),
        SystemClock::new().now().since(began).as_secs(),
        told(|l| l.registered),
        told(|l| l.verified),
        told(|l| l.signed_in),
        lives.iter().map(|l| l.refreshes).sum::<usize>(),
        told(|l| l.reset),
        lives.iter().map(|l| l.left.len()).sum::<usize>(),
        ids.len(),
    );
    assert_eq!(lost, 0);
    assert!(unanswered > 0, "no sign-out was under way at any kill");
    for (id, lives) in copies {
        let mut once_each = lives.clone();
        once_each.dedup();
        assert_eq!(once_each, lives, "{id} came twice in one life of the gateway");
    }
}
