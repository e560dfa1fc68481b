//! Refresh tokens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Barrier;

use super::*;
use crate::store::engine::{Engine, Statement};
use crate::store::{Row, StoreError, Value};

async fn signed_in() -> (House, SignedIn) {
    let house = House::new();
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    (house, signed_in)
}

#[tokio::test]
async fn t_01_an_old_token_ends_its_family() {
    let (house, first) = signed_in().await;
    let second = house.refresh(&first.refresh).await.unwrap();
    let third = house.refresh(&second.refresh).await.unwrap();
    assert_eq!(word(&house.refresh(&first.refresh).await), "token");
    assert_eq!(word(&house.refresh(&third.refresh).await), "token", "the live one is dead as well");
    assert!(house.revocations.is_revoked(first.session, first.user.id, house.clock.now()));
    assert_eq!(house.store.live_revocations(house.clock.now()).await.unwrap().len(), 1);
    assert_eq!(house.count("SELECT count(*) FROM sessions WHERE end_reason = 'reuse'").await, 1);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'session.reuse'").await, 1);
    assert_eq!(word(&house.refresh(&first.refresh).await), "token");
    let mails = house.mails("refresh_reused").await;
    assert_eq!((mails.len(), mails[0].0.as_str()), (1, MINE), "told once");
    let other = house.login(MINE, GOOD).await.unwrap();
    house.refresh(&other.refresh).await.unwrap();
}

/// An engine whose first looks at a session are held up twice: until all have been taken, and until all may go on.
struct Together {
    inner: Arc<dyn Engine>,
    looks: AtomicUsize,
    held_up: usize,
    meet: Barrier,
}

#[async_trait]
impl Engine for Together {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = self.inner.read(sql, params).await;
        if sql.contains("FROM sessions WHERE id = $1")
            && self.looks.fetch_add(1, Ordering::SeqCst) < self.held_up
        {
            self.meet.wait().await;
            self.meet.wait().await;
        }
        rows
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.inner.transaction(statements).await
    }
}

