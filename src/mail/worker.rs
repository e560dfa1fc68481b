//! Takes mails out of the outbox and hands them over, at least once each. A crash between handing over and noting
//! it means a second copy with the same Message-ID.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::transport::{DeliveryError, Outgoing, Transport};
use crate::metrics::Metrics;
use crate::model::{Clock, Entropy, Timestamp};
use crate::store::{LeasedMail, Store, StoreError};

/// For how long a mail belongs to the worker that took it.
const LEASE: Duration = Duration::from_secs(60);
/// How long handing over may take; less than the lease, so that nobody else has the mail meanwhile.
const HAND_OVER: Duration = Duration::from_secs(45);
/// The pause after the first failure; each further one doubles it …
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A mail that could not be handed over for this long is given up.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// How often to look for mails that another node has written or left behind.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The shortest sleep, also after a failure of the store.
const SHORTEST_SLEEP: Duration = Duration::from_millis(500);

/// The mail worker. Any number of them can share one store.
pub struct Worker {
    store: Store,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
}

impl Worker {
    /// A worker over the outbox of `store`.
    #[must_use]
    pub fn new(
        store: Store,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { store, transport, clock, entropy, metrics }
    }

    /// Works until `shutdown` becomes true or its sender is gone; finishes the mails at hand first.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        while !stops(&shutdown) {
            // Four at a time, so that one slow server does not hold up all mail.
            let lane = || self.lane(Some(&shutdown));
            let (one, two, three, four) = tokio::join!(lane(), lane(), lane(), lane());
            self.transport.rest().await;
            let sleep = match one.and(two).and(three).and(four) {
                Ok(_) => self.until_next().await,
                Err(e) => failed(&e),
            };
            tokio::select! {
                () = self.store.mail_waits().notified() => {}
                () = tokio::time::sleep(sleep) => {}
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Hands over everything that is due now. Returns how many mails were tried.
    ///
    /// # Errors
    /// [`StoreError`] when the outbox cannot be read or written.
    pub async fn drain(&self) -> Result<usize, StoreError> {
        let tried = self.lane(None).await;
        self.transport.rest().await;
        tried
    }

    async fn lane(&self, shutdown: Option<&watch::Receiver<bool>>) -> Result<usize, StoreError> {
        let mut tried = 0;
        while !shutdown.is_some_and(stops) {
            let now = self.clock.now();
            let Some(mail) = self.store.lease_mail(now, now.after(LEASE)).await? else { break };
            self.hand_over(mail).await?;
            tried += 1;
        }
        Ok(tried)
    }

    async fn hand_over(&self, mail: LeasedMail) -> Result<(), StoreError> {
        let LeasedMail { id, recipient: to, kind, subject, text, html, created_at: at, expires_at, tries } =
            mail;
        if expires_at.is_some_and(|end| end <= self.clock.now()) {
            tracing::error!(mail = id, kind, tries, error = "expired", "mail given up");
            self.metrics.mail("expired");
            return self.store.mark_mail_expired(&id).await;
        }
        let outgoing = Outgoing { id, to, subject, text, html, at };
        let error = match timeout(HAND_OVER, self.transport.deliver(&outgoing)).await {
            Ok(Ok(())) => {
                tracing::debug!(mail = outgoing.id, kind, tries, "mail sent");
                self.metrics.mail("sent");
                return self.store.mark_mail_sent(&outgoing.id, self.clock.now()).await;
            }
            Ok(Err(e)) => e,
            Err(_) => DeliveryError::Failed(format!("not taken within {} seconds", HAND_OVER.as_secs())),
        };
        let next = match error {
            DeliveryError::Failed(_) => self.next_try(at, expires_at, tries),
            DeliveryError::Refused(_) => None,
        };
        if let Some(next_at) = next {
            tracing::warn!(mail = outgoing.id, kind, tries, %next_at, %error, "mail not sent");
            self.metrics.mail("failed");
        } else {
            tracing::error!(mail = outgoing.id, kind, tries, %error, "mail given up");
            self.metrics.mail("given_up");
        }
        self.store.mark_mail_failed(&outgoing.id, tries, &error.to_string(), next).await
    }

    /// When to try again after try `tries`; `None`: not at all.
    fn next_try(
        &self,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        tries: u64,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        if now.since(created_at) >= GIVE_UP {
            return None;
        }
        let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let mut pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        if let Some(end) = expires_at {
            // The pauses grow shorter again towards the end: half an hour must not pass in one of them.
            pause = pause.min(end.since(now) / 4).max(FIRST_PAUSE);
        }
        // Up to a quarter more, so that what failed together does not come back together.
        let [jitter] = self.entropy.bytes::<1>();
        Some(now.after(pause + pause / 4 * u32::from(jitter) / 255))
    }

    async fn until_next(&self) -> Duration {
        match self.store.next_mail_due().await {
            Ok(None) => LONGEST_SLEEP,
            Ok(Some(due)) => due.since(self.clock.now()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
            Err(e) => failed(&e),
        }
    }
}

fn stops(shutdown: &watch::Receiver<bool>) -> bool {
    *shutdown.borrow() || shutdown.has_changed().is_err()
}

fn failed(e: &StoreError) -> Duration {
    tracing::warn!(error = %e, "the outbox cannot be worked on");
    SHORTEST_SLEEP * 4
}
