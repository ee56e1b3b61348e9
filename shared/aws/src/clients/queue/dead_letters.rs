//! Dead-letter queues as an operator handles them: the messages that a worker gave up on.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{Message, MessageSystemAttributeName},
};
use serde_json::Value;
use shared_domain::{
    ids::{
        BroadcastId, EventId, ImportId, InboxId, OrganizationId, TeamId, WebhookDeliveryId, WebhookEndpointId,
    },
    time::Timestamp,
};

use super::{ImportJob, Queue, QueueError};
use crate::clients::client::Aws;

/// How long a listed message is hidden from other readers, in seconds. It becomes visible again at the end of
/// the command.
const VISIBILITY_TIMEOUT: i32 = 120;
const BATCH_SIZE: i32 = 10;

/// An ID in a job: the name under which it is shown, its names in jobs, and what makes it an ID.
type KnownId = (&'static str, &'static [&'static str], fn(&str) -> bool);

/// What a job can be about, next to the product's message. Nothing else of a body is shown.
const KNOWN_IDS: [KnownId; 8] = [
    ("organizationId", &["organizationId", "organization", "org"], |id| OrganizationId::parse(id).is_ok()),
    ("teamId", &["teamId", "team"], |id| TeamId::parse(id).is_ok()),
    ("inboxId", &["inboxId"], |id| InboxId::parse(id).is_ok()),
    ("broadcastId", &["broadcastId"], |id| BroadcastId::parse(id).is_ok()),
    ("importId", &["importId"], |id| ImportId::parse(id).is_ok()),
    ("endpointId", &["endpointId"], |id| WebhookEndpointId::parse(id).is_ok()),
    ("deliveryId", &["deliveryId"], |id| WebhookDeliveryId::parse(id).is_ok()),
    ("eventId", &["eventId"], |id| EventId::parse(id).is_ok()),
];

/// A message in a dead-letter queue.
#[derive(Clone)]
pub struct DeadLetter {
    /// SQS's ID of the message.
    pub id: String,
    /// When the message was added to the queue from which it came, or copied here by a worker.
    pub at: Option<Timestamp>,
    /// How often it was received, including by operators.
    pub receives: u32,
    /// The ID of the product's message, if the job names one.
    pub message: Option<String>,
    /// The organization, if the job names one.
    pub organization: Option<OrganizationId>,
    /// The IDs of what the job is about, by their names: `organizationId`, `teamId`, `broadcastId` and so on.
    pub about: BTreeMap<&'static str, String>,
    group: Option<String>,
    body: String,
    receipt: String,
}

impl std::fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetter").field("id", &self.id).finish_non_exhaustive()
    }
}

impl DeadLetter {
    fn of(message: Message) -> Option<Self> {
        let attribute = |name| message.attributes()?.get(&name).map(String::as_str);
        let body = message.body().unwrap_or_default();
        let job: Value = serde_json::from_str(body).unwrap_or_default();
        let about = about(&job, body);
        let sent = attribute(MessageSystemAttributeName::SentTimestamp).and_then(|at| at.parse().ok());
        let receives = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
        Some(Self {
            id: message.message_id()?.to_owned(),
            at: sent.map(Timestamp::from_millis),
            receives: receives.and_then(|count| count.parse().ok()).unwrap_or_default(),
            message: job["messageId"].as_str().map(str::to_owned),
            organization: about.get("organizationId").and_then(|id| OrganizationId::parse(id).ok()),
            about,
            group: attribute(MessageSystemAttributeName::MessageGroupId).map(str::to_owned),
            body: body.to_owned(),
            receipt: message.receipt_handle()?.to_owned(),
        })
    }
}

/// Returns the IDs of what a job is about.
fn about(job: &Value, body: &str) -> BTreeMap<&'static str, String> {
    // What S3 says about an uploaded file has the IDs in the name of the file.
    if let Ok([upload]) = ImportJob::parse(body).as_deref() {
        let ImportJob { organization, team, import } = upload;
        return BTreeMap::from([
            ("organizationId", organization.to_string()),
            ("teamId", team.to_string()),
            ("importId", import.to_string()),
        ]);
    }
    let id = |(name, names, is_id): KnownId| {
        let found = names.iter().find_map(|name| job[*name].as_str()).filter(|id| is_id(id))?;
        Some((name, found.to_owned()))
    };
    KNOWN_IDS.into_iter().filter_map(id).collect()
}

/// A dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    queue: Queue,
    source: Option<String>,
}

