//! What the gate needs to know besides the policy.

/// The operator's choices for the gate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port that people see, without a trailing slash.
    pub public_url: String,
    /// Where our own pages live, for example `/auth`; no trailing slash. Empty: there are none, every path is the
    /// application's.
    pub auth_prefix: String,
}

impl Settings {
    /// Whether cookies carry `Secure` and the `__Host-` prefix (RFC 6265bis): always, but on plain http.
    #[must_use]
    pub fn secure_cookies(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// The names under which identity reaches an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityNames {
    /// The account id.
    pub user_id: String,
    /// The address.
    pub email: String,
    /// The display name, percent-encoded UTF-8.
    pub name: String,
    /// Comma list.
    pub roles: String,
    /// Comma list.
    pub permissions: String,
    /// The session id.
    pub session: String,
    /// Comma list.
    pub amr: String,
    /// Seconds since the Unix epoch.
    pub auth_time: String,
    /// The signed assertion.
    pub assertion: String,
}

impl Default for IdentityNames {
    fn default() -> Self {
        Self {
            user_id: "x-auth-user-id".into(),
            email: "x-auth-email".into(),
            name: "x-auth-name".into(),
            roles: "x-auth-roles".into(),
            permissions: "x-auth-permissions".into(),
            session: "x-auth-session".into(),
            amr: "x-auth-amr".into(),
            auth_time: "x-auth-time".into(),
            assertion: "x-auth-assertion".into(),
        }
    }
}

impl IdentityNames {
    /// The names of a preset: `remote`, `x-forwarded` or `x-auth-request`; what a preset has no name for
    /// keeps ours.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (user, email, display, groups) = match name {
            "remote" => ("remote-user", "remote-email", "remote-name", "remote-groups"),
            "x-forwarded" => (
                "x-forwarded-user",
                "x-forwarded-email",
                "x-forwarded-preferred-username",
                "x-forwarded-groups",
            ),
            "x-auth-request" => (
                "x-auth-request-user",
                "x-auth-request-email",
                "x-auth-request-preferred-username",
                "x-auth-request-groups",
            ),
            _ => return None,
        };
        Some(Self {
            user_id: user.into(),
            email: email.into(),
            name: display.into(),
            roles: groups.into(),
            ..Self::default()
        })
    }
}

/// How the signed assertion is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AssertionMode {
    /// One for each session and upstream, used again while fresh.
    #[default]
    Session,
    /// One for each request, bound to method, host and path.
    Request,
    /// None.
    Off,
}
