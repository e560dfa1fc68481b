//! Where secrets come from: a file or the environment, never the configuration itself. Weak and sample
//! secrets are refused (N-04), and so are files that everyone may read (N-12).

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::model::{Entropy, Secret};

/// Bytes of key material that the operator's secret needs.
const MIN_MATERIAL: usize = 32;
/// Fewer different characters were typed, not drawn.
const MIN_DISTINCT: usize = 8;
/// Secret files are short; whatever is longer is another file.
const MAX_FILE: u64 = 16 * 1024;
/// Words of samples. A random base64 text holds one of them once in many millions.
const SAMPLE_WORDS: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "change me",
    "password",
    "stagedoor",
    "example",
    "placeholder",
    "0123456789",
    "abcdefgh",
];

/// Where the operator's secret is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    /// A file; made at the first start if it is missing.
    File(PathBuf),
    /// Taken from the environment when the configuration was read.
    Env(Secret),
}

/// Why a secret cannot be had. Never holds its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("the secret file {} cannot be used: {kind}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        kind: ErrorKind,
    },
    /// Everyone on the machine can read or change the file.
    #[error("the secret file {} is open to everyone (mode {mode:04o})", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The secret would not hold.
    #[error("{0}")]
    Weak(String),
}

impl SecretError {
    /// The likely fix.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::File { .. } => "check the path and who may read it".into(),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::Weak(_) => "draw one with: openssl rand -base64 32".into(),
        }
    }
}

impl SecretSource {
    /// The secret, if it exists and is fit.
    ///
    /// # Errors
    /// [`SecretError`] for a missing, exposed or weak one.
    pub fn load(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::File(path) => read_file(path)?,
            Self::Env(secret) => secret.clone(),
        };
        check(secret.expose()).map_err(SecretError::Weak)?;
        Ok(secret)
    }

    /// The secret; a missing file is made with 32 random bytes in base64 and mode 0600. Of several
    /// processes that start at once exactly one makes it, and all get the same.
    ///
    /// # Errors
    /// As [`Self::load`], and when the file cannot be made.
    pub fn load_or_create(&self, entropy: &dyn Entropy) -> Result<Secret, SecretError> {
        if let Self::File(path) = self
            && !path.exists()
        {
            create(path, entropy).map_err(|e| SecretError::File { path: path.clone(), kind: e.kind() })?;
        }
        self.load()
    }
}

/// The content of a secret file without the white space around it.
///
/// # Errors
/// [`SecretError::File`] and [`SecretError::Exposed`].
pub(super) fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let failed = |kind| SecretError::File { path: path.to_owned(), kind };
    let file = fs::File::open(path).map_err(|e| failed(e.kind()))?;
    let meta = file.metadata().map_err(|e| failed(e.kind()))?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(failed(ErrorKind::InvalidData));
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|e| failed(e.kind()))?;
    Ok(Secret::new(text.trim()))
}

/// Writes beside the target and links it into place: readers see the whole file or none.
fn create(path: &Path, entropy: &dyn Entropy) -> std::io::Result<()> {
    let suffix = URL_SAFE_NO_PAD.encode(entropy.bytes::<9>());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{suffix}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{}", STANDARD.encode(entropy.bytes::<32>())).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft)?;
    linked
}

/// Whether the text is fit to be the operator's secret; `Err` says why not, without showing it.
pub(super) fn check(text: &str) -> Result<(), String> {
    let lower = text.to_ascii_lowercase();
    if SAMPLE_WORDS.iter().any(|word| lower.contains(word)) {
        return Err("the secret is a sample, not a secret".into());
    }
    let material = material(text);
    if material < MIN_MATERIAL {
        return Err(format!("the secret has {material} bytes of key material, {MIN_MATERIAL} are needed"));
    }
    if text.chars().filter(|c| *c != '=').collect::<HashSet<_>>().len() < MIN_DISTINCT {
        return Err("the secret repeats itself".into());
    }
    Ok(())
}

/// Bytes that the text stands for: hexadecimal and base64 texts count decoded, others as they are.
fn material(text: &str) -> usize {
    let digits = text.trim_end_matches('=');
    if text.bytes().all(|b| b.is_ascii_hexdigit()) {
        text.len() / 2
    } else if digits.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b)) {
        digits.len() * 6 / 8
    } else {
        text.len()
    }
}

/// Replaces every `${NAME}` by `lookup(NAME)`.
///
/// # Errors
/// The name that `lookup` does not know, or a `${` without its end.
pub(super) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("a `${` has no `}`")?;
        let known = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let value = lookup(name).filter(|v| known && !v.is_empty());
        out += before;
        out += &value.ok_or_else(|| format!("`${{{}}}` is not set", name.escape_debug()))?;
        rest = behind;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SystemEntropy;

    #[test]
    fn n_04_weak_and_sample_secrets_are_refused() {
        for weak in [
            "",
            "changeme",
            "short",
            &"0".repeat(64),
            &"A".repeat(43),
            &"ab".repeat(40),
            "d41d8cd98f00b204e9800998ecf8427e",
            "please-CHANGE-ME-please-please-please-please-now",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert!(check(weak).is_err(), "{weak}");
        }
        assert_eq!(check("q9Jd3rV0nTz6mB1xWc8yLk5hGf2sEa7uPi4oR+Nv/Ms="), Ok(()));
        assert_eq!(check(&"3f9a51c07e8b24d6".repeat(4)), Ok(()));
    }

    #[test]
    fn n_12_the_secret_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let source = SecretSource::File(path.clone());
        assert!(matches!(source.load(), Err(SecretError::File { kind: ErrorKind::NotFound, .. })));
        let made = source.load_or_create(&SystemEntropy).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.expose().len(), 44);
        assert_eq!(source.load_or_create(&SystemEntropy).unwrap().expose(), made.expose());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = source.load().unwrap_err();
        assert!(matches!(error, SecretError::Exposed { mode: 0o644, .. }));
        assert!(!format!("{error} {error:?}").contains(made.expose()));
    }

    #[test]
    fn references_are_replaced() {
        let env = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(expand("1${A}2${A}", &env), Ok("1x2x".into()));
        assert!(expand("${B}", &env).unwrap_err().contains("${B}"));
        assert!(expand("${A", &env).is_err());
    }
}
