//! Lists of people for those who look after them. Every text drives one index: the search the unique index on the
//! address and `accounts_by_name`, rare states their partial indices, a role that few hold `account_roles_by_role`,
//! everything else the index of the order itself, so that a page costs the same among a million people.

use super::{Row, Store, StoreError, Value, params};
use crate::model::{AccountId, Email, RoleName, SessionId, Timestamp};

/// Up to so many holders of a role are looked up one by one.
const FEW: u32 = 5_000;

/// Sorts after every text.
const LAST_TEXT: &str = "\u{10ffff}";

/// What a list of people is sorted by; rows with the same value by identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PeopleSort {
    /// When the account was made.
    #[default]
    Created,
    /// The address.
    Email,
    /// The full name, without regard to case (of ASCII letters).
    Name,
}

/// The states an account can be looked for by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PersonState {
    /// May sign in.
    Active,
    /// The address is not proved yet.
    Unverified,
    /// Switched off by an admin.
    Disabled,
    /// Closed by its owner; deleted soon.
    Closed,
    /// The address is locked after too many failures.
    Locked,
    /// A role that was asked for waits for an admin's approval.
    Waiting,
}

impl PersonState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Unverified, Self::Disabled, Self::Closed, Self::Locked, Self::Waiting];

    /// The word in the API and in the statements below.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unverified => "unverified",
            Self::Disabled => "disabled",
            Self::Closed => "closed",
            Self::Locked => "locked",
            Self::Waiting => "waiting",
        }
    }
}

/// Which people, in which order.
#[derive(Clone, Debug, Default)]
pub struct PeopleQuery {
    /// The beginning of the address or of the full name; empty: any.
    pub search: String,
    /// A role they hold.
    pub role: Option<RoleName>,
    /// Their state.
    pub state: Option<PersonState>,
    /// The order …
    pub sort: PeopleSort,
    /// … the other way round.
    pub descending: bool,
}

/// Which part of a list.
#[derive(Clone, Debug)]
pub struct Part {
    /// After the row with this key and identifier; `None`: from the beginning.
    pub after: Option<(Value, String)>,
    /// At most so many rows.
    pub limit: u32,
}

impl Part {
    /// The place in a list that is sorted by time, the newest first.
    pub(super) fn newest_first(&self) -> (Value, String) {
        let beginning = || (Value::Int(i64::MAX), LAST_TEXT.to_owned());
        self.after.clone().unwrap_or_else(beginning)
    }
}

/// A person in a list. Carries no secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonRow {
    /// The account.
    pub id: AccountId,
    /// Its address.
    pub email: Email,
    /// Full name.
    pub name: String,
    /// A role that waits for approval.
    pub requested_role: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the address was proved.
    pub verified_at: Option<Timestamp>,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
    /// When it is deleted, if its owner has closed it.
    pub delete_at: Option<Timestamp>,
    /// Until when the address is locked.
    pub locked_until: Option<Timestamp>,
    /// The roles held, sorted by name.
    pub roles: Vec<RoleName>,
}

/// An open session, for whoever looks after its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenSession {
    /// The session.
    pub id: SessionId,
    /// From where it was last used.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// How the person signed in, space-separated.
    pub amr: String,
}

/// $1 role, $2 state, $3 now, $4 and $5 the place in the list, $6 limit, $7 and $8 the bounds of the search.
macro_rules! people {
    ($narrow:literal, $key:literal, $outer:literal, $after:literal, $dir:literal) => {
        concat!(
            "SELECT p.id, p.email, p.name, p.requested_role, p.created_at, p.verified_at, p.disabled_at, p.delete_at,
                    p.locked_until, r.role
             FROM (SELECT a.id, a.email, a.name, a.requested_role, a.created_at, a.verified_at, a.disabled_at,
                          a.delete_at,
                          (SELECT l.locked_until FROM lockouts l
                           WHERE l.address = a.email AND l.locked_until > $3) AS locked_until
                   FROM accounts a
                   WHERE ", $narrow,
            "       AND ($1 = '' OR EXISTS (SELECT 1 FROM account_roles h WHERE h.account_id = a.id AND h.role = $1))
                    AND CASE $2
                        WHEN '' THEN TRUE
                        WHEN 'active' THEN a.verified_at IS NOT NULL AND a.disabled_at IS NULL AND a.delete_at IS NULL
                        WHEN 'unverified' THEN a.verified_at IS NULL AND a.disabled_at IS NULL
                        WHEN 'disabled' THEN a.disabled_at IS NOT NULL
                        WHEN 'closed' THEN a.delete_at IS NOT NULL
                        WHEN 'waiting' THEN a.requested_role IS NOT NULL
                        ELSE EXISTS (SELECT 1 FROM lockouts l WHERE l.address = a.email AND l.locked_until > $3) END
                    AND (", $key, ", a.id) ", $after, " ($4, $5)
                   ORDER BY ", $key, " ", $dir, ", a.id ", $dir, " LIMIT $6) p
             LEFT JOIN account_roles r ON r.account_id = p.id
             ORDER BY ", $outer, " ", $dir, ", p.id ", $dir, ", r.role"
        )
    };
}

/// The six orders of one way to narrow the list down.
macro_rules! orders {
    ($query:expr, $narrow:literal) => {
        match ($query.sort, $query.descending) {
            (PeopleSort::Created, false) => people!($narrow, "a.created_at", "p.created_at", ">", "ASC"),
            (PeopleSort::Created, true) => people!($narrow, "a.created_at", "p.created_at", "<", "DESC"),
            (PeopleSort::Email, false) => people!($narrow, "a.email", "p.email", ">", "ASC"),
            (PeopleSort::Email, true) => people!($narrow, "a.email", "p.email", "<", "DESC"),
            (PeopleSort::Name, false) => people!($narrow, "lower(a.name)", "lower(p.name)", ">", "ASC"),
            (PeopleSort::Name, true) => people!($narrow, "lower(a.name)", "lower(p.name)", "<", "DESC"),
        }
    };
}

