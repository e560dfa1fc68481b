//! What the pages need to know.

/// The operator's choices for the pages.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port that people see, without a trailing slash.
    pub public_url: String,
    /// Where our own pages live, for example `/auth`; no trailing slash.
    pub auth_prefix: String,
    /// The name on every page.
    pub brand: String,
    /// Links on the home page, by role.
    pub home_links: Vec<HomeLink>,
}

/// A link that people with a role find on their home page.
#[derive(Clone, Debug)]
pub struct HomeLink {
    /// Who sees it; empty: everyone.
    pub roles: Vec<String>,
    /// What it says.
    pub title: String,
    /// A path on this origin.
    pub href: String,
}
