//! What a password must be. One validator for every flow that sets one.

use super::super::{FieldErrors, PasswordPolicy, PasswordSettings};
use super::{common, is_oversize, nfkc};
use crate::model::{Email, Secret};

/// Shorter parts of a name or an address occur in passwords by chance.
const MIN_PART: usize = 3;

/// Whose password it is to be.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Full name.
    pub name: &'a str,
    /// The address, if it could be read.
    pub email: Option<&'a Email>,
}

/// Notes every rule that `password` breaks under `field`. Codes: `required`, `too_long`, `too_short`, `no_upper`,
/// `no_lower`, `no_digit`, `no_special`, `common`, `contains_name`, `contains_email`.
pub fn check(
    field: &'static str,
    password: &Secret,
    about: About<'_>,
    settings: &PasswordSettings,
    errors: &mut FieldErrors,
) {
    if password.expose().is_empty() {
        return errors.add(field, "required", "Enter a password.");
    }
    if is_oversize(password, settings.max_length) {
        let max = settings.max_length;
        return errors.add(field, "too_long", format!("Use at most {max} characters."));
    }
    let form = nfkc(password);
    let text = form.expose();
    if text.chars().count() < settings.min_length {
        let min = settings.min_length;
        errors.add(field, "too_short", format!("Use at least {min} characters."));
    }
    if settings.policy == PasswordPolicy::Classes {
        check_classes(field, text, errors);
    }
    let lower = Secret::new(text.to_lowercase());
    if common::contains(lower.expose()) {
        errors.add(field, "common", "Choose a password that is less common; this one is guessed first.");
    }
    check_personal(field, lower.expose(), about, errors);
}

fn check_classes(field: &'static str, text: &str, errors: &mut FieldErrors) {
    type Class = fn(char) -> bool;
    let classes: [(Class, &'static str, &'static str); 4] = [
        (char::is_uppercase, "no_upper", "Add an upper-case letter."),
        (char::is_lowercase, "no_lower", "Add a lower-case letter."),
        (char::is_numeric, "no_digit", "Add a digit."),
        (|c| !c.is_alphanumeric(), "no_special", "Add a special character such as ! or -."),
    ];
    for (belongs, code, message) in classes {
        if !text.chars().any(belongs) {
            errors.add(field, code, message);
        }
    }
}

fn check_personal(field: &'static str, lower: &str, about: About<'_>, errors: &mut FieldErrors) {
    let name = nfkc(&Secret::new(about.name.to_lowercase()));
    if parts(name.expose()).any(|part| lower.contains(part)) {
        errors.add(field, "contains_name", "Leave your name out of the password.");
    }
    let local = about.email.map(Email::local).unwrap_or_default();
    if local.chars().count() >= MIN_PART && lower.contains(local) {
        errors.add(field, "contains_email", "Leave your e-mail address out of the password.");
    }
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() >= MIN_PART)
}
