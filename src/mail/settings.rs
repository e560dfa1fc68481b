//! How mail leaves the house.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Secret;

/// Where mail goes and what it looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How it is delivered.
    pub transport: TransportSettings,
    /// The `From:` of every mail, for example `Stagedoor <no-reply@example.org>`.
    pub from: String,
    /// The name in subjects and greetings.
    pub brand: String,
}

/// The ways of delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransportSettings {
    /// Kept in memory and shown on the admin listener's mailbox page.
    Mailbox,
    /// One `.eml` file for each mail.
    File {
        /// The folder; made if it is missing.
        dir: PathBuf,
    },
    /// An SMTP server.
    Smtp(SmtpSettings),
}

/// An SMTP server and how it is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpSettings {
    /// `smtp://`, `smtps://`, with `?tls=required` for STARTTLS; may carry user and password.
    pub url: Secret,
    /// Certificate authorities to trust besides those of the system: a file in PEM form.
    pub ca: Option<PathBuf>,
    /// How long one step of the conversation may take.
    pub timeout: Duration,
}
