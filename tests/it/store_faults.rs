//! What can go wrong below a SQLite store while people use it: somebody else holds it (5.23), the disk is full (5.22), and
//! the files are not what they were.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};

use crate::flows_client::Client;
use crate::flows_process::{PASSWORD, PATIENCE, Server, Site, eventually};
use crate::support::Answer;

fn sign_in(site: &Site) -> Answer {
    site.client().post_json("/auth/token/", &json!({ "email": "ada@example.org", "password": PASSWORD }))
}

fn refresh(site: &Site, token: &str) -> Answer {
    site.client().post_json("/auth/token/refresh/", &json!({ "refresh": token }))
}

fn token(answer: &Answer, which: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()[which].as_str().unwrap().to_owned()
}

fn profile(site: &Site, access: &str) -> u16 {
    site.client().bearer(access).get("/auth/profile/").status
}

/// A request that needs nothing but a token; nobody is behind the gateway.
fn proxied(site: &Site, access: &str) -> u16 {
    site.client().bearer(access).get("/api/x").status
}

#[track_caller]
fn assert_later(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.field("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0)), "{answer:?}");
}

fn integrity(path: &Path) -> String {
    let db = rusqlite::Connection::open(path).unwrap();
    db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[test]
fn case_5_23_another_process_holds_the_write_lock() {
    let site = Site::new();
    site.create_user("ada@example.org", "user");
    let _server = site.serve();
    let first = sign_in(&site);
    let (access, token_before) = (token(&first, "access"), token(&first, "refresh"));

    let other = rusqlite::Connection::open(site.path("site.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let wall = SystemClock::new();
    let asked = wall.now();
    assert_later(&refresh(&site, &token_before));
    let waited = wall.now().since(asked);
    assert!((Duration::from_secs(4)..Duration::from_secs(12)).contains(&waited), "{waited:?}");
    assert_eq!((profile(&site, &access), proxied(&site, &access)), (200, 502), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    let freed = wall.now();
    token(&refresh(&site, &token_before), "access");
    let recover = wall.now().since(freed);
    println!(
        "{}",
        json!({ "fault": "5.23 sqlite locked", "detect_ms": waited.as_millis(), "recover_ms": recover.as_millis() })
    );
}

/// Starts, and expects that it refuses with these words and leaves the file as it is.
fn refused(site: &Site, words: &[&str]) {
    let before = std::fs::read(site.path("site.db")).ok();
    let output = site.run(&["serve"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?}: {said}");
    }
    assert_eq!(std::fs::read(site.path("site.db")).ok(), before, "nothing was put in its place");
}

#[test]
fn case_5_23_a_store_that_is_damaged_or_gone_is_not_replaced_by_an_empty_one() {
    let site = Site::new();
    site.create_user("ada@example.org", "user");
    let whole = std::fs::read(site.path("site.db")).unwrap();
    let put = |bytes: &[u8]| std::fs::write(site.path("site.db"), bytes).unwrap();

    put(&whole[..whole.len() / 2 / 4096 * 4096]);
    refused(&site, &["site.db", "damaged", "restore a backup"]);
    let mut bent = whole.clone();
    bent[..4096].fill(0xa5);
    put(&bent);
    refused(&site, &["site.db", "damaged", "restore a backup"]);
    put(b"");
    refused(&site, &["site.db", "gone or empty", "restore a backup", "site.db.lock"]);
    std::fs::remove_file(site.path("site.db")).unwrap();
    refused(&site, &["site.db", "gone or empty", "restore a backup"]);
    assert!(!site.path("site.db").exists());

    put(&whole);
    let server = site.serve();
    token(&sign_in(&site), "access");
    drop(server);
}

/// The log of changes loses its end, or is garbage: what is whole in it counts, and nothing else.
#[test]
fn case_5_23_a_truncated_log_costs_the_last_changes_and_no_more() {
    let site = Site::new();
    site.create_user("ada@example.org", "user");
    let server = site.serve();
    for _ in 0..5 {
        token(&sign_in(&site), "access");
    }
    server.kill();
    let log = site.path("site.db-wal");
    let bytes = std::fs::read(&log).unwrap();
    assert!(bytes.len() > 20_000, "{}", bytes.len());
    let db = std::fs::read(site.path("site.db")).unwrap();
    let mut bent = bytes.clone();
    bent[bytes.len() / 2..].fill(0x5a);
    for damaged in [&bytes[..bytes.len() - 1000], &bytes[..bytes.len() / 2], &bytes[..7], &bent] {
        std::fs::write(site.path("site.db"), &db).unwrap();
        std::fs::write(&log, damaged).unwrap();
        let _ = std::fs::remove_file(site.path("site.db-shm"));
        let server = site.serve();
        token(&sign_in(&site), "access");
        server.kill();
        assert_eq!(integrity(&site.path("site.db")), "ok");
    }
}

/// Ways in which the log of changes is lost.
const LOSSES: [&str; 3] = ["emptied", "removed", "noise"];

fn lose_log(site: &Site, how: &str) {
    let log = site.path("site.db-wal");
    match how {
        "emptied" => std::fs::write(&log, b"").unwrap(),
        "removed" => {
            for side in [log, site.path("site.db-shm")] {
                let _ = std::fs::remove_file(side);
            }
        }
        _ => {
            let was = std::fs::read(&log).unwrap_or_default();
            std::fs::write(&log, [&[0x5a; 8192], was.get(8192..).unwrap_or_default()].concat()).unwrap();
        }
    }
}

/// The link that makes the first administrator, as the start prints it.
fn first_link(server: &mut Server) -> String {
    let heading = server.first_line();
    assert!(heading.contains("no administrator"), "{heading}");
    server.first_line().trim().to_owned()
}

/// Somebody registers with a new gateway, the machine dies, and the log is lost: what the answer said is so.
#[test]
fn case_5_23_a_lost_log_never_leaves_an_empty_store() {
    for how in LOSSES {
        let site = Site::new();
        let mut server = site.serve();
        let link = first_link(&mut server);
        let form = json!({
            "name": "Ada", "email": "ada@example.org", "password": PASSWORD, "password_confirm": PASSWORD,
        });
        assert_eq!(site.client().post_json("/auth/register/", &form).status, 202);
        let mail = eventually("the mail arrives", || site.mails().into_iter().next());
        server.kill();
        lose_log(&site, how);

        let mut server = site.serve();
        assert_eq!(first_link(&mut server), link, "{how}: the way to the first administrator is the same");
        let activation = crate::flows_binary::link_in(&mail, &site.url());
        assert_eq!(
            site.client().post_json(&activation, &json!({})).status,
            200,
            "{how}: the account is there"
        );
        token(&sign_in(&site), "access");
    }
}

/// The first administrator is not lost with the log, or the next start would print a link for another one.
#[test]
fn case_5_23_a_lost_log_does_not_take_the_first_administrator() {
    for how in LOSSES {
        let site = Site::new();
        site.create_user("ada@example.org", "user");
        let mut server = site.serve();
        let link = first_link(&mut server);
        let form = json!({
            "token": link.split('#').nth(1).unwrap(), "name": "Root", "email": "root@example.org",
            "password": PASSWORD, "password_confirm": PASSWORD,
        });
        assert_eq!(site.client().post_json("/auth/bootstrap/", &form).status, 201);
        server.kill();
        lose_log(&site, how);

        let _server = site.serve();
        assert_eq!(site.client().post_json("/auth/bootstrap/", &form).status, 410, "{how}");
        let root = json!({ "email": "root@example.org", "password": PASSWORD });
        token(&site.client().post_json("/auth/token/", &root), "access");
    }
}

/// A file in which nothing is yet, because everything is in a log that is lost: no store is made in its place either.
#[test]
fn case_5_23_a_file_whose_log_is_lost_is_not_taken_for_a_new_one() {
    let site = Site::new();
    site.create_user("ada@example.org", "user");
    let bare = site.path("bare.db");
    rusqlite::Connection::open(&bare).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
    std::fs::copy(&bare, site.path("site.db")).unwrap();
    for how in LOSSES {
        lose_log(&site, how);
        let log = || std::fs::read(site.path("site.db-wal")).unwrap_or_default();
        let before = log();
        refused(&site, &["site.db", "holds nothing", "site.db-wal", "restore a backup", "site.db.lock"]);
        assert_eq!(log(), before, "{how}: the log is left as it is");
    }
    // The way out that the message names.
    std::fs::remove_file(site.path("site.db.lock")).unwrap();
    let mut server = site.serve();
    first_link(&mut server);
}

/// A store on a disk of 4 MiB that only the gateway sees; `None` where this user may make none.
fn on_small_disk(site: &Site) -> Option<(Server, PathBuf)> {
    std::fs::create_dir(site.path("disk")).unwrap();
    let user = Command::new("id").arg("-u").output().unwrap();
    let mut unshare = vec!["--mount"];
    if user.stdout.trim_ascii() != b"0" {
        unshare.push("--map-root-user");
    }
    let possible =
        Command::new("unshare").args(&unshare).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user may not mount anything");
        return None;
    }
    let script = "mount -t tmpfs -o size=4m none disk && exec \"$0\" serve";
    let mut command = Command::new("unshare");
    command.args(&unshare).args(["sh", "-c", script, env!("CARGO_BIN_EXE_stagedoor")]);
    command.current_dir(site.path("")).env_remove("RUST_LOG").env_remove("STAGEDOOR_CONFIG");
    command.stderr(std::fs::File::create(site.path("log")).unwrap());
    let server = Server(command.spawn().unwrap());
    eventually("the gateway listens", || std::net::TcpStream::connect(site.public()).ok().map(drop));
    let inside = format!("/proc/{}/root{}", server.0.id(), site.path("disk").display());
    Some((server, PathBuf::from(inside)))
}

#[test]
fn case_5_22_the_disk_is_full() {
    let site = Site::changed("sqlite:site.db", "sqlite:disk/site.db");
    let Some((_server, disk)) = on_small_disk(&site) else { return };
    let form = json!({ "name": "Ada", "email": "ada@example.org", "password": PASSWORD, "password_confirm": PASSWORD });
    assert_eq!(site.client().post_json("/auth/register/", &form).status, 202);
    let mail = eventually("the mail arrives", || site.mails().into_iter().next());
    let link = crate::flows_binary::link_in(&mail, &site.url());
    assert_eq!(site.client().post_json(&link, &json!({})).status, 200);
    let first = sign_in(&site);
    let (access, refresh_token) = (token(&first, "access"), token(&first, "refresh"));

    let filler = disk.join("filler");
    let mut file = OpenOptions::new().create_new(true).write(true).open(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut filled: Vec<Answer> = Vec::new();
    eventually("changes are refused", || {
        filled.push(sign_in(&site));
        (filled.last().unwrap().status == 503).then_some(())
    });
    assert!(filled.iter().all(|answer| matches!(answer.status, 200 | 503)), "{filled:?}");
    for _ in 0..3 {
        assert_later(&sign_in(&site));
        assert_later(&refresh(&site, &refresh_token));
        assert_eq!(
            (profile(&site, &access), proxied(&site, &access)),
            (200, 502),
            "reading and proxying go on"
        );
    }
    let ready = |status| {
        eventually("readiness tells", || {
            let answer = Client::new(site.admin()).get("/readyz/accounts");
            (answer.status == status).then_some(answer.text())
        })
    };
    assert!(ready(503).contains("cannot write"), "people are sent to another node, if there is one");

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let wall = SystemClock::new();
    let freed = wall.now();
    token(&refresh(&site, &refresh_token), "access");
    let recover = wall.now().since(freed);
    token(&sign_in(&site), "access");
    ready(200);
    let said = site.run(&["check"], "");
    assert_eq!(said.status.code(), Some(0));
    assert_eq!(integrity(&disk.join("site.db")), "ok");
    println!("{}", json!({ "fault": "5.22 disk full", "recover_ms": recover.as_millis() }));
}
