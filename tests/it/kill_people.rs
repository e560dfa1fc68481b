//! People whose gateway is killed under their hands: what each of them was told, and whether it holds afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::model::{Clock as _, SystemClock, Timestamp};

use crate::flows_client::Client;
use crate::flows_process::{PASSWORD, PATIENCE, eventually};
use crate::smtp_stage::SmtpServer;
use crate::support::{Answer, Tokens};

/// What a client knows of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was not begun.
    Nothing,
    /// It was sent, and no answer came.
    Silence,
    /// It was done, says the answer.
    Done,
}

/// Where people are, and how their mail comes.
pub struct Town<'a> {
    pub client: Client,
    pub post: &'a SmtpServer,
    /// Whether passwords can be reset here.
    pub resets: bool,
    /// The gateway is being killed: nobody waits for a mail any more.
    pub down: AtomicBool,
    /// Told of each sign-out just before it is asked for.
    pub departures: Sender<()>,
}

/// When the gateway is killed.
pub enum Moment {
    /// After so long.
    After(Duration),
    /// So long after somebody asked to be signed out: those are too quick to be met by chance.
    Departure(Duration),
}

impl Moment {
    /// Waits for it.
    pub fn wait(&self, departures: &Receiver<()>) {
        let (Self::After(time) | Self::Departure(time)) = self;
        if matches!(self, Self::Departure(_)) {
            departures.recv_timeout(PATIENCE).expect("somebody signs out");
        }
        std::thread::sleep(*time);
    }
}

/// One person and what it was told.
#[derive(Debug)]
pub struct Life {
    pub email: String,
    pub registered: Told,
    pub verified: Told,
    pub signed_in: Told,
    pub reset: Told,
    /// Refreshes that were answered.
    pub refreshes: usize,
    renewing: Told,
    /// The refresh token before the one at hand, and when it was exchanged.
    parent: Option<(String, Timestamp)>,
    refresh: String,
    reset_done: Told,
    /// Sessions that this person has signed out of, and what came of it.
    pub left: Vec<(Tokens, Told)>,
}

/// The password after a reset.
const NEW_PASSWORD: &str = "Second-Act-43!";

impl Town<'_> {
    fn ask(&self, path: &str, body: &Value) -> Option<Answer> {
        self.client.try_post_json(path, body)
    }

    /// A code of six digits from the mails with this subject, newest first.
    fn codes(&self, email: &str, subject: &str) -> Vec<String> {
        let code = |text: &String| {
            let rest = text.split("page that asks for it:").nth(1)?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        self.post.texts(email, subject).iter().filter_map(code).collect()
    }

    /// The newest code, once there is one; `None` when the gateway goes down before.
    fn await_code(&self, email: &str, subject: &str) -> Option<String> {
        eventually("a mail arrives", || {
            let code = self.codes(email, subject).into_iter().next();
            (code.is_some() || self.down.load(Ordering::SeqCst)).then_some(code)
        })
    }

    fn renewal(&self, refresh: &str) -> Option<Answer> {
        self.ask("/auth/token/refresh/", &json!({ "refresh": refresh }))
    }

    fn sign_out(&self, tokens: &Tokens) -> Option<Answer> {
        let body = json!({ "refresh": tokens.refresh });
        self.client.clone().bearer(&tokens.access).try_post_json("/auth/logout/", &body)
    }

    fn token(&self, email: &str, password: &str) -> Option<Answer> {
        self.ask("/auth/token/", &json!({ "email": email, "password": password }))
    }
}

impl Life {
    pub fn new(email: String) -> Self {
        Self {
            email,
            registered: Told::Nothing,
            verified: Told::Nothing,
            signed_in: Told::Nothing,
            reset: Told::Nothing,
            refreshes: 0,
            renewing: Told::Nothing,
            parent: None,
            refresh: String::new(),
            reset_done: Told::Nothing,
            left: Vec::new(),
        }
    }

    /// From the registration to the last step; `None` when an answer is missing.
    pub fn live(&mut self, town: &Town<'_>) -> Option<()> {
        self.register(town)?;
        let code = town.await_code(&self.email, "Activate")?;
        self.verified = Told::Silence;
        done(&town.ask("/auth/verify-email/code/", &json!({ "email": self.email, "code": code }))?, 200);
        self.verified = Told::Done;
        self.sign_in(town)?;
        for _ in 0..3 {
            self.renew(town)?;
        }
        self.come_and_go(town)?;
        if town.resets {
            self.reset_password(town)?;
        }
        self.come_and_go(town)
    }

    /// Signs in once more, and out again.
    fn come_and_go(&mut self, town: &Town<'_>) -> Option<()> {
        let password = if self.reset_done == Told::Done { NEW_PASSWORD } else { PASSWORD };
        let answer = town.token(&self.email, password)?;
        done(&answer, 200);
        let access = answer.json()["access"].as_str().expect("an access token").to_owned();
        let tokens = Tokens { access, refresh: refresh_in(&answer) };
        self.left.push((tokens, Told::Silence));
        let (tokens, told) = self.left.last_mut().expect("just pushed");
        // Where nobody waits for it, nobody needs to know.
        let _ = town.departures.send(());
        done(&town.sign_out(tokens)?, 204);
        *told = Told::Done;
        Some(())
    }

    /// Whether an answer to a sign-out is missing.
    pub fn is_leaving(&self) -> bool {
        self.left.iter().any(|(_, told)| *told == Told::Silence)
    }

