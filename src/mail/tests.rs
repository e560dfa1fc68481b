//! The way of a mail from the outbox to whoever takes it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{Notify, watch};

use super::*;
use crate::metrics::Metrics;
use crate::model::{Clock, ManualClock, Secret, SystemEntropy};
use crate::store::{Store, Value};

/// Takes mails or refuses them, and remembers both.
#[derive(Default)]
struct Fickle {
    refuses: Mutex<bool>,
    seen: Mutex<Vec<Outgoing>>,
    took_one: Notify,
}

#[async_trait]
impl Transport for Fickle {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), DeliveryError> {
        self.seen.lock().unwrap().push(mail.clone());
        self.took_one.notify_one();
        if *self.refuses.lock().unwrap() { Err(DeliveryError::Failed("451 later".into())) } else { Ok(()) }
    }
}

struct House {
    store: Store,
    clock: Arc<ManualClock>,
    transport: Arc<Fickle>,
    worker: Arc<Worker>,
}

impl House {
    fn new() -> Self {
        let store = Store::scratch();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_000_000)));
        let transport = Arc::new(Fickle::default());
        let worker = Worker::new(
            store.clone(),
            transport.clone(),
            clock.clone(),
            Arc::new(SystemEntropy),
            Arc::new(Metrics::new()),
        );
        Self { store, clock, transport, worker: Arc::new(worker) }
    }

    async fn post(&self) {
        let mut tx = Tx::new();
        let to = Email::parse("ada@example.org").unwrap();
        Post::new("Door").enqueue(&mut tx, &to, &Message::samples()[0], self.clock.now(), &SystemEntropy);
        self.store.commit(tx).await.unwrap().unwrap();
    }

    fn seen(&self) -> Vec<Outgoing> {
        self.transport.seen.lock().unwrap().clone()
    }

    fn refuse(&self, refuses: bool) {
        *self.transport.refuses.lock().unwrap() = refuses;
    }

    async fn state(&self) -> (String, String, String) {
        let rows = self.store.read("SELECT state, body_text, last_error FROM outbox", vec![]).await.unwrap();
        (rows[0].string(0).unwrap(), rows[0].string(1).unwrap(), rows[0].string(2).unwrap())
    }
}

#[tokio::test]
async fn a_mail_is_sent_once_and_wiped() {
    let house = House::new();
    house.post().await;
    assert_eq!(house.worker.drain().await.unwrap(), 1);
    assert_eq!(house.worker.drain().await.unwrap(), 0);
    let mail = &house.seen()[0];
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ada@example.org", "Activate your Door account"));
    assert!(mail.text.contains("042137") && mail.html.contains("042137"));
    assert_eq!(house.state().await, ("sent".into(), String::new(), String::new()));
}

#[tokio::test]
async fn failures_are_tried_again_with_growing_pauses() {
    let house = House::new();
    house.post().await;
    house.refuse(true);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(house.worker.drain().await.unwrap(), 1);
        let pause = house.store.next_mail_due().await.unwrap().unwrap().since(house.clock.now());
        house.clock.advance(pause.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(house.worker.drain().await.unwrap(), 0, "not before {pause:?} are over");
        house.clock.advance(Duration::from_millis(1));
        pauses.push(pause.as_secs_f64());
    }
    for (n, pause) in (0..).zip(&pauses) {
        let least = (15.0 * 2f64.powi(n)).min(3600.0);
        assert!((least..=least * 1.25).contains(pause), "pause {n} is {pause} s");
    }
    assert_eq!(house.state().await.2, "451 later");
    house.refuse(false);
    assert_eq!(house.worker.drain().await.unwrap(), 1);
    assert_eq!(house.state().await.0, "sent");
    let seen = house.seen();
    assert!(seen.len() == 11 && seen.iter().all(|m| m.id == seen[0].id), "one Message-ID for all tries");
}

