//! Passwords: the rules and the hashing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use tokio::task::JoinHandle;

use super::*;
use crate::account::password::{About, Hasher, check};
use crate::model::Email;

fn codes(policy: PasswordPolicy, min_length: usize, password: &str) -> Vec<&'static str> {
    let settings = PasswordSettings { policy, min_length, ..settings().password };
    let email = Email::parse("grace.h@example.org").unwrap();
    let about = About { name: "Ada Lovelace-Ng", email: Some(&email) };
    let mut errors = FieldErrors::default();
    check("password", &Secret::new(password), about, &settings, &mut errors);
    errors.0.iter().map(|e| e.code).collect()
}

fn classes(password: &str) -> Vec<&'static str> {
    codes(PasswordPolicy::Classes, 8, password)
}

fn nist(password: &str) -> Vec<&'static str> {
    codes(PasswordPolicy::Nist, 15, password)
}

#[test]
fn l_15_lengths_are_counted_in_characters() {
    assert_eq!(nist(&"x7".repeat(7)), ["too_short"]);
    for length in [15, 64, 128, 256] {
        assert!(
            nist(&"né".repeat(length)[..].chars().take(length).collect::<String>()).is_empty(),
            "{length}"
        );
    }
    for length in [257, 1024, 1 << 20] {
        assert_eq!(nist(&"n".repeat(length)), ["too_long"], "{length}");
    }
    assert_eq!(nist("\u{1f3ad}".repeat(14).as_str()), ["too_short"]);
    assert!(nist(&"\u{1f3ad}".repeat(15)).is_empty());
    assert!(nist(" spaces in, before and after ").is_empty());
    assert!(nist("with a \0 inside it").is_empty());
    assert_eq!(classes("aB3-xyz"), ["too_short"]);
    assert!(classes("aB3-xyzw").is_empty());
    assert_eq!(classes(""), ["required"]);
    // NFC makes one character of three: 256 of them arrive as 768.
    assert!(nist(&"e\u{302}\u{301}".repeat(256)).is_empty());
    assert_eq!(nist(&"e\u{302}\u{301}".repeat(257)), ["too_long"]);
    assert_eq!(nist(&"\u{fdfa}".repeat(200)), ["too_long"], "NFKC makes eighteen of one");
}

#[test]
fn each_missing_class_is_named() {
    assert_eq!(classes("........"), ["no_upper", "no_lower", "no_digit"]);
    assert_eq!(classes("Abcdefgh-"), ["no_digit"]);
    assert_eq!(classes("ABCDEF7-"), ["no_lower"]);
    assert_eq!(classes("zyxwvu7-"), ["no_upper"]);
    assert_eq!(classes("Zyxwvu74"), ["no_special"]);
    assert!(classes("Zyxwvu74 ").is_empty(), "a space is special");
    assert!(classes("Žluť-kůň7").is_empty());
}

#[test]
fn l_15_common_passwords_are_refused_in_any_case_and_width() {
    for password in ["Password1!", "PASSWORD1!", "P@ssw0rd1!", "Summer2025!", "Qwerty123!", "Welcome@2024"] {
        assert!(classes(password).contains(&"common"), "{password}");
    }
    assert!(classes("\u{ff30}assword1!").contains(&"common"), "full width");
    assert!(nist("qwertyuiopasdfghjkl").contains(&"common"));
    assert!(classes(GOOD).is_empty());
}

#[test]
fn name_and_address_stay_out() {
    assert_eq!(classes("xX-lOvElAcE-7"), ["contains_name"]);
    assert_eq!(classes("Zz7-ada-zz"), ["contains_name"]);
    assert!(classes("Ng-Zyxwv7").is_empty(), "two letters occur by chance");
    assert_eq!(classes("1-GRACE.h-x"), ["contains_email"]);
}

#[tokio::test]
async fn l_15_two_spellings_of_one_text_are_one_password() {
    let house = House::new();
    let wanted = CreateUser {
        email: MINE.into(),
        name: "Grace".into(),
        roles: vec![],
        password: Secret::new("Caf\u{e9}-Zyxwv7"),
    };
    house.accounts.create_user(wanted).await.unwrap();
    house.login(MINE, "Cafe\u{301}-Zyxwv7").await.unwrap();
    house.login(MINE, "Caf\u{e9}-Zyxwv7").await.unwrap();
    assert_eq!(word(&house.login(MINE, "Cafe-Zyxwv7").await), "wrong");
}

#[tokio::test]
async fn l_15_nothing_is_hashed_for_an_oversize_password() {
    let house = House::new();
    house.member(MINE).await;
    let before = house.accounts.hasher().completed();
    for email in [MINE, "unknown@example.org"] {
        for length in [257, 1 << 20] {
            assert_eq!(word(&house.login(email, &"x".repeat(length)).await), "wrong");
        }
    }
    let huge = format!("{GOOD}{}", "x".repeat(300));
    assert_eq!(broken(house.register("new@example.org", &huge).await), ["password:too_long"]);
    assert_eq!(house.accounts.hasher().completed(), before);
    assert_eq!(
        house.count("SELECT CAST(sum(failures) AS BIGINT) FROM lockouts").await,
        4,
        "counted all the same"
    );
}

