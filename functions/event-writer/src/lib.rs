//! Events: table stream → numbered events of inboxes and teams → topic.
//!
//! The stream has every accepted write, so each change has its event, and an event is derived from a stream
//! record alone, so there is no event without a change. Idempotent by the event's id, which is derived from
//! the id of the stream record, see [`EventLog`].
//!
//! Changes that a restore of the table made are no events: see [`Restores`].
//!
//! If an event is not stored or not published, the function reports its record. The stream then delivers that
//! record and the later ones again, for as long as it has them (24 hours). An event that an earlier attempt
//! stored is published again, because that attempt may have died before it published the event.

mod derive;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lambda_events::event::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures_util::{StreamExt, stream};
use shared_aws::{
    clients::Aws,
    event::{Change, EventLog, EventsTopic, TopicError},
    inbox::Inboxes,
    restore::{RestoreWindow, Restores},
    table::{StoreError, Table},
};
use shared_domain::{
    event::{Event as StoredEvent, EventScope, NewEvent},
    ids::{EventId, TeamId},
    keys::InboxKey,
    time::Timestamp,
};
use shared_lambda::config::{ConfigError, Environment};

pub use self::derive::{Draft, derive};

/// Inboxes and teams whose events are written at the same time.
const MAX_CONCURRENCY: usize = 8;
/// Inboxes whose team is remembered.
const MAX_KNOWN_TEAMS: usize = 10_000;
/// How long the window of the last restore is remembered. The functions are stopped for longer than this
/// while a restore goes on.
const WINDOW_TTL: Duration = Duration::from_secs(30);
/// Who deletes expired items, in a stream record.
const TTL_PRINCIPAL: &str = "dynamodb.amazonaws.com";

/// What the function uses.
#[derive(Debug)]
pub struct App {
    log: EventLog,
    topic: EventsTopic,
    inboxes: Inboxes,
    /// The teams of inboxes, which never change.
    teams: Mutex<HashMap<EventScope, TeamId>>,
    restores: Restores,
    /// The window of the last restore, and when it was read.
    window: Mutex<Option<(Timestamp, Option<RestoreWindow>)>>,
}

/// The events of one inbox or team in a batch, each with the index of its record.
type Batch = Vec<(usize, NewEvent)>;

/// The events of one inbox or team that are stored, each with the index of its record.
struct Written {
    stored: Vec<(usize, StoredEvent)>,
    /// The first record whose events are not all stored.
    failed: Option<usize>,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, topic) = (env.required("TABLE_NAME"), env.required("EVENTS_TOPIC_ARN"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), EventsTopic::new(&aws, topic)))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, topic: EventsTopic) -> Self {
        Self {
            log: EventLog::new(table.clone()),
            topic,
            inboxes: Inboxes::new(table.clone()),
            teams: Mutex::default(),
            restores: Restores::new(table.clone()),
            window: Mutex::default(),
        }
    }

    /// Returns the window of the last restore.
    async fn restore_window(&self, now: Timestamp) -> Result<Option<RestoreWindow>, StoreError> {
        let known = *self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, window)) = known.filter(|(read_at, _)| now < *read_at + WINDOW_TTL) {
            return Ok(window);
        }
        let window = self.restores.last().await?;
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, window));
        Ok(window)
    }

    /// Stores the events of one inbox or team.
    async fn write(&self, scope: EventScope, batch: Batch, now: Timestamp) -> Written {
        let (records, events): (Vec<usize>, Vec<_>) = batch.into_iter().unzip();
        let failed = |index: usize, error: StoreError| {
            tracing::error!(event = "event_not_stored", %error, "event not stored");
            records.get(index).or(records.first()).copied().unwrap_or_default()
        };
        let events = match self.with_team(&scope, events).await {
            Ok(events) => events,
            Err(error) => return Written { stored: Vec::new(), failed: Some(failed(0, error)) },
        };
        let appended = self.log.append(&scope, &events, now).await;
        let failed = appended.failure.map(|error| failed(appended.stored.len(), error));
        Written { stored: records.into_iter().zip(appended.stored).collect(), failed }
    }

    /// Publishes stored events, each with the index of its record. Returns the index of the first record with
    /// an event that was not published.
    async fn publish(&self, stored: Vec<(usize, StoredEvent)>) -> Option<usize> {
        let (records, events): (Vec<usize>, Vec<_>) = stored.into_iter().unzip();
        let results = self.topic.publish(&events).await;
        let failed = |(record, result): (usize, Result<(), TopicError>)| {
            let error = result.err()?;
            tracing::error!(event = "event_not_published", %error, "event not published");
            Some(record)
        };
        records.into_iter().zip(results).filter_map(failed).min()
    }

    /// Sets the team of events whose changed item does not have it.
    async fn with_team(
        &self,
        scope: &EventScope,
        mut events: Vec<NewEvent>,
    ) -> Result<Vec<NewEvent>, StoreError> {
        if events.iter().all(|event| event.team.is_some()) {
            return Ok(events);
        }
        let team = self.team_of(scope).await?;
        for event in &mut events {
            event.team = event.team.take().or_else(|| team.clone());
        }
        Ok(events)
    }

    async fn team_of(&self, scope: &EventScope) -> Result<Option<TeamId>, StoreError> {
        let (organization, inbox) = match scope {
            EventScope::Inbox { organization, inbox } => (organization, inbox),
            EventScope::Team { team, .. } => return Ok(Some(team.clone())),
        };
        let known = self.teams.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.inboxes.get(InboxKey { organization, inbox }).await?;
        let Some(team) = found.map(|inbox| inbox.team) else { return Ok(None) };
        let mut teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
        if teams.len() >= MAX_KNOWN_TEAMS {
            teams.clear();
        }
        teams.insert(scope.clone(), team.clone());
        Ok(Some(team))
    }
}