fn together(held_up: usize, parties: usize) -> (House, Arc<Together>) {
    let inner = crate::store::engine::scratch();
    let engine =
        Arc::new(Together { inner, looks: AtomicUsize::new(0), held_up, meet: Barrier::new(parties) });
    let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>);
    (House::over(store, Timestamp::from_secs(1_800_000_000), |_| ()), engine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_02_fifty_parallel_uses_have_one_child() {
    let (house, _) = together(50, 50);
    house.member(MINE).await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let children = parallel(50, |_| {
        let (accounts, token) = (Arc::clone(&house.accounts), first.refresh.clone());
        async move { accounts.refresh(&token, &origin()).await.map(|s| s.refresh.expose().to_owned()) }
    })
    .await;
    let first_child = children[0].as_ref().unwrap();
    assert!(children.iter().all(|c| c.as_ref().is_ok_and(|c| c == first_child)));
    assert_eq!(house.count("SELECT generation FROM sessions").await, 1);
    house.refresh(&Secret::new(first_child.clone())).await.unwrap();
}

#[tokio::test]
async fn t_10_a_refresh_that_began_before_the_logout_does_not_outlive_it() {
    let (house, engine) = together(1, 2);
    house.member(MINE).await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let (accounts, token) = (Arc::clone(&house.accounts), first.refresh.clone());
    let refresh = tokio::spawn(async move { accounts.refresh(&token, &origin()).await });
    engine.meet.wait().await;
    let what = Logout { session: Some((first.user.id, first.session)), ..Logout::default() };
    house.accounts.logout(what, &origin()).await.unwrap();
    engine.meet.wait().await;
    assert_eq!(word(&refresh.await.unwrap()), "token");
    assert_eq!(house.count("SELECT generation FROM sessions").await, 0);
}

#[tokio::test]
async fn t_03_the_parent_returns_the_same_child_for_ten_seconds_from_the_rotation() {
    for (wait_ms, expected) in [(0, "ok"), (9_999, "ok"), (10_000, "token")] {
        let (house, first) = signed_in().await;
        house.clock.advance(secs(100));
        let second = house.refresh(&first.refresh).await.unwrap();
        house.clock.advance(Duration::from_millis(wait_ms));
        let again = house.refresh(&first.refresh).await;
        assert_eq!(word(&again), expected, "after {wait_ms} ms");
        if let Ok(again) = again {
            assert_eq!(again.refresh.expose(), second.refresh.expose());
            house.clock.advance(Duration::from_millis(10_000 - wait_ms));
            assert_eq!(
                word(&house.refresh(&first.refresh).await),
                "token",
                "repeating does not prolong the window"
            );
        }
        assert_eq!(word(&house.refresh(&second.refresh).await), "token");
    }
}

/// 5.10: a rotation that lies in the future, because the clock was ahead when it was written down.
#[tokio::test]
async fn t_01_case_5_10_a_clock_that_was_far_ahead_keeps_no_window_open() {
    let ahead = |sql| async move {
        let (house, first) = signed_in().await;
        house.refresh(&first.refresh).await.unwrap();
        house.store.write(sql, vec![]).await.unwrap();
        house.refresh(&first.refresh).await
    };
    let little = ahead("UPDATE sessions SET rotated_at = rotated_at + 120000 RETURNING id").await;
    assert_eq!(word(&little), "ok", "two nodes whose clocks differ");
    let far = ahead("UPDATE sessions SET rotated_at = rotated_at + 86400000 RETURNING id").await;
    assert_eq!(word(&far), "token", "a copy is found out");
}

/// What becomes of a transaction.
#[derive(Clone, Copy)]
enum Line {
    Works,
    /// It is made, and its answer is lost.
    Deaf,
    /// It is made when the test says so, and was given up before.
    Hangs,
    /// It is made, and its answer never comes.
    Silent,
}

/// An engine at the end of a line.
struct Remote {
    inner: Arc<dyn Engine>,
    line: Mutex<Line>,
    waiting: Mutex<Vec<Vec<Statement>>>,
}

impl Remote {
    async fn house() -> (House, Arc<Self>, SignedIn) {
        let (inner, line) = (crate::store::engine::scratch(), Mutex::new(Line::Works));
        let engine = Arc::new(Self { inner, line, waiting: Mutex::default() });
        let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>);
        let house = House::over(store, Timestamp::from_secs(1_800_000_000), |_| ());
        house.member(MINE).await;
        let first = house.login(MINE, GOOD).await.unwrap();
        (house, engine, first)
    }

    fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

#[async_trait]
impl Engine for Remote {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.inner.read(sql, params).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        let line = *self.line.lock().unwrap();
        if let Line::Hangs = line {
            self.waiting.lock().unwrap().push(statements);
            return Err(StoreError::Unavailable("hangs".into()));
        }
        let rows = self.inner.transaction(statements).await;
        match line {
            Line::Deaf => Err(StoreError::Unavailable("cut".into())),
            Line::Silent => std::future::pending().await,
            Line::Works | Line::Hangs => rows,
        }
    }
}

/// 5.9: a refresh took place and nobody knows, not even the gateway.
#[tokio::test]
async fn t_03_case_5_9_a_successor_nobody_has_heard_of_waits_for_the_client() {
    let (house, engine, first) = Remote::house().await;
    let lost = async |token: &Secret| {
        engine.set(Line::Deaf);
        assert_eq!(word(&house.refresh(token).await), "unavailable");
        assert_eq!(word(&house.accounts.settle_unheard().await), "unavailable", "the store is still away");
        engine.set(Line::Works);
    };
    lost(&first.refresh).await;
    assert_eq!(house.accounts.settle_unheard().await.unwrap(), 1);
    assert_eq!(house.accounts.settle_unheard().await.unwrap(), 0, "once");
    house.clock.advance(secs(600));
    let second = house.refresh(&first.refresh).await.unwrap();
    house.clock.advance(secs(600));
    let again = house.refresh(&first.refresh).await.unwrap();
    assert_eq!(second.refresh.expose(), again.refresh.expose(), "one successor, until it is used");
    let third = house.refresh(&second.refresh).await.unwrap();
    house.clock.advance(secs(10));
    assert_eq!(word(&house.refresh(&second.refresh).await), "token", "the next step has the usual window");
    assert_eq!(word(&house.refresh(&third.refresh).await), "token");

    // A copy of the parent is found out when the client goes on.
    let first = house.login(MINE, GOOD).await.unwrap();
    lost(&first.refresh).await;
    house.accounts.settle_unheard().await.unwrap();
    let copied = house.refresh(&first.refresh).await.unwrap();
    let ahead = house.refresh(&copied.refresh).await.unwrap();
    house.clock.advance(secs(10));
    assert_eq!(word(&house.refresh(&first.refresh).await), "token");
    assert_eq!(word(&house.refresh(&ahead.refresh).await), "token");
}

