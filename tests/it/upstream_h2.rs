//! HTTP/2 to upstreams, and what needs it: gRPC with its trailers and its streams in both directions.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::support::{Person, TestApp, client_frame, get, request, until};

/// An application that speaks HTTP/2 by prior knowledge.
struct Grpc {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request<()>>>>,
    connections: Arc<AtomicUsize>,
    runtime: Runtime,
}

impl Grpc {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (log, count) = (seen.clone(), connections.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream, log.clone()));
            }
        });
        Self { address, seen, connections, runtime }
    }

    /// A gateway whose `/public/grpc/**` and `/api/grpc/**` lead here.
    fn app(&self, more: &str) -> TestApp {
        let yaml = format!("{{ servers: [\"http://{}\"], protocol: http2{more} }}", self.address);
        TestApp::with(|setup| {
            setup.upstream("grpc", &yaml);
            setup.route("{ path: /public/grpc/**, upstream: grpc }");
            setup.route("{ path: /api/grpc/**, upstream: grpc }");
        })
        .with_other_upstreams()
    }

    fn last(&self) -> Request<()> {
        let seen = self.seen.lock().unwrap();
        let last = seen.last().expect("a request has arrived");
        let mut copy =
            Request::builder().method(last.method().clone()).uri(last.uri().clone()).body(()).unwrap();
        *copy.headers_mut() = last.headers().clone();
        copy
    }
}

async fn connection(stream: TcpStream, log: Arc<Mutex<Vec<Request<()>>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        log.lock().unwrap().push(Request::from_parts(head, ()));
        if path.ends_with("/goaway") {
            connection.graceful_shutdown();
        }
        tokio::spawn(answer(path, body, respond));
    }
}

fn ok() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

fn status(code: &'static str, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", message.parse().unwrap());
    trailers
}

/// Sends back what comes, piece by piece, and trailers at the end.
async fn answer(path: String, mut body: RecvStream, mut respond: SendResponse<Bytes>) {
    if path.ends_with("/fails") {
        // "Trailers only": the head is the end as well.
        let mut head = ok();
        head.headers_mut().extend(status("14", "closed today"));
        let _ = respond.send_response(head, true);
        return;
    }
    let Ok(mut send) = respond.send_response(ok(), false) else { return };
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        if send.send_data(piece, false).is_err() {
            return;
        }
        if path.ends_with("/resets") {
            send.send_reset(h2::Reason::INTERNAL_ERROR);
            return;
        }
    }
    let _ = send.send_trailers(status("0", "fine"));
}

/// A connection of a gRPC client to the gateway.
async fn client(app: &TestApp) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(app.address()).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

fn call(path: &str, who: Option<&Person>) -> Request<()> {
    let call = Request::builder()
        .method("POST")
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let call = match who {
        Some(who) => call.header("authorization", format!("Bearer {}", who.access)),
        None => call,
    };
    call.body(()).unwrap()
}

async fn piece(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let piece = tokio::time::timeout(Duration::from_secs(5), body.data()).await.expect("in time");
    if let Some(Ok(piece)) = &piece {
        let _ = body.flow_control().release_capacity(piece.len());
    }
    piece
}

#[test]
fn a_grpc_stream_passes_both_ways_with_its_trailers() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    let user = app.person("user");
    grpc.runtime.block_on(async {
        let mut send = client(&app).await;
        let (response, mut up) = send.send_request(call("/api/grpc/Talk", Some(&user)), false).unwrap();
        let mut response = None.or(Some(response));
        let mut down = None;
        for n in 0..5 {
            let said = Bytes::from(format!("message {n}"));
            up.send_data(said.clone(), false).unwrap();
            if let Some(response) = response.take() {
                let response = response.await.unwrap();
                assert_eq!(
                    (response.status().as_u16(), &response.headers()["content-type"]),
                    (200, &"application/grpc".parse().unwrap())
                );
                down = Some(response.into_body());
            }
            // Each answer comes before the next question is asked.
            assert_eq!(piece(down.as_mut().unwrap()).await.unwrap().unwrap(), said);
        }
        up.send_data(Bytes::new(), true).unwrap();
        let mut down = down.unwrap();
        assert!(piece(&mut down).await.is_none());
        let trailers = down.trailers().await.unwrap().expect("trailers");
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&"0".parse().unwrap(), &"fine".parse().unwrap())
        );
    });
    let seen = grpc.last();
    let field = |name: &str| seen.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    assert_eq!(
        (seen.uri().path(), seen.uri().authority().map(|a| a.as_str())),
        ("/api/grpc/Talk", Some("localhost"))
    );
    assert_eq!((field("te").as_deref(), field("authorization")), (Some("trailers"), None));
    assert_eq!(
        (field("x-auth-user-id"), field("x-forwarded-host").as_deref()),
        (Some(user.id.to_string()), Some("localhost"))
    );
    until("the place to be free", || (app.metric("stagedoor_upstream_in_flight", "grpc") == 0).then_some(()));
}

#[test]
fn a_grpc_call_of_nobody_is_refused() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    grpc.runtime.block_on(async {
        let mut send = client(&app).await;
        let (response, _) = send.send_request(call("/api/grpc/Talk", None), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 401);
    });
    assert!(grpc.seen.lock().unwrap().is_empty());
}

#[test]
fn errors_of_grpc_arrive_as_they_are() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    grpc.runtime.block_on(async {
        let mut send = client(&app).await;
        let (response, _) = send.send_request(call("/public/grpc/fails", None), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["grpc-status"]),
            (200, &"14".parse().unwrap())
        );
        assert!(response.into_body().is_end_stream());
    });
}

