//! A channel that nodes tell each other things on. Redis keeps no messages: what was said while a node was not there is
//! gone, so each node hears when it has (re)joined and when it was cut off, and catches up by other means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::client::CONNECT;
use super::connect::Connector;
use super::jitter::jitter;

/// So many messages may wait for a slow reader; then the connection is given up, which the reader is told.
const WAITING: usize = 1024;
/// How often the connection is asked whether it is alive, and how long the answer may take.
const HEARTBEAT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What happens on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// From now on every message is heard; earlier ones may be missing.
    Connected,
    /// Somebody said this; perhaps this node itself.
    Message(Bytes),
    /// From now on messages may be missed, until the next `Connected`.
    Lost,
}

/// A channel that is joined again whenever it is lost. Dropping it leaves the channel.
pub struct Subscription(mpsc::Receiver<Event>);

impl Subscription {
    /// What happens next; waits for it. Nothing is lost if the wait is given up. `None` only when the runtime ends.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// Joins `channel` on `runtime`.
pub(super) fn start(runtime: &Handle, connector: Arc<Connector>, channel: String) -> Subscription {
    let (events, out) = mpsc::channel(WAITING);
    runtime.spawn(async move {
        // Leaves also in the middle of connecting.
        tokio::select! {
            () = events.closed() => {}
            () = stay(&connector, &channel, &events) => {}
        }
    });
    Subscription(out)
}

async fn stay(connector: &Connector, channel: &str, events: &mpsc::Sender<Event>) {
    let mut pause = FIRST_PAUSE;
    for turn in 0usize.. {
        let (said, messages) = mpsc::channel(WAITING);
        let joined = tokio::time::timeout(CONNECT, join(connector, turn, channel, said)).await;
        match joined {
            Ok(Ok(connection)) => {
                pause = FIRST_PAUSE;
                if follow(connection, messages, events).await.is_err() {
                    return;
                }
            }
            Ok(Err(e)) => tracing::debug!(error = %e, "cannot join the channel yet"),
            Err(_) => tracing::debug!("cannot join the channel yet: no answer"),
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn join(
    connector: &Connector,
    turn: usize,
    channel: &str,
    said: mpsc::Sender<Bytes>,
) -> redis::RedisResult<MultiplexedConnection> {
    // Only the connection holds `said`; when it must end, or cannot keep up, the other side of it sees the end.
    let said = std::sync::Mutex::new(Some(said));
    let hear = move |info: PushInfo| {
        let mut said = said.lock().map_err(|_| ())?;
        let kept = match (info.kind, &*said) {
            (PushKind::Message, Some(said)) => {
                payload(info.data).is_none_or(|message| said.try_send(message).is_ok())
            }
            (PushKind::Disconnection, _) => false,
            _ => true,
        };
        if !kept {
            *said = None;
        }
        Ok(())
    };
    let mut connection = connector.listen(turn, hear).await?;
    connection.subscribe(channel).await?;
    Ok(connection)
}

/// The second of channel and message.
fn payload(data: Vec<Value>) -> Option<Bytes> {
    match data.into_iter().nth(1) {
        Some(Value::BulkString(message)) => Some(message.into()),
        Some(Value::SimpleString(message)) => Some(message.into()),
        _ => None,
    }
}

/// Passes messages on until the connection is lost. An error when nobody listens any more.
async fn follow(
    connection: MultiplexedConnection,
    mut messages: mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<Event>,
) -> Result<(), mpsc::error::SendError<Event>> {
    events.send(Event::Connected).await?;
    let pass_on = async {
        while let Some(message) = messages.recv().await {
            events.send(Event::Message(message)).await?;
        }
        Ok(())
    };
    tokio::select! {
        passed = pass_on => passed?,
        () = last_heartbeat(connection) => {}
    }
    events.send(Event::Lost).await
}

/// Returns when the connection gives no sign of life.
async fn last_heartbeat(mut connection: MultiplexedConnection) {
    let ping = redis::cmd("PING");
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let answer = tokio::time::timeout(HEARTBEAT, ping.query_async::<Value>(&mut connection)).await;
        if !matches!(answer, Ok(Ok(_))) {
            return;
        }
    }
}