fn hasher(change: impl FnOnce(&mut Argon2Settings), clock: &Arc<impl Clock>) -> Arc<Hasher> {
    let mut argon2 = settings().password.argon2;
    change(&mut argon2);
    Arc::new(Hasher::new(argon2, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(SystemEntropy)))
}

/// More than there is memory for: one at a time, however many cores there are.
#[test]
fn case_5_26_no_more_hashes_at_once_than_fit_into_the_memory() {
    let workers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("argon2-")).count()
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    for (memory_kib, expected) in [(7 << 10, cores), (u32::MAX, 1)] {
        let change = |a: &mut Argon2Settings| (a.workers, a.memory_kib) = (None, memory_kib);
        let _hasher = hasher(change, &still());
        // A thread takes its name when it begins, and is gone some time after its pool.
        let mut looks = 0..2000;
        while workers() != expected {
            assert!(looks.next().is_some(), "{} workers instead of {expected}", workers());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn still() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_secs(1)))
}

/// A clock that holds up the worker who reads it until the test lets it go: a hash that takes as long as one likes.
struct Gate {
    clock: ManualClock,
    read: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn closed() -> Arc<Self> {
        let clock = ManualClock::at(Timestamp::from_secs(1));
        Arc::new(Self { clock, read: AtomicUsize::new(0), open: Mutex::new(false), opened: Condvar::new() })
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    /// Until a worker has begun with a job.
    async fn reached(&self) {
        while self.read.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        let now = self.clock.monotonic();
        if std::thread::current().name().is_some_and(|name| name.starts_with("argon2")) {
            self.read.fetch_add(1, Ordering::SeqCst);
            drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        }
        now
    }
}

/// A pool of one worker, which is held up with a first job while `waiting` others wait.
async fn held_up(gate: &Arc<Gate>, waiting: usize) -> (Arc<Hasher>, Vec<JoinHandle<&'static str>>) {
    let change = |a: &mut Argon2Settings| (a.workers, a.queue) = (Some(1), 2);
    let hasher = hasher(change, gate);
    let spawn = || {
        let hasher = Arc::clone(&hasher);
        tokio::spawn(async move { word(&hasher.hash(&Secret::new(GOOD)).await) })
    };
    let mut tasks = vec![spawn()];
    gate.reached().await;
    for n in 1..=waiting {
        tasks.push(spawn());
        while hasher.waiting() < n {
            tokio::task::yield_now().await;
        }
    }
    (hasher, tasks)
}

async fn words(tasks: Vec<JoinHandle<&'static str>>) -> Vec<&'static str> {
    let mut words = Vec::new();
    for task in tasks {
        words.push(task.await.unwrap());
    }
    words
}

#[tokio::test]
async fn l_16_every_byte_counts() {
    let hasher = hasher(|_| (), &still());
    let long = "x".repeat(72);
    for (one, other) in [(format!("{long}a"), format!("{long}b")), ("a\0b".into(), "a\0c".into())] {
        let hash = hasher.hash(&Secret::new(one.clone())).await.unwrap();
        assert!(hasher.verify(&hash, &Secret::new(one)).await.unwrap().ok);
        assert!(!hasher.verify(&hash, &Secret::new(other)).await.unwrap().ok);
    }
}

#[tokio::test]
async fn a_hash_is_a_phc_string_that_others_can_read() {
    let hasher = hasher(|a| a.iterations = 2, &still());
    let hash = hasher.hash(&Secret::new(GOOD)).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=8,t=2,p=1$"), "{}", hash.expose());
    assert_ne!(hash.expose(), hasher.hash(&Secret::new(GOOD)).await.unwrap().expose(), "a salt of its own");
    // Made by the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
    let known =
        Secret::new("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    let verified = hasher.verify(&known, &Secret::new("password")).await.unwrap();
    assert!(verified.ok && verified.outdated);
    assert!(hasher.verify(&Secret::new("junk"), &Secret::new("password")).await.is_err());
}

#[tokio::test]
async fn a_full_queue_turns_away_at_once() {
    let gate = Gate::closed();
    let (hasher, tasks) = held_up(&gate, 2).await;
    assert_eq!(word(&hasher.hash(&Secret::new(GOOD)).await), "busy");
    assert_eq!(word(&hasher.verify_dummy(&Secret::new(GOOD)).await), "busy");
    gate.open();
    assert_eq!(words(tasks).await, ["ok", "ok", "ok"]);
    assert_eq!(hasher.completed(), 3);
}

#[tokio::test]
async fn what_waited_past_the_deadline_is_turned_away_unhashed() {
    let gate = Gate::closed();
    let (hasher, tasks) = held_up(&gate, 2).await;
    gate.clock.advance(secs(6));
    gate.open();
    assert_eq!(words(tasks).await, ["ok", "busy", "busy"]);
    assert_eq!(hasher.completed(), 1);
}

#[tokio::test]
async fn d_05_a_caller_who_leaves_frees_no_slot() {
    let gate = Gate::closed();
    let (hasher, mut tasks) = held_up(&gate, 2).await;
    let running = tasks.remove(0);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(hasher.waiting(), 2, "the worker is still busy with the first");
    assert_eq!(word(&hasher.hash(&Secret::new(GOOD)).await), "busy");
    gate.open();
    assert_eq!(words(tasks).await, ["ok", "ok"]);
    assert_eq!(hasher.completed(), 3, "the first was finished before the second began");
}