#[tokio::test]
async fn t_03_case_5_7_a_step_made_long_after_it_was_given_up_is_found() {
    let (house, engine, first) = Remote::house().await;
    engine.set(Line::Hangs);
    assert_eq!(word(&house.refresh(&first.refresh).await), "unavailable");
    engine.set(Line::Works);
    assert_eq!(house.accounts.settle_unheard().await.unwrap(), 0, "not made so far");
    let late = std::mem::take(&mut *engine.waiting.lock().unwrap());
    for statements in late {
        engine.transaction(statements).await.unwrap();
    }
    assert_eq!(house.accounts.settle_unheard().await.unwrap(), 1);
    house.clock.advance(secs(600));
    house.refresh(&first.refresh).await.unwrap();
}

#[tokio::test]
async fn t_03_who_leaves_in_the_middle_has_not_heard_either() {
    let (house, engine, first) = Remote::house().await;
    engine.set(Line::Silent);
    let mut gone = Box::pin(house.refresh(&first.refresh));
    while house.count("SELECT generation FROM sessions").await == 0 {
        tokio::select! {
            _ = &mut gone => panic!("heard"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(gone);
    engine.set(Line::Works);
    assert_eq!(house.accounts.settle_unheard().await.unwrap(), 1);
    house.clock.advance(secs(600));
    house.refresh(&first.refresh).await.unwrap();
}

#[tokio::test]
async fn t_04_the_state_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let start = Timestamp::from_secs(1_800_000_000);
    let before = House::at(path.clone(), start, |_| ());
    before.member(MINE).await;
    let first = before.login(MINE, GOOD).await.unwrap();
    let second = before.refresh(&first.refresh).await.unwrap();
    drop(before);
    let after = House::at(path, start.after(secs(5)), |_| ());
    assert_eq!(after.refresh(&first.refresh).await.unwrap().refresh.expose(), second.refresh.expose());
    after.clock.advance(secs(5));
    assert_eq!(word(&after.refresh(&first.refresh).await), "token");
    assert_eq!(word(&after.refresh(&second.refresh).await), "token");
}

#[tokio::test]
async fn t_05_bent_tokens_are_refused_and_end_nothing() {
    let (house, first) = signed_in().await;
    let token = first.refresh.expose().to_owned();
    let mut bent: Vec<String> = (0..token.len()).map(|at| token[..at].to_owned()).collect();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at].is_ascii_alphabetic() { bytes[at] ^ 0x20 } else { b'A' };
        bent.push(String::from_utf8(bytes).unwrap());
    }
    bent.extend([format!("{token}="), format!("{token}A"), format!(" {token}"), format!("{token}\n")]);
    bent.extend([token.replacen("sdr_", "", 1), token.to_uppercase(), token.to_lowercase()]);
    // The last character carries four left-over bits: every other spelling of the same bytes.
    bent.extend(('A'..='Z').chain('a'..='z').map(|c| format!("{}{c}", &token[..token.len() - 1])));
    for text in bent.iter().filter(|text| **text != token) {
        assert_eq!(word(&house.refresh(&Secret::new(text.clone())).await), "token", "{text}");
    }
    assert_eq!(house.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 1);
    house.refresh(&first.refresh).await.unwrap();
}

