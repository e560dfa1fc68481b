//! What the store's questions cost among few and among many people (P9), for `benches/store/run`:
//!
//! - `store schema FILE` makes an empty SQLite store, which the script fills
//! - `store copy FILE URL` copies it into an empty PostgreSQL database and says how long that took
//! - `store measure NAME FEW MANY` asks both of two filled stores of one kind in turn, and prints rows of a table

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use stagedoor::model::{
    AccountId, ClientIp, Clock, Email, Entropy, Secret, SessionId, SystemClock, SystemEntropy, Timestamp,
};
use stagedoor::store::{
    AttemptQuery, AttemptRow, Part, PeopleQuery, PostgresSettings, Rotation, Seen, Settings, Snapshot, Store,
    Tx,
};

/// Times that each question is asked of each store; the median counts.
const TIMES: usize = 600;
/// Times that nobody looks at: statements are prepared, pages are read.
const WARM: usize = 100;
/// Rows of a page.
const PAGE: u32 = 50;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["schema", file] => {
            Store::open(&Settings::Sqlite { path: file.into() }).map(drop).map_err(Failure::from)
        }
        ["copy", file, url] => copy(file, url),
        ["measure", name, few, many] => measure(name, few, many),
        // `cargo bench` starts every bench, with a flag.
        _ => {
            eprintln!(
                "usage: store (schema FILE | copy FILE URL | measure NAME FEW MANY) (started by benches/store/run)"
            );
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("store: {e}");
            ExitCode::FAILURE
        }
    }
}

fn settings(place: &str) -> Settings {
    if place.starts_with("postgres:") {
        Settings::Postgres(PostgresSettings { url: Secret::new(place), ca: None, connections: 4 })
    } else {
        Settings::Sqlite { path: PathBuf::from(place) }
    }
}

fn copy(file: &str, url: &str) -> Result<(), Failure> {
    let Settings::Postgres(to) = settings(url) else { return Err("not a URL of PostgreSQL".into()) };
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    let moved = Snapshot::open(file.as_ref())?.copy(&to, &mut |_| ())?;
    let rows: u64 = moved.iter().map(|moved| moved.rows).sum();
    println!("{rows} rows were copied in {:.1} s", clock.monotonic().saturating_sub(begun).as_secs_f64());
    Ok(())
}

/// One store under test.
struct Subject {
    store: Store,
    now: Timestamp,
}

/// Somebody at random: the account, its address, and its session with the hash of its live token.
struct Somebody {
    account: AccountId,
    email: Email,
    session: SessionId,
    hash: [u8; 32],
}

impl Subject {
    fn open(place: &str) -> Result<Self, Failure> {
        Ok(Self { store: Store::open(&settings(place))?, now: SystemClock::new().now() })
    }

    async fn somebody(&self) -> Result<Somebody, Failure> {
        let from = SessionId::random(&SystemEntropy);
        let sql = "SELECT s.id, s.account_id, s.refresh_hash, a.email FROM sessions s JOIN accounts a ON a.id = s.account_id
                   WHERE s.id > $1 ORDER BY s.id LIMIT 1";
        let mut rows = self.store.read(sql, vec![from.into()]).await?;
        if rows.is_empty() {
            rows = self.store.read(sql, vec!["".into()]).await?;
        }
        let row = rows.first().ok_or("the store is empty")?;
        Ok(Somebody {
            session: row.parse(0)?,
            account: row.parse(1)?,
            hash: row.array(2)?,
            email: Email::parse(row.text(3)?)?,
        })
    }

