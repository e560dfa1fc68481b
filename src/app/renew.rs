//! A refresh on the way: the proxy met a browser whose access token has ended.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::account::{Accounts, Error, Origin};
use crate::model::Secret;
use crate::proxy::{Client, Renew, Renewal};
use crate::web::CookieNames;

/// Refreshes with the account system and sets cookies as the sign-in page does.
pub(super) struct Refresher {
    pub(super) accounts: Arc<Accounts>,
    pub(super) cookies: CookieNames,
}

#[async_trait]
impl Renew for Refresher {
    async fn renew(&self, refresh: &str, client: &Client) -> Renewal {
        let origin = Origin {
            ip: client.ip,
            user_agent: client.user_agent.clone(),
            request_id: client.request_id,
            device: None,
        };
        let mut headers = HeaderMap::new();
        match self.accounts.refresh(&Secret::new(refresh), &origin).await {
            Ok(signed_in) => {
                self.cookies.sign_in(&signed_in, &mut headers);
                Renewal::Renewed { access: signed_in.access.expose().to_owned(), cookies: cookies(&headers) }
            }
            // Too often or out of reach says nothing about the session: nobody is signed out for it.
            Err(Error::Unavailable(_) | Error::Busy { .. } | Error::Limited(_)) => Renewal::Unavailable,
            Err(_) => {
                self.cookies.sign_out(&mut headers);
                Renewal::Ended(cookies(&headers))
            }
        }
    }
}

fn cookies(headers: &HeaderMap) -> Vec<http::HeaderValue> {
    headers.get_all(SET_COOKIE).iter().cloned().collect()
}
