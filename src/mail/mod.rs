//! Mail: typed messages, rendered when they are written into the outbox of the store, so that they are sent if
//! and only if the change they tell of took place; a worker hands them over.
//!
//! A new mail: a variant in `message.rs` with its sample, a template for HTML and one for text, an arm in
//! `render.rs`.

mod file;
mod mailbox;
mod message;
mod plain;
mod render;
mod settings;
mod smtp;
mod smtp_url;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

pub use mailbox::Mailbox;
pub use message::{Message, Sighting};
pub use settings::{Settings, SmtpSettings, TransportSettings};
pub use transport::{Delivery, DeliveryError, MailError, Outgoing, Transport};
pub use worker::Worker;

use crate::model::{Email, Entropy, RequestId, Timestamp};
use crate::store::{NewMail, Tx};

/// Writes mails into the outbox.
#[derive(Clone, Debug)]
pub struct Post {
    brand: String,
}

impl Post {
    /// For mails in the name of `brand`.
    #[must_use]
    pub fn new(brand: &str) -> Self {
        Self { brand: brand.to_owned() }
    }

    /// In whose name.
    #[must_use]
    pub fn brand(&self) -> &str {
        &self.brand
    }

    /// Adds `message` for `to` to a transaction; it is sent once the transaction is committed.
    pub fn enqueue(&self, tx: &mut Tx, to: &Email, message: &Message, now: Timestamp, entropy: &dyn Entropy) {
        let render::Rendered { subject, text, html } = render::render(&self.brand, message);
        tx.insert_mail(NewMail {
            // Any 128 random bits will do; it becomes public as the Message-ID.
            id: RequestId::random(entropy).to_string(),
            recipient: to.clone(),
            kind: message.kind(),
            subject,
            text,
            html,
            created_at: now,
            expires_at: message.life().map(|life| now.after(life)),
        });
    }

    /// `message` for `to` without the outbox, to be handed over at once; for trying out whether mail works.
    #[must_use]
    pub fn compose(&self, to: &Email, message: &Message, at: Timestamp, entropy: &dyn Entropy) -> Outgoing {
        let render::Rendered { subject, text, html } = render::render(&self.brand, message);
        Outgoing { id: RequestId::random(entropy).to_string(), to: to.to_string(), subject, text, html, at }
    }
}
