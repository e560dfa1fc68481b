//! One of two gateways is killed at any moment, over PostgreSQL (5.15, 5.16): what was answered is so, what was not can
//! be asked again at the other, and the mails that the dead one had taken are sent by the one that lives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, Entropy, SystemClock, SystemEntropy};

use super::{Plan, Row, Stage};
use crate::flows_client::Client;
use crate::flows_process::{Ports, eventually};
use crate::kill::HALF_STATES;
use crate::kill_people::{Life, Moment, Told, Town};
use crate::smtp_stage::SmtpServer;
use crate::support::Database;

/// How many people act at each gateway.
const PEOPLE: usize = 2;
const KILLS: usize = 5;

fn plan(post: u16) -> Plan {
    let mail = format!(
        "mail: {{ transport: smtp, url: \"smtp://127.0.0.1:{post}\", from: \"Site <no-reply@localhost>\" }}"
    );
    Plan { mail, ..Plan::default() }
}

fn town<'a>(stage: &Stage, node: usize, post: &'a SmtpServer) -> Town<'a> {
    observed_town(stage, node, post).0
}

/// And who hears of sign-outs there.
fn observed_town<'a>(stage: &Stage, node: usize, post: &'a SmtpServer) -> (Town<'a>, Receiver<()>) {
    let client = Client::new(stage.nodes[node].public());
    let (departures, departed) = channel();
    (Town { client, post, resets: true, down: AtomicBool::new(false), departures }, departed)
}

/// What the dead gateway had taken comes back; those of the living one are finished first. Then its worker is woken.
fn give_back_leases(stage: &Stage, database: &Database, alive: usize, n: usize) {
    let leased = "SELECT id FROM outbox WHERE state = 'waiting' AND leased_until > 0 ORDER BY id";
    let mut before = None;
    eventually("the living one has finished its mails", || {
        let now = database.texts(leased);
        std::thread::sleep(Duration::from_millis(120));
        let same = before.as_ref() == Some(&now);
        before = Some(now);
        same.then_some(())
    });
    database.run("UPDATE outbox SET leased_until = 0 WHERE state = 'waiting'");
    assert_eq!(stage.register(alive, &format!("waker{n}@example.org")).expect("an answer").status, 202);
}

fn assert_whole(database: &Database) {
    for half in HALF_STATES {
        assert_eq!(database.count(half), 0, "half done: {half}");
    }
}

