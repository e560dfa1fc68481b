//! SMTP. Connections are kept from one mail to the next while there are mails, and only when the last conversation came
//! to a good end: one that was broken off in the middle could take its late answer for that to the next mail. This is
//! why lettre's own pool is not used.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::time::timeout;

use super::SmtpSettings;
use super::smtp_url::{Encryption, ServerUrl};
use super::transport::{DeliveryError, Envelope, MailError, Outgoing, Transport};

/// How many idle connections are kept while there are mails.
const KEPT: usize = 4;

pub(super) struct Smtp {
    envelope: Envelope,
    server: ServerUrl,
    tls: Option<TlsParameters>,
    hello: ClientId,
    patience: Duration,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl Smtp {
    pub(super) fn new(settings: &SmtpSettings, envelope: Envelope) -> Result<Self, MailError> {
        let server = ServerUrl::parse(settings.url.expose())?;
        let tls = match server.encryption {
            Encryption::Never => None,
            _ => Some(tls(settings, &server.host)?),
        };
        let hello = server.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        Ok(Self { envelope, server, tls, hello, patience: settings.timeout, idle: Mutex::default() })
    }

    /// One that is ready for a mail: an idle one that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        while let Some(mut connection) = self.take_idle() {
            if timeout(self.patience, connection.test_connected()).await.is_ok_and(|alive| alive) {
                return Ok(connection);
            }
        }
        let mut connection = self.connect().await?;
        if let Some((user, password)) = &self.server.login {
            let login = Credentials::new(user.clone(), password.clone());
            let known = [Mechanism::Plain, Mechanism::Login];
            self.step("signing in", connection.auth(&known, &login)).await.map_err(passing)?;
        }
        Ok(connection)
    }

    /// Connected, greeted and, if so wanted, encrypted.
    async fn connect(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let (server, wrapped) = (&self.server, self.server.encryption == Encryption::Always);
        let tls = self.tls.clone().filter(|_| wrapped);
        let place = (server.host.as_str(), server.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(place, Some(self.patience), &self.hello, tls, None);
        let mut connection = self.step("connecting", connecting).await.map_err(passing)?;
        let Some(tls) = self.tls.clone().filter(|_| !wrapped) else { return Ok(connection) };
        if connection.can_starttls() {
            self.step("STARTTLS", connection.starttls(tls, &self.hello)).await.map_err(passing)?;
        } else if server.encryption == Encryption::StartTls {
            let why = "the server offers no STARTTLS; nothing was sent in the clear";
            return Err(DeliveryError::Failed(why.into()));
        }
        Ok(connection)
    }

    /// Hands one mail over. What the server says for good about the recipient or the mail is said about this mail; a
    /// refused sender is a matter of the configuration, and passes when that is mended.
    async fn send(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &lettre::Message,
    ) -> Result<(), DeliveryError> {
        let (envelope, bytes) = (mail.envelope(), mail.formatted());
        let mut options = Vec::new();
        let addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the address has letters beyond ASCII, and the server knows no SMTPUTF8";
                return Err(DeliveryError::Refused(why.into()));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        let from = Mail::new(envelope.from().cloned(), options);
        self.step("MAIL FROM", connection.command(from)).await.map_err(passing)?;
        for to in envelope.to() {
            let to = Rcpt::new(to.clone(), Vec::new());
            self.step("RCPT TO", connection.command(to)).await?;
        }
        self.step("DATA", connection.command(Data)).await?;
        self.step("the end of the mail", connection.message(&bytes)).await.map(drop)
    }

    /// Waits for one step, and says which it was if it fails.
    async fn step<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DeliveryError> {
        match timeout(self.patience, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(e)) if e.is_permanent() && !wants_login(&e) => Err(DeliveryError::Refused(told(name, &e))),
            Ok(Err(e)) => Err(DeliveryError::Failed(told(name, &e))),
            Err(_) => Err(DeliveryError::Failed(format!("{name}: no answer within {:?}", self.patience))),
        }
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Smtp {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), DeliveryError> {
        let message = self.envelope.wrap(mail)?;
        let mut connection = self.connection().await?;
        // On an error, and when nobody waits any more, the connection goes.
        self.send(&mut connection, &message).await?;
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(())
    }

    async fn rest(&self) {
        while let Some(mut connection) = self.take_idle() {
            // The mails are handed over; whether the server says goodbye does not matter.
            let _ = timeout(self.patience, connection.quit()).await;
        }
    }
}

/// Whatever the server said, it was not said about this mail.
fn passing(e: DeliveryError) -> DeliveryError {
    let (DeliveryError::Failed(why) | DeliveryError::Refused(why)) = e;
    DeliveryError::Failed(why)
}

/// 530 and its neighbours speak of who we are, wherever in the conversation they come.
fn wants_login(e: &Error) -> bool {
    e.status().is_some_and(|code| (530..540).contains(&u16::from(code)))
}

/// One line, not too long: a server may say anything.
fn told(step: &str, e: &Error) -> String {
    let text = format!("{step}: {e}");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

fn tls(settings: &SmtpSettings, host: &str) -> Result<TlsParameters, MailError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(path) = &settings.ca {
        let bad = |why: String| MailError::Authorities(path.clone(), why);
        let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
        if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
            return Err(bad("it holds no certificate".into()));
        }
        let roots = Certificate::from_pem(&pem).map_err(|e| bad(e.to_string()))?;
        parameters = parameters.add_root_certificate(roots);
    }
    parameters.build().map_err(|_| MailError::Url("its host cannot be used with TLS"))
}
