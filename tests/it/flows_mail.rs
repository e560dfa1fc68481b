//! What people read in their mails.

use crate::support::TestApp;

/// The path of the activation link and the code in a mail's plain text. Links start with the public URL, whatever
/// `Host` the request had.
pub fn link_and_code(app: &TestApp, text: &str) -> (String, String) {
    let start = format!("{}/auth/verify-email/", app.public_url());
    let line = text.lines().find(|l| l.starts_with(&start)).unwrap_or_else(|| panic!("no link: {text}"));
    let code = text.split("page that asks for it:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let code = code.unwrap_or_else(|| panic!("no code: {text}"));
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    (line[app.public_url().len()..].to_owned(), code.to_owned())
}
