//! Checks of what people type, shared by the forms.

use unicode_normalization::UnicodeNormalization;

use super::FieldErrors;
use crate::model::Email;

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
