//! People: the list, one of them, and their sessions.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::{MAX_EXPORT, SESSIONS_REVOKE, USERS_VIEW};
use crate::account::{Accounts, Cursor, Error, Key, Me, Origin, Page, User};
use crate::model::{AccountId, Timestamp};
use crate::store::{AccountRow, OpenSession, Part, PeopleQuery, PeopleSort, PersonRow, Tx, Value};

/// How many rows an export reads at once.
const BATCH: u32 = 1000;

/// Which part of a list.
#[derive(Clone, Debug)]
pub struct Paging {
    /// After this row; `None`: from the beginning.
    pub cursor: Option<Cursor>,
    /// At most so many rows.
    pub limit: u32,
}

impl Paging {
    /// The first rows of an export.
    #[must_use]
    pub const fn export() -> Self {
        Self { cursor: None, limit: BATCH }
    }

    /// What the store is asked for: one row more, which says whether there is a next page.
    pub(super) fn part(&self) -> Part {
        let after = self.cursor.clone().map(|c| (Value::from(c.key), c.id));
        Part { after, limit: self.limit.saturating_add(1) }
    }
}

/// How many exports are made at once in this process.
static EXPORTS: Semaphore = Semaphore::const_new(2);

/// Collects the pages of a list that `page` reads, up to [`MAX_EXPORT`] rows.
pub(super) async fn export<T, F>(mut page: impl FnMut(Paging) -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<Page<T>, Error>>,
{
    // Each is made in memory: a few at once must not take all of it.
    let _turn = EXPORTS.try_acquire().map_err(|_| Error::Busy { retry_after: Duration::from_secs(5) })?;
    let (mut all, mut paging) = (Vec::new(), Paging::export());
    loop {
        let read = page(paging.clone()).await?;
        all.extend(read.items);
        match read.next {
            Some(cursor) if all.len() < MAX_EXPORT as usize => paging.cursor = Some(cursor),
            _ => return Ok(all),
        }
    }
}

/// One person, for those who look after accounts. Carries no secrets.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user: User,
    /// As in the list.
    pub row: PersonRow,
    /// When the password was last set.
    pub password_changed_at: Timestamp,
    /// Whether it must be reset before it is taken again.
    pub must_reset: bool,
    /// Whether codes by mail are asked for.
    pub email_otp: bool,
    /// Whether codes from an app are asked for.
    pub totp: bool,
    /// How many sessions are open.
    pub sessions: usize,
}

impl Accounts {
    /// A page of people.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn people(
        &self,
        me: &Me,
        query: &PeopleQuery,
        paging: Paging,
    ) -> Result<Page<PersonRow>, Error> {
        self.viewer(me, USERS_VIEW).await?;
        self.people_page(query, paging).await
    }

    /// The people of a list, at most [`MAX_EXPORT`].
    ///
    /// # Errors
    /// As [`Self::people`].
    pub async fn all_people(&self, me: &Me, query: &PeopleQuery) -> Result<Vec<PersonRow>, Error> {
        self.viewer(me, USERS_VIEW).await?;
        export(|paging| self.people_page(query, paging)).await
    }

    async fn people_page(&self, query: &PeopleQuery, paging: Paging) -> Result<Page<PersonRow>, Error> {
        let rows = self.store.people(query, &paging.part(), self.clock.now()).await?;
        let key = |row: &PersonRow| match query.sort {
            PeopleSort::Created => Key::from(row.created_at),
            PeopleSort::Email => Key::Text(row.email.to_string()),
            // As the store does it: only ASCII letters.
            PeopleSort::Name => Key::Text(row.name.to_ascii_lowercase()),
        };
        Ok(Page::cut(rows, paging.limit, |row| Cursor { key: key(row), id: row.id.to_string() }))
    }

    /// One person.
    ///
    /// # Errors
    /// [`Error::NotFound`] besides those of [`Self::people`].
    pub async fn person(&self, me: &Me, id: AccountId) -> Result<Person, Error> {
        self.viewer(me, USERS_VIEW).await?;
        let account = self.store.account_by_id(id).await?.ok_or(Error::NotFound)?;
        self.describe(account).await
    }

    /// The person behind an account.
    pub(super) async fn describe(&self, account: AccountRow) -> Result<Person, Error> {
        let now = self.clock.now();
        let locked_until = self.store.any_lock(&account.email, now).await?;
        let sessions = self.store.open_sessions(account.id, now).await?.len();
        let user = self.settings.user(&account);
        let row = PersonRow {
            id: account.id,
            email: account.email,
            name: account.name,
            requested_role: account.requested_role,
            created_at: account.created_at,
            verified_at: account.verified_at,
            disabled_at: account.disabled_at,
            delete_at: account.delete_at,
            locked_until,
            roles: account.roles,
        };
        Ok(Person {
            user,
            row,
            password_changed_at: account.password_changed_at,
            must_reset: account.must_reset,
            email_otp: account.email_otp,
            totp: account.totp,
            sessions,
        })
    }

    /// The open sessions of a person.
    ///
    /// # Errors
    /// As [`Self::person`].
    pub async fn sessions_of(&self, me: &Me, id: AccountId) -> Result<Vec<OpenSession>, Error> {
        self.viewer(me, USERS_VIEW).await?;
        self.store.account_by_id(id).await?.ok_or(Error::NotFound)?;
        Ok(self.store.sessions_of(id, self.clock.now()).await?)
    }

    /// Ends every session of a person.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::NotFound`],
    /// [`Error::BeyondYours`], [`Error::Unavailable`].
    pub async fn end_sessions_of(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, SESSIONS_REVOKE, id).await?;
        let mut tx = Tx::new();
        let ended = self.end_everything(&mut tx, id, "admin");
        self.note(&mut tx, &actor, ("account.sessions_ended", target.id, ""), origin);
        let answer = self.store.commit(tx).await?;
        self.forget_everything(id, answer.as_deref(), ended)
    }
}
