//! Tokens by API: for a password, for a refresh token. In the answer, or as cookies.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answer::{ChallengeBegun, Person, Tokens};
use super::logout::replaced;
use crate::account::{Challenge, Error, Login, SignIn, SignedIn, User};
use crate::gate::CrossSite;
use crate::model::{Secret, constant_time_eq};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{ClientInfo, Hidden, Json, Presented, Visitor};

/// What is sent for a password.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = SignIn)]
pub struct Issue {
    /// The address of the account.
    #[schema(required, format = "email", min_length = 3, max_length = 254, example = "mia@example.org")]
    email: String,
    /// The account's password.
    #[schema(required)]
    password: Hidden,
    /// `cookie`: the tokens become cookies that scripts cannot read, and are not in the answer.
    session: Option<SessionMode>,
    /// Whether the session outlives the browser's.
    keep: bool,
}

/// Where the tokens go.
#[derive(Deserialize, Serialize, Clone, Copy, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionMode {
    /// Into cookies that scripts cannot read.
    Cookie,
}

/// What is sent for a refresh token; nothing when it comes as a cookie.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token of the session.
    refresh: Hidden,
}

/// Signs in with a password.
///
/// A refusal with 403 comes after the right password only, so it tells nobody else about the account.
#[utoipa::path(post, path = "/token/", tag = "sign-in", request_body = Issue, responses(
    (status = 200, description = "Signed in.", body = Tokens),
    (status = 202, description = "The password was right, and a second factor is due.", body = ChallengeBegun),
    (status = 401, description = "Address or password are wrong.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 403, description = "The account may not sign in, or the call came from another site.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 423, description = "Too many failures; the account is locked for a while.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub async fn issue(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    axum::Extension(client): axum::Extension<ClientInfo>,
    presented: Presented,
    Json(input): Json<Issue>,
) -> Result<Response, Problem> {
    check_filled(&input)?;
    // Cookies change the browser's state, so they need what a form needs (L-19).
    if input.session.is_some() && client.cross_site == CrossSite::Cross {
        return Err(Problem::cross_site());
    }
    let browser = input.session.is_some();
    let login = Login { email: input.email, password: input.password.0, keep: input.keep, browser };
    Ok(match state.accounts.login(login, &origin).await? {
        SignIn::Done(signed_in) => {
            if input.session.is_some() {
                replaced(&state, presented, &origin).await;
            }
            issued(&state, &signed_in, input.session)
        }
        SignIn::Challenge(challenge) => challenged(&state, &challenge),
    })
}

/// New tokens for a refresh token.
///
/// The answer comes the way the refresh token came: in the body or as cookies. Each refresh token is good once.
#[utoipa::path(post, path = "/token/refresh/", tag = "sign-in", request_body = Option<Refresh>, responses(
    (status = 200, description = "New tokens.", body = Tokens),
    (status = 401, description = "The refresh token is not valid any more, or there is none.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub async fn refresh(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    presented: Presented,
    input: Option<Json<Refresh>>,
) -> Result<Response, Response> {
    let sent = input.map(|Json(r)| r.refresh).filter(|r| !r.is_empty()).map(|r| r.0);
    let by_cookie = sent.is_none();
    let token = the_one(sent, presented.refresh).map_err(Problem::into_response)?;
    match state.accounts.refresh(&token, &origin).await {
        Ok(signed_in) if by_cookie => Ok(as_cookies(&state, &signed_in, None)),
        Ok(signed_in) => Ok(as_json(&state, &signed_in, None)),
        Err(error) => {
            // Cookies go only when the store said that they are dead, never because it could not answer.
            let dead = by_cookie && matches!(error, Error::InvalidToken);
            let mut response = Problem::of_refresh(error).into_response();
            if dead {
                state.cookies.sign_out(response.headers_mut());
            }
            Err(response)
        }
    }
}