/// People act at both gateways until one is killed. Those of the dead one, and those of the other.
fn until_killed(towns: [&Town<'_>; 2], names: &AtomicUsize, kill: impl FnOnce()) -> [Vec<Life>; 2] {
    std::thread::scope(|scope| {
        let person = |town| {
            let mut lives = Vec::new();
            loop {
                let n = names.fetch_add(1, Ordering::SeqCst);
                let mut life = Life::new(format!("player{n}@example.org"));
                let ended = life.live(town).is_none();
                lives.push(life);
                if ended || town.down.load(Ordering::SeqCst) {
                    return lives;
                }
            }
        };
        let people =
            towns.map(|town| (0..PEOPLE).map(|_| scope.spawn(move || person(town))).collect::<Vec<_>>());
        kill();
        for town in towns {
            town.down.store(true, Ordering::SeqCst);
        }
        people.map(|all| all.into_iter().flat_map(|p| p.join().expect("a person is not surprised")).collect())
    })
}

#[test]
fn case_5_15_one_of_two_gateways_is_killed_at_any_moment() {
    let ports = Ports::lease(1);
    let post = SmtpServer::at(ports.first, &["take"]);
    let stage = Stage::start(&plan(post.port));
    // Those whom the stage has made were never registered.
    let database = stage.database();
    database.run(
        "DELETE FROM accounts; DELETE FROM outbox; DELETE FROM audit; DELETE FROM attempts;
                  DELETE FROM revocations",
    );
    let (names, mut lives, mut unanswered) = (AtomicUsize::new(0), Vec::<Life>::new(), 0);
    let entropy: &dyn Entropy = &SystemEntropy;
    let clock = SystemClock::new();
    let mut recover = Duration::ZERO;
    for n in 0..KILLS {
        let (killed, alive) = (n % 2, (n + 1) % 2);
        let chance = u64::from(u16::from_le_bytes(entropy.bytes()));
        let moment = match n % 2 {
            0 => Moment::Departure(Duration::from_micros(chance % 4000)),
            _ => Moment::After(Duration::from_millis(60 + chance % 600)),
        };
        let (doomed, departed) = observed_town(&stage, killed, &post);
        let towns = [doomed, town(&stage, alive, &post)];
        let node = &stage.nodes[killed];
        let [mut orphans, others] = until_killed([&towns[0], &towns[1]], &names, || {
            moment.wait(&departed);
            node.kill();
        });
        for life in &others {
            let silent =
                [life.registered, life.verified, life.signed_in, life.reset].contains(&Told::Silence);
            assert!(!silent && !life.is_leaving(), "the other gateway has not answered: {life:?}");
        }
        give_back_leases(&stage, &database, alive, n);
        let other = town(&stage, alive, &post);
        unanswered += orphans.iter().filter(|l| l.is_leaving()).count();
        for life in &mut orphans {
            life.hold_to_word(&other);
        }
        assert_whole(&database);
        let began = clock.monotonic();
        stage.nodes[killed].start();
        recover = recover.max(clock.monotonic().saturating_sub(began));
        let again = town(&stage, killed, &post);
        for life in orphans.iter().chain(&others) {
            assert!(life.stays_out(&again), "signed out, and in again after the restart: {life:?}");
        }
        lives.extend(orphans.into_iter().chain(others));
    }
    eventually("all mail is sent", || (database.count("outbox WHERE state = 'waiting'") == 0).then_some(()));
    assert_whole(&database);

    let mut copies = BTreeMap::<String, usize>::new();
    post.mails().iter().for_each(|mail| *copies.entry(mail.id().to_owned()).or_default() += 1);
    let ids = database.texts("SELECT id FROM outbox");
    let lost = ids.iter().filter(|id| !copies.keys().any(|k| k.contains(id.as_str()))).count();
    let extra: usize = copies.values().map(|n| n - 1).sum();
    for life in lives.iter().filter(|l| l.verified == Told::Done) {
        let there = format!("accounts WHERE email = '{}' AND verified_at IS NOT NULL", life.email);
        assert_eq!(database.count(&there), 1, "lost: {life:?}");
    }
    println!(
        "{}",
        json!({
            "fault": "5.15 kill -9 of one of two gateways", "kills": KILLS, "recover_ms": recover.as_millis(),
            "people": lives.len(), "sign_outs": lives.iter().map(|l| l.left.len()).sum::<usize>(),
            "sign_outs_unanswered": unanswered, "mails": ids.len(), "second_copies": extra, "lost": lost, "violations": lost,
        })
    );
    assert_eq!(lost, 0);
    assert!(copies.values().all(|n| *n <= 1 + KILLS), "{copies:?}");
    let secrets = stage.secrets();
    stage.nodes.iter().for_each(|node| node.assert_sound(&secrets));
}

/// The mail was taken by the server, and the gateway dies before it can note that: the other gateway sends it once more,
/// under the same Message-ID.
#[test]
fn case_5_16_a_gateway_is_killed_between_sending_a_mail_and_noting_it() {
    let ports = Ports::lease(1);
    let post = SmtpServer::at(ports.first, &["slow"]);
    let stage = Stage::set(&plan(post.port));
    stage.nodes[0].start();
    let database = stage.database();
    assert_eq!(stage.register(0, "ada@example.org").expect("an answer").status, 202);
    let first = post.wait_for(1);
    stage.nodes[0].kill();
    assert_eq!(database.count("outbox WHERE state = 'waiting' AND leased_until > 0"), 1, "not noted as sent");
    database.run("UPDATE outbox SET leased_until = 0");
    stage.nodes[1].start();
    let both = post.wait_for(2);
    assert_eq!(both[0].id(), first[0].id());
    assert_eq!(both[1].id(), first[0].id(), "the same mail");
    eventually("it is noted", || (database.count("outbox WHERE state = 'sent'") == 1).then_some(()));
    assert_eq!(post.mails().len(), 2, "one copy more, and no further");
    println!("{}", json!({ "fault": "5.16 killed after DATA", "second_copies": post.mails().len() - 1 }));
}

#[test]
fn case_5_15_honest_people_while_one_gateway_is_killed() {
    let mut stage = Stage::start(&Plan::default());
    let mut row = Row::inject("5.15 kill -9, load on both", &stage, || stage.nodes[1].kill()).may_reroute();
    row.load.run_for(super::FAULT);
    row.heal(|| stage.nodes[1].start());
    row.finish(&mut stage);
}
