//! Roles that people have asked for when they registered.

use super::people::Paging;
use super::{USERS_EDIT, USERS_VIEW};
use crate::account::{Accounts, Cursor, Error, Key, Me, Origin, Page};
use crate::mail::Message;
use crate::model::{AccountId, RoleName};
use crate::store::{PeopleQuery, PersonRow, PersonState, Tx};

/// Somebody who waits for a role.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Who.
    pub person: PersonRow,
    /// The role asked for.
    pub role: String,
}

const DECIDED: Error = Error::Conflict("already-decided", "Nobody waits for a decision here (any more).");

impl Accounts {
    /// A page of those who wait for a role, the longest waiting first.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn approvals(&self, me: &Me, paging: Paging) -> Result<Page<Approval>, Error> {
        self.viewer(me, USERS_VIEW).await?;
        let query = PeopleQuery { state: Some(PersonState::Waiting), ..PeopleQuery::default() };
        let rows = self.store.people(&query, &paging.part(), self.clock.now()).await?;
        let page = Page::cut(rows, paging.limit, |row| Cursor {
            key: Key::from(row.created_at),
            id: row.id.to_string(),
        });
        Ok(page.map(|person| Approval { role: person.requested_role.clone().unwrap_or_default(), person }))
    }

    /// Grants or refuses the role that a person has asked for, and tells the person.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::NotFound`],
    /// [`Error::BeyondYours`], [`Error::Conflict`] when there is nothing to decide, the address is not proved yet, or
    /// the config does not have the role any more; [`Error::Unavailable`].
    pub async fn decide(&self, me: &Me, id: AccountId, approve: bool, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        let asked = target.requested_role.clone().ok_or(DECIDED)?;
        let now = self.clock.now();
        let mut tx = Tx::new();
        tx.end_role_request(id, &asked);
        let (action, message) = if approve {
            let role = self.grantable(&asked)?;
            actor.covers(self.settings.permissions_of(std::slice::from_ref(&role)))?;
            actor.may_deal(std::slice::from_ref(&role), &self.settings)?;
            if target.verified_at.is_none() {
                return Err(Error::Conflict(
                    "address-not-proved",
                    "The address of this account is not proved yet.",
                ));
            }
            if !target.roles.contains(&role) {
                tx.grant_role(id, &role);
            }
            self.revoke_tokens(&mut tx, id, now);
            let (name, home_link) = (target.name.clone(), self.page("/"));
            ("role.approved", Message::Approved { name, role: asked.clone(), home_link })
        } else {
            ("role.rejected", Message::Rejected { name: target.name.clone(), role: asked.clone() })
        };
        // Not to an address that nobody has proved.
        if target.verified_at.is_some() {
            self.post(&mut tx, &target.email, &message);
        }
        self.note(&mut tx, &actor, (action, id, &format!("role: {asked}")), origin);
        let written = self.store.commit(tx).await;
        if approve && !matches!(written, Ok(None)) {
            // Also when no answer came: it may have been written.
            self.forget_tokens(id, now);
        }
        written?.ok_or(DECIDED)?;
        Ok(())
    }

    fn grantable(&self, asked: &str) -> Result<RoleName, Error> {
        let role = self.settings.roles.iter().find(|role| role.name.as_str() == asked);
        role.map(|role| role.name.clone())
            .ok_or(Error::Conflict("unknown-role", "The config does not have this role any more."))
    }
}
