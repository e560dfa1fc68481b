//! The mails there are.

use crate::model::{ClientIp, Secret, Timestamp};

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
        /// Where to start.
        home_link: String,
    },
    /// Somebody registered with an address that has an account already.
    SomeoneRegistered {
        /// The person's name.
        name: String,
        /// The sign-in page.
        login_link: String,
    },
    /// Too many failures: the account is locked.
    Locked {
        /// The person's name.
        name: String,
        /// When it opens again.
        until: Timestamp,
    },
    /// An old refresh token was used: somebody may have copied it. The session was ended.
    RefreshReused {
        /// The person's name.
        name: String,
        /// When.
        at: Timestamp,
        /// From where.
        ip: ClientIp,
        /// With what.
        user_agent: String,
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
            Self::Locked { .. } => "locked",
            Self::RefreshReused { .. } => "refresh_reused",
        }
    }

    /// One of each, for previews and tests.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let name = || "Ada Lovelace".to_owned();
        let at = Timestamp::from_secs(1_795_240_000);
        vec![
            Self::Activation {
                name: name(),
                link: Secret::new("https://app.example.org/auth/verify#id.token"),
                code: Secret::new("042137"),
                link_hours: 24,
                code_minutes: 15,
            },
            Self::Welcome { name: name(), home_link: "https://app.example.org/".to_owned() },
            Self::SomeoneRegistered {
                name: name(),
                login_link: "https://app.example.org/auth/login".to_owned(),
            },
            Self::Locked { name: name(), until: at },
            Self::RefreshReused {
                name: name(),
                at,
                ip: ClientIp::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                    .to_owned(),
            },
        ]
    }
}
