//! A Redis that throws keys away when memory is short forgets counters that hold somebody back: all of them have an
//! end, so `volatile-*` takes them as `allkeys-*` does. Such a one is refused at the start of this program, and counts as
//! away where it appears later. `INFO` tells the policy where `CONFIG` is forbidden, as it is at many providers.

use std::time::Duration;

use redis::{Cmd, Value};

use super::connect::Link;
use super::{Away, Redis};

/// At start there is time; nobody waits for an answer yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// This Redis may evict counters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Redis has `maxmemory-policy {0}`: when memory is short it would forget who has tried too often; set it to \
     noeviction"
)]
pub struct Evicts(String);

impl Redis {
    /// Looks at the eviction policy of every server that answers.
    ///
    /// # Errors
    /// The outer error when Redis is away: nothing is known then.
    pub async fn eviction(&self) -> Result<Result<(), Evicts>, Away> {
        match self.call("info", PATIENCE, question(), || None).await {
            Ok(info) => Ok(judge(&info)),
            Err(Away::Forgets(evicts)) => Ok(Err(evicts)),
            Err(away) => Err(away),
        }
    }
}

/// Whether counters are kept behind a new connection. A server that does not say (it may not be allowed to) is trusted.
pub(super) async fn keeps(link: &mut Link) -> Result<(), Evicts> {
    link.ask(&question()).await.map_or(Ok(()), |info| judge(&info))
}

fn question() -> Cmd {
    let mut cmd = redis::cmd("INFO");
    cmd.arg("memory");
    cmd
}

fn judge(info: &Value) -> Result<(), Evicts> {
    let mut texts = Vec::new();
    collect(info, &mut texts);
    let evicting = texts.iter().filter_map(|t| policy(t)).find(|p| *p != "noeviction");
    evicting.map_or(Ok(()), |p| Err(Evicts(p.to_owned())))
}

/// One text from one server, a map of them from a cluster.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(text) => texts.push(String::from_utf8_lossy(text).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Map(items) => items.iter().for_each(|(_, item)| collect(item, texts)),
        _ => {}
    }
}

fn policy(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix("maxmemory_policy:"))
}
