//! A mailbox in memory, for trying things out and for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::transport::{DeliveryError, Outgoing, Transport};

/// How many mails are kept; the oldest go first.
const MAX_MAILS: usize = 500;

/// The last mails that were sent.
#[derive(Default)]
pub struct Mailbox {
    mails: Mutex<VecDeque<Arc<Outgoing>>>,
}

impl Mailbox {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every mail that is kept, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Outgoing>> {
        self.mails().iter().cloned().collect()
    }

    /// The mail with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Outgoing>> {
        self.mails().iter().find(|m| m.id == id).cloned()
    }

    /// Forgets every mail.
    pub fn clear(&self) {
        self.mails().clear();
    }

    fn mails(&self) -> MutexGuard<'_, VecDeque<Arc<Outgoing>>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Mailbox {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), DeliveryError> {
        let mut mails = self.mails();
        // As a mail program would: two copies with one Message-ID are one mail.
        mails.retain(|m| m.id != mail.id);
        if mails.len() >= MAX_MAILS {
            mails.pop_front();
        }
        mails.push_back(Arc::new(mail.clone()));
        Ok(())
    }
}