#[tokio::test]
async fn t_06_what_is_stored_is_no_token() {
    let (house, first) = signed_in().await;
    let body = URL_SAFE_NO_PAD.decode(&first.refresh.expose()[4..]).unwrap();
    let rows = house.store.read("SELECT refresh_hash FROM sessions", vec![]).await.unwrap();
    let stored: [u8; 32] = rows[0].array(0).unwrap();
    assert_ne!(stored, body[16..48]);
    assert_eq!(stored, mailed::sha256(&body[16..48]));
    let forged = [&body[..16], &stored, &body[48..]].concat();
    let forged = Secret::new(format!("sdr_{}", URL_SAFE_NO_PAD.encode(forged)));
    assert_eq!(word(&house.refresh(&forged).await), "token");
    house.refresh(&first.refresh).await.unwrap();
}

#[tokio::test]
async fn t_07_sessions_end_when_idle_and_in_any_case_after_a_month() {
    let (house, first) = signed_in().await;
    house.clock.advance(secs(1800).checked_sub(Duration::from_millis(1)).unwrap());
    let second = house.refresh(&first.refresh).await.unwrap();
    assert_eq!(second.refresh_expires_in, secs(1800));
    house.clock.advance(secs(1800));
    assert_eq!(word(&house.refresh(&second.refresh).await), "token");
    assert!(house.mails("refresh_reused").await.is_empty());

    let mut live = house.login(MINE, GOOD).await.unwrap();
    let mut age = 0;
    while age + 1500 < 30 * 86_400 {
        house.clock.advance(secs(1500));
        age += 1500;
        live = house.refresh(&live.refresh).await.unwrap();
    }
    let rest = secs(30 * 86_400 - age);
    assert_eq!(live.refresh_expires_in, rest.min(secs(1800)), "never promises more than there is");
    house.clock.advance(rest);
    assert_eq!(word(&house.refresh(&live.refresh).await), "token");
}

#[tokio::test]
async fn who_asked_to_stay_signed_in_may_be_idle_longer() {
    let house = House::new();
    house.member(MINE).await;
    let typed = Login { email: MINE.into(), password: Secret::new(GOOD), keep: true, browser: false };
    let first = house.accounts.login(typed, &origin()).await.unwrap().done().unwrap();
    assert_eq!(first.refresh_expires_in, secs(12 * 3600));
    house.clock.advance(secs(12 * 3600 - 1));
    let second = house.refresh(&first.refresh).await.unwrap();
    house.clock.advance(secs(12 * 3600));
    assert_eq!(word(&house.refresh(&second.refresh).await), "token");
}

#[tokio::test]
async fn roles_are_read_anew_and_a_deactivated_account_is_refused() {
    let (house, first) = signed_in().await;
    let sql = "UPDATE account_roles SET role = 'speaker'";
    house.store.write(sql, vec![]).await.unwrap();
    let second = house.refresh(&first.refresh).await.unwrap();
    assert_eq!(second.user.permissions, ["events.view", "talks.edit"]);
    house.store.write("UPDATE account_roles SET role = 'dropped-from-config'", vec![]).await.unwrap();
    let third = house.refresh(&second.refresh).await.unwrap();
    assert!(third.user.roles.is_empty());
    house.store.write("UPDATE accounts SET disabled_at = 1", vec![]).await.unwrap();
    assert_eq!(word(&house.refresh(&third.refresh).await), "token");
    assert_eq!(house.accounts.user(first.user.id).await.unwrap(), None);
}

#[tokio::test]
async fn refreshing_is_limited_by_session() {
    let house = House::with(|s| s.rate_limits.refresh = Quota { limit: 3, window: secs(60) });
    house.member(MINE).await;
    let (a, b) = (house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap());
    for expected in ["ok", "ok", "ok", "limited"] {
        assert_eq!(word(&house.refresh(&a.refresh).await), expected);
    }
    house.refresh(&b.refresh).await.unwrap();
}
