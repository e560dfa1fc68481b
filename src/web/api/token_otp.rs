//! The end of a sign-in that waits for a second factor.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{Detail, Tokens, detail};
use super::logout::replaced;
use super::token::{SessionMode, issued};
use crate::account::{Finish, Method};
use crate::gate::CrossSite;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{ClientInfo, Hidden, Json, Presented, Visitor};

/// A second factor, by its word.
#[derive(Deserialize, ToSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum FactorMethod {
    /// A code from an app.
    Totp,
    /// A code by mail.
    Email,
    /// One of the recovery codes.
    Recovery,
}

impl From<FactorMethod> for Method {
    fn from(word: FactorMethod) -> Self {
        match word {
            FactorMethod::Totp => Self::Totp,
            FactorMethod::Email => Self::Email,
            FactorMethod::Recovery => Self::Recovery,
        }
    }
}

/// What is sent to finish a sign-in.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct VerifyOtp {
    /// What `/token/` answered.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    challenge: Hidden,
    /// The code.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    code: Hidden,
    /// What kind of code; if it is missing, of the first of the `methods` that `/token/` named.
    #[serde(default)]
    method: Option<FactorMethod>,
    /// Whether this device shall not be asked again for a while.
    #[serde(default)]
    remember_device: bool,
    /// Where the tokens go; in the answer if it is missing.
    #[serde(default)]
    session: Option<SessionMode>,
}

/// What is sent to get another code by mail.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct ResendOtp {
    /// What `/token/` answered.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    challenge: Hidden,
}

/// Finishes a sign-in with the code of a second factor.
///
/// A challenge that was begun with `"session": "cookie"` works only together with the challenge cookie that was set then.
#[utoipa::path(
    post,
    path = "/token/verify-otp/",
    tag = "sign-in",
    request_body = VerifyOtp,
    responses(
        (status = 200, description = "Signed in", body = Tokens),
        (status = 409, description = "`method-not-available`: the account has no such method", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 423, description = "Locked after too many failures", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn verify(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Extension(client): Extension<ClientInfo>,
    (presented, headers): (Presented, HeaderMap),
    Json(input): Json<VerifyOtp>,
) -> Result<Response, Problem> {
    let mut missing = Vec::new();
    if input.challenge.is_empty() {
        missing.push(("challenge", "Send the challenge that the sign-in was answered with."));
    }
    if input.code.is_empty() {
        missing.push(("code", "Enter the code."));
    }
    if !missing.is_empty() {
        return Err(Problem::required(&missing));
    }
    // Cookies change the browser's state, so they need what a form needs (L-19).
    if input.session.is_some() && client.cross_site == CrossSite::Cross {
        return Err(Problem::cross_site());
    }
    let finish = Finish {
        challenge: input.challenge.0,
        code: input.code.0,
        method: input.method.map(Method::from),
        remember: input.remember_device,
        browser: state.cookies.binding(&headers),
    };
    let bound = finish.browser.is_some();
    let signed_in = state.accounts.verify_otp(finish, &origin).await?;
    if input.session.is_some() {
        replaced(&state, presented, &origin).await;
    }
    let mut response = issued(&state, &signed_in, input.session);
    if bound {
        state.cookies.unbind_challenge(response.headers_mut());
    }
    Ok(response)
}

/// Mails another code for a sign-in that waits; the one before it ends.
#[utoipa::path(
    post,
    path = "/token/resend-otp/",
    tag = "sign-in",
    request_body = ResendOtp,
    responses((status = 202, description = "A mail is on its way, if the account takes codes by mail", body = Detail))
)]
pub async fn resend(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Json(input): Json<ResendOtp>,
) -> Result<Response, Problem> {
    if input.challenge.is_empty() {
        return Err(Problem::required(&[(
            "challenge",
            "Send the challenge that the sign-in was answered with.",
        )]));
    }
    let browser = state.cookies.binding(&headers);
    state.accounts.resend_otp(&input.challenge.0, browser.as_ref(), &origin).await?;
    let mut response =
        detail(StatusCode::ACCEPTED, "If codes by e-mail are set up, a new one is on its way.");
    // The challenge lives as long as the new code; so must what binds it.
    if let Some(binding) = browser {
        state.cookies.bind_challenge(&binding, state.accounts.challenge_life(), response.headers_mut());
    }
    Ok(response)
}