#[tokio::test]
async fn a_mail_is_given_up_after_a_day() {
    let house = House::new();
    house.post().await;
    house.refuse(true);
    house.clock.advance(Duration::from_secs(24 * 3600 - 1));
    house.worker.drain().await.unwrap();
    assert_eq!(house.state().await.0, "waiting");
    house.clock.advance(Duration::from_secs(60));
    house.worker.drain().await.unwrap();
    assert_eq!(house.state().await.0, "dead");
    house.clock.advance(Duration::from_secs(7200));
    assert_eq!(house.worker.drain().await.unwrap(), 0);
}

#[tokio::test]
async fn a_crash_after_handing_over_means_a_second_copy_with_the_same_id() {
    let house = House::new();
    house.post().await;
    // What a worker does before it crashes: it leases the mail and hands it over.
    let now = house.clock.now();
    let leased = house.store.lease_mail(now, now.after(Duration::from_secs(60))).await.unwrap().unwrap();
    house.clock.advance(Duration::from_secs(59));
    assert_eq!(house.worker.drain().await.unwrap(), 0, "the lease holds");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.worker.drain().await.unwrap(), 1);
    assert_eq!(house.seen()[0].id, leased.id);
    assert_eq!(house.state().await.0, "sent");
}

#[tokio::test]
async fn the_worker_wakes_up_for_mail_and_stops_when_told() {
    let house = House::new();
    let (stop, stopped) = watch::channel(false);
    let worker = Arc::clone(&house.worker);
    let task = tokio::spawn(async move { worker.run(stopped).await });
    for _ in 0..3 {
        house.post().await;
        house.transport.took_one.notified().await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
    assert_eq!(house.seen().len(), 3);
    let waiting = house.store.read("SELECT count(*) FROM outbox WHERE state = $1", vec![Value::from("sent")]);
    assert_eq!(waiting.await.unwrap()[0].count(0), Ok(3), "the mail at hand is finished first");
}

fn outgoing(subject: &str, at: i64) -> Outgoing {
    Outgoing {
        id: format!("id{at}"),
        to: "ada@example.org".into(),
        subject: subject.into(),
        text: "grüße\n.\nend\n".into(),
        html: "<p>grüße</p>".into(),
        at: Timestamp::from_millis(at),
    }
}

fn settings(transport: TransportSettings) -> Settings {
    Settings { transport, from: "Döör <no-reply@door.example>".into(), brand: "Door".into() }
}

fn smtp_at(url: &str) -> TransportSettings {
    let timeout = Duration::from_secs(15);
    TransportSettings::Smtp(SmtpSettings { url: Secret::new(url), ca: None, timeout })
}

/// Headers of a mail with folded lines joined, and the body.
fn parse(eml: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = eml.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
    (unfolded.split("\r\n").map(header).collect(), body)
}

#[tokio::test]
async fn r_06_files_hold_one_well_formed_mail_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail");
    let delivery = Delivery::new(&settings(TransportSettings::File { dir: path.clone() })).unwrap();
    assert!(delivery.mailbox.is_none());
    for (subject, at) in [
        ("second", 20_000),
        ("x\r\nBcc: eve@example.org\r\n\r\n.\r\nMAIL FROM:<e@x.y>", 1_500),
        ("second", 20_000),
    ] {
        delivery.transport.deliver(&outgoing(subject, at)).await.unwrap();
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["19700101T000001.500Z-id1500.eml", "19700101T000020.000Z-id20000.eml"]);
    let eml = std::fs::read_to_string(path.join(&names[0])).unwrap();
    assert!(eml.is_ascii(), "everything is encoded");
    let (headers, body) = parse(&eml);
    let get =
        |name: &str| headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!(get("Bcc"), Vec::<&str>::new());
    assert_eq!(get("Message-ID"), ["<id1500@door.example>"]);
    assert_eq!(get("To"), ["ada@example.org"]);
    assert_eq!(get("Date"), ["Thu, 01 Jan 1970 00:00:01 +0000"]);
    assert_eq!(get("Auto-Submitted"), ["auto-generated"]);
    assert!(get("From")[0].starts_with("=?utf-8?") && get("From")[0].ends_with("<no-reply@door.example>"));
    let boundary = get("Content-Type")[0].split_once("boundary=\"").unwrap().1.trim_end_matches('"');
    assert_eq!(body.matches(&format!("--{boundary}\r\n")).count(), 2);
    assert!(body.contains("Content-Type: text/plain") && body.contains("Content-Type: text/html"));
}