/// Stores and publishes the events of one batch of the stream. Reports the first record whose events are not
/// all stored and published.
pub async fn handle(app: &App, event: Event, now: Timestamp) -> DynamoDbEventResponse {
    let numbers: Vec<_> = event.records.iter().map(|record| record.change.sequence_number.clone()).collect();
    let mut batches = BTreeMap::<EventScope, Batch>::new();
    for (index, record) in event.records.into_iter().enumerate() {
        for event in events_of(record) {
            batches.entry(event.scope.clone()).or_default().push((index, event));
        }
    }
    if !batches.is_empty() {
        match app.restore_window(now).await {
            Ok(Some(window)) => {
                for batch in batches.values_mut() {
                    batch.retain(|(_, event)| !window.contains(event.at));
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(event = "event_not_stored", %error, "event not stored");
                let first = batches.into_values().flatten().map(|(record, _)| record).min();
                return failed_at(first, numbers);
            }
        }
    }
    let events: usize = batches.values().map(Vec::len).sum();
    // The futures of the SDK nest deeply, so they are boxed.
    let writes = batches.into_iter().map(|(scope, batch)| Box::pin(app.write(scope, batch, now)));
    let written: Vec<Written> = stream::iter(writes).buffer_unordered(MAX_CONCURRENCY).collect().await;
    let unstored = written.iter().filter_map(|written| written.failed).min();
    let mut stored: Vec<_> = written.into_iter().flat_map(|written| written.stored).collect();
    stored.sort_by_key(|(record, _)| *record);
    let unpublished = app.publish(stored).await;
    let failed = unstored.into_iter().chain(unpublished).min();
    if events > 0 {
        tracing::info!(event = "events_stored", events, complete = failed.is_none(), "events stored");
    }
    failed_at(failed, numbers)
}

/// The response that reports the record with this index, if there is one.
fn failed_at(failed: Option<usize>, numbers: Vec<Option<String>>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(index) = failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = numbers.into_iter().nth(index).flatten();
        response.batch_item_failures.push(failure);
    }
    response
}

/// Returns the events of a record. An unreadable record stays unreadable, so it is logged and skipped.
pub fn events_of(record: EventRecord) -> Vec<NewEvent> {
    if record.user_identity.is_some_and(|identity| identity.principal_id == TTL_PRINCIPAL) {
        return Vec::new();
    }
    let EventRecord { event_id, change, .. } = record;
    let at = Timestamp::from_millis(change.approximate_creation_date_time.timestamp_millis());
    let change = match Change::of_images(change.old_image, change.new_image) {
        Ok(change) => change,
        Err(error) => {
            tracing::error!(event = "change_unreadable", record = event_id, %error, "change is unreadable");
            None
        }
    };
    let drafts = change.map(|change| derive(change, at)).unwrap_or_default();
    let event = |(index, draft): (usize, Draft)| {
        let Draft { kind, scope, team, conversation, message, data } = draft;
        let (id, data) = (EventId::of_record(&event_id, index), data.to_string());
        NewEvent { id, kind, at, scope, team, conversation, message, data }
    };
    drafts.into_iter().enumerate().map(event).collect()
}
