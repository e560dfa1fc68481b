//! The events in memory. A real app has a database here; the demo forgets everything when it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::DateTime;

use super::event::{Attendee, Draft, Event, Organizer};
use super::failure::Failure;

/// Enough for a demo, too few to fill the memory.
const MAX_EVENTS: usize = 1_000;

/// All events.
#[derive(Default)]
pub struct Events(Mutex<Table>);

#[derive(Default)]
struct Table {
    last_id: u64,
    rows: BTreeMap<u64, Event>,
}

impl Events {
    /// A panic in another request leaves whole events behind, so the table stays usable.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, id: u64) -> Result<Event, Failure> {
        self.table().rows.get(&id).cloned().ok_or(Failure::NotFound)
    }

    /// What is to come, the next first; then what is over, the latest first.
    pub fn list(&self, now: DateTime, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let all = self.table().rows.values().filter(|e| wanted(e)).cloned().collect::<Vec<_>>();
        let (mut over, mut ahead): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| e.is_over(now));
        ahead.sort_by_key(|e| e.about.starts);
        over.sort_by_key(|e| std::cmp::Reverse(e.about.starts));
        ahead.append(&mut over);
        ahead
    }

    pub fn create(&self, about: Draft, organizer: Organizer) -> Result<u64, Failure> {
        let mut table = self.table();
        if table.rows.len() >= MAX_EVENTS {
            return Err(Failure::Conflict("There is no room for more events."));
        }
        table.last_id += 1;
        let id = table.last_id;
        table.rows.insert(id, Event { id, about, organizer, attendees: Vec::new() });
        Ok(id)
    }

    /// `check` sees the event as it is at that very moment, so that nothing changes between the two.
    pub fn change<T>(
        &self,
        id: u64,
        check: impl FnOnce(&mut Event) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        check(self.table().rows.get_mut(&id).ok_or(Failure::NotFound)?)
    }

    pub fn remove(&self, id: u64, check: impl FnOnce(&Event) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut table = self.table();
        check(table.rows.get(&id).ok_or(Failure::NotFound)?)?;
        table.rows.remove(&id);
        Ok(())
    }

    /// Gives a seat. Asking twice is fine.
    pub fn register(&self, id: u64, who: Attendee, now: DateTime) -> Result<(), Failure> {
        self.change(id, |event| {
            if event.has(who.account) {
                return Ok(());
            }
            if event.is_over(now) {
                return Err(Failure::Conflict("This event is over."));
            }
            if event.is_full() {
                return Err(Failure::Conflict("All seats of this event are taken."));
            }
            event.attendees.push(who);
            Ok(())
        })
    }
}
