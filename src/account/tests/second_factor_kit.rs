//! People with a second factor, and what they do with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use totp_rs::{Algorithm, Builder};

use super::*;
use crate::model::SessionId;

/// What the access token says of its holder.
pub(super) fn me(signed_in: &SignedIn) -> Me {
    me_of(&signed_in.access)
}

/// The same of a token.
pub(super) fn me_of(access: &Secret) -> Me {
    let payload = access.expose().split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    Me {
        account: claims["sub"].as_str().unwrap().parse().unwrap(),
        session: claims["sid"].as_str().unwrap().parse::<SessionId>().unwrap(),
        auth_time: Timestamp::from_secs(claims["auth_time"].as_i64().unwrap()),
        amr: claims["amr"].as_array().unwrap().iter().map(|m| m.as_str().unwrap().to_owned()).collect(),
    }
}

/// Six digits that are not these.
pub(super) fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// An authenticator app.
#[derive(Clone, Debug)]
pub(super) struct App(pub(super) [u8; 20]);

impl App {
    /// Set up with the text that the page shows.
    pub(super) fn new(secret: &Secret) -> Self {
        let mut bits = 0u64;
        let mut bytes = Vec::new();
        for (n, c) in secret.expose().bytes().enumerate() {
            let value = if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' };
            bits = bits << 5 | u64::from(value);
            if n % 8 == 7 {
                bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
                bits = 0;
            }
        }
        Self(bytes.try_into().unwrap())
    }

    /// What it shows at a time.
    pub(super) fn code(&self, at: Timestamp) -> String {
        let app = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(30)
            .with_secret(self.0)
            .build()
            .unwrap();
        app.generate(at.secs().try_into().unwrap()).to_string()
    }
}

impl House {
    /// A person with codes by mail, and the session that has switched them on.
    pub(super) async fn with_mail(&self) -> SignedIn {
        self.member(MINE).await;
        let signed_in = self.login(MINE, GOOD).await.unwrap();
        self.accounts.set_email_otp(&me(&signed_in), true, &origin()).await.unwrap();
        signed_in
    }

    /// A person with an app, its recovery codes, and the session that has set it up. The step of the app's first code
    /// is over.
    pub(super) async fn with_app(&self) -> (App, Vec<Secret>, SignedIn) {
        self.member(MINE).await;
        let signed_in = self.login(MINE, GOOD).await.unwrap();
        let (app, codes) = self.set_up(&me(&signed_in)).await;
        self.clock.advance(secs(60));
        (app, codes, signed_in)
    }

    /// Sets up an app.
    pub(super) async fn set_up(&self, me: &Me) -> (App, Vec<Secret>) {
        let enrolment = self.accounts.enrol_totp(me, &origin()).await.unwrap();
        let app = App::new(&enrolment.secret);
        let code = Secret::new(app.code(self.now()));
        (app, self.accounts.confirm_totp(me, &code, &origin()).await.unwrap())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The right password, and what it opens.
    pub(super) async fn begin(&self) -> Challenge {
        self.begin_as(false, &origin()).await.unwrap()
    }

    pub(super) async fn begin_as(&self, browser: bool, origin: &Origin) -> Result<Challenge, Error> {
        let typed = Login { email: MINE.into(), password: Secret::new(GOOD), keep: false, browser };
        self.accounts.login(typed, origin).await.map(|answer| match answer {
            SignIn::Challenge(challenge) => challenge,
            SignIn::Done(_) => panic!("signed in without a second factor"),
        })
    }

    /// A code for a challenge.
    pub(super) async fn finish(&self, challenge: &Challenge, code: &str) -> Result<SignedIn, Error> {
        self.accounts.verify_otp(with(challenge, code, None), &origin()).await
    }

    pub(super) async fn finish_by(
        &self,
        challenge: &Challenge,
        code: &str,
        method: Method,
    ) -> Result<SignedIn, Error> {
        self.accounts.verify_otp(with(challenge, code, Some(method)), &origin()).await
    }

    /// The code that was mailed last.
    pub(super) async fn mailed_code(&self) -> String {
        let mails = self.mails("otp").await;
        let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
        let (_, text) = mails.last().expect("a mail with a code");
        text.split_whitespace().find(is_code).unwrap().to_owned()
    }

    /// A session with a second factor, by mail.
    pub(super) async fn sign_in_by_mail(&self) -> SignedIn {
        let challenge = self.begin().await;
        self.finish_by(&challenge, &self.mailed_code().await, Method::Email).await.unwrap()
    }
}

/// A code for a challenge, from the client that began it.
pub(super) fn with(challenge: &Challenge, code: &str, method: Option<Method>) -> Finish {
    Finish {
        challenge: challenge.token.clone(),
        code: Secret::new(code),
        method,
        remember: false,
        browser: challenge.browser.clone(),
    }
}
