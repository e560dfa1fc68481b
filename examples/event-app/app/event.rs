//! An event and the people around it.

use jiff::civil::DateTime;
use stagedoor::gate::Principal;
use stagedoor::model::AccountId;

/// One event. Times are UTC.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: u64,
    pub about: Draft,
    pub organizer: Organizer,
    pub attendees: Vec<Attendee>,
}

/// What an organizer says about an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub title: String,
    pub summary: String,
    pub place: String,
    pub starts: DateTime,
    pub ends: DateTime,
    pub seats: u32,
}

/// Whose event it is. Events taken over from the old list know an address only.
#[derive(Clone, Debug)]
pub struct Organizer {
    pub account: Option<AccountId>,
    pub email: String,
    pub name: String,
}

/// Somebody who has a seat.
#[derive(Clone, Debug)]
pub struct Attendee {
    pub account: AccountId,
    pub name: String,
    pub email: String,
}

impl Event {
    pub fn is_over(&self, now: DateTime) -> bool {
        self.about.ends <= now
    }

    pub fn taken(&self) -> u32 {
        u32::try_from(self.attendees.len()).unwrap_or(u32::MAX)
    }

    pub fn is_full(&self) -> bool {
        self.taken() >= self.about.seats
    }

    pub fn has(&self, who: AccountId) -> bool {
        self.attendees.iter().any(|a| a.account == who)
    }

    /// The account id decides; an address only where no account is known, and only a proved one.
    pub fn belongs_to(&self, who: &Principal) -> bool {
        match self.organizer.account {
            Some(account) => account == who.id,
            None => who.email_verified && who.email == self.organizer.email,
        }
    }

    /// Whether title, place or text contain `words`, whatever the case.
    pub fn matches(&self, words: &str) -> bool {
        let text = format!("{} {} {}", self.about.title, self.about.place, self.about.summary).to_lowercase();
        words.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }
}

impl Organizer {
    pub fn from_person(who: &Principal) -> Self {
        Self { account: Some(who.id), email: who.email.clone(), name: who.name.clone() }
    }
}

impl Attendee {
    pub fn from_person(who: &Principal) -> Self {
        Self { account: who.id, name: who.name.clone(), email: who.email.clone() }
    }
}
