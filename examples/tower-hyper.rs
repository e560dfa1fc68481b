//! A service on plain hyper behind the gateway: the layer verifies the gateway's assertion, and one requirement stands
//! before the handler.
//!
//! ```text
//! cargo run --no-default-features --features tower,test-kit --example tower-hyper -- http://127.0.0.1:8080/auth/.well-known/jwks.json
//! ```
//!
//! `test-kit` is for the tests below; a service has it among its dev-dependencies only.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use stagedoor::gate::Principal;
use stagedoor::policy::RequirementSource as Req;
use stagedoor::tower_layer::{GateLayer, require};
use tower::{Layer as _, Service, service_fn};

type Fault = Box<dyn std::error::Error>;
type Answer = Response<Full<Bytes>>;

/// What every request goes through, the outermost last.
fn service<B>(
    gate: &GateLayer,
) -> Result<
    impl Service<Request<B>, Response = Answer, Error = Infallible, Future: Send> + Clone + use<B>,
    Fault,
>
where
    B: Send + 'static,
{
    let staff = require(Req::any_role(["admin", "organizer"]))?;
    Ok(gate.layer(staff.layer(service_fn(hello))))
}

async fn hello<B>(request: Request<B>) -> Result<Answer, Infallible> {
    let name = request.extensions().get::<Principal>().map_or("stranger", |who| &who.name);
    Ok(Response::new(Full::from(format!("hello, {name}"))))
}

fn main() -> Result<(), Fault> {
    let url = std::env::args().nth(1).ok_or("usage: tower-hyper JWKS-URL")?;
    let service = TowerToHyperService::new(service(&GateLayer::from_gateway(&url, "events")?)?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:3002").await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    eprintln!("a connection broke off: {error}");
                }
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use hyper::service::Service as _;
    use stagedoor::test_kit::{TestIssuer, TestPerson};

    use super::*;

    #[tokio::test]
    async fn only_staff_is_greeted() {
        let issuer = TestIssuer::new();
        let service = TowerToHyperService::new(service(&issuer.gate_layer("events")).unwrap());
        let ask = async |who: Option<TestPerson>| {
            let mut request = Request::get("/");
            if let Some(who) = who {
                request = request.header("x-auth-assertion", issuer.assertion(&who, "events"));
            }
            service.call(request.body(()).unwrap()).await.unwrap().status()
        };
        assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(Some(TestPerson::new("Pat").role("participant"))).await, StatusCode::FORBIDDEN);
        assert_eq!(ask(Some(TestPerson::new("Ada").role("organizer"))).await, StatusCode::OK);
    }
}
