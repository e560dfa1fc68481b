//! One requirement for one route, over whoever the layer outside has found.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guarded::Guarded;
use super::request::{client_ip, path};
use crate::gate::{Principal, Refusal};
use crate::model::{Clock, RoleName, SystemClock};
use crate::policy::{
    Ask, Caller, Outcome, Policy, PolicySource, Problems, RequirementSource, RoleSet, RuleSource,
};

/// Asks for `requirement`, in the language of the rules:
///
/// ```
/// use std::time::Duration;
/// use stagedoor::policy::RequirementSource as Req;
/// use stagedoor::tower_layer::require;
///
/// let staff = require(Req::any_role(["admin", "organizer"])).unwrap();
/// let careful = require(Req::all_of([Req::role("admin"), Req::Mfa, Req::MaxAge(Duration::from_secs(600))])).unwrap();
/// assert!(require(Req::any_of([])).is_err(), "what cannot be meant is refused");
/// ```
///
/// It goes inside of a [`GateLayer`](super::GateLayer) or [`PolicyLayer`](super::PolicyLayer), which says who asks;
/// without one, nobody does. Refused are nobody with 401, a sign-in that is not fresh or strong enough with 401
/// (RFC 9470), everybody else with 403.
///
/// # Errors
/// [`Problems`] of the requirement. For `owner` there is [`require_at`].
pub fn require(requirement: RequirementSource) -> Result<RequireLayer, Problems> {
    require_at("/**", requirement)
}

/// The same for paths of one pattern, so that `owner` can name a captured segment: `require_at("/users/{user}/**",
/// RequirementSource::owner("user"))`. The pattern is that of the whole path, also below a nested router. Any other path
/// is refused.
///
/// # Errors
/// [`Problems`] of the pattern or the requirement.
pub fn require_at(pattern: &str, requirement: RequirementSource) -> Result<RequireLayer, Problems> {
    let mut named = Named::default();
    named.collect(&requirement);
    named.roles.sort_unstable();
    named.roles.dedup();
    let mut source = PolicySource::default();
    for role in &named.roles {
        source = source.role::<String>(role.clone(), []);
    }
    // What grants a permission is not known here, only which ones a person has: each is a role of its own.
    let stand_in = |at: usize| format!("{STAND_IN}{at}");
    for (at, permission) in named.permissions.iter().enumerate() {
        source = source.role(stand_in(at), [permission.clone()]);
    }
    source.rules.push(RuleSource {
        path: pattern.into(),
        host: None,
        methods: Vec::new(),
        allow: requirement,
    });
    let policy = source.compile()?;
    let set = |name: &str| RoleName::parse(name).map(|n| policy.role_set(&[n])).unwrap_or_default();
    let roles = named.roles.iter().map(|r| (r.clone(), set(r))).collect();
    let permissions =
        named.permissions.iter().enumerate().map(|(at, p)| (p.clone(), set(&stand_in(at)))).collect();
    let asked = Asked { policy, roles, permissions };
    Ok(RequireLayer { asked: Arc::new(asked), clock: Arc::new(SystemClock::new()) })
}

/// Begins the name of a role that stands for a permission.
const STAND_IN: &str = "stagedoor-permission-";

/// The names in a requirement.
#[derive(Default)]
struct Named {
    roles: Vec<String>,
    permissions: Vec<String>,
}

impl Named {
    fn collect(&mut self, requirement: &RequirementSource) {
        use RequirementSource as Req;
        match requirement {
            Req::Role(name) => self.roles.push(name.clone()),
            Req::AnyRole(names) | Req::AllRoles(names) => self.roles.extend_from_slice(names),
            Req::Permission(name) => self.permissions.push(name.clone()),
            Req::AnyPermission(names) => self.permissions.extend_from_slice(names),
            Req::AnyOf(parts) | Req::AllOf(parts) => parts.iter().for_each(|p| self.collect(p)),
            Req::Not(inner) => self.collect(inner),
            Req::Public | Req::Authenticated | Req::Deny | Req::Owner(_) => {}
            Req::Mfa | Req::MaxAge(_) | Req::Network(_) | Req::Named(_) => {}
        }
    }
}

/// What is asked for, ready for use.
struct Asked {
    policy: Policy,
    roles: Vec<(String, RoleSet)>,
    permissions: Vec<(String, RoleSet)>,
}

impl Asked {
    fn caller(&self, who: &Principal) -> Caller {
        let roles = self.roles.iter().filter(|(role, _)| who.has_role(role));
        let permissions = self.permissions.iter().filter(|(permission, _)| who.has_permission(permission));
        Caller {
            id: who.id,
            roles: roles.chain(permissions).fold(RoleSet::EMPTY, |all, (_, set)| all.union(*set)),
            mfa: who.amr.iter().any(|m| m == "mfa"),
            auth_time: who.auth_time,
        }
    }
}

/// Asks for one requirement; made by [`require`].
#[derive(Clone)]
pub struct RequireLayer {
    asked: Arc<Asked>,
    clock: Arc<dyn Clock>,
}

impl RequireLayer {
    /// Another clock than the machine's; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let policy = &self.asked.policy;
        let path = Policy::read_path(path(request)).map_err(Refusal::Path)?;
        let decision = policy.decide(&Ask {
            method: request.method(),
            host: "",
            path: &path,
            route: policy.route("", &path).ok_or(Refusal::NoRoute)?,
            caller: request.extensions().get::<Principal>().map(|who| self.asked.caller(who)),
            client_ip: client_ip(request),
            now: self.clock.now(),
        });
        match decision.outcome {
            Outcome::Allowed { .. } => Ok(()),
            Outcome::NeedsSignIn(_) => Err(Refusal::SignIn(None)),
            Outcome::NeedsElevation(reason) => Err(Refusal::Elevate(reason)),
            Outcome::Forbidden(reason) => Err(Refusal::Forbidden(reason)),
        }
    }
}

impl std::fmt::Debug for RequireLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let allow = self.asked.policy.rules().first().map(|rule| rule.allow.as_str());
        f.debug_struct("RequireLayer").field("allow", &allow).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService { inner, layer: self.clone() }
    }
}

/// A service behind a [`RequireLayer`].
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    layer: RequireLayer,
}

impl<S, B, ResBody> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Guarded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.check(&request) {
            Ok(()) => Guarded::inner(self.inner.call(request)),
            Err(refusal) => Guarded::refused(refusal),
        }
    }
}
