//! Builds every part, in the order in which they need each other.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;

use super::StartError;
use super::counters::{self, Counters};
use super::cutting::{self, Cutting};
use super::events::Counted;
use super::feed::{self, Feed};
use super::gauges::{Gauges, Off};
use super::in_force::InForce;
use super::keys::KeyKeeper;
use super::live::{Live, LiveKeys};
use super::made;
use super::own::OwnRouter;
use super::reload::{self, Common, Reloader};
use super::renew::Refresher;
use super::watch::FileWatch;
use crate::account::{self, Accounts};
use crate::config::Settings;
use crate::gate::Gate;
use crate::jobs::{self, Jobs, KeyRotation, KeyWatch};
use crate::mail::{Delivery, Mailbox, Post, Transport, Worker};
use crate::metrics::Metrics;
use crate::model::{Clock, Entropy, Secret};
use crate::proxy::{Drain, Exchanges, Front, FrontParts, Pages, Tls, Upstreams, WatchService};
use crate::shared::Redis;
use crate::store::{self, Store};
use crate::token::{Mint, Revocations, Vault, Witness};
use crate::web::{self, CookieNames, WebState};

/// What a gateway finds around it; tests bring their own clock.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where the settings came from, for reloads.
    pub config: Option<PathBuf>,
}

/// All parts of one gateway, built and not yet listening.
pub struct Gateway {
    pub(super) settings: Settings,
    pub(super) runtime: Runtime,
    pub(super) front: Front,
    pub(super) watch: Option<WatchService>,
    pub(super) worker: Worker,
    pub(super) jobs: Jobs,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reloader: Option<Arc<Reloader>>,
    pub(super) feed: Option<Feed>,
    pub(super) drain: Arc<Drain>,
    pub(super) gate: Arc<Gate>,
    pub(super) exchanges: Arc<Exchanges>,
    mailbox: Option<Arc<Mailbox>>,
    accounts: Arc<Accounts>,
    keeper: Arc<KeyKeeper>,
    store: Store,
}

impl Gateway {
    /// Opens the store (migrating it), the keys and the mail, and puts the parts together.
    ///
    /// # Errors
    /// [`StartError`]; nothing listens then.
    pub fn assemble(settings: Settings, around: &Surroundings) -> Result<Self, StartError> {
        Metrics::count_panics();
        // Before anything that takes time: the settings were read a moment ago.
        let tls_files = settings.proxy.tls.iter().flat_map(|tls| [&*tls.certificate, &*tls.key]);
        let read = reload::contents(around.config.as_deref().into_iter().chain(tls_files));
        let (metrics, drain) = (Arc::new(Metrics::new()), Arc::new(Drain::default()));
        let (runtime, store, common, keeper) = foundation(&settings, around, &metrics)?;
        let mail = Delivery::new(&settings.mail)?;
        let redis = counters::redis(&settings, around, &metrics, &runtime)?;
        let counters = Counters::new(redis.as_ref(), around, &metrics);
        let accounts = Arc::new(accounts(&settings, &store, &common, counters, around));
        let gate = Arc::new(Gate::new(common.snapshot(&settings, common.keys.load_full())?));
        let (upstreams, watch) = Upstreams::new(&settings.proxy.upstreams, &metrics)?;
        let exchanges = Arc::new(Exchanges::new(metrics.clone()));
        let cookies = CookieNames::new(settings.gate.secure_cookies());
        let tls = settings.proxy.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
        let own = own(&settings, &accounts, &common, &gate, cookies.clone());
        let front = Front::new(FrontParts {
            gate: gate.clone(),
            upstreams: upstreams.clone(),
            own: Arc::new(own),
            renew: Arc::new(Refresher { accounts: accounts.clone(), cookies }),
            pages: pages(settings.web.clone()),
            metrics: metrics.clone(),
            clock: around.clock.clone(),
            entropy: around.entropy.clone(),
            drain: drain.clone(),
            exchanges: exchanges.clone(),
            limits: settings.proxy.limits,
            trusted_proxies: settings.proxy.trusted_proxies.clone(),
            forwarded: settings.proxy.forwarded,
            proxy_protocol: settings.proxy.proxy_protocol,
            tls: tls.clone(),
        });
        let (feed, told) = feed(&settings, &store, &common, around, (&metrics, &exchanges, redis));
        let cutting: Box<dyn Witness> = Box::new(Cutting(exchanges.clone()));
        common.revocations.tell(told.into_iter().chain([cutting]).collect());
        let jobs = jobs::all(&accounts, &store, &common.revocations, &around.clock);
        let live = Arc::new(Live {
            common,
            gate: gate.clone(),
            exchanges: exchanges.clone(),
            settings: Mutex::new(settings.clone()),
        });
        let keeper = Arc::new(keeper);
        let keys = Arc::new(LiveKeys { keeper: keeper.clone(), live: live.clone() });
        let gauges = Gauges {
            store: store.clone(),
            accounts: accounts.clone(),
            revocations: live.common.revocations.clone(),
            upstreams,
            tls: tls.clone(),
            metrics: metrics.clone(),
            clock: around.clock.clone(),
            off: Off::default(),
        };
        let jobs = jobs.and(KeyRotation(keys.clone())).and(KeyWatch(keys)).and(gauges);
        metrics.reloaded(true, around.clock.now().secs());
        let worker = worker(&store, mail.transport, around, &metrics);
        let reloader = around.config.clone().map(|path| {
            Arc::new(Reloader {
                path,
                running: settings.clone(),
                turn: Mutex::new(()),
                read: Mutex::new(read),
                live,
                tls: tls.clone(),
                clock: around.clock.clone(),
                metrics: metrics.clone(),
            })
        });
        let jobs = match &reloader {
            Some(reloader) => jobs.and(FileWatch::new(reloader.clone())),
            None => jobs,
        };
        Ok(Self {
            settings,
            runtime,
            front,
            watch,
            worker,
            jobs,
            metrics,
            clock: around.clock.clone(),
            reloader,
            feed,
            drain,
            gate,
            exchanges,
            mailbox: mail.mailbox,
            accounts,
            keeper,
            store,
        })
    }

