//! What nodes tell each other: one line of text, with a version first and a MAC under the operator's secret last. Read
//! strictly; what cannot be read is counted and dropped, for the store has it all.
//!
//! ```text
//! 1 NODE COUNT SENT session ID UNTIL MAC            a sign-in has ended
//! 1 NODE COUNT SENT account ID THROUGH UNTIL MAC    the tokens of an account up to a moment have ended
//! 1 NODE COUNT SENT beat MAC                        all that this node decided has been sent
//! 1 NODE COUNT SENT bye MAC                         it stops
//! ```
//!
//! COUNT says how many ends the node has decided since it began, this one included. Times are milliseconds since 1970, by
//! the sender's clock. Nothing that can be said brings an ended sign-in back. A moment far ahead is refused all the same:
//! it would keep an account from ever signing in again, or an entry from ever leaving.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{AccountId, Entropy, SessionId, Timestamp, constant_time_eq};
use crate::token::{Ended, Vault};

const VERSION: &str = "1";
/// Longer ones are not looked at; the longest of ours has 171 bytes.
const MAX_BYTES: usize = 200;
/// How many bytes of the MAC are sent.
const TAG: usize = 16;
/// How far ahead of this node's clock another node's may be: further apart, tokens are refused anyway.
const AHEAD: Duration = Duration::from_secs(30);

/// One process, for as long as it runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct NodeId(u64);

impl NodeId {
    pub(super) fn random(entropy: &dyn Entropy) -> Self {
        Self(u64::from_le_bytes(entropy.bytes()))
    }

    #[cfg(test)]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// Who sent it.
    pub(super) node: NodeId,
    /// How many ends the sender has decided, this one included.
    pub(super) count: u64,
    /// When it was sent, by the clock of the sender; of an end, when it was decided.
    pub(super) sent: Timestamp,
    /// What it says.
    pub(super) what: Said,
}

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// Something has ended.
    Ended(Ended),
    /// All that the sender decided has been sent.
    Beat,
    /// The sender stops.
    Bye,
}

/// Writes and reads messages of the nodes that share a secret.
#[derive(Clone)]
pub(super) struct Language {
    /// Keys the MAC.
    pub(super) vault: Arc<Vault>,
    /// How long an entry stays at most.
    pub(super) life: Duration,
}

impl Language {
    pub(super) fn write(&self, message: &Message) -> String {
        let text = plain(message);
        let tag = self.tag(&text);
        format!("{text} {tag}")
    }

    /// Reads what came over the channel at `now`.
    pub(super) fn read(&self, bytes: &[u8], now: Timestamp) -> Option<Message> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES)?;
        let (text, tag) = text.rsplit_once(' ')?;
        constant_time_eq(tag.as_bytes(), self.tag(text).as_bytes()).then_some(())?;
        let message = parse(text)?;
        // Written again it must be the same: so there is one form of each message.
        (self.is_plausible(&message, now) && plain(&message) == text).then_some(message)
    }

    fn tag(&self, text: &str) -> String {
        let mac = self.vault.mac("revocation-feed", &[text.as_bytes()]);
        mac[..TAG].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_plausible(&self, message: &Message, now: Timestamp) -> bool {
        let (through, until) = match message.what {
            Said::Ended(Ended::Session { until, .. }) => (None, until),
            Said::Ended(Ended::Account { through, until, .. }) => (Some(through), until),
            _ => return true,
        };
        let latest = now.after(AHEAD);
        until <= latest.after(self.life) && through.is_none_or(|through| through <= latest)
    }
}

/// A message without its MAC.
fn plain(message: &Message) -> String {
    let Message { node, count, sent, what } = message;
    let what = match what {
        Said::Ended(Ended::Session { session, until }) => format!("session {session} {}", until.millis()),
        Said::Ended(Ended::Account { account, through, until }) => {
            format!("account {account} {} {}", through.millis(), until.millis())
        }
        Said::Beat => "beat".to_owned(),
        Said::Bye => "bye".to_owned(),
    };
    format!("{VERSION} {:016x} {count} {} {what}", node.0, sent.millis())
}