/// The tokens, the way they were asked for.
pub(super) fn issued(state: &WebState, signed_in: &SignedIn, mode: Option<SessionMode>) -> Response {
    let user = Some(person(&signed_in.user));
    match mode {
        Some(SessionMode::Cookie) => as_cookies(state, signed_in, user),
        None => as_json(state, signed_in, user),
    }
}

/// 202: a second factor is due.
fn challenged(state: &WebState, challenge: &Challenge) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(binding) = &challenge.browser {
        state.cookies.bind_challenge(binding, challenge.expires_in, &mut headers);
    }
    let body = ChallengeBegun {
        challenge: challenge.token.expose().to_owned(),
        methods: challenge.methods.iter().map(|m| m.as_str().to_owned()).collect(),
        expires_in: challenge.expires_in.as_secs(),
    };
    (StatusCode::ACCEPTED, headers, axum::Json(body)).into_response()
}

fn check_filled(input: &Issue) -> Result<(), Problem> {
    let mut missing = Vec::new();
    if input.email.trim().is_empty() {
        missing.push(("email", "Enter your e-mail address."));
    }
    if input.password.is_empty() {
        missing.push(("password", "Enter your password."));
    }
    if missing.is_empty() { Ok(()) } else { Err(Problem::required(&missing)) }
}

/// Two different refresh tokens in one request are ambiguous (J-20).
fn the_one(sent: Option<Secret>, cookie: Option<Secret>) -> Result<Secret, Problem> {
    match (sent, cookie) {
        (Some(a), Some(b)) if !constant_time_eq(a.expose().as_bytes(), b.expose().as_bytes()) => {
            Err(Problem::ambiguous())
        }
        (Some(token), _) | (None, Some(token)) => Ok(token),
        (None, None) => Err(Problem::of_refresh(Error::InvalidToken)),
    }
}

fn person(user: &User) -> Person {
    Person {
        id: user.id.to_string(),
        email: user.email.clone(),
        name: user.name.clone(),
        roles: user.roles.iter().map(|r| r.as_str().to_owned()).collect(),
        permissions: user.permissions.clone(),
    }
}

fn as_json(state: &WebState, signed_in: &SignedIn, user: Option<Person>) -> Response {
    let body = Tokens {
        access: Some(signed_in.access.expose().to_owned()),
        refresh: Some(signed_in.refresh.expose().to_owned()),
        token_type: Some("Bearer"),
        expires_in: signed_in.expires_in.as_secs(),
        user,
    };
    // Not a credential: a client that keeps it is known the next time.
    let mut headers = HeaderMap::new();
    state.cookies.remember_device(signed_in.device.as_ref(), &mut headers);
    (headers, axum::Json(body)).into_response()
}

fn as_cookies(state: &WebState, signed_in: &SignedIn, user: Option<Person>) -> Response {
    let expires_in = signed_in.expires_in.as_secs();
    let mut headers = HeaderMap::new();
    state.cookies.sign_in(signed_in, &mut headers);
    let body = Tokens { access: None, refresh: None, token_type: None, expires_in, user };
    (headers, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j_20_two_different_refresh_tokens_are_ambiguous() {
        assert_eq!(
            the_one(Some(Secret::new("a")), Some(Secret::new("b"))).err().unwrap().kind,
            "ambiguous-credentials"
        );
        assert_eq!(the_one(Some(Secret::new("a")), Some(Secret::new("a"))).unwrap().expose(), "a");
        assert_eq!(the_one(None, Some(Secret::new("b"))).unwrap().expose(), "b");
        assert_eq!(the_one(None, None).err().unwrap().status, 401);
    }

    #[test]
    fn empty_fields_are_named() {
        let problem = check_filled(&Issue::default()).err().unwrap();
        let names: Vec<_> = problem.fields.iter().map(|f| f.field).collect();
        assert_eq!((problem.status.as_u16(), names), (422, vec!["email", "password"]));
    }
}
