//! Browsers that have signed in before.

use super::{Tx, params};
use crate::model::AccountId;

impl Tx {
    /// Asks every device of the account for a second factor again; they stay known.
    pub fn distrust_devices(&mut self, account: AccountId) {
        self.push("UPDATE devices SET trusted_until = 0 WHERE account_id = $1", params![account]);
    }
}