    async fn ask(&self, question: Question, who: &Somebody) -> Result<(), Failure> {
        let part = Part { after: None, limit: PAGE };
        let people = |search: &str| PeopleQuery { search: search.to_owned(), ..PeopleQuery::default() };
        let found = match question {
            Question::Session => self.store.session(who.session).await?.is_some(),
            Question::Refresh => self.refresh(who).await?,
            Question::Address => self.store.account_by_email(&who.email).await?.is_some(),
            Question::Attempt => self.attempt(who).await?,
            Question::History => !self.store.attempts_of(who.account, None, PAGE).await?.is_empty(),
            Question::People => !self.store.people(&people(""), &part, self.now).await?.is_empty(),
            Question::Search => {
                let beginning: String = who.email.as_str().chars().take(8).collect();
                !self.store.people(&people(&beginning), &part, self.now).await?.is_empty()
            }
            Question::Attempts => !self.store.attempts(&AttemptQuery::default(), &part).await?.is_empty(),
        };
        if found { Ok(()) } else { Err(format!("{}: nothing was found", question.name()).into()) }
    }

    /// What a refresh asks of the store: the session, its account, the next token.
    async fn refresh(&self, who: &Somebody) -> Result<bool, Failure> {
        let session = self.store.session(who.session).await?.ok_or("no session")?;
        let account = self.store.account_by_id(session.account).await?;
        let entropy: &dyn Entropy = &SystemEntropy;
        let step = Rotation {
            id: who.session,
            from: who.hash,
            to: entropy.bytes(),
            at: self.now,
            idle_expires: session.idle_expires,
        };
        let seen = Seen { at: self.now, ip: ClientIp::new([127, 0, 0, 1].into()), user_agent: "bench" };
        let mut tx = Tx::new();
        tx.rotate_session(&step, seen);
        Ok(account.is_some() && self.store.commit(tx).await?.is_some())
    }

    async fn attempt(&self, who: &Somebody) -> Result<bool, Failure> {
        let row = AttemptRow {
            at: self.now,
            account: Some(who.account),
            address: who.email.as_str(),
            ip: ClientIp::new([127, 0, 0, 1].into()),
            user_agent: "bench",
            outcome: "success",
            reason: "password",
        };
        let mut tx = Tx::new();
        tx.attempt(&row, &SystemEntropy);
        Ok(self.store.commit(tx).await?.is_some())
    }
}

#[derive(Clone, Copy)]
enum Question {
    Session,
    Refresh,
    Address,
    Attempt,
    History,
    People,
    Search,
    Attempts,
}

impl Question {
    const ALL: [Self; 8] = [
        Self::Session,
        Self::Refresh,
        Self::Address,
        Self::Attempt,
        Self::History,
        Self::People,
        Self::Search,
        Self::Attempts,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Session => "session by its id",
            Self::Refresh => "refresh (session, account, rotation)",
            Self::Address => "account by address",
            Self::Attempt => "writing a try down",
            Self::History => "own history, a page",
            Self::People => "list of people, a page",
            Self::Search => "search for people",
            Self::Attempts => "list of tries, a page",
        }
    }

    /// What the budget gives the growth, where it says anything.
    fn allowed(self) -> &'static str {
        if matches!(self, Self::Session | Self::Refresh) { "1.30" } else { "" }
    }
}

fn measure(name: &str, few: &str, many: &str) -> Result<(), Failure> {
    let subjects = [Subject::open(few)?, Subject::open(many)?];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for question in Question::ALL {
        let [few, many] = runtime.block_on(compare(&subjects, question))?;
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        let (few, many) = (few.as_secs_f64() * 1e6, many.as_secs_f64() * 1e6);
        println!(
            "| {name} | {} | {few:.0} | {many:.0} | {ratio:.2} | {} |",
            question.name(),
            question.allowed()
        );
    }
    Ok(())
}

/// The median of each. They take turns, and so does who is first: what disturbs the machine disturbs both.
async fn compare(subjects: &[Subject; 2], question: Question) -> Result<[Duration; 2], Failure> {
    let clock = SystemClock::new();
    let mut took = [Vec::with_capacity(TIMES), Vec::with_capacity(TIMES)];
    for n in 0..WARM + TIMES {
        for turn in 0..2 {
            let which = (n + turn) % 2;
            let who = subjects[which].somebody().await?;
            let begun = clock.monotonic();
            subjects[which].ask(question, &who).await?;
            if n >= WARM {
                took[which].push(clock.monotonic().saturating_sub(begun));
            }
        }
    }
    Ok(took.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    }))
}