/// 5.19 for HTTP/2 on both sides.
#[test]
fn case_5_19_a_stream_that_was_reset_is_not_whole() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    grpc.runtime.block_on(async {
        let mut send = client(&app).await;
        let (response, mut up) = send.send_request(call("/public/grpc/resets", None), false).unwrap();
        up.send_data(Bytes::from_static(b"half"), false).unwrap();
        let Ok(response) = response.await else { return };
        if response.status() == 502 {
            return;
        }
        let mut body = response.into_body();
        loop {
            match piece(&mut body).await {
                Some(Ok(_)) => {}
                Some(Err(_)) => break,
                None => panic!("it looked whole: {:?}", body.trailers().await),
            }
        }
    });
    until("the place to be free", || (app.metric("stagedoor_upstream_in_flight", "grpc") == 0).then_some(()));
}

#[test]
fn calls_share_connections() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    grpc.runtime.block_on(async {
        // The first one alone, so that the others find its connection.
        let mut send = client(&app).await;
        let (response, _) = send.send_request(call("/public/grpc/Talk", None), true).unwrap();
        response.await.unwrap();
        let mut open = Vec::new();
        for _ in 0..30 {
            send = send.ready().await.unwrap();
            let (response, mut up) = send.send_request(call("/public/grpc/Talk", None), false).unwrap();
            up.send_data(Bytes::from_static(b"hello"), false).unwrap();
            open.push((response.await.unwrap().into_body(), up));
        }
        for (body, up) in &mut open {
            assert_eq!(piece(body).await.unwrap().unwrap(), "hello");
            up.send_data(Bytes::new(), true).unwrap();
            assert!(piece(body).await.is_none());
            assert!(body.trailers().await.unwrap().is_some());
        }
    });
    assert!(grpc.connections.load(Ordering::SeqCst) <= 2, "{:?}", grpc.connections);
}

#[test]
fn http_1_clients_reach_http_2_upstreams() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    let user = app.person("user");
    let answer = app.ask(request(
        "POST",
        "/api/grpc/x?q",
        &format!("TE: trailers\r\n{}", user.bearer()),
        b"over and out",
    ));
    assert_eq!((answer.status, answer.text().as_str()), (200, "over and out"));
    let seen = grpc.last();
    assert_eq!((seen.uri().path(), seen.uri().query()), ("/api/grpc/x", Some("q")));
    assert!(seen.headers().contains_key("x-auth-assertion") && !seen.headers().contains_key("authorization"));
    assert_eq!(app.ask(get("/public/grpc/x", "")).status, 200);
    // A connection that says good-bye is replaced.
    for n in 0..6 {
        let path = if n % 2 == 0 { "/public/grpc/goaway" } else { "/public/grpc/x" };
        assert_eq!(app.ask(get(path, "")).status, 200, "request {n}");
    }
}

#[test]
fn s_36_http_1_0_gets_no_chunks_of_what_came_over_http_2() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    let post = |version: &str, connection: &str| {
        let mut client = app.connect();
        let fields = format!("Host: localhost\r\n{connection}Content-Length: 12\r\n");
        client.send(format!("POST /public/grpc/x HTTP/{version}\r\n{fields}\r\nover and out"));
        client
    };
    for connection in ["", "Connection: keep-alive\r\n"] {
        let mut client = post("1.0", connection);
        let answer = client.answer().expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "over and out"), "{connection}");
        assert_eq!(answer.field("transfer-encoding"), None, "{connection}");
        assert!(client.is_closed(), "{connection}");
    }
    let answer = post("1.1", "").answer().expect("an answer");
    assert_eq!(
        (answer.field("transfer-encoding"), answer.text().as_str()),
        (Some("chunked"), "over and out")
    );
}

/// The path is rewritten in the HTTP/2 form of a request, too.
#[test]
fn prefixes_are_cut_off_over_http_2() {
    let grpc = Grpc::start();
    let yaml = format!("{{ servers: [\"http://{}\"], protocol: http2 }}", grpc.address);
    let app = TestApp::with(|setup| {
        setup.upstream("grpc", &yaml);
        setup.route("{ path: /public/grpc/**, upstream: grpc, strip_prefix: /public/grpc }");
    })
    .with_other_upstreams();
    grpc.runtime.block_on(async {
        let mut send = client(&app).await;
        let (response, _) = send.send_request(call("/public/grpc/pkg.Service/Call", None), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
    let seen = grpc.last();
    assert_eq!(
        (seen.uri().path(), seen.uri().authority().map(|a| a.as_str())),
        ("/pkg.Service/Call", Some("localhost"))
    );
    assert_eq!(app.ask(get("/public/grpc/x", "")).status, 200);
    assert_eq!(grpc.last().uri().path(), "/x");
}

/// An upgrade goes by HTTP/1.1, which this upstream does not speak; it does not hang.
#[test]
fn a_websocket_to_an_http_2_upstream_is_a_502() {
    let grpc = Grpc::start();
    let app = grpc.app("");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = app.connect();
    client.send(get("/public/grpc/ws", upgrade)).send(client_frame(1, b"x"));
    assert_eq!(client.answer().map(|a| a.status), Ok(502));
}

#[test]
fn health_is_asked_over_http_2() {
    let grpc = Grpc::start();
    let app = grpc.app(", health: { path: /public/grpc/fine, interval: 1s }");
    // The second question comes when the first has its answer.
    until("the second question", || {
        let seen = grpc.seen.lock().unwrap();
        let asked = seen.iter().filter(|r| r.uri().path() == "/public/grpc/fine" && r.method() == "GET");
        (asked.count() >= 2).then_some(())
    });
    assert_eq!(app.ask(get("/public/grpc/x", "")).status, 200, "it is well");
}
