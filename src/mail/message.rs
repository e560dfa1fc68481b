//! The mails there are.

use std::time::Duration;

use crate::model::{ClientIp, Secret, Timestamp};

/// When, from where and with what something was done.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: ClientIp,
    /// With what; whatever the client says of itself.
    pub user_agent: String,
}

/// A mail to the owner of an account. Names and user agents are whatever people typed.
#[derive(Clone, Debug)]
pub enum Message {
    /// Prove the address of a new account.
    Activation {
        /// The person's name.
        name: String,
        /// The page that asks for confirmation.
        link: Secret,
        /// The short code to type instead.
        code: Secret,
        /// Life of the link, in hours.
        link_hours: u64,
        /// Life of the code, in minutes.
        code_minutes: u64,
    },
    /// The account is active.
    Welcome {
        /// The person's name.
        name: String,
        /// Where to go on.
        home_link: String,
    },
    /// Somebody registered with an address that has an account already.
    SomeoneRegistered {
        /// The person's name.
        name: String,
        /// The sign-in page.
        login_link: String,
    },
    /// A code to finish signing in or to confirm that it is you.
    Otp {
        /// The person's name.
        name: String,
        /// The short code to type instead.
        code: Secret,
        /// Life of the code, in minutes.
        code_minutes: u64,
    },
    /// Choose a new password.
    Reset {
        /// The person's name.
        name: String,
        /// The page that asks for confirmation.
        link: Secret,
        /// The short code to type instead.
        code: Secret,
        /// Life of the link, in minutes.
        link_minutes: u64,
        /// Life of the code, in minutes.
        code_minutes: u64,
    },
    /// The password was set anew by mail.
    ResetDone {
        /// The person's name.
        name: String,
        /// When, from where, with what.
        seen: Sighting,
    },
    /// The password was changed by somebody who knew the old one.
    PasswordChanged {
        /// The person's name.
        name: String,
        /// When, from where, with what.
        seen: Sighting,
        /// Where to ask for a new password.
        reset_link: String,
    },
    /// Prove the address that an account is to have from now on; to that address.
    EmailChange {
        /// The person's name.
        name: String,
        /// The page that asks for confirmation.
        link: Secret,
        /// The short code to type instead.
        code: Secret,
        /// Life of the link, in hours.
        link_hours: u64,
        /// Life of the code, in minutes.
        code_minutes: u64,
    },
    /// The account has another address now; to the old one.
    EmailChanged {
        /// The person's name.
        name: String,
        /// The new address.
        email: String,
        /// When, from where, with what.
        seen: Sighting,
    },
    /// Too many failures: the account is locked. The link opens it.
    Locked {
        /// The person's name.
        name: String,
        /// When it ends.
        until: Timestamp,
        /// The page that asks for confirmation.
        link: Secret,
    },
    /// A sign-in from a device that was not seen before. The link ends every session and forces a reset.
    NewDevice {
        /// The person's name.
        name: String,
        /// When, from where, with what.
        seen: Sighting,
        /// The page that asks for confirmation.
        link: Secret,
        /// Life of the link, in hours.
        link_hours: u64,
    },
    /// An old refresh token was used: somebody may have copied it. The session was ended.
    RefreshReused {
        /// The person's name.
        name: String,
        /// When, from where, with what.
        seen: Sighting,
    },
    /// A second factor was switched on or off.
    FactorChanged {
        /// The person's name.
        name: String,
        /// What has changed, in a few words.
        what: &'static str,
        /// When, from where, with what.
        seen: Sighting,
        /// Where to ask for a new password.
        reset_link: String,
    },
    /// An admin agreed to the role that was asked for.
    Approved {
        /// The person's name.
        name: String,
        /// The role asked for.
        role: String,
        /// Where to go on.
        home_link: String,
    },
    /// An admin did not agree to the role that was asked for.
    Rejected {
        /// The person's name.
        name: String,
        /// The role asked for.
        role: String,
    },
    /// An admin has made the account; the link sets its first password.
    Invited {
        /// The person's name.
        name: String,
        /// The page that asks for confirmation.
        link: Secret,
        /// Life of the link, in hours.
        link_hours: u64,
    },
    /// The account will be deleted; the link keeps it.
    Deletion {
        /// The person's name.
        name: String,
        /// When it ends.
        until: Timestamp,
        /// The page that asks for confirmation.
        link: Secret,
    },
    /// The operator tries whether mail leaves the house.
    Test {
        /// The person's name.
        name: String,
        /// When it was asked for.
        at: Timestamp,
    },
}

