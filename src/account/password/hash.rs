//! Argon2id on threads of its own. A hash takes tens of milliseconds and tens of megabytes: it must neither hold up
//! the async threads nor run more often at once than there are cores and memory.
//!
//! A job belongs to the worker that runs it. A caller who goes away frees no slot early: the worker is busy until
//! the hash is done (D-05). What waits is bounded, and what has waited too long is turned away unhashed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::oneshot;

use super::super::{Argon2Settings, Error, Events};
use super::{nfkc, workers};
use crate::model::{Clock, Entropy, Secret, constant_time_eq};

const OUTPUT: usize = 32;
const SALT: usize = 16;

/// What a comparison came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Whether the password is the right one.
    pub ok: bool,
    /// Whether the hash was made with other parameters than those set now.
    pub outdated: bool,
}

/// The pool of workers. They end when it is dropped. Make it after the process has forked, if it forks.
pub struct Hasher {
    pool: Arc<Pool>,
    settings: Argon2Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    dummy: Recipe,
}

struct Pool {
    queue: Mutex<Queue>,
    wake: Condvar,
    completed: AtomicU64,
    running: AtomicUsize,
    events: OnceLock<Arc<dyn Events>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    password: Secret,
    recipe: Recipe,
    not_after: Duration,
    reply: oneshot::Sender<Result<[u8; OUTPUT], Refused>>,
}

enum Refused {
    TooLate,
    Failed,
}

/// Everything but the password.
#[derive(Clone)]
struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
}

/// How much less a worker's share of a busy processor is than that of a thread that proxies (`nice`, 0 to 19).
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Whoever floods the sign-in must not slow down pages: where there are more threads than processors, hashing waits. On
/// Linux this is a matter of one thread; elsewhere it would be one of the whole process.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(e) = rustix::process::nice(NICE) {
        tracing::debug!(error = %e, "hashing has the priority of everything else");
    }
}

