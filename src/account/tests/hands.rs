//! What the tests of the own account do again and again.

use super::*;
use crate::account::{ChangePassword, NewPassword, Proof, Reset};

/// Another good password.
pub const BETTER: &str = "Battery-Staple-8";

/// The two parts of the link in a mail, and its code if it has one.
#[derive(Clone, Debug)]
pub struct Letter {
    pub uid: String,
    pub token: String,
    pub code: String,
}

/// Whoever signed in, as the access token says.
pub fn me(house: &House, signed_in: &SignedIn) -> Me {
    let amr = vec!["pwd".to_owned()];
    Me { account: signed_in.user.id, session: signed_in.session, auth_time: house.clock.now(), amr }
}

pub fn twice(password: &str) -> NewPassword {
    NewPassword { password: Secret::new(password), confirm: Secret::new(password) }
}

pub fn change(current: &str, new: &str) -> ChangePassword {
    ChangePassword { current: Secret::new(current), new: twice(new) }
}

impl Letter {
    pub fn by_link(&self) -> Proof {
        Proof::Link { uid: self.uid.clone(), token: Secret::new(self.token.clone()) }
    }

    pub fn by_code(&self) -> Proof {
        by_code(MINE, &self.code)
    }

    /// A code that is certainly wrong.
    pub fn wrong_code(&self) -> &'static str {
        if self.code == "000000" { "000001" } else { "000000" }
    }
}

pub fn by_code(email: &str, code: &str) -> Proof {
    Proof::Code { email: email.into(), code: Secret::new(code) }
}

impl House {
    /// The links of one kind of mail to `to`, oldest first; `path` as in `/password-reset/`.
    pub async fn letters(&self, kind: &'static str, path: &str, to: &str) -> Vec<Letter> {
        let mails = self.mails(kind).await;
        mails.iter().filter(|(recipient, _)| recipient == to).map(|(_, text)| read(text, path)).collect()
    }

    pub async fn resets(&self) -> Vec<Letter> {
        self.letters("reset", "/password-reset/", MINE).await
    }

    /// Asks for a reset of [`MINE`]; the newest mail about it.
    pub async fn ask_reset(&self) -> Letter {
        self.accounts.request_reset(MINE, &origin()).await.unwrap();
        self.resets().await.pop().expect("a mail")
    }

    pub async fn reset(&self, proof: Proof, password: &str) -> Result<(), Error> {
        self.accounts.reset_password(Reset { proof, new: twice(password) }, &origin()).await
    }

    /// Whether the gate of this process knows that the session's tokens have ended.
    pub fn is_revoked(&self, signed_in: &SignedIn) -> bool {
        self.revocations.is_revoked(signed_in.session, signed_in.user.id, self.clock.now())
    }

    pub async fn audited(&self, action: &'static str) -> usize {
        let sql = "SELECT id FROM audit WHERE action = $1";
        self.store.read(sql, vec![action.into()]).await.unwrap().len()
    }
}

fn read(text: &str, path: &str) -> Letter {
    let link = text.split_whitespace().find(|w| w.contains(path)).expect("a link");
    assert!(link.starts_with("https://gate.example/auth/"), "{link}");
    let mut parts = link.split(path).nth(1).unwrap().split('/');
    let (uid, token) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
    let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').find(is_code);
    Letter { uid, token, code: words.unwrap_or_default().to_owned() }
}
