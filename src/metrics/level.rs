//! What is looked at from time to time: gauges without labels.

/// What is measured from time to time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Sign-ins that are alive.
    Sessions,
    /// Revocations held in memory.
    Revocations,
    /// Mails that wait to be sent.
    MailsWaiting,
    /// Age of the oldest of them, in seconds.
    MailsAge,
    /// Mails that were given up and are still kept.
    MailsDead,
    /// Passwords that wait to be hashed.
    HashesWaiting,
    /// Passwords that are being hashed.
    HashesRunning,
    /// When the certificate of the TLS listener expires, in seconds since 1970.
    CertificateExpires,
    /// How far the gateway's time is ahead of a clock that was set back, in seconds.
    ClockAhead,
    /// How far it is from the clock of the database's machine, in seconds.
    ClockSkew,
}

impl Level {
    pub(super) const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Sessions, "stagedoor_sessions_active", "Sign-ins that are alive."),
        (Self::Revocations, "stagedoor_revocations_held", "Revocations that are held in memory."),
        (Self::MailsWaiting, "stagedoor_mail_queue_length", "Mails that wait to be sent."),
        (Self::MailsAge, "stagedoor_mail_queue_age_seconds", "Age of the oldest mail that waits."),
        (Self::MailsDead, "stagedoor_mail_dead", "Mails that were given up and are still kept."),
        (Self::HashesWaiting, "stagedoor_hash_queue_length", "Passwords that wait to be hashed."),
        (Self::HashesRunning, "stagedoor_hash_running", "Passwords that are being hashed."),
        (
            Self::CertificateExpires,
            "stagedoor_certificate_expires_seconds",
            "When the certificate of the TLS listener expires, in seconds since 1970; 0: there is none.",
        ),
        (
            Self::ClockAhead,
            "stagedoor_clock_ahead_seconds",
            "How far the gateway's time is ahead of the machine's clock, because that was set back.",
        ),
        (
            Self::ClockSkew,
            "stagedoor_clock_skew_seconds",
            "How far the gateway's time is from the clock of the database's machine, either way.",
        ),
    ];
}
