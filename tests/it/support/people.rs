//! Who asks: people with accounts, and what they send to say so.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stagedoor::account::{CreateUser, Login, Origin, SignedIn};
use stagedoor::model::{
    AccountId, ClientIp, Entropy, RequestId, RoleName, Secret, SessionId, SystemEntropy, Timestamp,
};
use stagedoor::token::{AccessGrant, KeyRing, Mint, SigningKey, StoredKey, Vault};

use super::TestApp;

/// Good for every person of a test; also a canary that must never be seen again (INV-4).
pub const PASSWORD: &str = "Curtain-Up-42!";

/// A person and the tokens of one sign-in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: AccountId,
    pub email: String,
    pub name: String,
    pub roles: Vec<String>,
    pub permissions: Vec<String>,
    pub session: SessionId,
    /// How the person signed in: `pwd`, or `pwd`, `mfa`.
    pub amr: Vec<String>,
    /// Seconds since 1970.
    pub auth_time: i64,
    pub access: String,
    pub refresh: String,
}

impl Person {
    /// The header field line of an API client, with CRLF.
    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.access)
    }

    /// The header field line of a browser, with CRLF.
    pub fn cookies(&self) -> String {
        format!("Cookie: stagedoor_access={}; stagedoor_refresh={}\r\n", self.access, self.refresh)
    }

    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|r| r == "admin")
    }

    pub fn has_mfa(&self) -> bool {
        self.amr.iter().any(|a| a == "mfa")
    }
}

/// What a token says about when its person signed in; another reading of the clock could fall into the next second.
fn auth_time(token: &str) -> i64 {
    let payload =
        URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("three segments")).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    claims["auth_time"].as_i64().expect("seconds")
}

/// From where tests sign in.
pub fn origin() -> Origin {
    Origin {
        ip: ClientIp::new([127, 0, 0, 1].into()),
        user_agent: "test".into(),
        request_id: RequestId::random(&SystemEntropy),
        device: None,
    }
}

impl TestApp {
    /// A new, active person with one role, signed in by password.
    pub fn person(&self, role: &str) -> Person {
        self.named_person(role, "Ada Lovelace")
    }

    /// The same with a display name.
    pub fn named_person(&self, role: &str, name: &str) -> Person {
        let entropy: &dyn Entropy = &SystemEntropy;
        let email = format!("{role}-{:08x}@example.org", u32::from_le_bytes(entropy.bytes()));
        let wanted = CreateUser {
            email: email.clone(),
            name: name.into(),
            roles: vec![role.into()],
            password: Secret::new(PASSWORD),
        };
        self.wait_for(self.accounts().create_user(wanted)).expect("the account is made");
        self.sign_in(&email)
    }

    /// Signs a person in with [`PASSWORD`].
    pub fn sign_in(&self, email: &str) -> Person {
        let login =
            Login { email: email.into(), password: Secret::new(PASSWORD), keep: false, browser: false };
        let signed_in = self.wait_for(self.accounts().login(login, &origin())).expect("the person signs in");
        self.person_of(&signed_in.done().expect("no second factor"))
    }

    /// A person as the account system has just signed in; the tokens become canaries.
    pub fn person_of(&self, signed_in: &SignedIn) -> Person {
        let user = &signed_in.user;
        let person = Person {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            roles: user.roles.iter().map(|r| r.as_str().to_owned()).collect(),
            permissions: user.permissions.clone(),
            session: signed_in.session,
            amr: vec!["pwd".into()],
            auth_time: auth_time(signed_in.access.expose()),
            access: signed_in.access.expose().to_owned(),
            refresh: signed_in.refresh.expose().to_owned(),
        };
        self.canary("access token", &person.access);
        self.canary("refresh token", &person.refresh);
        person
    }

    /// The same person with an access token made now by the gateway's own key, after `change` to what it says.
    /// Reaches what no registration lets through.
    pub fn minted(&self, person: &Person, change: impl FnOnce(&mut AccessGrant)) -> Person {
        self.minted_at(person, self.now(), change)
    }

    /// The same for a token made at another time.
    pub fn minted_at(&self, person: &Person, at: Timestamp, change: impl FnOnce(&mut AccessGrant)) -> Person {
        let mut grant = AccessGrant {
            account: person.id,
            session: person.session,
            email: person.email.clone(),
            email_verified: true,
            name: person.name.clone(),
            roles: person.roles.iter().map(|r| RoleName::parse(r).expect("a role")).collect(),
            permissions: person.permissions.clone(),
            amr: person.amr.clone(),
            auth_time: Timestamp::from_secs(person.auth_time),
        };
        change(&mut grant);
        let (access, _) = self.mint().access(&grant, at);
        self.canary("minted token", &access);
        Person {
            id: grant.account,
            email: grant.email,
            name: grant.name,
            roles: grant.roles.iter().map(|r| r.as_str().to_owned()).collect(),
            permissions: grant.permissions,
            session: grant.session,
            amr: grant.amr,
            auth_time: grant.auth_time.secs(),
            access,
            refresh: person.refresh.clone(),
        }
    }

    /// The same person after a second factor (aal2).
    pub fn with_mfa(&self, person: &Person) -> Person {
        self.minted(person, |grant| grant.amr = vec!["pwd".into(), "otp".into(), "mfa".into()])
    }

    /// The same person with an access token that has expired.
    pub fn expired(&self, person: &Person) -> Person {
        self.minted_at(person, self.now().before(std::time::Duration::from_secs(3600)), |_| {})
    }

    /// A mint over the gateway's own keys, from its store and secret.
    pub fn mint(&self) -> Mint {
        let secret = self.settings().secret.load().expect("the secret");
        let vault = Vault::new(&secret).expect("a vault");
        let rows = self.wait_for(self.store().signing_keys()).expect("the keys");
        let keys = rows.into_iter().map(|r| {
            let stored = StoredKey {
                kid: r.kid,
                algorithm: r.algorithm,
                sealed_private: r.sealed_private,
                created_at: r.created_at,
                retired_at: r.retired_at,
            };
            SigningKey::open(&vault, &stored).expect("a key of this vault")
        });
        let ring = KeyRing::from_keys(keys.collect()).expect("a ring");
        Mint::new(
            Arc::new(ArcSwap::from_pointee(ring)),
            self.settings().token.clone(),
            Arc::new(SystemEntropy),
        )
    }
}
