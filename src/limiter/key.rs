//! What a subject is called in Redis.

use aws_lc_rs::digest::{SHA256, digest};

/// `kind:` and 128 bits of the subject's hash.
pub(super) fn key(kind: &str, subject: &str) -> String {
    let hash = digest(&SHA256, subject.as_bytes());
    let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}:{hex}")
}