    /// The link that makes the first admin, if there is none yet. For the operator's eyes only.
    ///
    /// # Errors
    /// [`account::Error::Unavailable`].
    pub fn bootstrap_link(&self) -> Result<Option<Secret>, account::Error> {
        self.runtime.block_on(self.accounts.bootstrap_link())
    }

    /// The signing keys, for tests: changes take effect as those of the command line do.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyKeeper> {
        &self.keeper
    }

    /// The account system, for the command line and tests.
    #[must_use]
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The kept mails, where mail is not sent.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.as_ref()
    }

    /// The runtime of everything that is not proxying.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// The account system alone, without listeners or upstreams: what the command line needs.
pub struct Office {
    /// Runs what the account system awaits.
    pub runtime: Runtime,
    /// The account system.
    pub accounts: Arc<Accounts>,
    /// The signing keys.
    pub keys: KeyKeeper,
}

impl Office {
    /// Opens store and keys.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(settings: &Settings, around: &Surroundings) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let (runtime, store, common, keys) = foundation(settings, around, &metrics)?;
        // One command makes too few tries to count them with others.
        let counters = Counters::new(None, around, &metrics);
        let accounts = accounts(settings, &store, &common, counters, around);
        Ok(Self { runtime, accounts: Arc::new(accounts), keys })
    }
}

type Foundation = (Runtime, Store, Common, KeyKeeper);

fn foundation(
    settings: &Settings,
    around: &Surroundings,
    metrics: &Arc<Metrics>,
) -> Result<Foundation, StartError> {
    made::before(&*around.clock)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("stagedoor-tasks")
        .enable_all()
        .build()?;
    let vault = Arc::new(Vault::new(&settings.secret.load_or_create(&*around.entropy)?)?);
    let store = Store::open(&settings.store)?.measured(metrics.clone(), around.clock.clone());
    let keeper = KeyKeeper {
        store: store.clone(),
        vault: vault.clone(),
        settings: settings.token.clone(),
        rotation: settings.rotation,
        clock: around.clock.clone(),
        entropy: around.entropy.clone(),
    };
    let common = runtime.block_on(open(&store, &keeper, around))?;
    Ok((runtime, store, common, keeper))
}

