//! Changes after which sessions have to end: with the password, the address, or the account. The sessions end in the
//! transaction that makes the change, as they are at that moment; one that was opened a moment before does not slip
//! through.

use super::{Accounts, Error};
use crate::model::{AccountId, SessionId, Timestamp};
use crate::store::{SessionsEnd, Tx, ended_sessions};

/// The end of sessions within a transaction that has not run yet.
pub(super) struct Ending {
    answer: usize,
    account: AccountId,
    at: Timestamp,
}

impl Accounts {
    /// Adds the end of every session of an account but `except`. The transaction is run by [`Self::commit_ending`].
    pub(super) fn end_sessions_within(
        &self,
        tx: &mut Tx,
        account: AccountId,
        except: Option<SessionId>,
        reason: &'static str,
    ) -> Ending {
        let now = self.clock.now();
        let end = SessionsEnd { reason, now, until: self.last_token_ends(now) };
        Ending { answer: tx.end_sessions_of(account, except, &end), account, at: now }
    }

    /// Runs the transaction and lets the gate know which sessions it has ended; `None` when a condition of `tx` did not
    /// hold.
    pub(super) async fn commit_ending(&self, tx: Tx, ending: Ending) -> Result<Option<()>, Error> {
        let written = self.store.commit(tx).await;
        if written.is_err() {
            // It may have been written all the same; a token too many that ends is had again by a refresh.
            self.forget_tokens(ending.account, ending.at);
        }
        let Some(answer) = written? else { return Ok(None) };
        let ended = ended_sessions(answer.get(ending.answer).map(Vec::as_slice).unwrap_or_default())?;
        self.forget_sessions(&ended, ending.at);
        Ok(Some(()))
    }
}
