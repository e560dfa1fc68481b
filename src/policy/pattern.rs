//! Path patterns: `/users/{user}/**` as segments, and how specific they are.

use super::path::{CanonicalPath, escaped_byte, is_reserved_pchar};
use super::reading::{FOLD, Scratch};

/// Most segments a pattern can have; bounds the depth of the index.
pub(super) const MAX_SEGMENTS: usize = 32;

/// One segment of a pattern.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Segment {
    /// Exactly this text, canonical, escapes of `pchar` decoded.
    Literal(Box<str>),
    /// Any one segment, by name.
    Capture(Box<str>),
    /// Any one segment.
    One,
    /// The path so far and everything below. Only as the last segment.
    Rest,
}

impl Segment {
    /// Position in the order of specificity; the greatest wins.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 3,
            Self::Capture(_) => 2,
            Self::One => 1,
            Self::Rest => 0,
        }
    }
}

/// A pattern. A trailing slash makes no difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
}

/// What is wrong with a pattern: message, help.
pub(super) type BadPattern = (String, Option<String>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`] with the first thing that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, BadPattern> {
        let rest = text.strip_prefix('/').ok_or_else(|| {
            let help = format!("write `/{}`", text.trim_start_matches('/'));
            (format!("the path `{text}` does not start with `/`"), Some(help))
        })?;
        let mut pattern = Self { segments: Vec::new() };
        if rest.is_empty() {
            return Ok(pattern);
        }
        for word in rest.strip_suffix('/').unwrap_or(rest).split('/') {
            let segment = pattern.segment(word)?;
            pattern.segments.push(segment);
        }
        if pattern.segments.len() > MAX_SEGMENTS {
            return Err((format!("the path has more than {MAX_SEGMENTS} segments"), None));
        }
        Ok(pattern)
    }

    fn segment(&self, word: &str) -> Result<Segment, BadPattern> {
        if self.segments.last() == Some(&Segment::Rest) {
            return Err(("`**` must be the last segment".into(), Some("use `*` for one segment".into())));
        }
        if let Some(name) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            return self.capture(name);
        }
        match word {
            "*" => Ok(Segment::One),
            "**" => Ok(Segment::Rest),
            _ if word.contains(['*', '{', '}']) => Err((
                format!("`{word}` mixes text and a wildcard in one segment"),
                Some("a segment is text, `*`, `{name}` or `**`; a literal `*` is written %2A".into()),
            )),
            _ => literal(word),
        }
    }

    fn capture(&self, name: &str) -> Result<Segment, BadPattern> {
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 32
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !fits {
            let help = "a capture is named by lower-case letters, digits and `_`, at most 32";
            return Err((format!("`{{{name}}}` is not a capture"), Some(help.into())));
        }
        if self.position(name).is_some() {
            return Err((
                format!("`{{{name}}}` occurs twice"),
                Some("give each capture its own name".into()),
            ));
        }
        Ok(Segment::Capture(name.into()))
    }

    /// The segments.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segments with literals folded as in [`FOLD`].
    pub(super) fn folded(&self) -> Vec<Segment> {
        let fold = |s: &Segment| match s {
            Segment::Literal(text) => {
                let bytes = Scratch::new().read(text, FOLD).to_vec();
                Segment::Literal(String::from_utf8_lossy(&bytes).into())
            }
            other => other.clone(),
        };
        self.segments.iter().map(fold).collect()
    }

    /// Which segment of the path the capture `name` holds.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|s| matches!(s, Segment::Capture(n) if **n == *name))
    }

    /// The names of the captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> + Clone {
        self.segments.iter().filter_map(|s| if let Segment::Capture(n) = s { Some(&**n) } else { None })
    }

    /// Kinds of the segments, for ordering: the greatest is the most specific among patterns that match
    /// the same path. A pattern that ends beats `**` there, hence the last entry.
    pub(super) fn specificity(&self) -> Vec<u8> {
        self.segments.iter().map(Segment::rank).chain([1]).collect()
    }
}

/// Text that stands for itself. Non-ASCII letters may be written as they are.
fn literal(word: &str) -> Result<Segment, BadPattern> {
    let mut raw = String::from("/");
    for c in word.chars() {
        if c.is_ascii() {
            raw.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| raw.push_str(&format!("%{b:02X}")));
        }
    }
    if word.is_empty() {
        return Err(("the path has an empty segment".into(), Some("write one `/` only".into())));
    }
    let path = CanonicalPath::read(&raw).map_err(|refusal| {
        let help = "requests with such a path are always refused, so no rule can be about them";
        (format!("`{word}` cannot be part of a path ({})", refusal.id()), Some(help.to_owned()))
    })?;
    Ok(Segment::Literal(decode_pchar(&path.as_str()[1..]).into()))
}

fn decode_pchar(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        match escaped_byte(rest.as_bytes(), at) {
            Some(v) if is_reserved_pchar(v) => out.push(char::from(v)),
            _ => out.push_str(&rest[at..at + 3]),
        }
        rest = &rest[at + 3..];
    }
    out + rest
}