    /// Whether the tokens of the sessions whose end was answered are refused here.
    pub fn stays_out(&self, town: &Town<'_>) -> bool {
        let refused = |tokens: &Tokens| {
            let page = town.client.clone().bearer(&tokens.access).get("/api/x").status;
            page == 401 && town.renewal(&tokens.refresh).expect("an answer").status == 401
        };
        self.left.iter().filter(|(_, told)| *told == Told::Done).all(|(tokens, _)| refused(tokens))
    }

    /// Who got no answer asks again, whether that session had ended by then or not.
    fn leave_again(&mut self, town: &Town<'_>) {
        for (tokens, told) in self.left.iter_mut().filter(|(_, told)| *told == Told::Silence) {
            let status = town.sign_out(tokens).expect("an answer").status;
            assert!(matches!(status, 204 | 401), "{status}");
            *told = Told::Done;
        }
    }

    fn register(&mut self, town: &Town<'_>) -> Option<()> {
        self.registered = Told::Silence;
        let body = json!({
            "name": "Robin Roe", "email": self.email, "password": PASSWORD, "password_confirm": PASSWORD,
        });
        done(&town.ask("/auth/register/", &body)?, 202);
        self.registered = Told::Done;
        Some(())
    }

    fn sign_in(&mut self, town: &Town<'_>) -> Option<()> {
        self.signed_in = Told::Silence;
        let answer = town.token(&self.email, PASSWORD)?;
        done(&answer, 200);
        self.refresh = refresh_in(&answer);
        self.signed_in = Told::Done;
        Some(())
    }

    fn renew(&mut self, town: &Town<'_>) -> Option<()> {
        self.renewing = Told::Silence;
        let answer = town.renewal(&self.refresh)?;
        done(&answer, 200);
        let parent = std::mem::replace(&mut self.refresh, refresh_in(&answer));
        self.parent = Some((parent, SystemClock::new().now()));
        self.renewing = Told::Nothing;
        self.refreshes += 1;
        Some(())
    }

    fn reset_password(&mut self, town: &Town<'_>) -> Option<()> {
        self.reset = Told::Silence;
        done(&town.ask("/auth/password-reset/", &json!({ "email": self.email }))?, 202);
        self.reset = Told::Done;
        let code = town.await_code(&self.email, "Choose a new")?;
        self.reset_done = Told::Silence;
        done(&town.ask("/auth/password-reset/confirm/", &self.new_password(&code))?, 200);
        self.reset_done = Told::Done;
        Some(())
    }

    fn new_password(&self, code: &str) -> Value {
        json!({
            "email": self.email, "code": code,
            "new_password": NEW_PASSWORD, "new_password_confirm": NEW_PASSWORD,
        })
    }

    /// After the restart: what was answered has happened, and what was not can be asked again.
    pub fn hold_to_word(&mut self, town: &Town<'_>) {
        if self.registered == Told::Nothing {
            return;
        }
        if self.registered == Told::Silence {
            self.register(town).expect("an answer");
        }
        eventually("the activation mail", || town.codes(&self.email, "Activate").pop());
        if self.verified != Told::Done {
            self.verify_again(town);
        }
        if self.signed_in == Told::Done && self.reset_done == Told::Nothing {
            self.refresh_again(town);
        }
        self.reset_again(town);
        self.leave_again(town);
        eventually("who signed out stays out", || self.stays_out(town).then_some(()));
        let passwords: &[&str] = match self.reset_done {
            Told::Nothing => &[PASSWORD],
            Told::Silence => &[NEW_PASSWORD, PASSWORD],
            Told::Done => &[NEW_PASSWORD],
        };
        let signs_in = |password: &&str| town.token(&self.email, password).expect("an answer").status == 200;
        assert!(passwords.iter().any(signs_in), "cannot sign in: {self:?}");
    }

    /// The code may have been used up by the request without an answer.
    fn verify_again(&mut self, town: &Town<'_>) {
        // Each code once: a wrong one costs the right one a try.
        let mut tried = Vec::new();
        let mut worked = || {
            town.codes(&self.email, "Activate").into_iter().take(2).any(|code| {
                if tried.contains(&code) {
                    return false;
                }
                tried.push(code.clone());
                let body = json!({ "email": self.email, "code": code });
                town.ask("/auth/verify-email/code/", &body).expect("an answer").status == 200
            })
        };
        if self.verified == Told::Nothing {
            // The newest of several mails may still be under way.
            eventually("a code that works", || worked().then_some(()));
        } else {
            worked();
        }
        self.verified = Told::Done;
    }

    fn refresh_again(&mut self, town: &Town<'_>) {
        if let (Told::Nothing, Some((parent, at))) = (self.renewing, &self.parent) {
            // Two tabs or a lost answer: for ten seconds the same child.
            let young = SystemClock::new().now().since(*at) < Duration::from_secs(8);
            if young {
                let answer = town.renewal(parent).expect("an answer");
                done(&answer, 200);
                assert_eq!(refresh_in(&answer), self.refresh, "the same child");
            }
        }
        self.renew(town).expect("an answer");
    }

    fn reset_again(&mut self, town: &Town<'_>) {
        if self.reset == Told::Silence {
            let again =
                town.ask("/auth/password-reset/", &json!({ "email": self.email })).expect("an answer");
            done(&again, 202);
            self.reset = Told::Done;
        }
        if self.reset == Told::Done {
            eventually("the reset mail", || town.codes(&self.email, "Choose a new").pop());
        }
    }
}

fn done(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
}

fn refresh_in(answer: &Answer) -> String {
    answer.json()["refresh"].as_str().expect("a refresh token").to_owned()
}
