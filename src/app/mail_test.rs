//! One mail, sent at once and not by way of the outbox: does the configured way work?

use std::time::Duration;

use super::{StartError, Surroundings};
use crate::config::Settings;
use crate::mail::{Delivery, DeliveryError, Message, Post, TransportSettings};
use crate::model::Email;

/// How long the whole conversation may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the mail went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestMail {
    /// The mail server took it.
    Sent,
    /// It is a file now.
    Filed,
}

/// Why the mail did not go anywhere.
#[derive(Debug, thiserror::Error)]
pub enum TestMailError {
    /// The settings do not make a transport.
    #[error("{0}")]
    Settings(#[from] StartError),
    /// It was tried, and nobody took it.
    #[error("{0}")]
    Delivery(#[from] DeliveryError),
    /// With the mailbox nothing leaves the house.
    #[error("`mail.transport` is `mailbox`: nothing is sent; write `transport: smtp` or `transport: file`")]
    Mailbox,
}

/// Sends one mail to `to`.
///
/// # Errors
/// [`TestMailError`].
pub fn test_mail(settings: &Settings, around: &Surroundings, to: &Email) -> Result<TestMail, TestMailError> {
    let way = match settings.mail.transport {
        TransportSettings::Mailbox => return Err(TestMailError::Mailbox),
        TransportSettings::File { .. } => TestMail::Filed,
        TransportSettings::Smtp(_) => TestMail::Sent,
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::System)?;
    runtime.block_on(async {
        let transport = Delivery::new(&settings.mail).map_err(StartError::Mail)?.transport;
        let at = around.clock.now();
        let message = Message::Test { name: String::new(), at };
        let mail = Post::new(&settings.mail.brand).compose(to, &message, at, &*around.entropy);
        let late = || DeliveryError::Failed(format!("not taken within {} seconds", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, transport.deliver(&mail)).await.map_err(|_| late())??;
        transport.rest().await;
        Ok(way)
    })
}
