//! Devices that a person has signed in on before.

use super::{Accounts, Error, Origin, SignedIn};
use crate::store::AccountRow;

#[expect(clippy::unused_async, reason = "they will ask the store")]
impl Accounts {
    /// Whether the person asked not to be asked for a second factor on this device, and that still counts.
    pub(super) async fn trusted_device(
        &self,
        _account: &AccountRow,
        _origin: &Origin,
    ) -> Result<bool, Error> {
        Ok(false)
    }

    /// Remembers the device of a sign-in that has just been finished with a second factor.
    pub(super) async fn trust_device(&self, _signed_in: &SignedIn, _origin: &Origin) -> Result<(), Error> {
        Ok(())
    }
}
