//! A gateway that moves from SQLite to PostgreSQL with everybody in it: the real commands, one secret, the same address.

use std::process::Output;

use serde_json::{Value, json};
use stagedoor::model::{Clock as _, Secret, SystemClock};
use stagedoor::store::{self, Store};

use crate::flows_binary::link_in;
use crate::flows_client::Client;
use crate::flows_process::{PASSWORD, PATIENCE, Site, eventually};
use crate::second_factor::shown;
use crate::support::{Answer, PostgresServer};

/// Every table, with how to sort it.
const TABLES: &[(&str, &str)] = &[
    ("accounts", "SELECT * FROM accounts ORDER BY id"),
    ("account_roles", "SELECT * FROM account_roles ORDER BY account_id, role"),
    ("codes", "SELECT * FROM codes ORDER BY id"),
    ("sessions", "SELECT * FROM sessions ORDER BY id"),
    ("totp", "SELECT * FROM totp ORDER BY account_id"),
    ("recovery_codes", "SELECT * FROM recovery_codes ORDER BY id"),
    ("challenges", "SELECT * FROM challenges ORDER BY id"),
    ("devices", "SELECT * FROM devices ORDER BY account_id, device_id"),
    ("lockouts", "SELECT * FROM lockouts ORDER BY address"),
    ("attempts", "SELECT * FROM attempts ORDER BY id"),
    ("audit", "SELECT * FROM audit ORDER BY id"),
    ("outbox", "SELECT * FROM outbox ORDER BY id"),
    ("revocations", "SELECT * FROM revocations ORDER BY kind, subject"),
    ("signing_keys", "SELECT * FROM signing_keys ORDER BY kid"),
    ("bootstrap", "SELECT * FROM bootstrap ORDER BY name"),
    ("job_runs", "SELECT * FROM job_runs ORDER BY name"),
];

/// A mail that nobody has sent yet, and a browser that is known.
const WAITING: &str = "
    INSERT INTO outbox (id, recipient, kind, subject, body_text, body_html, state, tries, next_at, leased_until,
                        last_error, created_at)
    VALUES ('b6d2b9a0-7f4e-4c57-9f1c-0d5c60a8a001', 'ada@example.org', 'welcome', 'Waited', 'Waited for the move', '<p>x</p>',
            'waiting', 0, 0, 0, '', 1);
    INSERT INTO devices SELECT '0a4b5c6d-1111-4222-8333-444455556666', id, 0, '127.0.0.1', 'a browser', 1, 2 FROM accounts
    WHERE email = 'ada@example.org';
";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn sign_in(client: &Client, email: &str) -> Answer {
    client.post_json("/auth/token/", &json!({ "email": email, "password": PASSWORD }))
}

/// Access and refresh token.
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = |member: &str| answer.json()[member].as_str().unwrap().to_owned();
    (text("access"), text("refresh"))
}

fn profile(site: &Site, access: &str) -> u16 {
    site.client().bearer(access).get("/auth/profile/").status
}

fn refresh(site: &Site, token: &str) -> Answer {
    site.client().post_json("/auth/token/refresh/", &json!({ "refresh": token }))
}

fn activation(site: &Site, email: &str) -> String {
    let mail = eventually("the mail arrives", || site.mails().into_iter().find(|m| m.contains(email)));
    link_in(&mail, &site.url())
}

fn register(site: &Site, email: &str) {
    let form =
        json!({ "name": "Pat Poe", "email": email, "password": PASSWORD, "password_confirm": PASSWORD });
    assert_eq!(site.client().post_json("/auth/register/", &form).status, 202);
}

/// What people hold in their hands when the gateway moves.
struct Hands {
    access: String,
    refresh: String,
    left: (String, String),
    seed: String,
    challenge: String,
    link: String,
}

fn now() -> i64 {
    SystemClock::new().now().secs()
}

