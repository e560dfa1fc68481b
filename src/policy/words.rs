//! The words of a policy for people who write it in Rust: the same ones that the configuration has.
//!
//! ```
//! use std::time::Duration;
//! use stagedoor::policy::{PolicySource, RequirementSource as Req};
//!
//! let policy = PolicySource::default()
//!     .role("admin", ["*"])
//!     .role("user", ["events.view"])
//!     .requirement("staff", Req::any_role(["admin"]))
//!     .rule("/public/**", Req::Public)
//!     .rule_for(["GET"], "/events/**", Req::permission("events.view"))
//!     .rule("/events/**", Req::named("staff"))
//!     .rule("/admin/**", Req::all_of([Req::role("admin"), Req::Mfa, Req::MaxAge(Duration::from_secs(600))]))
//!     .compile();
//! assert!(policy.is_ok());
//!
//! let wrong = PolicySource::default().role("admin", ["*"]).rule("/", Req::role("amdin")).compile();
//! assert!(wrong.unwrap_err().to_string().contains("admin"));
//! ```

use std::fmt;

use super::problem::{Problem, Severity};
use super::{Policy, PolicySource, RequirementSource, RoleSource, RouteSource, RuleSource, compile};

/// Everything that is wrong with a policy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// One line each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

fn texts<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(Into::into).collect()
}

impl RequirementSource {
    /// Holders of the role.
    pub fn role(name: impl Into<String>) -> Self {
        Self::Role(name.into())
    }

    /// Holders of at least one of the roles.
    pub fn any_role<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::AnyRole(texts(names))
    }

    /// Holders of all the roles.
    pub fn all_roles<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::AllRoles(texts(names))
    }

    /// Holders of a role that grants the permission.
    pub fn permission(name: impl Into<String>) -> Self {
        Self::Permission(name.into())
    }

    /// Holders of a role that grants at least one of the permissions.
    pub fn any_permission<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::AnyPermission(texts(names))
    }

    /// Whoever is named by the captured segment of this name.
    pub fn owner(capture: impl Into<String>) -> Self {
        Self::Owner(capture.into())
    }

    /// At least one must hold.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::AnyOf(parts.into_iter().collect())
    }

    /// All must hold.
    pub fn all_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::AllOf(parts.into_iter().collect())
    }

    /// Must not hold; never admits an anonymous caller.
    #[must_use]
    pub fn none_of(inner: Self) -> Self {
        Self::Not(Box::new(inner))
    }

    /// The requirement of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }
}

impl PolicySource {
    /// With one more role and what it grants.
    #[must_use]
    pub fn role<T: Into<String>>(
        mut self,
        name: impl Into<String>,
        permissions: impl IntoIterator<Item = T>,
    ) -> Self {
        self.roles.push(RoleSource { name: name.into(), permissions: texts(permissions) });
        self
    }

    /// With one more named requirement.
    #[must_use]
    pub fn requirement(mut self, name: impl Into<String>, meaning: RequirementSource) -> Self {
        self.requirements.push((name.into(), meaning));
        self
    }

    /// With one more rule, for every method.
    #[must_use]
    pub fn rule(self, path: impl Into<String>, allow: RequirementSource) -> Self {
        self.rule_for::<String>([], path, allow)
    }

    /// With one more rule for these methods; GET means HEAD too.
    #[must_use]
    pub fn rule_for<T: Into<String>>(
        mut self,
        methods: impl IntoIterator<Item = T>,
        path: impl Into<String>,
        allow: RequirementSource,
    ) -> Self {
        self.rules.push(RuleSource { path: path.into(), host: None, methods: texts(methods), allow });
        self
    }

    /// With one route over everything, where there is none: all paths belong to one application.
    #[must_use]
    pub fn with_some_route(mut self) -> Self {
        if self.routes.is_empty() {
            let everything =
                RouteSource { path: "/**".into(), upstream: "here".into(), ..RouteSource::default() };
            self.routes.push(everything);
        }
        self
    }

    /// The policy; warnings are dropped. Without a route all paths belong to one application.
    ///
    /// # Errors
    /// [`Problems`], all of them at once.
    pub fn compile(self) -> Result<Policy, Problems> {
        let (policy, mut problems) = compile(&self.with_some_route());
        problems.retain(|p| p.severity == Severity::Error);
        policy.ok_or(Problems(problems))
    }
}
