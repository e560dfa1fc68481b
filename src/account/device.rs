//! Which browser this is. A cookie says so: base64url of a random id (16 bytes) and a MAC of it (16). The cookie opens
//! nothing. It lets an account know its devices again: their failures count apart, they can be trusted to go without
//! a second factor, and its owner gets a mail when there is a new one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Accounts, Error, Origin, SignedIn};
use crate::limiter::Quota;
use crate::mail::Message;
use crate::model::{AccountId, DeviceId, Email, Secret, constant_time_eq};
use crate::store::{AccountRow, Tx};

/// The purpose of the link "this was not me".
pub(super) const NOT_ME: &str = "not_me";

/// Life of that link, in hours.
const NOT_ME_HOURS: u64 = 7 * 24;
/// So many of those links may live at once; the oldest end.
const NOT_ME_LINKS: u32 = 50;
/// So many devices an account knows besides the one in use.
const OTHER_DEVICES: u32 = 49;
/// A program that keeps no cookies is a new device each time; its owner need not be told each time.
const MAILS: Quota = Quota { limit: 5, window: Duration::from_hours(1) };

const ID: usize = 16;
const TAG: usize = 16;

/// What an account makes of the browser that asks.
pub(super) enum Standing {
    /// It has signed in there before.
    Known(DeviceId),
    /// It has not, or there is no account, or no device.
    Other,
}

/// The device of a sign-in.
pub(super) struct Arrival {
    /// Its identifier.
    pub(super) id: DeviceId,
    /// The cookie to be set, if the browser has none.
    pub(super) cookie: Option<Secret>,
}

impl Accounts {
    /// The device that the cookie names; `None` for whatever we have not made.
    fn device_of(&self, origin: &Origin) -> Option<DeviceId> {
        let text = origin.device.as_ref()?;
        let bytes: [u8; ID + TAG] = URL_SAFE_NO_PAD.decode(text.expose()).ok()?.try_into().ok()?;
        let (id, tag) = bytes.split_first_chunk::<ID>()?;
        let id = DeviceId::from_bytes(*id);
        constant_time_eq(tag, &self.device_tag(id)).then_some(id)
    }

    fn device_tag(&self, id: DeviceId) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&self.vault.mac("device", &[id.as_bytes()])[..TAG]);
        tag
    }

    /// What the account knows of the device that asks. The store is asked also where there is no account, so that both
    /// cost the same.
    pub(super) async fn standing_at(
        &self,
        account: Option<AccountId>,
        origin: &Origin,
    ) -> Result<Standing, Error> {
        let Some(device) = self.device_of(origin) else { return Ok(Standing::Other) };
        let account = account.unwrap_or(AccountId::from_bytes([0; 16]));
        let known = self.store.device_trust(account, device).await?.is_some();
        Ok(if known { Standing::Known(device) } else { Standing::Other })
    }

    /// What the tries of a sign-in are limited by: the address, or a device that its account knows, so that strangers
    /// cannot use up the tries of its owner (L-09). Asks the store only for devices of ours.
    pub(super) async fn login_subject(&self, email: &Email, origin: &Origin) -> Result<String, Error> {
        if self.device_of(origin).is_none() {
            return Ok(format!("address:{email}"));
        }
        let account = self.store.account_by_email(email).await?;
        Ok(match self.standing_at(account.map(|a| a.id), origin).await? {
            Standing::Known(device) => format!("device:{email}:{device}"),
            Standing::Other => format!("address:{email}"),
        })
    }

    /// Whether the browser that asks need not show a second factor for this account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn trusted_device(&self, account: &AccountRow, origin: &Origin) -> Result<bool, Error> {
        let Some(device) = self.device_of(origin) else { return Ok(false) };
        let until = self.store.device_trust(account.id, device).await?;
        Ok(until.is_some_and(|until| until > self.clock.now()))
    }

    /// Remembers the device of a sign-in that has just been finished with a second factor, under a new name: whoever
    /// has copied or planted the cookie before does not become trusted along with it. On its own, after the sign-in: if
    /// it fails, the person is merely asked again.
    pub(super) async fn trust_device(&self, signed_in: &mut SignedIn, origin: &Origin) {
        let until = self.clock.now().after(self.settings.second_factor.remember_device);
        let id = DeviceId::random(&*self.entropy);
        let mut tx = Tx::new();
        tx.rename_device_of(signed_in.session, id);
        tx.trust_device_of(signed_in.session, until);
        self.audit(&mut tx, "device.trusted", &signed_in.user.id.to_string(), origin);
        match self.store.commit(tx).await {
            Ok(Some(_)) => signed_in.device = Some(self.device_cookie(id)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a device could not be remembered"),
        }
    }

    /// Adds the device of a sign-in to its transaction; and a mail to the owner when others have signed in before, but
    /// none from here.
    pub(super) async fn arrive(
        &self,
        tx: &mut Tx,
        account: &AccountRow,
        origin: &Origin,
    ) -> Result<Arrival, Error> {
        let now = self.clock.now();
        let carried = self.device_of(origin);
        let id = carried.unwrap_or_else(|| DeviceId::random(&*self.entropy));
        let familiar = self.store.familiarity(account.id, id).await?;
        tx.see_device(account.id, id, origin.seen(now));
        tx.cap_devices(account.id, id, OTHER_DEVICES, now);
        if familiar.signed_in_before && !familiar.known {
            self.tell_new_device(tx, account, origin).await?;
        }
        let cookie = carried.is_none().then(|| self.device_cookie(id));
        Ok(Arrival { id, cookie })
    }

    fn device_cookie(&self, id: DeviceId) -> Secret {
        let parts = [&id.as_bytes()[..], &self.device_tag(id)];
        Secret::new(URL_SAFE_NO_PAD.encode(parts.concat()))
    }

    async fn tell_new_device(&self, tx: &mut Tx, account: &AccountRow, origin: &Origin) -> Result<(), Error> {
        if !self.take("new-device", &account.id.to_string(), MAILS).await?.allowed {
            return Ok(());
        }
        let now = self.clock.now();
        let (token, row) = self.draw_link(account.id, now.after(Duration::from_hours(NOT_ME_HOURS)));
        tx.insert_link(&row, NOT_ME, now);
        tx.cap_links(account.id, NOT_ME, NOT_ME_LINKS);
        let link = Secret::new(self.page(&format!("/not-me/{}/{}/", account.id, token.expose())));
        let (name, seen) = (account.name.clone(), origin.sighting(now));
        let mail = Message::NewDevice { name, seen, link, link_hours: NOT_ME_HOURS };
        self.post(tx, &account.email, &mail);
        Ok(())
    }
}
