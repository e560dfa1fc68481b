//! HTTP/1.0 knows no chunks (RFC 9112 section 6.1): where the length of an answer is not known, it ends with the
//! connection.

use std::any::Any;

use async_trait::async_trait;
use http::{Method, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::modules::http::{HttpModule, HttpModuleBuilder, HttpModules, Module};
use pingora::proxy::Session;

/// Lets the answer to a client of HTTP/1.0 end with the connection where nothing else says its end.
pub(super) fn settle(session: &mut Session, response: &mut ResponseHeader) {
    let request = session.req_header();
    let empty = request.method == Method::HEAD
        || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if request.version != Version::HTTP_10 || empty || response.headers.contains_key(header::CONTENT_LENGTH) {
        return;
    }
    response.remove_header(&header::TRANSFER_ENCODING);
    session.set_keepalive(None);
    // What comes over HTTP/2 gets its chunks from Pingora later; modules see it last.
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(NoChunks));
    session.downstream_modules_ctx = modules.build_ctx();
}

/// Takes `Transfer-Encoding` away from one answer.
struct NoChunks;

#[async_trait]
impl HttpModule for NoChunks {
    async fn response_header_filter(&mut self, response: &mut ResponseHeader, _end: bool) -> Result<()> {
        response.remove_header(&header::TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl HttpModuleBuilder for NoChunks {
    fn init(&self) -> Module {
        Box::new(Self)
    }
}
