//! Sign-out by API; also what the page's sign-out does to a response.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::account::{Error, Logout, Origin};
use crate::web::error::Problem;
use crate::web::extract::{Caller, Hidden, Json, Presented, Visitor};
use crate::web::{CookieNames, WebState};

/// What may be sent.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = SignOut)]
pub struct Input {
    /// Ends the session of this refresh token, unless an access token or cookies name one that is still open.
    refresh: Hidden,
    /// Ends all sessions of the account.
    all: bool,
}

/// Signs out.
///
/// Also answers 204 to those who are not signed in any more. Cookies are removed.
#[utoipa::path(post, path = "/logout/", tag = "sign-in", request_body = Option<Input>,
    security((), ("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "The session has ended.")))]
pub async fn post(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    caller: Caller,
    presented: Presented,
    input: Option<Json<Input>>,
) -> Result<Response, Problem> {
    let input = input.map(|Json(i)| i).unwrap_or_default();
    let mut logout = of_request(&caller, presented);
    if !input.refresh.is_empty() {
        logout.refresh = Some(input.refresh.0);
    }
    logout.all = input.all;
    end(&state, logout, &origin).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    clear(&state.cookies, response.headers_mut());
    Ok(response)
}

/// What the request itself says about the session to end.
pub fn of_request(caller: &Caller, presented: Presented) -> Logout {
    let of_caller = caller.0.as_ref().map(|p| (p.id, p.session));
    Logout { session: presented.access_session.or(of_caller), refresh: presented.refresh, all: false }
}

/// Ends it; tokens that are dead already are as good.
///
/// # Errors
/// Only when it could not be written down; then the person must know that the session still lives.
pub async fn end(state: &WebState, logout: Logout, origin: &Origin) -> Result<(), Problem> {
    match state.accounts.logout(logout, origin).await {
        Ok(_) | Err(Error::InvalidToken) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A browser has just signed in: ends the session it had before, whose cookies are being replaced. A slow answer of that
/// session cannot bring it back then. Whatever goes wrong here, the sign-in stands.
pub async fn replaced(state: &WebState, before: Presented, origin: &Origin) {
    let logout = Logout { session: None, refresh: before.refresh, all: false };
    if let Err(error) = state.accounts.logout(logout, origin).await {
        tracing::warn!(%error, "the session of a browser that signed in again could not be ended");
    }
}

/// Removes our tokens and what the browser has kept for this origin (C-12). Not `"cookies"`: that would take the cookie
/// that says which device this is as well, and the person would be a stranger after each sign-out.
pub fn clear(cookies: &CookieNames, headers: &mut HeaderMap) {
    cookies.sign_out(headers);
    let name = HeaderName::from_static("clear-site-data");
    headers.insert(name, HeaderValue::from_static("\"cache\", \"storage\""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_12_sign_out_clears_tokens_and_storage_and_keeps_the_device() {
        let mut headers = HeaderMap::new();
        clear(&CookieNames::new(true), &mut headers);
        assert_eq!(headers["clear-site-data"], "\"cache\", \"storage\"");
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        let device = CookieNames::new(true).device;
        assert!(!headers.get_all("set-cookie").iter().any(|c| c.to_str().unwrap().contains(device)));
    }
}
