//! `SQLite`: one thread that writes, a few that read, bounded queues before both. The database itself is only
//! ever touched on those threads, so that no async thread waits for a disk.

mod backup;
mod open;
mod run;
mod settle;
mod source;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Engine, Statement};
use crate::store::settings::Migrated;
use crate::store::{Row, StoreError, Value};

pub(in crate::store) use backup::backup;
use settle::Awaited;
pub(in crate::store) use source::Source;

/// How many threads read.
const READERS: usize = 3;
/// How many jobs may wait before each of the two doors.
const QUEUE: usize = 512;
/// How long a job may wait to be let in.
const ENTRY: Duration = Duration::from_secs(5);
/// How long an answer may take after that; covers the busy time-out of one statement.
const ANSWER: Duration = Duration::from_secs(15);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;

enum Job {
    Read(&'static str, Vec<Value>, Answer<Vec<Row>>),
    Write(Vec<Statement>, Answer<Option<Vec<Vec<Row>>>>),
}

/// One `SQLite` database.
pub struct Sqlite {
    // `None` only while it is dropped: closing the doors lets the threads end.
    doors: Option<Doors>,
    threads: Vec<JoinHandle<Connection>>,
}

struct Doors {
    write: mpsc::Sender<Job>,
    read: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings its schema up to date. `:memory:` opens an
    /// empty database that is gone when this is dropped. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] that says what is wrong with the file and what to do.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if path.as_os_str() == ":memory:" {
            return Self::start(open::memory()?.0, Vec::new());
        }
        let (writer, _) = open::file(path)?;
        let readers = (0..READERS).map(|_| open::reader(path)).collect::<Result<Vec<_>, _>>()?;
        Self::start(writer, readers)
    }

    /// Brings the schema of the file up to date and says what it was and is. Blocks.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn migrate(path: &Path) -> Result<Migrated, StoreError> {
        let (connection, migrated) =
            if path.as_os_str() == ":memory:" { open::memory()? } else { open::file(path)? };
        run::close(connection);
        Ok(migrated)
    }

    /// Without readers the writer reads too.
    fn start(writer: Connection, readers: Vec<Connection>) -> Result<Self, StoreError> {
        let (write, jobs) = mpsc::channel(QUEUE);
        let mut threads = vec![spawn("store-write", writer, Arc::new(Mutex::new(jobs)))?];
        let mut read = write.clone();
        if !readers.is_empty() {
            let (sender, jobs) = mpsc::channel(QUEUE);
            read = sender;
            let jobs = Arc::new(Mutex::new(jobs));
            for connection in readers {
                threads.push(spawn("store-read", connection, Arc::clone(&jobs))?);
            }
        }
        Ok(Self { doors: Some(Doors { write, read }), threads })
    }

    fn doors(&self) -> Result<&Doors, StoreError> {
        self.doors.as_ref().ok_or_else(stopped)
    }
}

fn spawn(name: &str, connection: Connection, jobs: Jobs) -> Result<JoinHandle<Connection>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || serve(connection, &jobs))
        .map_err(|e| StoreError::Unavailable(format!("cannot start a thread: {e}")))
}

/// Works until the doors are closed; gives the connection back for [`Sqlite::drop`] to close.
fn serve(mut connection: Connection, jobs: &Jobs) -> Connection {
    let mut awaited = Awaited::read(&connection);
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match next {
            None => return connection,
            // Whoever asked has gone away: do not do it behind their back.
            Some(Job::Read(_, _, answer)) if answer.is_closed() => {}
            Some(Job::Write(_, answer)) if answer.is_closed() => {}
            Some(Job::Read(sql, params, answer)) => {
                let _ = answer.send(run::read(&connection, sql, &params));
            }
            Some(Job::Write(statements, answer)) => {
                let done = run::transaction(&mut connection, &statements);
                let busy = matches!(done, Err(StoreError::Busy));
                if done.is_ok() {
                    awaited.look(&connection);
                }
                let _ = answer.send(done);
                if busy {
                    turn_away(jobs);
                }
            }
        }
    }
}

/// Another process has held the lock for as long as anybody is to wait for it. Whoever stands in line has waited for it
/// as well, and would now do so once for each one before them.
fn turn_away(jobs: &Jobs) {
    let mut line = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(job) = line.try_recv() {
        match job {
            Job::Read(_, _, answer) => drop(answer.send(Err(StoreError::Busy))),
            Job::Write(_, answer) => drop(answer.send(Err(StoreError::Busy))),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its threads have stopped".to_owned())
}

async fn ask<T>(door: &mpsc::Sender<Job>, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
    let place = timeout(ENTRY, door.reserve()).await.map_err(|_| StoreError::Busy)?.map_err(|_| stopped())?;
    let (answer, wait) = oneshot::channel();
    place.send(job(answer));
    let late = |_| StoreError::Unavailable(format!("no answer within {} seconds", ANSWER.as_secs()));
    timeout(ANSWER, wait).await.map_err(late)?.map_err(|_| stopped())?
}

#[async_trait]
impl Engine for Sqlite {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        ask(&self.doors()?.read, |answer| Job::Read(sql, params, answer)).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        ask(&self.doors()?.write, |answer| Job::Write(statements, answer)).await
    }
}

/// Closes the files. Nobody can be waiting for an answer any more, so this takes one statement at most.
impl Drop for Sqlite {
    fn drop(&mut self) {
        self.doors = None;
        // One after the other: of two that close at once each takes the other for the last user of the file, and the
        // log stays behind. A thread that panicked has nothing left to close.
        let open: Vec<Connection> = self.threads.drain(..).filter_map(|thread| thread.join().ok()).collect();
        open.into_iter().for_each(run::close);
    }
}
