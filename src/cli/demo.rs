//! `stagedoor demo`: the gateway on its embedded defaults in front of the bundled event app, with people to sign in as.

#[path = "../../examples/event-app/app/mod.rs"]
mod event_app;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{failed, logging, surroundings};
use crate::account::{Accounts, CreateUser, Error};
use crate::app::{Gateway, StartError};
use crate::config::{self, LogSettings, Settings};
use crate::model::Secret;

/// Run the gateway in front of a small event app, on this machine only.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Where the demo keeps its database and secret.
    #[arg(long, value_name = "DIR", default_value = "stagedoor-demo")]
    dir: PathBuf,
    /// The port for people; the operators' listener and the event app take the next two.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// The same rules that `config.yaml` ships, so that the demo shows what the example says.
const CONFIG: &str = include_str!("../../config.yaml");

/// Good for this machine only: the demo listens on loopback.
const PASSWORD: &str = "Curtain-Up-42!";
const PEOPLE: [(&str, &str, &str); 3] = [
    ("admin", "admin@example.org", "Ada Admin"),
    ("organizer", "organizer@example.org", "Oscar Organizer"),
    ("participant", "participant@example.org", "Paula Participant"),
];

/// Runs until Ctrl-C.
pub(super) fn run(args: &DemoArgs) -> i32 {
    match demo(args) {
        Ok(()) => 0,
        Err(e) => failed(&e),
    }
}

fn demo(args: &DemoArgs) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(&args.dir)?;
    let settings = settings(args)?;
    logging::start(&LogSettings { level: "warn".into(), json: false });
    let events = SocketAddr::from(([127, 0, 0, 1], next(args.port, 2)?));
    let listener =
        std::net::TcpListener::bind(events).map_err(|cause| StartError::Listen { address: events, cause })?;
    listener.set_nonblocking(true)?;
    let jwks = format!("http://127.0.0.1:{}{}/.well-known/jwks.json", args.port, settings.gate.auth_prefix);
    let app = event_app::router(&jwks, "events", &settings.gate.auth_prefix)?;
    let url = settings.gate.public_url.clone();
    let gateway = Gateway::assemble(settings, &surroundings(None))?;
    gateway.runtime().block_on(people(gateway.accounts()))?;
    gateway.runtime().spawn(async move {
        let served = async { event_app::serve(tokio::net::TcpListener::from_std(listener)?, app).await };
        if let Err(e) = served.await {
            tracing::error!(error = %e, "the event app failed");
        }
    });
    gateway.run(|_, admin| announce(&url, admin, &args.dir))?;
    Ok(())
}

fn next(port: u16, by: u16) -> Result<u16, String> {
    port.checked_add(by).ok_or_else(|| format!("--port {port} leaves no room for the two after it"))
}

fn settings(args: &DemoArgs) -> Result<Settings, String> {
    let (port, admin, events) = (args.port, next(args.port, 1)?, next(args.port, 2)?);
    let text = CONFIG
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
        .replace("localhost:8080", &format!("localhost:{port}"))
        .replace("127.0.0.1:9090", &format!("127.0.0.1:{admin}"))
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{events}"));
    let (settings, report) = config::parse(&text, "the demo's config.yaml", Path::new(&args.dir), &|_| None);
    settings.ok_or_else(|| report.to_string())
}

/// Makes whoever is not there yet.
async fn people(accounts: &Accounts) -> Result<(), Error> {
    for (role, email, name) in PEOPLE {
        let wanted = CreateUser {
            email: email.into(),
            name: name.into(),
            roles: vec![role.into()],
            password: Secret::new(PASSWORD),
        };
        match accounts.create_user(wanted).await {
            Err(Error::Invalid(errors)) if errors.0.iter().all(|e| e.code == "taken") => {}
            other => drop(other?),
        }
    }
    Ok(())
}

fn announce(url: &str, admin: SocketAddr, dir: &Path) {
    println!("Stagedoor demo is running.\n");
    println!("  the event app, behind the gateway   {url}/");
    println!("  register                            {url}/auth/register/");
    println!("  mails (nothing leaves this machine) http://{admin}/mailbox");
    println!("  metrics, health                     http://{admin}/\n");
    println!("  sign in at {url}/auth/login/ as");
    for (role, email, _) in PEOPLE {
        println!("    {role:<12} {email:<26} {PASSWORD}");
    }
    println!("\nData are in {}; delete it to start afresh. Ctrl-C stops.", dir.display());
}