async fn open(store: &Store, keeper: &KeyKeeper, around: &Surroundings) -> Result<Common, StartError> {
    // First: what is written down from here on may say when, by the clock of the store.
    store.skew(&*around.clock).await?;
    let now = around.clock.now();
    let ring = keeper.open().await?;
    let (revocations, read_at) = (Arc::new(Revocations::new()), around.clock.monotonic());
    let mut pages = store.revocation_pages(now);
    while let Some(page) = pages.next().await? {
        for row in page {
            revocations.learn(feed::ended(row));
        }
    }
    Ok(Common {
        keys: Arc::new(ArcSwap::from_pointee(ring)),
        revocations,
        read_at,
        vault: keeper.vault.clone(),
        entropy: around.entropy.clone(),
    })
}

/// How far clocks of nodes may be apart. A token that has to begin later than so much ahead of one clock still is not too
/// early for another that is as much behind: both together are the leeway.
fn clocks_apart(settings: &Settings) -> Duration {
    if shares_store(settings) { settings.token.leeway / 2 } else { Duration::ZERO }
}

/// A SQLite file has one process.
fn shares_store(settings: &Settings) -> bool {
    !matches!(settings.store, store::Settings::Sqlite { .. })
}

/// What tells of ends on other nodes, where there may be some, and what tells them of ours.
fn feed(
    settings: &Settings,
    store: &Store,
    common: &Common,
    around: &Surroundings,
    (metrics, exchanges, redis): (&Arc<Metrics>, &Arc<Exchanges>, Option<Redis>),
) -> (Option<Feed>, Option<Box<dyn Witness>>) {
    // For some seconds of a hand-over two processes have the file.
    if !shares_store(settings) && settings.proxy.upgrade_socket.is_none() {
        return (None, None);
    }
    let parts = feed::Parts {
        store: store.clone(),
        revocations: common.revocations.clone(),
        vault: common.vault.clone(),
        metrics: metrics.clone(),
        clock: around.clock.clone(),
        entropy: around.entropy.clone(),
        read_at: common.read_at,
        life: account::token_life(settings.token.access_ttl),
        doubt: cutting::on_doubt(exchanges),
        channel: redis.map(|redis| Arc::new(redis) as _),
    };
    let (feed, witness) = Feed::new(parts);
    (Some(feed), witness)
}

fn accounts(
    settings: &Settings,
    store: &Store,
    common: &Common,
    counters: Counters,
    around: &Surroundings,
) -> Accounts {
    let parts = account::Parts {
        store: store.clone(),
        limiter: counters.limiter,
        turns: counters.turns,
        mint: Arc::new(mint(settings, common, around)),
        access_ttl: settings.token.access_ttl,
        clocks_apart: clocks_apart(settings),
        vault: common.vault.clone(),
        revocations: common.revocations.clone(),
        post: Post::new(&settings.mail.brand),
        events: Arc::new(Counted(counters.metrics)),
        clock: around.clock.clone(),
        entropy: around.entropy.clone(),
    };
    Accounts::new(parts, settings.account.clone())
}

fn worker(
    store: &Store,
    transport: Arc<dyn Transport>,
    around: &Surroundings,
    metrics: &Arc<Metrics>,
) -> Worker {
    let (clock, entropy) = (around.clock.clone(), around.entropy.clone());
    Worker::new(store.clone(), transport, clock, entropy, metrics.clone())
}

fn mint(settings: &Settings, common: &Common, around: &Surroundings) -> Mint {
    Mint::new(common.keys.clone(), settings.token.clone(), around.entropy.clone())
        .heeding(common.revocations.clone())
}

fn own(
    settings: &Settings,
    accounts: &Arc<Accounts>,
    common: &Common,
    gate: &Arc<Gate>,
    cookies: CookieNames,
) -> OwnRouter {
    let keys = common.keys.clone();
    let returns = gate.snapshot().returns().cloned();
    let names = cookies.clone();
    let state = WebState {
        accounts: accounts.clone(),
        settings: Arc::new(settings.web.clone()),
        password: settings.account.password,
        cookies,
        jwks: Arc::new(move || keys.load().jwks()),
        verify_return: Arc::new(move |target, mac| returns.as_ref().is_some_and(|r| r.check(target, mac))),
        rules: Arc::new(InForce(gate.clone())),
    };
    OwnRouter { router: web::router(state), cookies: gate.snapshot().cookies().clone(), names }
}

/// How the proxy shows a refusal to people.
fn pages(brand: web::Settings) -> Pages {
    Box::new(move |status, title, detail, id| {
        let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        web::error_page(&brand, status, title, detail, id)
    })
}
