//! What an error on the way means to the client.

use pingora::{Error, ErrorSource, ErrorType};

use super::watched::is_bad_body;
use crate::gate::{HeadRefusal, Refusal, UpstreamFailure};

/// How Pingora calls a chunked body that breaks RFC 9112 section 7.1.
const INVALID_CHUNK: &str = "InvalidChunk";

/// What a failure means to the client; `None` when the client itself has gone.
pub(super) fn refusal_of(e: &Error) -> Option<Refusal> {
    match (e.esource(), e.etype()) {
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            Some(Refusal::Upstream(UpstreamFailure::TimedOut))
        }
        (ErrorSource::Upstream, _) => Some(Refusal::Upstream(UpstreamFailure::Down)),
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::BodyTooSlow),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => {
            Some(Refusal::Head(HeadRefusal::Malformed("nominated_field")))
        }
        (ErrorSource::Downstream, e) if e.as_str() == INVALID_CHUNK => {
            Some(Refusal::Head(HeadRefusal::Malformed("body_malformed")))
        }
        (ErrorSource::Downstream, _) if is_bad_body(e.root_cause()) => {
            Some(Refusal::Head(HeadRefusal::Malformed("body_malformed")))
        }
        (ErrorSource::Downstream, _) => None,
        _ => Some(Refusal::Internal),
    }
}
