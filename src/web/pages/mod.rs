//! The HTML door: server-rendered pages that work without JavaScript. Every file is one step of a flow: show the
//! form, take it, call the use case, go on (post-redirect-get) or show it again with what was wrong.

pub mod bootstrap;
pub mod check_mail;
mod errors;
pub mod forgot;
mod form;
mod frame;
pub mod home;
pub mod link;
pub mod login;
pub mod logout;
pub mod register;
pub mod resume;
pub mod second_factor;
pub mod verify;

pub use errors::{error_page, method_not_allowed, not_found, panicked, refusal, refused};
pub use form::{Field, Form};
pub use frame::{Frame, Notice, go, go_to, page};

/// A role's name as a heading: `event-staff` becomes `Event staff`.
fn role_title(name: &str) -> String {
    let text = name.replace(['_', '-'], " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