fn parse(text: &str) -> Option<Message> {
    let words: Vec<&str> = text.split(' ').collect();
    let [VERSION, node, count, sent, kind, rest @ ..] = words.as_slice() else { return None };
    let what = match (*kind, rest) {
        ("session", [session, until]) => {
            Said::Ended(Ended::Session { session: read::<SessionId>(session)?, until: time(until)? })
        }
        ("account", [account, through, until]) => Said::Ended(Ended::Account {
            account: read::<AccountId>(account)?,
            through: time(through)?,
            until: time(until)?,
        }),
        ("beat", []) => Said::Beat,
        ("bye", []) => Said::Bye,
        _ => return None,
    };
    let node = NodeId(u64::from_str_radix(node, 16).ok()?);
    Some(Message { node, count: read(count)?, sent: time(sent)?, what })
}

fn time(word: &str) -> Option<Timestamp> {
    read(word).map(Timestamp::from_millis)
}

fn read<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
    const LIFE: Duration = Duration::from_secs(660);

    fn language(secret: &str) -> Language {
        Language { vault: Arc::new(Vault::new(&Secret::new(secret)).unwrap()), life: LIFE }
    }

    fn ours() -> Language {
        language("k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c")
    }

    fn message(what: Said) -> Message {
        Message { node: NodeId(0xab), count: 17, sent: NOW, what }
    }

    fn all() -> [Message; 4] {
        let session = Ended::Session { session: SessionId::from_bytes([7; 16]), until: NOW.after(LIFE) };
        let account =
            Ended::Account { account: AccountId::from_bytes([8; 16]), through: NOW, until: NOW.after(LIFE) };
        [Said::Ended(session), Said::Ended(account), Said::Beat, Said::Bye].map(message)
    }

    #[test]
    fn what_is_written_is_read() {
        for message in all() {
            let text = ours().write(&Message { count: u64::MAX, ..message });
            assert!(text.len() <= MAX_BYTES, "{}", text.len());
            assert_eq!(ours().read(ours().write(&message).as_bytes(), NOW), Some(message), "{text}");
        }
        assert_eq!(plain(&message(Said::Beat)), "1 00000000000000ab 17 1795000000000 beat");
    }

    #[test]
    fn nothing_else_is_read() {
        let read = |text: &str| ours().read(text.as_bytes(), NOW);
        for message in all() {
            let good = ours().write(&message);
            for at in 0..good.len() {
                assert_eq!(read(&good[..at]), None, "{}", &good[..at]);
                let mut bent = good.clone().into_bytes();
                bent[at] ^= 1;
                assert_eq!(ours().read(&bent, NOW), None, "byte {at}");
            }
            let stranger = language("Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6ck3");
            assert_eq!(read(&stranger.write(&message)), None, "somebody else's secret");
            // Even with the secret there is one form only.
            let good = plain(&message);
            for bad in [
                format!("{good} "),
                format!(" {good}"),
                format!("{good}\n"),
                format!("{good} 1"),
                good.replacen('1', "2", 1),
                good.replacen("1 ", "1  ", 1),
                good.replacen("00ab", "00AB", 1),
                good.replacen("00ab", "ab", 1),
                good.replacen(" 17 ", " +17 ", 1),
                good.replacen(" 17 ", " 017 ", 1),
                good.replacen(" 17 ", " -17 ", 1),
            ] {
                assert_eq!(read(&format!("{bad} {}", ours().tag(&bad))), None, "{bad}");
            }
        }
        assert_eq!(ours().read(&[0xff; 20], NOW), None);
        assert_eq!(read(&"1 ".repeat(1000)), None);
    }

    #[test]
    fn a_moment_far_ahead_is_refused() {
        let read = |what| ours().read(ours().write(&message(what)).as_bytes(), NOW);
        let session = |until| Said::Ended(Ended::Session { session: SessionId::from_bytes([7; 16]), until });
        let account = |through, until| {
            Said::Ended(Ended::Account { account: AccountId::from_bytes([8; 16]), through, until })
        };
        let bit = Duration::from_millis(1);
        let far = NOW.after(LIFE).after(AHEAD);
        assert!(read(session(far)).is_some());
        assert_eq!(read(session(far.after(bit))), None);
        assert_eq!(read(account(NOW, far.after(bit))), None);
        assert!(read(account(NOW.after(AHEAD), NOW)).is_some());
        assert_eq!(read(account(NOW.after(AHEAD).after(bit), NOW)), None, "nobody could sign in again");
    }
}
