//! Refreshes whose outcome nobody was told: the answer to the COMMIT was lost, or the client left before it came. The
//! token in the client's hand may have a successor by now that the client never got; seconds later it would look as if
//! somebody had copied it. So these sessions are written down as soon as the store answers, and their token goes on
//! returning its successor until that one is used. A copy is found out all the same, one use later.

use std::sync::{Mutex, PoisonError};

use super::{Accounts, Error};
use crate::store::{Rotation, Tx};

/// So many are kept in mind while the store is away; each is about 100 bytes.
const MOST: usize = 10_000;
/// Looked at in one transaction.
const BATCH: usize = 100;
/// So often is a step looked for. A server that hung works off what it was sent before, in no order.
const LOOKS: u8 = 10;

/// What one node still has to write down, and how often each was looked for.
#[derive(Default)]
pub(crate) struct Unheard(Mutex<Vec<(Rotation, u8)>>);

impl Unheard {
    /// Notes the step, unless it is said to have been heard of before the result is dropped.
    pub(super) fn unless_heard(&self, step: Rotation) -> Note<'_> {
        Note { list: self, step: Some(step) }
    }

    fn add(&self, steps: impl IntoIterator<Item = (Rotation, u8)>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(list.len());
        list.extend(steps.into_iter().take(room));
    }

    fn take(&self) -> Vec<(Rotation, u8)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A step under way. Dropping it is what happens when its future is: the client has gone.
pub(super) struct Note<'a> {
    list: &'a Unheard,
    step: Option<Rotation>,
}

impl Note<'_> {
    pub(super) fn heard(mut self) {
        self.step = None;
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.list.add(self.step.take().map(|step| (step, 0)));
    }
}

impl Accounts {
    /// Writes down whose successors nobody has heard of; how many. Those for which the store has no answer, and those whose
    /// step it has not made so far, wait for the next call.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn settle_unheard(&self) -> Result<u64, Error> {
        let mut left = self.unheard.take();
        let mut settled = 0;
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(BATCH));
            let mut tx = Tx::new();
            for (step, _) in &batch {
                tx.mark_unheard(step);
            }
            let marked = match self.store.commit(tx).await {
                Ok(marked) => marked.unwrap_or_default(),
                Err(e) => {
                    self.unheard.add(left.into_iter().chain(batch));
                    return Err(e.into());
                }
            };
            settled += marked.iter().map(|rows| rows.len() as u64).sum::<u64>();
            let missed = batch.into_iter().zip(marked).filter(|(_, rows)| rows.is_empty());
            let again =
                missed.map(|((step, looks), _)| (step, looks + 1)).filter(|(_, looks)| *looks < LOOKS);
            self.unheard.add(again);
        }
        Ok(settled)
    }
}
