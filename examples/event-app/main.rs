//! The event app on its own: `cargo run --example event-app`.
//!
//! `GATEWAY_JWKS` is where the gateway publishes its keys, `AUDIENCE` the name of this app among the
//! gateway's upstreams, `AUTH_PREFIX` where the gateway has its pages, `LISTEN` where to listen.

mod app;

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|v| !v.is_empty()).unwrap_or_else(|| default.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let jwks = setting("GATEWAY_JWKS", "http://127.0.0.1:8080/auth/.well-known/jwks.json");
    let router = app::router(&jwks, &setting("AUDIENCE", "events"), &setting("AUTH_PREFIX", "/auth"))?;
    // Loopback: only the gateway on this machine should get here.
    let listener = tokio::net::TcpListener::bind(setting("LISTEN", "127.0.0.1:3000")).await?;
    println!("event app on http://{}, keys from {jwks}", listener.local_addr()?);
    app::serve(listener, router).await?;
    Ok(())
}
