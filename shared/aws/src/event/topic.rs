//! The topic to which events are published, for functions of this stack and for other systems.
//!
//! A published event has ids and facts, and no text, phone number, e-mail address or name:
//! [`EventType::public_fields`] lists what it has. A subscriber of this stack reads the rest with
//! [`EventLog::get`](super::EventLog::get). An event can be published twice.

use aws_sdk_sns::{
    Client,
    error::ProvideErrorMetadata,
    types::{MessageAttributeValue, PublishBatchRequestEntry},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared_domain::{
    event::{Event, EventScope, EventType},
    ids::{ConversationId, EventId, InboxId, MessageId, OrganizationId, TeamId},
};

use crate::clients::{Aws, batches::Batches};

/// SNS did not accept an event.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the topic did not accept the event ({0})")]
pub struct TopicError(String);

/// The body of a message that a subscriber gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedEvent {
    pub event_id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    /// As in the feed.
    pub at: String,
    pub organization_id: OrganizationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// `None` if the event belongs to a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_id: Option<InboxId>,
    pub sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The public fields of the data of the event.
    pub data: Value,
}

impl PublishedEvent {
    pub fn of(Event { sequence, event }: &Event) -> Self {
        let inbox_id = match &event.scope {
            EventScope::Inbox { inbox, .. } => Some(inbox.clone()),
            EventScope::Team { .. } => None,
        };
        Self {
            event_id: event.id.clone(),
            kind: event.kind.as_str().to_owned(),
            at: event.at.to_string(),
            organization_id: event.scope.organization().clone(),
            team_id: event.team.clone(),
            inbox_id,
            sequence: *sequence,
            conversation_id: event.conversation.clone(),
            message_id: event.message.clone(),
            data: public_data(event.kind, &event.data),
        }
    }

    /// Parses the body of a message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(body)
    }

    /// Returns the inbox or team that numbers the event. `None` if the body has neither.
    pub fn scope(&self) -> Option<EventScope> {
        let organization = self.organization_id.clone();
        match (&self.inbox_id, &self.team_id) {
            (Some(inbox), _) => Some(EventScope::Inbox { organization, inbox: inbox.clone() }),
            (None, Some(team)) => Some(EventScope::Team { organization, team: team.clone() }),
            (None, None) => None,
        }
    }

    /// Returns the message group. Events of one conversation or contact come in their order, and so do the
    /// other events of an inbox or team. The contacts of an import do not wait for each other.
    pub fn group(&self) -> &str {
        let conversation = self.conversation_id.as_ref().map(ConversationId::as_str);
        let contact = || self.data["contactId"].as_str();
        let inbox = || self.inbox_id.as_ref().map(InboxId::as_str);
        let team = || self.team_id.as_ref().map(TeamId::as_str);
        conversation
            .or_else(contact)
            .or_else(inbox)
            .or_else(team)
            .unwrap_or_else(|| self.organization_id.as_str())
    }

    /// Returns the names and values that a filter policy can select.
    fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("type", Some(self.kind.as_str())),
            ("organizationId", Some(self.organization_id.as_str())),
            ("teamId", self.team_id.as_ref().map(TeamId::as_str)),
            ("inboxId", self.inbox_id.as_ref().map(InboxId::as_str)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Returns the public fields of the data of an event.
fn public_data(kind: EventType, data: &str) -> Value {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let mut public = Value::Object(Map::new());
    for pointer in kind.public_fields() {
        let Some(value) = data.pointer(pointer).filter(|value| !value.is_object() && !value.is_array())
        else {
            continue;
        };
        let mut place = &mut public;
        for name in pointer.split('/').skip(1) {
            place = &mut place[name];
        }
        *place = value.clone();
    }
    public
}

/// The topic of the stack.
#[derive(Debug, Clone)]
pub struct EventsTopic {
    client: Client,
    arn: String,
}

impl EventsTopic {
    pub fn new(aws: &Aws, arn: impl Into<String>) -> Self {
        Self { client: aws.sns(), arn: arn.into() }
    }

    /// Publishes events, and returns a result for each. Events of one message group stay in their order: if
    /// one is not accepted, the later ones are not published. SNS drops an event that it got within the last
    /// five minutes. Up to ten events are one request.
    pub async fn publish(&self, events: &[Event]) -> Vec<Result<(), TopicError>> {
        let events: Vec<_> = events.iter().map(PublishedEvent::of).collect();
        let mut batches = Batches::of(events.iter().map(|event| Some(event.group())).collect());
        while let Some(batch) = batches.next() {
            let entries = batch.iter().map(|&index| entry(index, &events[index]));
            let sent = match entries.collect::<Option<Vec<_>>>() {
                None => Err("not built".to_owned()),
                Some(entries) => {
                    let request = self.client.publish_batch().topic_arn(&self.arn);
                    let sent = request.set_publish_batch_request_entries(Some(entries)).send().await;
                    sent.map_err(|error| error.code().unwrap_or("no response").to_owned())
                }
            };
            let failed =
                sent.as_ref().map(|sent| sent.failed().iter().map(|entry| (entry.id(), entry.code())));
            batches.sent(&batch, failed.map_err(Clone::clone));
        }
        batches.results().into_iter().map(|result| result.map_err(TopicError)).collect()
    }
}

/// Returns the entry of an event in a batch. `None` if it cannot be built.
fn entry(index: usize, event: &PublishedEvent) -> Option<PublishBatchRequestEntry> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(index.to_string())
        .message(serde_json::to_string(event).ok()?)
        .message_group_id(event.group())
        .message_deduplication_id(event.event_id.as_str());
    for (name, value) in event.attributes() {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        entry = entry.message_attributes(name, value.ok()?);
    }
    entry.build().ok()
}
