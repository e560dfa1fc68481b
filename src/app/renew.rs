//! A refresh on the way: the proxy met a browser whose access token has ended.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::account::{Accounts, Error, Look, Origin, SignedIn};
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
    async fn begin(&self, refresh: &str, client: &Client) -> Renewal {
        match self.accounts.begin_renewal(&Secret::new(refresh), &origin(client)).await {
            Ok(Look::Good(access)) => Renewal::Good { access: access.expose().to_owned() },
            Ok(Look::Exchanged(signed_in)) => Renewal::Exchanged {
                access: signed_in.access.expose().to_owned(),
                cookies: self.sign_in(&signed_in),
            },
            // Too often or out of reach says nothing about the session: nobody is signed out for it.
            Err(Error::Unavailable(_) | Error::Busy { .. } | Error::Limited(_)) => Renewal::Unavailable,
            Err(_) => {
                let mut headers = HeaderMap::new();
                self.cookies.sign_out(&mut headers);
                Renewal::Ended(cookies(&headers))
            }
        }
    }

    async fn settle(&self, refresh: &str, client: &Client) -> Vec<HeaderValue> {
        // Whatever goes wrong here, the browser keeps what it has and comes again.
        let exchanged = self.accounts.settle_renewal(&Secret::new(refresh), &origin(client)).await;
        exchanged.ok().flatten().map(|signed_in| self.sign_in(&signed_in)).unwrap_or_default()
    }
}

impl Refresher {
    fn sign_in(&self, signed_in: &SignedIn) -> Vec<HeaderValue> {
        let mut headers = HeaderMap::new();
        self.cookies.sign_in(signed_in, &mut headers);
        cookies(&headers)
    }
}

fn origin(client: &Client) -> Origin {
    Origin {
        ip: client.ip,
        user_agent: client.user_agent.clone(),
        request_id: client.request_id,
        device: None,
    }
}

fn cookies(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(SET_COOKIE).iter().cloned().collect()
}
