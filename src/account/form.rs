//! Checks of what people type, shared by the forms.

use unicode_normalization::UnicodeNormalization;

use super::password::{self, About};
use super::{Error, FieldErrors, PasswordSettings};
use crate::model::{Email, Secret, constant_time_eq};

const MAX_NAME: usize = 100;

/// The address; notes what is wrong with it.
pub(super) fn email(text: &str, errors: &mut FieldErrors) -> Option<Email> {
    if text.trim().is_empty() {
        errors.add("email", "required", "Enter your e-mail address.");
        return None;
    }
    let email = Email::parse(text);
    if email.is_err() {
        errors.add("email", "invalid", "Enter an e-mail address like name@example.org.");
    }
    email.ok()
}

/// The address, where it is all that is needed.
///
/// # Errors
/// [`Error::Invalid`] for a text that is no address.
pub(super) fn address(text: &str) -> Result<Email, Error> {
    let mut errors = FieldErrors::default();
    email(text, &mut errors).ok_or(Error::Invalid(errors))
}

/// Notes when the domain of an address is not one of `allowed`; an empty list allows all. Exact: neither sub-domains nor
/// domains that end alike.
pub(super) fn domain(email: &Email, allowed: &[String], errors: &mut FieldErrors) {
    if !allowed.is_empty() && !allowed.iter().any(|domain| domain == email.domain()) {
        errors.add("email", "domain_not_allowed", "Use an address of one of the domains that may register.");
    }
}

/// A password that is to take the place of another, typed twice.
#[derive(Debug)]
pub struct NewPassword {
    /// Held to the password policy.
    pub password: Secret,
    /// The same again.
    pub confirm: Secret,
}

impl NewPassword {
    /// Notes every rule it breaks, under `new_password` and `new_password_confirm`.
    pub(super) fn check(&self, about: About<'_>, settings: &PasswordSettings, errors: &mut FieldErrors) {
        password::check("new_password", &self.password, about, settings, errors);
        if !constant_time_eq(self.password.expose().as_bytes(), self.confirm.expose().as_bytes()) {
            errors.add("new_password_confirm", "mismatch", "The two passwords differ.");
        }
    }
}

/// A full name, trimmed and in NFC; notes what is wrong with it.
pub(super) fn name(text: &str, errors: &mut FieldErrors) -> String {
    // Looked at before it is normalised, so that a megabyte costs nothing.
    if text.chars().nth(4 * MAX_NAME).is_some() {
        errors.add("name", "too_long", format!("Use at most {MAX_NAME} characters."));
        return String::new();
    }
    let name: String = text.trim().nfc().collect();
    if !name.chars().any(is_visible) {
        errors.add("name", "required", "Enter your name.");
    } else if name.chars().any(is_unfit) {
        errors.add(
            "name",
            "invalid_character",
            "Leave control characters and invisible marks out of the name.",
        );
    } else if name.chars().count() > MAX_NAME {
        errors.add("name", "too_long", format!("Use at most {MAX_NAME} characters."));
    }
    name
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2800}' | '\u{3164}')
}

/// Characters that break lines, turn the writing direction or hide: a name must not be able to rearrange the text
/// around it. The joiners U+200C and U+200D stay: some scripts need them.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
