//! A refresh on the way, in two steps. When the request comes, its refresh token is only looked at, and a new access
//! token is made for this one request. The token is exchanged when the answer goes out: a browser that gives up waiting
//! for a slow upstream still holds a token that counts, instead of one that was exchanged behind its back and would
//! look copied the next time.

use async_trait::async_trait;
use http::HeaderValue;
use pingora::prelude::Session;
use std::time::Duration;

use super::Client;
use super::ctx::{Ctx, client_of};
use super::filter::Front;
use crate::gate::{Own, Refusal, Renewed, RequestHead, Verdict};

/// Gets a browser new tokens on the way.
#[async_trait]
pub trait Renew: Send + Sync + 'static {
    /// Looks at the refresh token.
    async fn begin(&self, refresh: &str, client: &Client) -> Renewal;
    /// Exchanges it; the `Set-Cookie` values for the answer, none if another request has done it long since.
    async fn settle(&self, refresh: &str, client: &Client) -> Vec<HeaderValue>;
}

/// What came of the look.
pub enum Renewal {
    /// It is the live one: an access token for this request. [`Renew::settle`] follows with the answer.
    Good {
        /// The access token.
        access: String,
    },
    /// Another request has just exchanged it: the tokens of that exchange.
    Exchanged {
        /// The access token.
        access: String,
        /// The `Set-Cookie` values.
        cookies: Vec<HeaderValue>,
    },
    /// The session is over; the `Set-Cookie` values that clear the cookies.
    Ended(Vec<HeaderValue>),
    /// Nobody knows right now; the session may well be alive.
    Unavailable,
}

impl Front {
    /// Looks at the refresh token and decides again.
    pub(super) async fn renew(&self, head: &RequestHead<'_>, refresh: String, ctx: &mut Ctx) -> Verdict {
        let client = client_of(head.headers, ctx);
        let renewed = match self.parts().renew.begin(&refresh, &client).await {
            Renewal::Good { access } => {
                ctx.unsettled = Some(refresh);
                Renewed::Access(access)
            }
            Renewal::Exchanged { access, cookies } => {
                ctx.cookies = cookies;
                Renewed::Access(access)
            }
            Renewal::Ended(cookies) => {
                ctx.cookies = cookies;
                Renewed::Failed
            }
            Renewal::Unavailable => return self.without_renewal(head, ctx),
        };
        self.parts().gate.decide_by_rule(head, ctx.now, &renewed, &mut ctx.rule)
    }

    /// The verdict while nobody knows whether the session lives: public paths go on, and where somebody is wanted the
    /// answer is "later", never "sign in".
    fn without_renewal(&self, head: &RequestHead<'_>, ctx: &Ctx) -> Verdict {
        match self.parts().gate.decide(head, ctx.now, &Renewed::Failed) {
            Verdict::Refuse(Refusal::SignIn(_) | Refusal::Forbidden(_)) => {
                Verdict::Refuse(Refusal::Unavailable { retry_after: Duration::from_secs(2) })
            }
            Verdict::Own(own) => Verdict::Own(Own { unsure: true, ..own }),
            verdict => verdict,
        }
    }

    /// The answer goes out: exchanges the token that was only looked at.
    pub(super) async fn settle(&self, session: &Session, ctx: &mut Ctx) {
        if let Some(refresh) = ctx.unsettled.take() {
            let client = client_of(&session.req_header().headers, ctx);
            ctx.cookies = self.parts().renew.settle(&refresh, &client).await;
        }
    }
}