#[tokio::test]
async fn the_mailbox_keeps_the_last_500() {
    let delivery = Delivery::new(&settings(TransportSettings::Mailbox)).unwrap();
    let mailbox = delivery.mailbox.unwrap();
    for n in 0..501 {
        delivery.transport.deliver(&outgoing("s", n)).await.unwrap();
    }
    delivery.transport.deliver(&outgoing("a second copy", 500)).await.unwrap();
    let mails = mailbox.list();
    assert_eq!((mails.len(), mails[0].id.as_str()), (500, "id1"));
    assert_eq!(mailbox.get("id500").unwrap().subject, "a second copy");
    assert!(mailbox.get("id0").is_none());
    mailbox.clear();
    assert!(mailbox.list().is_empty());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_showing_the_password() {
    let smtp = |url: &str| Delivery::new(&settings(smtp_at(url))).map(drop);
    for url in [
        "smtp://u:canary@mx.example",
        "smtp://u:canary@mx.example:25?tls=opportunistic",
        "smtp://u:canary@localhost.evil.example",
    ] {
        assert_eq!(smtp(url), Err(MailError::PlainPassword), "{url}");
    }
    for url in ["http://u:canary@mx.example", "smtps://u:canary@", "canary"] {
        let e = smtp(url).unwrap_err().to_string();
        assert!(!e.contains("canary"), "{e}");
    }
    for url in [
        "smtps://u:p@mx.example",
        "smtp://u:p@mx.example:587?tls=required",
        "smtp://mailpit:1025",
        "smtp://u:p@localhost:1025",
    ] {
        assert_eq!(smtp(url), Ok(()), "{url}");
    }
    let mut bad = settings(TransportSettings::Mailbox);
    bad.from = "nobody".into();
    assert_eq!(Delivery::new(&bad).map(drop), Err(MailError::From("nobody".into())));
}

/// Takes one mail by SMTP; returns the commands and the data as they came.
async fn smtp_server(listener: tokio::net::TcpListener) -> (Vec<String>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut commands, mut data, mut in_data) = (Vec::new(), String::new(), false);
    write.write_all(b"220 test\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        if in_data && line == "." {
            in_data = false;
            write.write_all(b"250 taken\r\n").await.unwrap();
        } else if in_data {
            data.push_str(&line);
            data.push_str("\r\n");
        } else {
            in_data = line == "DATA";
            let reply: &[u8] = if in_data { b"354 go on\r\n" } else { b"250 ok\r\n" };
            let last = line == "QUIT";
            commands.push(line);
            if write.write_all(reply).await.is_err() || last {
                break;
            }
        }
    }
    (commands, data)
}

#[tokio::test]
async fn r_06_smtp_sees_one_message_to_one_recipient() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(smtp_server(listener));
    let delivery = Delivery::new(&settings(smtp_at(&url))).unwrap();
    let mut mail = outgoing("x\r\nBcc: eve@example.org\r\n\r\n.\r\nMAIL FROM:<eve@example.org>", 5);
    mail.text = "before\r\n.\r\nMAIL FROM:<eve@example.org>\r\n.\nafter".into();
    delivery.transport.deliver(&mail).await.unwrap();
    drop(delivery);
    let (commands, data) = server.await.unwrap();
    let mails = commands.iter().filter(|c| c.starts_with("MAIL FROM:"));
    assert_eq!(mails.collect::<Vec<_>>(), ["MAIL FROM:<no-reply@door.example>"]);
    let recipients = commands.iter().filter(|c| c.starts_with("RCPT TO:"));
    assert_eq!(recipients.collect::<Vec<_>>(), ["RCPT TO:<ada@example.org>"]);
    let (headers, body) = parse(&data);
    assert!(headers.iter().all(|(name, _)| name != "Bcc"));
    assert!(body.contains("after"), "the body goes on behind a lone dot");
}
