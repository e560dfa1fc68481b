//! The events of the old list, with which the demo starts. They lie around today, so that the demo never
//! looks abandoned.

use jiff::ToSpan;
use jiff::civil::{DateTime, time};
use stagedoor::model::AccountId;

use super::event::{Attendee, Draft, Organizer};
use super::store::Events;

/// Whoever signs in with this proved address owns most of the first events.
pub const ORGANIZER_EMAIL: &str = "organizer@example.org";

/// Days from today, start and end hour, seats, seats taken, title, place, text, whether somebody else's.
type Line = (i64, i8, i8, u32, usize, &'static str, &'static str, &'static str, bool);

const LINES: [Line; 9] = [
    (
        3,
        18,
        21,
        24,
        17,
        "Evening sketch walk along the canal",
        "Old Lock, north bank",
        "We draw what we pass: bridges, boats, people on benches. Bring a pencil and something to sit on. \
         Beginners are welcome, nobody has to show anything.",
        false,
    ),
    (
        6,
        19,
        22,
        120,
        86,
        "Harbour Strings: quartets by candlelight",
        "St. Anne's Hall",
        "Haydn, Fanny Hensel and a new piece by a composer from our town. Doors open half an hour before. \
         The hall has level access.",
        true,
    ),
    (
        9,
        9,
        16,
        12,
        12,
        "Repair day: bring a thing, take it home working",
        "Community Workshop, Mill Lane 4",
        "Lamps, toasters, zips, bicycles. Volunteers with tools and patience help you to fix it yourself.",
        false,
    ),
    (
        13,
        17,
        20,
        40,
        23,
        "Rust evening: small programs that stay small",
        "Library, reading room 2",
        "Three short talks and time to talk. One is about saying no to a dependency, one about tests that \
         can fail, one about a thermostat.",
        false,
    ),
    (
        20,
        10,
        15,
        60,
        31,
        "Seed swap and balcony garden market",
        "Market Square",
        "Bring what you have too much of. Tomatoes, beans, marigolds, advice.",
        true,
    ),
    (
        27,
        18,
        20,
        18,
        4,
        "Bread: sourdough for people with little time",
        "Cooking school, Harbour Street",
        "One dough, three loaves, a schedule that fits around a working day. Every participant takes a \
         starter home.",
        false,
    ),
    (
        41,
        8,
        18,
        45,
        19,
        "Day hike to the lighthouse",
        "Meeting point: main station, platform 3",
        "Fourteen kilometres, mostly flat, one ferry. We are back before dark. Dogs on a lead may come.",
        true,
    ),
    (
        -5,
        19,
        22,
        80,
        74,
        "Film night: silent comedies with live piano",
        "Open-air stage, City Park",
        "Two reels before the break and one after it.",
        false,
    ),
    (
        -19,
        14,
        17,
        30,
        22,
        "First aid in an afternoon",
        "Fire station, training room",
        "Recovery position, bandages, the defibrillator in the hall, and who to call.",
        true,
    ),
];

const NAMES: [&str; 8] = [
    "Ada Lindqvist",
    "Tomás Herrera",
    "Mei Tanaka",
    "Jonas Weber",
    "Amina Yusuf",
    "Zoë O'Brien",
    "Piotr Zieliński",
    "Lucía Marín",
];

/// Puts the first events into an empty store.
pub fn fill(events: &Events, now: DateTime) {
    for (days, from, to, seats, taken, title, place, text, other) in LINES {
        let day = now.date().saturating_add(days.days());
        let about = Draft {
            title: title.into(),
            summary: text.into(),
            place: place.into(),
            starts: day.to_datetime(time(from, 0, 0, 0)),
            ends: day.to_datetime(time(to, 0, 0, 0)),
            seats,
        };
        let id = events.create(about, organizer(other)).unwrap_or_default();
        // Straight into the list: registering for what is over would be refused.
        let _ = events.change(id, |event| {
            event.attendees = (0..taken).map(attendee).collect();
            Ok(())
        });
    }
}

fn organizer(other: bool) -> Organizer {
    let (email, name) = if other {
        ("culture@example.org", "Town Culture Office")
    } else {
        (ORGANIZER_EMAIL, "Northside Collective")
    };
    Organizer { account: None, email: email.into(), name: name.into() }
}

/// An invented person whose account id no real account can have: real ones are random.
fn attendee(n: usize) -> Attendee {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(n as u64).to_be_bytes());
    let name = NAMES[n % NAMES.len()];
    let first = name.split(' ').next().unwrap_or(name).to_lowercase();
    Attendee {
        account: AccountId::from_bytes(id),
        name: name.into(),
        email: format!("{}{n}@example.net", first.replace(|c: char| !c.is_ascii(), "")),
    }
}
