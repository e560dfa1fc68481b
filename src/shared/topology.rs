//! Reads the URL: `redis://` is one server, `redis+sentinel://` asks sentinels for the master, `redis+cluster://` is a
//! cluster; `rediss` in place of `redis` is the same over TLS.
//!
//! ```text
//! scheme://[user[:password]@]host[:port][,host[:port]...][/service][/db][?sentinel_password=…&sentinel_user=…]
//! ```

use percent_encoding::percent_decode_str;

use super::Unusable;
use crate::model::Secret;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The one server that is named.
    Single,
    /// The master of this service, which the servers named know.
    Sentinel(String),
    /// The cluster to which the servers named belong.
    Cluster,
}

/// User and password, where there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// What a URL says.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    pub(super) kind: Kind,
    pub(super) tls: bool,
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) login: Login,
    /// How to sign on to the sentinels; they have passwords of their own.
    pub(super) sentinel_login: Login,
    pub(super) db: i64,
}

fn wrong(why: &str) -> Unusable {
    Unusable(why.to_owned())
}

impl Topology {
    /// # Errors
    /// [`Unusable`], without the URL.
    pub(super) fn parse(url: &str) -> Result<Self, Unusable> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("not the address of a Redis"))?;
        let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match plain {
            "redis" => false,
            "rediss" => true,
            _ => {
                return Err(wrong(
                    "the scheme is redis or rediss (TLS), alone or with +sentinel or +cluster",
                ));
            }
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('@') {
            return Err(wrong("special characters of a password, / among them, are written as %XX"));
        }
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (kind, db) = meaning(kind, path)?;
        let port = if matches!(kind, Kind::Sentinel(_)) { SENTINEL_PORT } else { PORT };
        let hosts = hosts.split(',').map(|h| host(h, port)).collect::<Result<Vec<_>, _>>()?;
        let sentinel_login = sentinel_login(query, &kind)?;
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(wrong("several servers need redis+sentinel:// or redis+cluster://"));
        }
        Ok(Self { kind, tls, hosts, login: login_of(login)?, sentinel_login, db })
    }
}

/// The kind of deployment and the number of the database, from the scheme's end and the path.
fn meaning(kind: &str, path: &str) -> Result<(Kind, i64), Unusable> {
    match kind {
        "" => Ok((Kind::Single, number(path)?)),
        "cluster" if path.is_empty() => Ok((Kind::Cluster, 0)),
        "cluster" => Err(wrong("a cluster has no numbered databases; leave out what follows the hosts")),
        "sentinel" => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(wrong("name the service: redis+sentinel://host,host/service"));
            }
            Ok((Kind::Sentinel(decoded(service)?), number(db)?))
        }
        _ => Err(wrong("after redis+ stands sentinel or cluster")),
    }
}

fn number(path: &str) -> Result<i64, Unusable> {
    if path.is_empty() {
        return Ok(0);
    }
    path.parse::<u16>().map(i64::from).map_err(|_| wrong("the database after the last / is a number"))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host(text: &str, default: u16) -> Result<(String, u16), Unusable> {
    let (name, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let bad = name.is_empty() || name.chars().any(|c| c.is_whitespace() || "@/?#[]".contains(c));
    let port = port.map_or(Ok(default), str::parse);
    match (bad, port) {
        (false, Ok(port)) if port != 0 => Ok((name.to_owned(), port)),
        _ => Err(wrong("a server is written as host or host:port; special characters of a password as %XX")),
    }
}

fn login_of(text: &str) -> Result<Login, Unusable> {
    let (user, password) = text.split_once(':').map_or((text, None), |(u, p)| (u, Some(p)));
    Ok(Login {
        user: Some(decoded(user)?).filter(|u| !u.is_empty()),
        password: password.map(decoded).transpose()?.filter(|p| !p.is_empty()).map(Secret::new),
    })
}

fn sentinel_login(query: &str, kind: &Kind) -> Result<Login, Unusable> {
    let mut login = Login::default();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, kind) {
            ("sentinel_user", Kind::Sentinel(_)) => login.user = Some(decoded(value)?),
            ("sentinel_password", Kind::Sentinel(_)) => login.password = Some(Secret::new(decoded(value)?)),
            _ => return Err(wrong("after ? stand sentinel_user and sentinel_password, with +sentinel only")),
        }
    }
    Ok(login)
}

fn decoded(text: &str) -> Result<String, Unusable> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| wrong("an escape (%XX) is not UTF-8"))?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> (Kind, bool, Vec<String>, i64) {
        let t = Topology::parse(url).unwrap();
        (t.kind, t.tls, t.hosts.iter().map(|(h, p)| format!("{h} {p}")).collect(), t.db)
    }

    #[test]
    fn all_schemes_are_read() {
        assert_eq!(hosts("redis://r"), (Kind::Single, false, vec!["r 6379".into()], 0));
        assert_eq!(hosts("rediss://[::1]:7/3"), (Kind::Single, true, vec!["::1 7".into()], 3));
        let sentinel = Kind::Sentinel("main".into());
        assert_eq!(
            hosts("redis+sentinel://a,b:5/main/2"),
            (sentinel, false, vec!["a 26379".into(), "b 5".into()], 2)
        );
        let cluster = vec!["a 6379".to_owned(), "b 6380".to_owned()];
        assert_eq!(hosts("rediss+cluster://a,b:6380"), (Kind::Cluster, true, cluster, 0));
    }

    #[test]
    fn logins_are_unescaped_and_not_shown() {
        let url = "redis+sentinel://me:p%40ss%2Fcanary@h/main?sentinel_user=s&sentinel_password=canary2";
        let t = Topology::parse(url).unwrap();
        assert_eq!(t.login.user.as_deref(), Some("me"));
        assert_eq!(t.login.password.as_ref().unwrap().expose(), "p@ss/canary");
        assert_eq!(t.sentinel_login.user.as_deref(), Some("s"));
        assert!(!format!("{t:?}").contains("canary"));
        let only_password = Topology::parse("redis://:canary@h").unwrap().login;
        assert_eq!((only_password.user, only_password.password.unwrap().expose()), (None, "canary"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_the_url() {
        for (url, part) in [
            ("canary", "not the address"),
            ("http://canary", "the scheme"),
            ("redis+canary://h", "sentinel or cluster"),
            ("redis://", "host:port"),
            ("redis://:canary/x@h", "%XX"),
            ("redis://h:canary", "host:port"),
            ("redis://h:0", "host:port"),
            ("redis://h/canary", "a number"),
            ("redis://a,canary", "several servers"),
            ("redis+sentinel://canary", "name the service"),
            ("redis+cluster://canary/1", "no numbered"),
            ("redis://h?canary=1", "after ?"),
            ("redis+cluster://h?sentinel_password=canary", "after ?"),
            ("redis://:%FFcanary@h", "not UTF-8"),
        ] {
            let why = Topology::parse(url).unwrap_err().to_string();
            assert!(why.contains(part) && !why.contains("canary"), "{url}: {why}");
        }
    }
}
