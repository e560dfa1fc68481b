//! How mail leaves the house.

use std::path::PathBuf;

use crate::model::Secret;

/// Where mail goes and what it looks like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it is delivered.
    pub transport: TransportSettings,
    /// The `From:` of every mail, for example `Stagedoor <no-reply@example.org>`.
    pub from: String,
    /// The name in subjects and greetings.
    pub brand: String,
}

/// The ways of delivery.
#[derive(Clone, Debug)]
pub enum TransportSettings {
    /// Kept in memory and shown on the admin listener's mailbox page.
    Mailbox,
    /// One `.eml` file for each mail.
    File {
        /// The folder; made if it is missing.
        dir: PathBuf,
    },
    /// An SMTP server.
    Smtp {
        /// `smtp://`, `smtps://`, with `?tls=required` for STARTTLS; may carry user and password.
        url: Secret,
    },
}
