//! A form as a page shows it: fields with what was typed and what was wrong.

use crate::account::{PasswordPolicy, PasswordSettings};
use crate::web::error::Problem;

/// What stands above fields that have their own messages.
const MARKED: &str = "Please correct the fields that are marked.";

/// One form.
#[derive(Default)]
pub struct Form {
    /// What went wrong as a whole.
    pub message: Option<String>,
    /// In the order of the page.
    pub fields: Vec<Field>,
}

/// One text field.
#[derive(Default)]
pub struct Field {
    /// Name and HTML id.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// The HTML type.
    pub kind: &'static str,
    /// For password managers and one-time codes.
    pub autocomplete: &'static str,
    /// What was typed; never for passwords.
    pub value: String,
    /// Help below the field.
    pub hint: String,
    /// What was wrong.
    pub errors: Vec<String>,
    /// Whether it takes a mailed code.
    pub code: bool,
    /// Whether the page starts here.
    pub focus: bool,
    /// For the live strength hint: the least length …
    pub strength_min: Option<usize>,
    /// … and whether kinds of characters count.
    pub strength_classes: bool,
}

impl Form {
    /// A form without errors; the first empty field has the focus.
    #[must_use]
    pub fn new(fields: Vec<Field>) -> Self {
        let mut form = Self { message: None, fields };
        if let Some(first) = form.fields.iter_mut().find(|f| f.value.is_empty()) {
            first.focus = true;
        }
        form
    }

    /// The same form with what was wrong beside each field and above all of them.
    #[must_use]
    pub fn refused(mut self, problem: &Problem) -> Self {
        self.message = Some(problem.detail.clone());
        for field in &mut self.fields {
            field.focus = false;
            let of_field = problem.fields.iter().filter(|e| e.field == field.name);
            field.errors = of_field.map(|e| e.message.clone()).collect();
        }
        self
    }

    /// The same form with the message beside one field, for what concerns that field alone.
    #[must_use]
    pub fn refused_at(self, name: &str, problem: &Problem) -> Self {
        let mut form = self.refused(problem);
        if let Some(field) = form.fields.iter_mut().find(|f| f.name == name && f.errors.is_empty()) {
            field.errors.push(problem.detail.clone());
            // The summary repeats the sentence as the link to the field.
            form.message = Some(MARKED.to_owned());
        }
        form
    }

    /// Whether the summary has anything to link to.
    #[must_use]
    pub fn has_field_errors(&self) -> bool {
        self.fields.iter().any(|f| !f.errors.is_empty())
    }
}

impl Field {
    /// A plain text.
    #[must_use]
    pub fn text(name: &'static str, label: &'static str, autocomplete: &'static str, value: &str) -> Self {
        Self { name, label, kind: "text", autocomplete, value: value.to_owned(), ..Self::default() }
    }

    /// The address people sign in with.
    #[must_use]
    pub fn email(value: &str) -> Self {
        Self { kind: "email", ..Self::text("email", "E-mail address", "username", value) }
    }

    /// A password that exists already.
    #[must_use]
    pub fn current_password() -> Self {
        Self { kind: "password", ..Self::text("password", "Password", "current-password", "") }
    }

    /// A password to be set, with the rules.
    #[must_use]
    pub fn new_password(rules: &PasswordSettings) -> Self {
        let classes = rules.policy == PasswordPolicy::Classes;
        let min = rules.min_length;
        let hint = if classes {
            format!(
                "At least {min} characters, among them an upper-case and a lower-case letter, \
                 a digit and a special character."
            )
        } else {
            format!("At least {min} characters. Three or four unrelated words make a good one.")
        };
        let field = Self { kind: "password", ..Self::text("password", "Password", "new-password", "") };
        Self { hint, strength_min: Some(min), strength_classes: classes, ..field }
    }

    /// The same password again.
    #[must_use]
    pub fn password_again() -> Self {
        let label = "Password again";
        Self { kind: "password", ..Self::text("password_confirm", label, "new-password", "") }
    }

    /// A mailed code.
    #[must_use]
    pub fn mailed_code() -> Self {
        Self::code("Code from the mail", "one-time-code")
    }

    /// A code of six digits.
    #[must_use]
    pub fn code(label: &'static str, autocomplete: &'static str) -> Self {
        Self { code: true, ..Self::text("code", label, autocomplete, "") }
    }

    /// The ids of error and hint.
    #[must_use]
    pub fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if !self.errors.is_empty() {
            ids.push(format!("{}-error", self.name));
        }
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.name));
        }
        ids.join(" ")
    }
}
