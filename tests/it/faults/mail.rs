//! The mail server is down, hangs, is slow, refuses for now or for good, or breaks off after a mail (5.5): nobody who
//! registers notices, and no mail is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Plan, Row, Stage};
use crate::flows_process::{Ports, eventually};
use crate::smtp_stage::SmtpServer;
use crate::support::{Database, FaultProxy, Mode};

/// How many people register during each fault.
const CROWD: usize = 4;

/// A mail server behind a proxy.
struct Post {
    ports: Ports,
    door: FaultProxy,
    server: Option<SmtpServer>,
    /// Who registered during which fault.
    registered: usize,
    /// What servers that were replaced since have received: recipient and Message-ID.
    earlier: Vec<(String, String)>,
}

impl Post {
    fn start() -> Self {
        let ports = Ports::lease(1);
        let door = FaultProxy::to(ports.address(0));
        let server = Some(SmtpServer::at(ports.first, &["take"]));
        Self { ports, door, server, registered: 0, earlier: Vec::new() }
    }

    fn plan(&self) -> Plan {
        let to = self.door.address();
        let mail = format!(
            "mail: {{ transport: smtp, url: \"smtp://{to}\", timeout: 2s, from: \"Site <no-reply@localhost>\" }}"
        );
        Plan { mail, ..Plan::default() }
    }

    /// Another server takes its place, which treats mails in another way.
    fn becomes(&mut self, mode: &str) {
        self.earlier = self.taken();
        self.server.take().expect("it runs").stop();
        self.server = Some(SmtpServer::at(self.ports.first, &[mode]));
    }

    /// Recipient and Message-ID of all that was taken, the newest last.
    fn taken(&self) -> Vec<(String, String)> {
        let mails = self.server.iter().flat_map(SmtpServer::mails);
        let now = mails.map(|m| (m.to()[0].to_owned(), m.id().to_owned()));
        self.earlier.iter().cloned().chain(now).collect()
    }

    /// People register at both gateways; each is answered as always. Their addresses; the slowest goes into the line.
    fn crowd(&mut self, stage: &Stage, row: &mut Row) -> Vec<String> {
        let mut slowest = Duration::ZERO;
        let from = self.registered;
        self.registered += CROWD;
        let crowd: Vec<_> = (from..self.registered).map(|n| format!("new{n}@example.org")).collect();
        for (n, email) in crowd.iter().enumerate() {
            let began = row.lasted();
            let answer = stage.register(n % 2, email).expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.text());
            slowest = slowest.max(row.lasted().saturating_sub(began));
        }
        row.also("slowest_registration_ms", slowest);
        crowd
    }

    /// The pauses between tries pass; somebody who registers wakes the workers of both gateways.
    fn hurry(&mut self, stage: &Stage, database: &Database) {
        database
            .run("UPDATE outbox SET next_at = 0 WHERE state = 'waiting' AND leased_until < 1000000000000000");
        for node in 0..2 {
            self.registered += 1;
            let answer =
                stage.register(node, &format!("new{}@example.org", self.registered)).expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
        self.registered += 1;
    }

    /// Each of them has a mail; nobody has a second one with another Message-ID. The largest number of copies.
    fn all_arrive(&self, crowd: &[String]) -> usize {
        let copies = eventually("every mail arrives", || {
            let mut copies = BTreeMap::<String, Vec<String>>::new();
            for (to, id) in self.taken() {
                copies.entry(to).or_default().push(id);
            }
            crowd.iter().all(|one| copies.contains_key(one)).then_some(copies)
        });
        for one in crowd {
            assert!(copies[one].iter().all(|id| *id == copies[one][0]), "{one}: {:?}", copies[one]);
        }
        crowd.iter().map(|one| copies[one].len()).max().unwrap_or_default()
    }
}

fn list(addresses: &[String]) -> String {
    format!("('{}')", addresses.join("', '"))
}

/// Each mail to the crowd was tried and failed.
fn await_failures(database: &Database, crowd: &[String]) {
    let failed = format!("outbox WHERE recipient IN {} AND last_error <> ''", list(crowd));
    eventually("all were tried", || {
        (usize::try_from(database.count(&failed)) == Ok(crowd.len())).then_some(())
    });
}

#[test]
fn case_5_5_the_mail_server_is_down_hangs_or_is_slow() {
    let mut post = Post::start();
    let mut stage = Stage::start(&post.plan());
    let database = stage.database();
    for (name, mode) in [("5.5 SMTP down", Mode::Refuse), ("5.5 SMTP hangs", Mode::Blackhole)] {
        let mut row = Row::inject(name, &stage, || post.door.set(mode));
        let crowd = post.crowd(&stage, &mut row);
        await_failures(&database, &crowd);
        row.heal(|| post.door.set(Mode::Pass));
        post.hurry(&stage, &database);
        assert_eq!(post.all_arrive(&crowd), 1, "{name}: no mail comes twice");
        row.finish(&mut stage);
    }
    let slow = Mode::Latency(Duration::from_millis(75));
    let mut row = Row::inject("5.5 SMTP 150 ms away", &stage, || post.door.set(slow));
    let crowd = post.crowd(&stage, &mut row);
    assert_eq!(post.all_arrive(&crowd), 1, "slow, and once");
    row.heal(|| post.door.set(Mode::Pass));
    row.finish(&mut stage);
}

#[test]
fn case_5_5_the_mail_server_refuses_or_breaks_off() {
    let mut post = Post::start();
    let mut stage = Stage::start(&post.plan());
    let database = stage.database();

    post.becomes("later-data");
    let mut row = Row::inject("5.5 SMTP says 4xx", &stage, || {});
    let crowd = post.crowd(&stage, &mut row);
    await_failures(&database, &crowd);
    let waiting = format!("outbox WHERE recipient IN {} AND state = 'waiting'", list(&crowd));
    assert_eq!(usize::try_from(database.count(&waiting)), Ok(crowd.len()), "none is given up");
    // Cut after the mail, before the answer, every second time: whether it was taken cannot be known.
    row.heal(|| post.becomes("cut"));
    row.finish(&mut stage);

    let mut row = Row::inject("5.5 SMTP cut after DATA", &stage, || {});
    let before = post.taken().len();
    let crowd = post.crowd(&stage, &mut row);
    eventually("the first ones were sent", || (post.taken().len() >= before + crowd.len()).then_some(()));
    row.heal(|| post.becomes("take"));
    post.hurry(&stage, &database);
    let waiting = format!("outbox WHERE recipient IN {} AND state = 'waiting'", list(&crowd));
    eventually("none waits", || (database.count(&waiting) == 0).then_some(()));
    assert!(post.all_arrive(&crowd) <= 2, "at most one copy more");
    row.finish(&mut stage);

    post.becomes("refuse-rcpt");
    let mut row = Row::inject("5.5 SMTP says 5xx", &stage, || {});
    let crowd = post.crowd(&stage, &mut row);
    let dead = format!("outbox WHERE recipient IN {} AND state = 'dead'", list(&crowd));
    eventually("they are given up", || {
        (usize::try_from(database.count(&dead)) == Ok(crowd.len())).then_some(())
    });
    let given_up: f64 = stage.nodes.iter().map(|n| n.metric("stagedoor_mails_total", "given_up")).sum();
    assert!(given_up > 3.5, "the operator sees it: {given_up}");
    row.heal(|| {});
    row.finish(&mut stage);
}
