//! Part 5 of the security page: what the gateway's people notice when something around it fails. Two gateways as
//! processes of their own share a database; honest load and forbidden requests go on through every fault, and each row
//! prints one JSON line. `scripts/faults` makes the table of `docs/reliability.md` from them.
//!
//! Asserted is what must be so at any speed: no forbidden request reaches the application, nobody is signed out, every
//! answer is good or a well-formed "later", and all is well again afterwards. Times are printed, not asserted.
//!
//! - `stage`: the processes and the people · `row`: what is asserted and printed after each fault
//! - `lone`: one gateway alone, to be stopped and handed over · `asking`: requests at a steady pace, to see what piles up
//! - the others: the rows, by what fails

mod asking;
mod clock;
mod commits;
mod exhaustion;
mod keys;
mod killed;
mod lone;
mod mail;
mod postgres;
mod redis;
mod row;
mod sqlite;
mod stage;
mod stopping;
mod upgrade;
mod upgrade_tls;

use std::time::Duration;

use row::Row;
use stage::{Plan, Stage};

/// How long the load runs before something fails.
const WARM: Duration = Duration::from_millis(500);
/// How long a fault lasts, where nothing else ends it.
const FAULT: Duration = Duration::from_millis(2200);
