//! Why a token was not believed.

/// Why a token was not believed. The caller sees one and the same 401 for all of them; logs and metrics see the id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{}", self.id())]
pub enum Rejection {
    /// Not the compact form with exactly our header members.
    Malformed,
    /// `alg` is not the algorithm of the key named.
    Algorithm,
    /// `kid` names no key of ours, or one that was retired before the token was issued.
    KeyUnknown,
    /// `typ` belongs to another purpose.
    Type,
    /// The signature does not fit.
    Signature,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies ahead.
    NotYetValid,
    /// `iss` is someone else.
    Issuer,
    /// `aud` is someone else.
    Audience,
    /// Signed, but a claim is missing, unknown, doubled, of the wrong kind or out of bounds.
    Claims,
    /// Ended before its time.
    Revoked,
    /// The request carried two different credentials.
    Ambiguous,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Algorithm,
        Self::KeyUnknown,
        Self::Type,
        Self::Signature,
        Self::Expired,
        Self::NotYetValid,
        Self::Issuer,
        Self::Audience,
        Self::Claims,
        Self::Revoked,
        Self::Ambiguous,
    ];

    /// The stable reason id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::KeyUnknown => "token_key_unknown",
            Self::Type => "token_type",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Claims => "token_claims",
            Self::Revoked => "token_revoked",
            Self::Ambiguous => "token_ambiguous",
        }
    }
}
