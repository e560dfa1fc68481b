//! Recovery codes: ten printed codes for the day when the phone is gone. Each works once; a new set ends the old one.
//! 80 random bits each, kept as a MAC bound to the account.

use super::factor::Change;
use super::totp::base32;
use super::{Accounts, Error, Me, Origin};
use crate::model::{AccountId, Secret, constant_time_eq};
use crate::store::{AccountRow, Tx};

const CODES: usize = 10;
/// In bytes.
const LENGTH: usize = 10;
/// Crockford's: without the letters that look like digits or like each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Accounts {
    /// How many codes are left.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn recovery_codes_left(&self, me: &Me) -> Result<usize, Error> {
        let account = self.account_of(me).await?;
        Ok(self.store.unused_recovery_codes(account.id).await?.len())
    }

    /// Makes a new set in the place of the old one; shown once. Every other session ends, the owner is told.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`]; [`Error::Conflict`] when there is no factor that they could
    /// stand in for; [`Error::Unavailable`].
    pub async fn renew_recovery_codes(&self, me: &Me, origin: &Origin) -> Result<Vec<Secret>, Error> {
        let account = self.elevated(me).await?;
        if !account.has_factor() {
            return Err(Error::Conflict(
                "no-factor",
                "Recovery codes stand in for a second factor. Set one up first.",
            ));
        }
        let mut tx = Tx::new();
        let codes = self.new_recovery_codes(&mut tx, account.id);
        let change = Change {
            me,
            account: &account,
            action: "factor.recovery_codes_made",
            what: "new recovery codes were made, and the old ones have ended",
        };
        self.commit_factors(tx, change, origin).await?;
        Ok(codes)
    }

    /// Draws a set and adds it.
    pub(super) fn new_recovery_codes(&self, tx: &mut Tx, account: AccountId) -> Vec<Secret> {
        let drawn = || base32(&self.entropy.bytes::<LENGTH>(), ALPHABET);
        let codes: Vec<String> = (0..CODES).map(|_| drawn()).collect();
        let macs: Vec<_> = codes.iter().map(|code| self.recovery_mac(account, code)).collect();
        tx.replace_recovery_codes(account, &macs, self.clock.now(), &*self.entropy);
        codes.iter().map(|code| Secret::new(in_groups(code))).collect()
    }

    /// What is kept of the code, if it is one that was not used.
    pub(super) async fn prove_recovery(
        &self,
        account: &AccountRow,
        code: &Secret,
    ) -> Result<Option<[u8; 32]>, Error> {
        let mac = self.recovery_mac(account.id, &as_drawn(code.expose()));
        let unused = self.store.unused_recovery_codes(account.id).await?;
        Ok(unused
            .iter()
            .fold(None, |found, kept| if constant_time_eq(kept, &mac) { Some(mac) } else { found }))
    }

    fn recovery_mac(&self, account: AccountId, code: &str) -> [u8; 32] {
        self.vault.mac("recovery-code", &[account.as_bytes(), code.as_bytes()])
    }
}

/// `abcd-efgh-jkmn-pqrs`
fn in_groups(code: &str) -> String {
    let groups: Vec<_> = code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// A code as it was drawn, from how people type it: with or without dashes, in any case, `O` for zero, `I` or `L` for
/// one.
fn as_drawn(typed: &str) -> String {
    let kept = typed.chars().filter(|c| *c != '-' && *c != ' ');
    let plain = kept.map(|c| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    });
    plain.collect()
}
