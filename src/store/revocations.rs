//! Tokens that ended before their time. Rows leave when the last such token has expired by itself.

//!
//! They are read a page at a time, in the order of `revocations_by_expiry`: no statement takes long, and nobody holds them
//! all at once. `expires_at` only ever grows, so a row that changes between two pages is seen all the same.

use super::{Row, Store, StoreError, Tx, Value, params};
use crate::model::{AccountId, SessionId, Timestamp};

/// Rows on a page.
const PAGE: u32 = 5000;

/// One walk along the index, behind the place `$1`, `$2`, `$3`.
const NEXT_PAGE: &str = "SELECT kind, subject, ends_before, expires_at FROM revocations
     WHERE (expires_at, kind, subject) > ($1, $2, $3) ORDER BY expires_at, kind, subject LIMIT $4";

/// What has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation {
    /// Every token of one session.
    Session {
        /// The session.
        session: SessionId,
        /// When the last of its tokens expires.
        until: Timestamp,
    },
    /// Every token of an account that was made before a time.
    Account {
        /// The account.
        account: AccountId,
        /// Tokens made before this have ended.
        before: Timestamp,
        /// When the last of them expires.
        until: Timestamp,
    },
}

impl Tx {
    /// Adds a revocation; one that is there already only ever grows.
    pub fn revoke(&mut self, what: Revocation) {
        let (kind, subject, before, until) = match what {
            Revocation::Session { session, until } => {
                ("session", Value::from(session), Timestamp::default(), until)
            }
            Revocation::Account { account, before, until } => ("account", account.into(), before, until),
        };
        self.push(
            "INSERT INTO revocations (kind, subject, ends_before, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, subject) DO UPDATE SET
                 ends_before = CASE WHEN excluded.ends_before > revocations.ends_before
                                    THEN excluded.ends_before ELSE revocations.ends_before END,
                 expires_at = CASE WHEN excluded.expires_at > revocations.expires_at
                                   THEN excluded.expires_at ELSE revocations.expires_at END",
            params![kind, subject, before, until],
        );
    }
}

impl Store {
    /// The revocations that still matter at `now`, page by page.
    #[must_use]
    pub fn revocation_pages(&self, now: Timestamp) -> RevocationPages {
        // No kind and no subject comes before the empty one: this is where the next millisecond begins.
        let first =
            Place { until: now.millis().saturating_add(1), kind: String::new(), subject: String::new() };
        RevocationPages { store: self.clone(), next: Some(first), size: PAGE }
    }

    /// All of them at once, where they are known to be few.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn live_revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let (mut pages, mut all) = (self.revocation_pages(now), Vec::new());
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// Deletes what no longer matters at `now`. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_revocations(&self, now: Timestamp, batch: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM revocations WHERE (kind, subject) IN (SELECT kind, subject FROM revocations
                       WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING kind";
        Ok(self.write(sql, params![now, batch]).await?.len())
    }
}

/// Revocations, a page at a time. What was committed before the first page was asked for is on one of them.
pub struct RevocationPages {
    store: Store,
    /// Where the next page begins; `None` behind the last.
    next: Option<Place>,
    size: u32,
}

/// A row's place in the index.
struct Place {
    until: i64,
    kind: String,
    subject: String,
}

impl RevocationPages {
    /// The next page, `None` when there is none. After an error the same page can be asked for again. Index:
    /// `revocations_by_expiry`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn next(&mut self) -> Result<Option<Vec<Revocation>>, StoreError> {
        let Some(Place { until, kind, subject }) = &self.next else { return Ok(None) };
        let after = params![*until, kind.as_str(), subject.as_str(), self.size];
        let rows = self.store.engine.watch(NEXT_PAGE, after).await?;
        let page = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let full = rows.len() >= self.size as usize;
        self.next = rows.last().filter(|_| full).map(place).transpose()?;
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}

fn place(row: &Row) -> Result<Place, StoreError> {
    Ok(Place { until: row.int(3)?, kind: row.text(0)?.to_owned(), subject: row.text(1)?.to_owned() })
}

fn read(row: &Row) -> Result<Revocation, StoreError> {
    let until = row.time(3)?;
    match row.text(0)? {
        "session" => Ok(Revocation::Session { session: row.parse(1)?, until }),
        "account" => Ok(Revocation::Account { account: row.parse(1)?, before: row.time(2)?, until }),
        other => Err(StoreError::Shape(format!("revocations of the kind {other} are not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;

    fn session(n: u8, until: i64) -> Revocation {
        Revocation::Session { session: SessionId::from_bytes([n; 16]), until: Timestamp::from_millis(until) }
    }

    fn account(n: u8, until: i64) -> Revocation {
        let account = AccountId::from_bytes([n; 16]);
        Revocation::Account { account, before: Timestamp::default(), until: Timestamp::from_millis(until) }
    }

    async fn revoke(store: &Store, all: &[Revocation]) {
        let mut tx = Tx::new();
        for one in all {
            tx.revoke(*one);
        }
        store.commit(tx).await.unwrap();
    }

    async fn rest(pages: &mut RevocationPages) -> Vec<Vec<Revocation>> {
        let mut all = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            all.push(page);
        }
        all
    }

    #[tokio::test]
    async fn a_page_is_one_walk_along_the_index() {
        let store = Store::open(&Settings::Sqlite { path: ":memory:".into() }).unwrap();
        let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {NEXT_PAGE}").into_boxed_str());
        let plan = store.read(explain, params![7i64, "", "", PAGE]).await.unwrap();
        let steps: Vec<_> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        assert_eq!(steps.len(), 1, "no sorting: {steps:?}");
        assert!(steps[0].contains("revocations_by_expiry ((expires_at,kind,subject)>(?,?,?))"), "{steps:?}");
    }

    /// Pages end in the middle of a moment and of a kind.
    #[tokio::test]
    async fn pages_show_every_row_once_in_the_order_of_the_index() {
        let store = Store::scratch();
        let gone = [session(90, 49), account(91, 50)];
        let mut live: Vec<_> = (1..=4).map(|n| account(n, 51)).collect();
        live.extend((1..=4).map(|n| session(n, 51)));
        live.extend([account(9, 52), session(8, 53)]);
        let mixed: Vec<_> = live.iter().rev().chain(&gone).copied().collect();
        revoke(&store, &mixed).await;
        for size in 1..=11 {
            let mut pages = RevocationPages { size, ..store.revocation_pages(Timestamp::from_millis(50)) };
            let seen = rest(&mut pages).await;
            assert_eq!(seen.concat(), live, "{size} to a page");
            assert!(seen.iter().all(|page| page.len() <= size as usize));
        }
        assert_eq!(store.live_revocations(Timestamp::from_millis(50)).await.unwrap(), live);
        let none = Timestamp::from_millis(53);
        assert_eq!(store.revocation_pages(none).next().await, Ok(None));
    }

    #[tokio::test]
    async fn a_row_that_changes_between_two_pages_is_seen() {
        let store = Store::scratch();
        revoke(&store, &[session(1, 10), session(2, 20), session(3, 30)]).await;
        let mut pages = RevocationPages { size: 1, ..store.revocation_pages(Timestamp::default()) };
        assert_eq!(pages.next().await, Ok(Some(vec![session(1, 10)])));
        revoke(&store, &[session(2, 40), session(4, 5)]).await;
        assert_eq!(rest(&mut pages).await, [[session(3, 30)], [session(2, 40)]]);
    }
}
