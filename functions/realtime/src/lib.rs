//! Live events: socket handshakes and frames, and published events → frames to the members of now.
//!
//! The feed is the truth. A frame only says early what the feed says as well, so a lost or repeated frame
//! does no harm: the receiver notices by the number of the event. Two frames to one connection are two
//! requests, which can overtake each other.

mod audience;
mod connection;
mod fan_out;
mod input;
mod outbox;

use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, RealtimeQueue},
    event::EventLog,
    messaging::Messages,
    realtime::{Pusher, Sockets, Tickets, Viewers},
    table::Table,
    team::{Members, TeamMembers},
};
use shared_domain::time::Timestamp;
use shared_lambda::{
    Error,
    config::{ConfigError, Environment},
};

pub use self::input::{Input, SocketEvent};

/// The function's clients.
#[derive(Debug)]
pub struct App {
    tickets: Tickets,
    sockets: Sockets,
    viewers: Viewers,
    members: Members,
    team_members: TeamMembers,
    messages: Messages,
    log: EventLog,
    queue: RealtimeQueue,
    pusher: Pusher,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, queue, url) =
            (env.required("TABLE_NAME"), env.required("REALTIME_QUEUE_URL"), env.required("PUSH_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), RealtimeQueue::new(&aws, queue), Pusher::new(&aws, url)))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, queue: RealtimeQueue, pusher: Pusher) -> Self {
        Self {
            tickets: Tickets::new(table.clone()),
            sockets: Sockets::new(table.clone()),
            viewers: Viewers::new(table.clone()),
            members: Members::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            messages: Messages::new(table.clone()),
            log: EventLog::new(table.clone()),
            queue,
            pusher,
        }
    }
}

/// Handles a handshake, a frame, the end of a connection, or a batch of the queue.
pub async fn handle(app: &App, input: Input, now: Timestamp) -> Result<Value, Error> {
    match input {
        Input::Socket(event) if event.is_authorization() => connection::authorize(app, &event, now).await,
        Input::Socket(event) => {
            connection::handle(app, &event, now).await?;
            Ok(json!({ "statusCode": 200 }))
        }
        Input::Queue(event) => Ok(serde_json::to_value(fan_out::deliver(app, event, now).await)?),
    }
}
