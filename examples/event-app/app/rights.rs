//! Who may do what with which event. The gateway has asked for the permission already; that the event is
//! one's own only the app can know.

use stagedoor::gate::Principal;

use super::event::Event;
use super::failure::Failure;

/// Sees and changes everything.
pub fn is_admin(who: &Principal) -> bool {
    who.has_role("admin")
}

/// Has events of their own.
pub fn may_create(who: &Principal) -> bool {
    who.has_permission("events.create")
}

pub fn may_edit(who: &Principal, event: &Event) -> bool {
    who.has_permission("events.edit") && (is_admin(who) || event.belongs_to(who))
}

pub fn may_delete(who: &Principal, event: &Event) -> bool {
    who.has_permission("events.delete") && (is_admin(who) || event.belongs_to(who))
}

pub fn may_see_attendees(who: &Principal, event: &Event) -> bool {
    who.has_permission("registrations.view") && (is_admin(who) || event.belongs_to(who))
}

pub fn may_register(who: &Principal) -> bool {
    who.has_permission("events.register")
}

/// `Ok` if `may`, else a refusal that says `otherwise`.
pub fn need(may: bool, otherwise: &'static str) -> Result<(), Failure> {
    if may { Ok(()) } else { Err(Failure::Forbidden(otherwise)) }
}
