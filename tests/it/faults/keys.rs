//! Signing keys change while people are at work (5.11): the next one in order, and one taken away in an emergency.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stagedoor::model::{Clock as _, SystemClock};

use super::stage::email;
use super::{Plan, Row, Stage};
use crate::flows_process::eventually;
use crate::support::exchange::bytes;
use crate::support::{Class, tokens_in};

/// Pages a second while keys rotate.
const RATE: u32 = 500;

/// Which key signed a token.
fn key_of(token: &str) -> String {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a head")).expect("base64url");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head["kid"].as_str().expect("a key").to_owned()
}

/// The keys that a gateway publishes.
fn published(stage: &Stage, node: usize) -> Vec<String> {
    let answer = stage.ask(node, &bytes("GET", "/auth/.well-known/jwks.json", "", None)).expect("an answer");
    let keys = answer.json()["keys"].as_array().expect("keys").clone();
    keys.iter().map(|k| k["kid"].as_str().expect("a key").to_owned()).collect()
}

fn await_keys(stage: &Stage, what: &str, wanted: impl Fn(&[String]) -> bool) {
    eventually(what, || (0..2).all(|node| wanted(&published(stage, node))).then_some(()));
}

#[test]
fn case_5_11_keys_rotate_under_load_and_one_is_taken_away() {
    let plan = Plan { proxied_every: Duration::from_secs(1) / RATE, ..Plan::default() };
    let mut stage = Stage::start(&plan);
    let database = stage.database();
    let [old] = published(&stage, 0).try_into().expect("one key");

    let mut row = Row::inject("5.11 key rotation", &stage, || {
        let done = stage.nodes[1].run(&["keys", "rotate", "--json"], "");
        assert!(done.status.success(), "{done:?}");
    });
    await_keys(&stage, "both publish two keys", |keys| keys.len() == 2);
    let next = published(&stage, 0).into_iter().find(|k| *k != old).expect("the next key");
    // What takes ten minutes: its time to sign comes. The gateways learn of it up to two seconds apart, so one still
    // signs with the old key while the other has begun with the next.
    let soon = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 500";
    database.run(&format!(
        "UPDATE signing_keys SET created_at = {soon} WHERE kid = '{next}';
         UPDATE signing_keys SET retired_at = {soon} WHERE kid = '{old}'"
    ));
    eventually("all hold tokens of the next key", || {
        row.load.held().iter().all(|token| key_of(token) == next).then_some(())
    });
    for node in 0..2 {
        let tokens = stage.sign_in(&email(node), node).expect("signed in");
        assert_eq!(key_of(&tokens.access), next, "both sign with it");
    }
    // And what takes another ten: the last token of the old key has expired.
    database.run(&format!("UPDATE signing_keys SET retired_at = 1000 WHERE kid = '{old}'"));
    await_keys(&stage, "both have forgotten the old key", |keys| keys == [next.clone()]);
    // As many pages as that rate brings in ten seconds, however long they take.
    let wanted = 10 * usize::try_from(RATE).expect("small");
    let pages = eventually("enough pages", || {
        let report = row.load.report();
        let pages = report.of(Class::Proxied).chain(report.of(Class::Sensitive)).count();
        (pages >= wanted).then_some(pages)
    });
    let seconds = row.load.now().as_secs_f64();
    let rate = f64::from(u32::try_from(pages).expect("fewer")) / seconds;
    row.note("pages_a_second", json!(rate.round()));
    row.heal(|| {});
    let report = row.finish(&mut stage);
    assert!(report.noticed_after(Duration::ZERO).is_none(), "nobody notices");

    // Emergency: somebody else may hold the key.
    let tokens = stage.sign_in(&email(0), 0).expect("signed in");
    assert_eq!(stage.page(1, "/api/x", &tokens.access), Ok(200));
    let clock = SystemClock::new();
    let done = stage.nodes[0].run(&["keys", "revoke", &next], "");
    assert!(done.status.success(), "{done:?}");
    let revoked = clock.monotonic();
    eventually("no token of it is taken anywhere", || {
        (0..2).all(|node| stage.page(node, "/api/x", &tokens.access) == Ok(401)).then_some(())
    });
    let detect = clock.monotonic().saturating_sub(revoked);
    let renewed = eventually("people get new tokens", || tokens_in(&stage.refresh(0, &tokens.refresh).ok()?));
    assert_ne!(key_of(&renewed.access), next);
    eventually("which both take", || {
        (0..2).all(|node| stage.page(node, "/api/x", &renewed.access) == Ok(200)).then_some(())
    });
    let recover = clock.monotonic().saturating_sub(revoked);
    println!(
        "{}",
        json!({
            "fault": "5.11 key taken away in an emergency", "detect_ms": detect.as_millis(),
            "recover_ms": recover.as_millis(),
        })
    );
}
