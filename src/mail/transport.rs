//! Handing a mail over: the trait, and the message in its format for the wire.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart};

use super::file::FileTransport;
use super::mailbox::Mailbox;
use super::smtp::Smtp;
use super::{Settings, TransportSettings};
use crate::model::Timestamp;

/// A mail on its way out.
#[derive(Clone)]
pub struct Outgoing {
    /// The left part of the Message-ID; the same for every try.
    pub id: String,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The HTML body.
    pub html: String,
    /// When it came to be; its `Date:`.
    pub at: Timestamp,
}

/// The mail was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Something stood in the way that may pass: it is worth another try.
    #[error("{0}")]
    Failed(String),
    /// This mail, or its recipient, was refused for good: another try would end the same.
    #[error("{0}")]
    Refused(String),
}

/// The settings do not make a transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The `From:` is no address.
    #[error("`{0}` is no sender: write `Name <name@example.org>`")]
    From(String),
    /// The URL of the SMTP server. Its text is not repeated: it may carry a password.
    #[error("the SMTP URL does not work: {0}; write smtps://user:password@host or smtp://host?tls=required")]
    Url(&'static str),
    /// The file with further certificate authorities.
    #[error("{0}: {1}; `mail.ca` names a file of certificates in PEM form")]
    Authorities(PathBuf, String),
    /// A password would cross the network readable.
    #[error("the SMTP URL has a password but no TLS: write smtps:// or add ?tls=required")]
    PlainPassword,
}

/// A way for mail to leave the house.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Hands `mail` over.
    ///
    /// # Errors
    /// [`DeliveryError`] when nobody took it.
    async fn deliver(&self, mail: &Outgoing) -> Result<(), DeliveryError>;

    /// Nothing is due for the moment: what was kept open between mails may be closed.
    async fn rest(&self) {}
}

/// The configured way, and the mailbox when that is the way.
pub struct Delivery {
    /// For the worker.
    pub transport: Arc<dyn Transport>,
    /// For the page that shows it.
    pub mailbox: Option<Arc<Mailbox>>,
}

impl Delivery {
    /// Makes the transport that `settings` ask for. Connects to nothing yet; call it inside the async runtime.
    ///
    /// # Errors
    /// [`MailError`] when the sender, the URL or the certificates are no good.
    pub fn new(settings: &Settings) -> Result<Self, MailError> {
        let envelope = Envelope::new(&settings.from)?;
        let mailbox =
            matches!(settings.transport, TransportSettings::Mailbox).then(|| Arc::new(Mailbox::new()));
        let transport: Arc<dyn Transport> = match (&settings.transport, &mailbox) {
            (TransportSettings::File { dir }, _) => Arc::new(FileTransport::new(dir.clone(), envelope)),
            (TransportSettings::Smtp(server), _) => Arc::new(Smtp::new(server, envelope)?),
            (TransportSettings::Mailbox, Some(mailbox)) => Arc::clone(mailbox) as Arc<dyn Transport>,
            (TransportSettings::Mailbox, None) => Arc::new(Mailbox::new()),
        };
        Ok(Self { transport, mailbox })
    }
}

/// Who mails are from, and so what they look like on the wire.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    from: Address,
}

impl Envelope {
    pub(super) fn new(from: &str) -> Result<Self, MailError> {
        Ok(Self { from: from.parse().map_err(|_| MailError::From(from.to_owned()))? })
    }

    /// The mail as RFC 5322 text, multipart/alternative, every header encoded.
    pub(super) fn wrap(&self, mail: &Outgoing) -> Result<lettre::Message, DeliveryError> {
        let to = mail
            .to
            .parse()
            .map_err(|e| DeliveryError::Refused(format!("the recipient is no address: {e}")))?;
        let millis = u64::try_from(mail.at.millis()).unwrap_or(0);
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Address::new(None, to))
            .subject(&mail.subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            // No out-of-office answers, please (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
            .map_err(|e| DeliveryError::Refused(e.to_string()))
    }
}