/// Lives in a SQLite store until every table has something in it.
fn live(site: &Site) -> Hands {
    let server = site.serve();
    let client = site.client();
    site.create_user("ada@example.org", "admin");
    site.create_user("tom@example.org", "user");
    site.create_user("lou@example.org", "user");
    let (access, refresh) = tokens(&sign_in(&client, "ada@example.org"));
    let left = tokens(&sign_in(&client, "ada@example.org"));
    let out = client.clone().bearer(&left.0).post_json("/auth/logout/", &json!({ "refresh": left.1 }));
    assert!(out.status < 300, "{}", out.text());
    assert_eq!((profile(site, &access), profile(site, &left.0)), (200, 401));

    let tom = client.clone().bearer(&tokens(&sign_in(&client, "tom@example.org")).0);
    let begun = tom.post_json("/auth/2fa/totp/", &json!({}));
    let seed = begun.json()["secret"].as_str().unwrap_or_else(|| panic!("{}", begun.text())).to_owned();
    // The code of the step before: the running one is for after the move.
    eventually("the app is confirmed", || {
        let code = json!({ "code": shown(&seed, now() - 30) });
        (tom.post_json("/auth/2fa/totp/confirm/", &code).status == 200).then_some(())
    });
    let waits = sign_in(&client, "tom@example.org");
    let challenge =
        waits.json()["challenge"].as_str().unwrap_or_else(|| panic!("{}", waits.text())).to_owned();

    let wrong = json!({ "email": "lou@example.org", "password": "Wrong-Word-1" });
    eventually("the address is locked", || {
        (client.post_json("/auth/token/", &wrong).status == 423).then_some(())
    });
    register(site, "pat@example.org");
    let link = activation(site, "pat@example.org");
    let db = open(site);
    eventually("all mails are out", || {
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'waiting'";
        (db.query_row(waiting, [], |row| row.get::<_, i64>(0)).unwrap() == 0).then_some(())
    });
    server.kill();
    db.execute_batch(WAITING).unwrap();
    Hands { access, refresh, left, seed, challenge, link }
}

fn open(site: &Site) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(site.path("site.db")).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db
}

/// Points the configuration at the server. The secret and everything else stays.
fn point_at(site: &Site, postgres: &PostgresServer) {
    let config = std::fs::read_to_string(site.path("config.yaml")).unwrap();
    let config = config.replace("sqlite:site.db", &postgres.url());
    std::fs::write(site.path("config.yaml"), config).unwrap();
}

/// Runs the command; expects that it refuses with these words.
fn refused(site: &Site, args: &[&str], words: &[&str]) {
    let output = site.run(args, "");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} does not say {word:?}: {said}");
    }
}

