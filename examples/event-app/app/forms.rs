//! What is typed in about an event, and what is wrong with it.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde::Deserialize;

use super::event::{Draft, Event};

const MAX_TITLE: usize = 80;
const MAX_PLACE: usize = 120;
const MAX_SUMMARY: usize = 1_000;
const MAX_SEATS: u32 = 10_000;

/// The fields in their order, as the form calls them.
const LABELS: [(&str, &str); 6] = [
    ("title", "Title"),
    ("place", "Place"),
    ("starts", "Starts"),
    ("ends", "Ends"),
    ("seats", "Seats"),
    ("summary", "What happens"),
];

/// The form as it was sent: text, so that it can be shown again as it was.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventForm {
    pub title: String,
    pub summary: String,
    pub place: String,
    pub starts: String,
    pub ends: String,
    pub seats: String,
}

/// The same as JSON, where seats are a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventInput {
    title: String,
    #[serde(default)]
    summary: String,
    place: String,
    starts: String,
    ends: String,
    seats: u32,
}

/// One complaint for each field that has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldErrors(pub BTreeMap<&'static str, String>);

impl FieldErrors {
    /// The complaint about `field`.
    pub fn of(&self, field: &str) -> Option<&String> {
        self.0.get(field)
    }

    /// Field, its label and the complaint, in the order of the form.
    pub fn listed(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        LABELS.iter().filter_map(|(field, label)| Some((*field, *label, self.of(field)?.as_str())))
    }

    fn add(&mut self, field: &'static str, complaint: impl Into<String>) {
        self.0.entry(field).or_insert_with(|| complaint.into());
    }
}

impl From<EventInput> for EventForm {
    fn from(i: EventInput) -> Self {
        let EventInput { title, summary, place, starts, ends, seats } = i;
        Self { title, summary, place, starts, ends, seats: seats.to_string() }
    }
}

impl From<&Draft> for EventForm {
    fn from(d: &Draft) -> Self {
        Self {
            title: d.title.clone(),
            summary: d.summary.clone(),
            place: d.place.clone(),
            starts: local(d.starts),
            ends: local(d.ends),
            seats: d.seats.to_string(),
        }
    }
}

/// The form of `<input type="datetime-local">`.
fn local(t: DateTime) -> String {
    t.strftime("%Y-%m-%dT%H:%M").to_string()
}

impl EventForm {
    /// What it says, if it says it well. `before` is the event as it was, if there is one: what is over may
    /// stay in the past, and nobody loses a seat.
    pub fn check(&self, now: DateTime, before: Option<&Event>) -> Result<Draft, FieldErrors> {
        let mut errors = FieldErrors::default();
        let title = text(&mut errors, "title", &self.title, 3..=MAX_TITLE);
        let place = text(&mut errors, "place", &self.place, 2..=MAX_PLACE);
        let summary = text(&mut errors, "summary", &self.summary, 0..=MAX_SUMMARY);
        let starts = moment(&mut errors, "starts", &self.starts);
        let ends = moment(&mut errors, "ends", &self.ends);
        let seats = self.seats(&mut errors, before);
        if starts.is_some_and(|t| t <= now && before.is_none_or(|b| b.about.starts != t)) {
            errors.add("starts", "Choose a time that is still to come.");
        }
        if starts.zip(ends).is_some_and(|(starts, ends)| ends <= starts) {
            errors.add("ends", "The end must be after the start.");
        }
        match (starts, ends, seats) {
            (Some(starts), Some(ends), Some(seats)) if errors.0.is_empty() => {
                Ok(Draft { title, summary, place, starts, ends, seats })
            }
            _ => Err(errors),
        }
    }

    fn seats(&self, errors: &mut FieldErrors, before: Option<&Event>) -> Option<u32> {
        let seats = self.seats.trim().parse().ok().filter(|n| (1..=MAX_SEATS).contains(n));
        let taken = before.map_or(0, Event::taken);
        match seats {
            None => errors.add("seats", format!("Enter a whole number from 1 to {MAX_SEATS}.")),
            Some(n) if n < taken => errors.add("seats", format!("{taken} people have a seat already.")),
            Some(_) => {}
        }
        seats
    }
}

fn text(
    errors: &mut FieldErrors,
    field: &'static str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> String {
    let text = text.trim().replace("\r\n", "\n");
    let count = text.chars().count();
    if count == 0 && *length.start() > 0 {
        errors.add(field, "This is needed.");
    } else if count < *length.start() {
        errors.add(field, format!("At least {} characters, please.", length.start()));
    } else if count > *length.end() {
        errors.add(field, format!("At most {} characters; this has {count}.", length.end()));
    } else if text.chars().any(|c| c.is_control() && !(field == "summary" && c == '\n')) {
        errors.add(field, "There are invisible control characters in it.");
    }
    text
}

fn moment(errors: &mut FieldErrors, field: &'static str, text: &str) -> Option<DateTime> {
    let moment = text.trim().parse::<DateTime>().ok().filter(|t| (1970..=2200).contains(&t.year()));
    if moment.is_none() {
        errors.add(field, "Enter a date and a time (2027-05-31T18:30).");
    }
    moment
}
