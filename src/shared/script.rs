//! A Lua script over one key. Redis keeps scripts until it restarts; so each call names the script by its hash, and
//! sends the text, which Redis keeps again, only when the hash is not known.

use redis::Cmd;

/// A Lua script that takes one key and answers with a list of whole numbers.
pub struct Script {
    text: String,
    hash: String,
}

impl Script {
    /// From its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    pub(super) fn by_hash(&self, key: &str, args: &[&str]) -> Cmd {
        Self::call("EVALSHA", &self.hash, key, args)
    }

    pub(super) fn by_text(&self, key: &str, args: &[&str]) -> Cmd {
        Self::call("EVAL", &self.text, key, args)
    }

    fn call(how: &str, script: &str, key: &str, args: &[&str]) -> Cmd {
        let mut cmd = redis::cmd(how);
        cmd.arg(script).arg(1).arg(key).arg(args);
        cmd
    }
}
