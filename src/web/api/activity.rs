//! One's own history of sign-ins by API, in pages.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{self, ACTIVITY};
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Limit, Member, Params, cursor};

/// Which page.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Input {
    /// `next` of the page before; nothing for the first one.
    #[param(required = false)]
    cursor: String,
    /// How many, 1 to 100; 20 if nothing is said.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Limit,
}

/// One try to sign in on one's account, by oneself or by others.
#[derive(Serialize, ToSchema)]
pub struct Activity {
    /// When (RFC 3339, UTC).
    at: String,
    /// From where.
    ip: String,
    /// With what; whatever the client said of itself.
    user_agent: String,
    /// `success`, `failure` or `challenge`.
    outcome: String,
    /// A stable word: `password`, `wrong_credentials`, `locked`, …
    reason: String,
}

/// A page of the history.
#[derive(Serialize, ToSchema)]
pub struct ActivityPage {
    /// The newest first.
    items: Vec<Activity>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

impl From<account::Activity> for Activity {
    fn from(a: account::Activity) -> Self {
        Self {
            at: a.at.to_string(),
            ip: a.ip,
            user_agent: a.user_agent,
            outcome: a.outcome,
            reason: a.reason,
        }
    }
}

/// `GET /activity/?cursor=&limit=`
#[utoipa::path(
    get,
    path = "/activity/",
    tag = "account",
    params(Input),
    responses((status = 200, description = "Tries to sign in on the account of whoever asks.", body = ActivityPage)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn get(
    State(state): State<WebState>,
    Member(me): Member,
    Params(input): Params<Input>,
) -> Result<Json<ActivityPage>, Problem> {
    let after = cursor(&input.cursor, ACTIVITY)?;
    let page = state.accounts.activity(&me, after.as_ref(), input.limit.0).await?;
    let (items, next) = page.sent_as(ACTIVITY);
    Ok(Json(ActivityPage { items, next }))
}