impl Store {
    /// A part of the list of people.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn people(
        &self,
        query: &PeopleQuery,
        part: &Part,
        now: Timestamp,
    ) -> Result<Vec<PersonRow>, StoreError> {
        let (key, id) = part.after.clone().unwrap_or_else(|| beginning(query));
        let role = query.role.as_ref().map_or("", |role| role.as_str());
        let state = query.state.map_or("", PersonState::as_str);
        let mut params = params![role, state, now, key, id, part.limit];
        let sql = if !query.search.is_empty() {
            params.extend(params![&query.search, format!("{}{LAST_TEXT}", query.search)]);
            orders!(
                query,
                "a.id IN (SELECT id FROM accounts WHERE email >= lower($7) AND email < lower($8)
                          UNION SELECT id FROM accounts WHERE lower(name) >= lower($7) AND lower(name) < lower($8))"
            )
        } else if query.state.is_some_and(|s| s != PersonState::Active) {
            orders!(
                query,
                "a.id IN (SELECT id FROM accounts WHERE $2 = 'unverified' AND verified_at IS NULL
                          UNION ALL SELECT id FROM accounts WHERE $2 = 'disabled' AND disabled_at IS NOT NULL
                          UNION ALL SELECT id FROM accounts WHERE $2 = 'closed' AND delete_at IS NOT NULL
                          UNION ALL SELECT id FROM accounts WHERE $2 = 'waiting' AND requested_role IS NOT NULL
                          UNION ALL SELECT k.id FROM lockouts l JOIN accounts k ON k.email = l.address
                                    WHERE $2 = 'locked' AND l.locked_until > $3)"
            )
        } else if query.role.is_some() && self.few_hold(role).await? {
            orders!(query, "a.id IN (SELECT account_id FROM account_roles WHERE role = $1)")
        } else {
            orders!(query, "TRUE")
        };
        fold(&self.read(sql, params).await?)
    }

    async fn few_hold(&self, role: &str) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM account_roles WHERE role = $1 LIMIT $2) holders";
        let rows = self.read(sql, params![role, FEW + 1]).await?;
        rows.first().map_or(Ok(true), |row| Ok(row.count(0)? <= u64::from(FEW)))
    }

    /// The open sessions of an account, the last used first; at most 100.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sessions_of(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Vec<OpenSession>, StoreError> {
        let rows = self
            .read(
                "SELECT id, ip, user_agent, created_at, last_seen_at, expires_at, amr FROM sessions
                 WHERE account_id = $1 AND ended_at IS NULL AND idle_expires > $2 AND expires_at > $2
                 ORDER BY last_seen_at DESC, id LIMIT 100",
                params![account, now],
            )
            .await?;
        rows.iter().map(read_session).collect()
    }

    /// Until when the address, or a device or session of it that counts apart, is locked.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn any_lock(&self, email: &Email, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let rows = self
            .read(
                "SELECT max(locked_until) FROM lockouts
                 WHERE (address = $1 OR (address >= $1 || '#' AND address < $1 || '$')) AND locked_until > $2",
                params![email, now],
            )
            .await?;
        rows.first().map_or(Ok(None), |row| row.opt(0, Row::time))
    }
}

/// A place before the first row.
fn beginning(query: &PeopleQuery) -> (Value, String) {
    let number = query.sort == PeopleSort::Created;
    match (number, query.descending) {
        (true, false) => (Value::Int(i64::MIN), String::new()),
        (true, true) => (Value::Int(i64::MAX), LAST_TEXT.to_owned()),
        (false, false) => (Value::Text(String::new()), String::new()),
        (false, true) => (Value::Text(LAST_TEXT.to_owned()), LAST_TEXT.to_owned()),
    }
}

/// The people of rows that stand in order, one for each role.
fn fold(rows: &[Row]) -> Result<Vec<PersonRow>, StoreError> {
    let mut people: Vec<PersonRow> = Vec::new();
    for row in rows {
        let id = row.parse(0)?;
        if people.last().is_none_or(|p| p.id != id) {
            people.push(read_person(id, row)?);
        }
        let role = row.opt(9, Row::text)?.map(RoleName::parse).transpose();
        if let (Some(person), Some(role)) =
            (people.last_mut(), role.map_err(|e| StoreError::Shape(e.to_string()))?)
        {
            person.roles.push(role);
        }
    }
    Ok(people)
}

fn read_person(id: AccountId, row: &Row) -> Result<PersonRow, StoreError> {
    Ok(PersonRow {
        id,
        email: Email::parse(row.text(1)?).map_err(|e| StoreError::Shape(e.to_string()))?,
        name: row.string(2)?,
        requested_role: row.opt(3, Row::string)?,
        created_at: row.time(4)?,
        verified_at: row.opt(5, Row::time)?,
        disabled_at: row.opt(6, Row::time)?,
        delete_at: row.opt(7, Row::time)?,
        locked_until: row.opt(8, Row::time)?,
        roles: Vec::new(),
    })
}

fn read_session(row: &Row) -> Result<OpenSession, StoreError> {
    Ok(OpenSession {
        id: row.parse(0)?,
        ip: row.string(1)?,
        user_agent: row.string(2)?,
        created_at: row.time(3)?,
        last_seen_at: row.time(4)?,
        expires_at: row.time(5)?,
        amr: row.string(6)?,
    })
}