impl Message {
    /// A stable word for the message, as kept in the outbox.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Activation { .. } => "activation",
            Self::Welcome { .. } => "welcome",
            Self::SomeoneRegistered { .. } => "someone_registered",
            Self::Otp { .. } => "otp",
            Self::Reset { .. } => "reset",
            Self::ResetDone { .. } => "reset_done",
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChange { .. } => "email_change",
            Self::EmailChanged { .. } => "email_changed",
            Self::Locked { .. } => "locked",
            Self::NewDevice { .. } => "new_device",
            Self::RefreshReused { .. } => "refresh_reused",
            Self::FactorChanged { .. } => "factor_changed",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Invited { .. } => "invited",
            Self::Deletion { .. } => "deletion",
            Self::Test { .. } => "test",
        }
    }

    /// For how long the mail is of use: as long as the link or the code in it that lives longest. `None`: it tells
    /// something that stays true.
    #[must_use]
    pub fn life(&self) -> Option<Duration> {
        let minutes = |n: u64| Some(Duration::from_secs(n.saturating_mul(60)));
        match self {
            Self::Activation { link_hours, code_minutes, .. }
            | Self::EmailChange { link_hours, code_minutes, .. } => {
                minutes(link_hours.saturating_mul(60).max(*code_minutes))
            }
            Self::Reset { link_minutes, code_minutes, .. } => minutes(*link_minutes.max(code_minutes)),
            Self::Otp { code_minutes, .. } => minutes(*code_minutes),
            Self::Invited { link_hours, .. } => minutes(link_hours.saturating_mul(60)),
            // A lock, a new device, a deletion: worth knowing also when the link in it is dead.
            _ => None,
        }
    }

    /// One of each, for previews and tests.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let name = || "Ada Lovelace".to_owned();
        let link = || Secret::new("https://app.example.org/auth/verify#id.token");
        let code = || Secret::new("042137");
        let at = Timestamp::from_secs(1_795_240_000);
        let seen = || Sighting {
            at,
            ip: ClientIp::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        };
        vec![
            Self::Activation { name: name(), link: link(), code: code(), link_hours: 24, code_minutes: 15 },
            Self::Welcome { name: name(), home_link: "https://app.example.org/".to_owned() },
            Self::SomeoneRegistered {
                name: name(),
                login_link: "https://app.example.org/auth/login".to_owned(),
            },
            Self::Otp { name: name(), code: code(), code_minutes: 15 },
            Self::Reset { name: name(), link: link(), code: code(), link_minutes: 30, code_minutes: 15 },
            Self::ResetDone { name: name(), seen: seen() },
            Self::PasswordChanged {
                name: name(),
                seen: seen(),
                reset_link: "https://app.example.org/auth/password-reset/".to_owned(),
            },
            Self::EmailChange { name: name(), link: link(), code: code(), link_hours: 24, code_minutes: 15 },
            Self::EmailChanged { name: name(), email: "ada@new.example.org".to_owned(), seen: seen() },
            Self::Locked { name: name(), until: at, link: link() },
            Self::NewDevice { name: name(), seen: seen(), link: link(), link_hours: 24 },
            Self::RefreshReused { name: name(), seen: seen() },
            Self::FactorChanged {
                name: name(),
                what: "codes from an app are asked for",
                seen: seen(),
                reset_link: "https://app.example.org/auth/password-reset/".to_owned(),
            },
            Self::Approved {
                name: name(),
                role: "organizer".to_owned(),
                home_link: "https://app.example.org/".to_owned(),
            },
            Self::Rejected { name: name(), role: "organizer".to_owned() },
            Self::Invited { name: name(), link: link(), link_hours: 24 },
            Self::Deletion { name: name(), until: at, link: link() },
            Self::Test { name: name(), at },
        ]
    }
}
