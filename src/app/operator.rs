//! The operators' listener: metrics, health, reload, the local mailbox.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::mail;
use crate::metrics::Metrics;
use crate::proxy::Drain;
use crate::store::Store;
use crate::web::{AdminState, MailSummary, MailView, Mailbox, admin_router};

/// How old the readiness page's knowledge may be.
const READINESS_PERIOD: Duration = Duration::from_secs(2);
/// In how many such periods a change is tried once, as long as it works.
const WRITES: u64 = 5;

/// The kept mails, as the web part wants to see them.
pub(super) struct Kept {
    pub(super) mails: Arc<mail::Mailbox>,
    pub(super) from: String,
}

impl Mailbox for Kept {
    fn list(&self) -> Vec<MailSummary> {
        self.mails.list().iter().rev().map(|m| summary(m)).collect()
    }

    fn get(&self, id: &str) -> Option<MailView> {
        let m = self.mails.get(id)?;
        Some(MailView {
            summary: summary(&m),
            from: self.from.clone(),
            text: m.text.clone(),
            html: Some(m.html.clone()),
        })
    }
}

fn summary(m: &mail::Outgoing) -> MailSummary {
    MailSummary { id: m.id.clone(), to: m.to.clone(), subject: m.subject.clone(), at: m.at.to_string() }
}

/// What a scrape gets. How busy the connections to the store are is looked at now: a crowd at the door does not wait for
/// a job.
pub(super) fn figures(store: Store, metrics: Arc<Metrics>) -> Arc<dyn Fn() -> String + Send + Sync> {
    Arc::new(move || {
        if let Some(c) = store.connections() {
            let states = [("busy", c.busy), ("idle", c.idle), ("waiting", c.waiting), ("most", c.most)];
            for (state, count) in states {
                metrics.store_connections(state, count);
            }
        }
        metrics.render()
    })
}

/// Whether something may be expected of this process; else the reason.
type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Whether requests may come: what a valid token needs is in memory, so only the end of the process matters.
pub(super) fn proxies(drain: Arc<Drain>) -> Ready {
    Arc::new(move || if drain.is_leaving() { Err("stopping".into()) } else { Ok(()) })
}

/// Whether people can sign in, register and refresh as well: the store answers and takes changes. A task finds out, pages only look.
pub(super) fn serves_accounts(store: Store, drain: Arc<Drain>, tasks: &Runtime) -> Ready {
    let (told, state) = watch::channel(Ok(()));
    tasks.spawn(async move {
        let mut written = Ok(());
        for round in 0_u64.. {
            // Not each time: an idle gateway leaves the disk alone.
            if written.is_err() || round.is_multiple_of(WRITES) {
                written = store.takes_changes().await;
            }
            let answer = store.ping().await.and_then(|()| written.clone());
            let answer = answer.map_err(|e| format!("accounts cannot be worked on: {e}"));
            if told.send(answer).is_err() {
                return;
            }
            tokio::time::sleep(READINESS_PERIOD).await;
        }
    });
    let proxies = proxies(drain);
    Arc::new(move || proxies().and_then(|()| state.borrow().clone()))
}

/// Serves until `stop` turns true, or another process has taken over.
pub(super) async fn serve(
    listener: TcpListener,
    state: AdminState,
    drain: Arc<Drain>,
    mut stop: watch::Receiver<bool>,
) {
    let served = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = admin_router(state);
        axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => {}
                    () = drain.handed_over() => {}
                }
            })
            .await
    };
    if let Err(e) = served.await {
        tracing::error!(error = %e, "the operators' listener failed");
    }
}
