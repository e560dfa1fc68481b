//! The running rules, and what they say to a request. The answer is that of the rules in force at this moment, also
//! after a reload.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use serde::{Deserialize, Serialize};

use super::value;
use crate::account::admin::RULES_VIEW;
use crate::model::ClientIp;
use crate::policy::{
    Candidate, Described, Explanation, Ingredient, Question, State as Holds, Verdict, WhenUnknown,
};
use crate::web::error::Problem;
use crate::web::extract::{Member, Params, Visitor};
use crate::web::{RunningRule, WebState};

/// What to explain.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// The method; GET if nothing is said.
    method: String,
    /// The path; a query is ignored.
    path: String,
    /// The host; the public one if nothing is said.
    host: String,
    /// Roles of the person who asks, with commas; nobody is signed in if neither this nor `mfa` is said.
    role: String,
    /// `true`: the person signed in with a second factor.
    mfa: String,
    /// Seconds since the person signed in.
    age: String,
    /// The client's address; one's own if nothing is said.
    ip: String,
}

/// The running rules, in the order of the configuration.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Rules {
    /// All of them.
    items: Vec<RunningRule>,
}

/// What the rules say, and why.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Explained {
    /// The path as it would be forwarded; null when it is refused.
    path: Option<String>,
    /// The upstream of the route.
    upstream: Option<String>,
    /// Roles that the configuration does not have.
    unknown_roles: Vec<String>,
    /// Every rule whose path matches in some reading, the most specific first.
    candidates: Vec<ExplainedRule>,
    /// `deny` or `grace`: what happens while it is not known which sign-ins have ended; null where that makes no
    /// difference.
    on_revocation_unknown: Option<&'static str>,
    /// The answer.
    verdict: ExplainedVerdict,
}

/// One rule whose path matches.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExplainedRule {
    /// Its place in the configuration.
    rule: String,
    /// The path pattern as written.
    path: String,
    /// In which readings of the path it matches.
    readings: Vec<String>,
    /// Whether the host fits.
    host: bool,
    /// Whether the method fits.
    method: bool,
    /// What it asks for.
    requirement: ExplainedPart,
    /// Whether this rule decided.
    decides: bool,
}

/// One part of what a rule asks for.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExplainedPart {
    /// As written.
    text: String,
    /// `hit`, `miss` or `unknown` (of somebody who is not signed in).
    state: &'static str,
    /// Why it does not hold.
    reason: Option<&'static str>,
    /// What it is made of.
    #[schema(no_recursion)]
    parts: Vec<ExplainedPart>,
}

/// The answer of the rules.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExplainedVerdict {
    /// `allowed`, `needs_sign_in`, `needs_elevation`, `forbidden`, `refused` (a path that means nothing) or `no_route`.
    outcome: &'static str,
    /// The rule that decided.
    rule: Option<String>,
    /// Why.
    reason: Option<&'static str>,
}

impl From<Explanation> for Explained {
    fn from(told: Explanation) -> Self {
        Self {
            path: told.path,
            upstream: told.upstream,
            unknown_roles: told.unknown_roles,
            candidates: told.candidates.into_iter().map(rule).collect(),
            on_revocation_unknown: told.when_unknown.map(WhenUnknown::word),
            verdict: verdict(told.verdict),
        }
    }
}

fn rule(c: Candidate) -> ExplainedRule {
    let requirement = part(c.requirement);
    let Candidate { label, path, readings, host, method, decides, .. } = c;
    ExplainedRule { rule: label, path, readings, host, method, requirement, decides }
}

fn part(i: Ingredient) -> ExplainedPart {
    let state = match i.state {
        Holds::Hit => "hit",
        Holds::Miss => "miss",
        Holds::Unknown => "unknown",
    };
    let parts = i.parts.into_iter().map(part).collect();
    ExplainedPart { text: i.text, state, reason: i.reason.map(|r| r.id()), parts }
}

fn verdict(verdict: Verdict) -> ExplainedVerdict {
    match verdict {
        Verdict::Refused(refusal) => {
            ExplainedVerdict { outcome: "refused", rule: None, reason: Some(refusal.id()) }
        }
        Verdict::NoRoute => ExplainedVerdict { outcome: "no_route", rule: None, reason: None },
        Verdict::Decided { rule, outcome } => {
            ExplainedVerdict { outcome: outcome.word(), rule, reason: outcome.reason().map(|r| r.id()) }
        }
    }
}

/// `GET /admin/rules/`
#[utoipa::path(
    get, path = "/admin/rules/", tag = "administration",
    responses((status = 200, description = "The running rules", body = Rules)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(State(state): State<WebState>, Member(me): Member) -> Result<axum::Json<Rules>, Problem> {
    state.accounts.may(&me, RULES_VIEW).await?;
    Ok(axum::Json(Rules { items: state.rules.list() }))
}

/// `GET /admin/rules/explain`
#[utoipa::path(
    get, path = "/admin/rules/explain", tag = "administration", params(Asked),
    responses((status = 200, description = "What the running rules say, and why", body = Explained)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn explain(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Params(asked): Params<Asked>,
) -> Result<axum::Json<Explained>, Problem> {
    state.accounts.may(&me, RULES_VIEW).await?;
    let method = value(&asked.method, |text| text.parse::<Method>().ok())?.unwrap_or(Method::GET);
    let ip = value(&asked.ip, |text| text.parse::<IpAddr>().ok())?.map_or(origin.ip, ClientIp::new);
    let mfa = value(&asked.mfa, |text| text.parse::<bool>().ok())?.unwrap_or(false);
    let age = value(&asked.age, |text| text.parse::<u32>().ok())?.unwrap_or(0);
    let roles: Vec<String> =
        asked.role.split(',').map(str::trim).filter(|r| !r.is_empty()).map(str::to_owned).collect();
    if !asked.path.starts_with('/') {
        return Err(Problem::malformed_query("Name a path that begins with a slash."));
    }
    let public = public_host(&state.settings.public_url);
    let caller = Described { id: None, roles, mfa, age: Duration::from_secs(age.into()) };
    let signed_in = mfa || !caller.roles.is_empty();
    let question = Question {
        method: &method,
        host: if asked.host.is_empty() { public } else { &asked.host },
        path: &asked.path,
        caller: signed_in.then_some(caller),
        client_ip: ip,
    };
    Ok(axum::Json(state.rules.explain(&question).into()))
}

fn public_host(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, host)| host)
}