/// All rows of all tables; truth is a number in SQLite.
fn content(settings: &store::Settings) -> Vec<(&'static str, Vec<Vec<store::Value>>)> {
    let store = Store::open(settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let number = |value: &store::Value| match value {
        store::Value::Bool(b) => store::Value::Int((*b).into()),
        other => other.clone(),
    };
    let of = |(table, sql): &(&'static str, &'static str)| {
        let rows = runtime.block_on(store.read(sql, Vec::new())).unwrap();
        (*table, rows.iter().map(|row| row.values().iter().map(number).collect()).collect())
    };
    TABLES.iter().map(of).collect()
}

const MOVE: &[&str] = &["migrate", "--from", "sqlite:site.db"];

#[test]
fn a_gateway_moves_to_postgres_and_nobody_notices() {
    let (site, postgres) = (Site::new(), PostgresServer::start());
    let hands = live(&site);
    refused(&site, MOVE, &["store.url", "PostgreSQL"]);
    point_at(&site, &postgres);

    let to = store::PostgresSettings { url: Secret::new(postgres.url()), ca: None, connections: 4 };
    let to = store::Settings::Postgres(to);
    refusals(&site);
    let before = content(&store::Settings::Sqlite { path: site.path("site.db") });
    let moved = site.run(&["migrate", "--from", "sqlite:site.db", "--json"], "");
    assert_eq!(moved.status.code(), Some(0), "{}", said(&moved));
    let report: Value = serde_json::from_slice(&moved.stdout).unwrap();
    let after = content(&to);
    for ((table, there), (_, here)) in before.iter().zip(&after) {
        assert!(!there.is_empty(), "{table} is empty, so nothing is known of it");
        assert_eq!(there, here, "{table}");
        assert_eq!(report["tables"][table], there.len(), "{table}");
    }
    assert_eq!(report["tables"].as_object().unwrap().len(), before.len());
    refused(&site, MOVE, &["\"accounts\"", "only an empty database takes a copy"]);
    assert_eq!(after, content(&to), "a refused copy changes nothing");

    // The file is out of the way: whatever works from here on works from the new store.
    std::fs::rename(site.path("site.db"), site.path("old.db")).unwrap();
    let _server = site.serve();
    everything_goes_on(&site, &hands);
}

/// With each of these nothing is copied: the copy that follows finds an empty target.
fn refusals(site: &Site) {
    refused(site, &["migrate", "--from", "sqlite:none.db"], &["there is no SQLite store at none.db"]);
    refused(site, &["migrate", "--from", "postgres://x/y"], &["sqlite:PATH"]);

    let kept = std::fs::read(site.path("stagedoor.secret")).unwrap();
    std::fs::remove_file(site.path("stagedoor.secret")).unwrap();
    refused(site, MOVE, &["stagedoor.secret"]);
    assert!(!site.path("stagedoor.secret").exists(), "a new secret could only be the wrong one");
    let other = Site::new();
    other.create_user("eve@example.org", "user");
    std::fs::copy(other.path("stagedoor.secret"), site.path("stagedoor.secret")).unwrap();
    refused(site, MOVE, &["sealed with another secret", "nothing was copied"]);
    std::fs::write(site.path("stagedoor.secret"), kept).unwrap();

    for (change, words) in [
        ("DELETE FROM refinery_schema_history WHERE version > 2", "bring it up to date first"),
        ("UPDATE refinery_schema_history SET version = 9999 WHERE version = 1", "use the newer release"),
        ("DROP TABLE refinery_schema_history", "no store of Stagedoor"),
    ] {
        let db = open(site);
        db.execute("VACUUM INTO ?1", [site.path("odd.db").to_str().unwrap()]).unwrap();
        rusqlite::Connection::open(site.path("odd.db")).unwrap().execute_batch(change).unwrap();
        refused(site, &["migrate", "--from", "sqlite:odd.db"], &[words]);
        std::fs::remove_file(site.path("odd.db")).unwrap();
    }
    std::fs::write(site.path("odd.db"), b"this is no database at all, however long it is. ".repeat(50))
        .unwrap();
    refused(site, &["migrate", "--from", "sqlite:odd.db"], &["odd.db", "not a database"]);
    orphan(site);
}

/// What the server refuses in the middle of the copy takes back everything before it.
fn orphan(site: &Site) {
    std::fs::remove_file(site.path("odd.db")).unwrap();
    open(site).execute("VACUUM INTO ?1", [site.path("odd.db").to_str().unwrap()]).unwrap();
    let odd = rusqlite::Connection::open(site.path("odd.db")).unwrap();
    odd.execute_batch("PRAGMA foreign_keys = OFF; UPDATE sessions SET account_id = 'nobody'").unwrap();
    drop(odd);
    refused(site, &["migrate", "--from", "sqlite:odd.db"], &["\"sessions\"", "nothing was copied"]);
}

fn everything_goes_on(site: &Site, hands: &Hands) {
    let client = site.client();
    assert_eq!(profile(site, &hands.access), 200, "the access token of before");
    let (access, _) = tokens(&refresh(site, &hands.refresh));
    assert_eq!(profile(site, &access), 200);
    assert_eq!(
        (profile(site, &hands.left.0), refresh(site, &hands.left.1).status),
        (401, 401),
        "ended is ended"
    );
    tokens(&sign_in(&client, "ada@example.org"));

    let code = json!({ "challenge": hands.challenge, "code": shown(&hands.seed, now()) });
    tokens(&client.post_json("/auth/token/verify-otp/", &code));
    assert_eq!(sign_in(&client, "lou@example.org").status, 423, "locked is locked");

    assert_eq!(sign_in(&client, "pat@example.org").status, 403, "not activated yet");
    assert_eq!(client.post_json(&hands.link, &json!({})).status, 200, "the link of before");
    tokens(&sign_in(&client, "pat@example.org"));
    eventually("the mail that waited is sent", || {
        site.mails().iter().any(|m| m.contains("Waited for the move")).then_some(())
    });
}

#[test]
fn a_store_in_use_is_copied_to_a_file_and_refused_where_it_makes_no_sense() {
    let site = Site::new();
    let server = site.serve();
    site.create_user("ada@example.org", "admin");
    let (_, token) = tokens(&sign_in(&site.client(), "ada@example.org"));
    let copied = site.run(&["backup", "copy.db", "--json"], "");
    assert_eq!(copied.status.code(), Some(0), "{}", said(&copied));
    let report: Value = serde_json::from_slice(&copied.stdout).unwrap();
    assert_eq!(report["bytes"], site.path("copy.db").metadata().unwrap().len());
    refused(&site, &["backup", "copy.db"], &["copy.db", "it is there already"]);
    refused(&site, &["backup", "no/folder/copy.db"], &["no/folder"]);

    // The copy serves in place of the store.
    drop(server);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(site.path(&format!("site.db{end}")));
    }
    std::fs::rename(site.path("copy.db"), site.path("site.db")).unwrap();
    let _server = site.serve();
    tokens(&refresh(&site, &token));

    let on_postgres = Site::changed("sqlite:site.db", "postgres://stagedoor@db.example.org/stagedoor");
    refused(&on_postgres, &["backup", "copy.db"], &["pg_dump"]);
    refused(&Site::new(), &["backup", "copy.db"], &["there is no such file"]);
    let emptied = Site::new();
    rusqlite::Connection::open(emptied.path("site.db")).unwrap().execute_batch("VACUUM").unwrap();
    refused(&emptied, &["backup", "copy.db"], &["site.db", "holds no store"]);
    assert!(!emptied.path("copy.db").exists());
    assert!(!on_postgres.path("copy.db").exists());
}