impl Hasher {
    /// Starts the workers.
    ///
    /// # Panics
    /// When Argon2 does not know the parameters (config refuses those first) or no thread can be started.
    #[must_use]
    pub fn new(settings: Argon2Settings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let params =
            Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(OUTPUT))
                .expect("config has checked the Argon2 parameters");
        let pool = Arc::new(Pool {
            queue: Mutex::default(),
            wake: Condvar::new(),
            completed: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            events: OnceLock::new(),
        });
        let workers = settings.workers.unwrap_or_else(|| workers::by_default(settings.memory_kib));
        for n in 0..workers.max(1) {
            let (pool, clock) = (Arc::clone(&pool), Arc::clone(&clock));
            std::thread::Builder::new()
                .name(format!("argon2-{n}"))
                .spawn(move || {
                    stand_back();
                    work(&pool, &*clock);
                })
                .expect("the system can start a thread");
        }
        let salt = entropy.bytes::<SALT>().to_vec();
        let dummy = Recipe { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt };
        Self { pool, settings, clock, entropy, dummy }
    }

    /// Hashes a new password; a PHC string.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full or the job waited too long; nothing was computed then.
    pub async fn hash(&self, password: &Secret) -> Result<Secret, Error> {
        let recipe = Recipe { salt: self.entropy.bytes::<SALT>().to_vec(), ..self.dummy.clone() };
        let output = self.run(password, recipe.clone()).await?;
        Ok(Secret::new(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            recipe.params.m_cost(),
            recipe.params.t_cost(),
            recipe.params.p_cost(),
            STANDARD_NO_PAD.encode(&recipe.salt),
            STANDARD_NO_PAD.encode(output)
        )))
    }

    /// Compares a password with a stored hash.
    ///
    /// # Errors
    /// [`Error::Busy`] as for [`Self::hash`]; [`Error::Unavailable`] when the stored hash cannot be read.
    pub async fn verify(&self, hash: &Secret, password: &Secret) -> Result<Verified, Error> {
        let (recipe, expected) = parse(hash.expose())
            .ok_or_else(|| Error::Unavailable("a stored password hash cannot be read".into()))?;
        let outdated = !self.is_current(&recipe);
        let output = self.run(password, recipe).await?;
        Ok(Verified { ok: constant_time_eq(&output, &expected), outdated })
    }

    /// Costs what [`Self::verify`] costs. For addresses without an account, so that time does not tell them apart.
    ///
    /// # Errors
    /// [`Error::Busy`] as for [`Self::hash`].
    pub async fn verify_dummy(&self, password: &Secret) -> Result<(), Error> {
        self.run(password, self.dummy.clone()).await.map(drop)
    }

    /// How many hashes were computed so far, for whatever purpose.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.pool.completed.load(Ordering::SeqCst)
    }

    /// From now on tells `events` how long each hash takes. The first one stays.
    pub fn tell(&self, events: Arc<dyn Events>) {
        let _ = self.pool.events.set(events);
    }

    /// How many jobs are being computed.
    #[must_use]
    pub fn running(&self) -> usize {
        self.pool.running.load(Ordering::SeqCst)
    }

    /// How many jobs wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.lock().jobs.len()
    }

    fn is_current(&self, recipe: &Recipe) -> bool {
        let cost = |p: &Params| (p.m_cost(), p.t_cost(), p.p_cost());
        recipe.algorithm == Algorithm::Argon2id
            && recipe.version == Version::V0x13
            && cost(&recipe.params) == cost(&self.dummy.params)
    }

    async fn run(&self, password: &Secret, recipe: Recipe) -> Result<[u8; OUTPUT], Error> {
        let (reply, answer) = oneshot::channel();
        let not_after = self.clock.monotonic() + self.settings.queue_deadline;
        let job = Job { password: nfkc(password), recipe, not_after, reply };
        {
            let mut queue = self.pool.lock();
            if queue.jobs.len() >= self.settings.queue.max(1) {
                return Err(self.busy());
            }
            queue.jobs.push_back(job);
        }
        self.pool.wake.notify_one();
        match answer.await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(Refused::TooLate)) => Err(self.busy()),
            Ok(Err(Refused::Failed)) | Err(_) => {
                Err(Error::Unavailable("a password could not be hashed".into()))
            }
        }
    }

    fn busy(&self) -> Error {
        Error::Busy { retry_after: self.settings.queue_deadline.max(Duration::from_secs(1)) }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.pool.lock().closed = true;
        self.pool.wake.notify_all();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock; if one did, the queue would still be whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` when the pool is closed.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(pool: &Pool, clock: &dyn Clock) {
    // Touched once and kept: fresh pages for each hash would cost as much as a good part of it.
    let mut memory: Vec<Block> = Vec::new();
    while let Some(job) = pool.next() {
        if job.reply.is_closed() {
            continue;
        }
        let result = if clock.monotonic() > job.not_after {
            Err(Refused::TooLate)
        } else {
            let begun = clock.monotonic();
            pool.running.fetch_add(1, Ordering::SeqCst);
            let output = compute(&job.recipe, &job.password, &mut memory);
            pool.running.fetch_sub(1, Ordering::SeqCst);
            if let Some(events) = pool.events.get() {
                events.hashed(clock.monotonic().saturating_sub(begun));
            }
            pool.completed.fetch_add(1, Ordering::SeqCst);
            output
        };
        // The caller may have gone away; the result is then nobody's.
        let _ = job.reply.send(result);
    }
}

fn compute(recipe: &Recipe, password: &Secret, memory: &mut Vec<Block>) -> Result<[u8; OUTPUT], Refused> {
    let blocks = recipe.params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let mut output = [0; OUTPUT];
    Argon2::new(recipe.algorithm, recipe.version, recipe.params.clone())
        .hash_password_into_with_memory(
            password.expose().as_bytes(),
            &recipe.salt,
            &mut output,
            memory.as_mut_slice(),
        )
        .map_err(|_| Refused::Failed)?;
    Ok(output)
}

fn parse(phc: &str) -> Option<(Recipe, Vec<u8>)> {
    let parsed = PasswordHash::new(phc).ok()?;
    let version = parsed.version.map_or(Some(Version::V0x13), |v| Version::try_from(v).ok())?;
    let expected = parsed.hash.as_ref()?.as_bytes().to_vec();
    let recipe = Recipe {
        algorithm: Algorithm::new(parsed.algorithm.as_str()).ok()?,
        version,
        params: Params::try_from(&parsed).ok()?,
        salt: parsed.salt.as_ref()?.to_vec(),
    };
    (expected.len() == OUTPUT).then_some((recipe, expected))
}
