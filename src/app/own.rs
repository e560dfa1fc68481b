//! Our own endpoints, as the proxy calls them: the web router, told what the gate found out.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::gate::{CookieNames, Own, Presented};
use crate::model::Secret;
use crate::proxy::{Client, OwnApp};
use crate::web;

/// The web router behind the bridge.
pub(super) struct OwnRouter {
    pub(super) router: Router,
    pub(super) cookies: CookieNames,
    pub(super) names: web::CookieNames,
}

#[async_trait]
impl OwnApp for OwnRouter {
    async fn call(&self, request: Request<Bytes>, own: Own, client: Client) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        let device = self.names.only(&parts.headers, self.names.device);
        let refresh = Presented::of(&parts.headers, &self.cookies).refresh.map(Secret::new);
        parts.extensions.insert(web::ClientInfo {
            ip: client.ip,
            request_id: client.request_id,
            cross_site: own.cross_site,
            cookie_auth: own.cookies,
        });
        if own.unsure {
            parts.extensions.insert(web::Unsure);
        }
        parts.extensions.insert(web::Caller(own.principal));
        parts.extensions.insert(web::Presented { access_session: own.session, refresh, device });
        let answer = self.router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await;
        let (parts, body) = match answer {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        // Our answers are made in memory; collecting them cannot fail half-way.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Response::from_parts(parts, bytes)
    }
}