impl DeadLetterQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self { queue: Queue::new(aws, url), source: None }
    }

    /// Names the queue that messages are sent back to, if they come from several.
    #[must_use]
    pub fn back_to(self, url: impl Into<String>) -> Self {
        Self { source: Some(url.into()), ..self }
    }

    /// Receives the messages of the queue and hides them until [`DeadLetterQueue::release`]. A FIFO queue
    /// returns at most ten messages of a group until those are deleted.
    pub async fn receive(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let (mut received, mut ids) = (Vec::new(), BTreeSet::new());
        loop {
            let request = self.queue.client.receive_message().queue_url(&self.queue.url);
            let request = request
                .max_number_of_messages(BATCH_SIZE)
                .visibility_timeout(VISIBILITY_TIMEOUT)
                .wait_time_seconds(1)
                .message_system_attribute_names(MessageSystemAttributeName::All);
            let page = request.send().await.map_err(|error| failed(&error))?;
            let before = received.len();
            let messages = page.messages.unwrap_or_default().into_iter().filter_map(DeadLetter::of);
            received.extend(messages.filter(|letter| ids.insert(letter.id.clone())));
            if received.len() == before {
                return Ok(received);
            }
        }
    }

    /// Makes a message visible to other readers at once.
    pub async fn release(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let request = self.queue.client.change_message_visibility().queue_url(&self.queue.url);
        let sent = request.receipt_handle(&letter.receipt).visibility_timeout(0).send().await;
        sent.map(drop).map_err(|error| failed(&error))
    }

    /// Returns the URL of the queue that messages are sent back to. `None` if a stream puts them here.
    pub async fn source(&self) -> Result<Option<String>, QueueError> {
        if self.source.is_some() {
            return Ok(self.source.clone());
        }
        let request = self.queue.client.list_dead_letter_source_queues().queue_url(&self.queue.url);
        let found = request.send().await.map_err(|error| failed(&error))?;
        Ok(found.queue_urls.into_iter().next())
    }

    /// Sends a message to a queue from which messages come, and deletes it here. If the deletion fails, the
    /// message is processed and stays here; workers ignore a repeated job.
    pub async fn redrive(&self, letter: &DeadLetter, source: &str) -> Result<(), QueueError> {
        let request = self.queue.client.send_message().queue_url(source).message_body(&letter.body);
        let is_fifo = self.queue.url.strip_suffix(".fifo").is_some();
        let request = request
            .set_message_group_id(letter.group.clone())
            .set_message_deduplication_id(is_fifo.then(|| letter.id.clone()));
        request.send().await.map_err(|error| failed(&error))?;
        self.discard(letter).await
    }

    /// Deletes a message.
    pub async fn discard(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let request = self.queue.client.delete_message().queue_url(&self.queue.url);
        let sent = request.receipt_handle(&letter.receipt).send().await;
        sent.map(drop).map_err(|error| failed(&error))
    }
}

fn failed(error: &impl ProvideErrorMetadata) -> QueueError {
    QueueError(error.code().unwrap_or("no response").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        let job = serde_json::from_str(body).unwrap_or_default();
        let ids = about(&job, body).into_iter().map(|(name, id)| format!("{name}={id}"));
        ids.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_ids_of_each_kind_of_job_are_shown() {
        let uploaded = r#"{"Records":[{"s3":{"object":{"key":"imports/org_1/team_1/imp_1.csv"}}}]}"#;
        let signed_out = r#"{"organization":"org_1","signedOutUser":"ada","at":"2026-11-28T09:00:00Z"}"#;
        for (body, ids) in [
            (r#"{"organizationId":"org_1","messageId":"msg_1","place":0}"#, "organizationId=org_1"),
            (
                r#"{"organizationId":"org_1","teamId":"team_1","broadcastId":"bct_1","continues":true}"#,
                "broadcastId=bct_1 organizationId=org_1 teamId=team_1",
            ),
            (
                r#"{"organizationId":"org_1","teamId":"team_1","importId":"imp_1"}"#,
                "importId=imp_1 organizationId=org_1 teamId=team_1",
            ),
            (uploaded, "importId=imp_1 organizationId=org_1 teamId=team_1"),
            (
                r#"{"organizationId":"org_1","endpointId":"wep_1","deliveryId":"del_1","version":3}"#,
                "deliveryId=del_1 endpointId=wep_1 organizationId=org_1",
            ),
            (
                r#"{"eventId":"evt_1","organizationId":"org_1","inboxId":"inb_1","data":{"teamId":"team_2"}}"#,
                "eventId=evt_1 inboxId=inb_1 organizationId=org_1",
            ),
            (
                r#"{"notification":"n-1","org":"org_1","team":"team_1","subject":{"kind":"registrationApproved"}}"#,
                "organizationId=org_1 teamId=team_1",
            ),
            (signed_out, "organizationId=org_1"),
        ] {
            assert_eq!(shown(body), ids, "{body}");
        }
    }

    #[test]
    fn nothing_that_is_no_id_is_shown() {
        let body = r#"{"organizationId":"Ada Lovelace","teamId":7,"inboxId":"+12025550143","text":"Hello"}"#;
        for body in [body, "not JSON", "[]", "\"org_1\"", "{}"] {
            assert_eq!(shown(body), "", "{body}");
        }
    }
}
