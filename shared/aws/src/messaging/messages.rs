//! Messages: history, one by its id, delivery reports, and the claim of the one sender.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | a delivery report, new or repeated | 1 | 1 write |
//! | claim, and its outcome | 1 each | 1 write each |
//! | a page of history | 1 | read by size: 25 texts about 1.5 |

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use shared_domain::{
    ids::{ConversationId, MessageId, OrganizationId},
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};

use crate::{
    messaging::rows::MessageRow,
    table::{
        error::StoreError,
        item::{Item, attribute, text},
        keys,
        requests::Table,
    },
};

/// Claimed by nobody else, and without an outcome ([`DeliveryState::is_settled`]): what was given up or reported on is
/// not sent again by a late redelivery.
const MAY_CLAIM: &str = "attribute_exists(pk) AND (attribute_not_exists(claim) OR claim = :attempt) \
     AND attribute_not_exists(states.sent) AND attribute_not_exists(states.failed) \
     AND attribute_not_exists(states.undelivered) AND attribute_not_exists(states.delivered)";

/// Messages of conversations.
#[derive(Debug, Clone)]
pub struct Messages {
    table: Table,
}

/// A page of a thread, newest first.
#[derive(Debug, Clone)]
pub struct History {
    /// At most as many as asked for.
    pub messages: Vec<Message>,
    /// The next page holds what is older than this, if there may be more.
    pub next: Option<MessageId>,
}

/// What a delivery report changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It is new; this is the message with it.
    Added(Box<Message>),
    /// That state was reported before; this is the message as it stands.
    Known(Box<Message>),
    /// There is no such message.
    NoMessage,
}

/// Whether this attempt may call the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Yes, and nobody else.
    Yours(Box<Message>),
    /// An earlier attempt claimed it and never wrote an outcome: nobody knows whether the carrier has it.
    Interrupted(Box<Message>),
    /// It has its outcome.
    Settled(Box<Message>),
    /// There is no such message.
    NoMessage,
}

impl Messages {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// One message, by its id alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let Some(conversation) = id.conversation() else { return Ok(None) };
        let row: Option<MessageRow> =
            self.table.get(keys::message(organization, &conversation, id), true).await?;
        Ok(row.map(MessageRow::message).transpose()?)
    }

    /// A page of a thread, newest first, older than `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        limit: u16,
        before: Option<&MessageId>,
    ) -> Result<History, StoreError> {
        let start = before.map(|id| keys::message(organization, conversation, id).into_item());
        let queried = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :thread")
            .expression_attribute_values(":thread", text(keys::thread_partition(organization, conversation)))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let more = queried.last_evaluated_key.is_some();
        let rows: Vec<MessageRow> = serde_dynamo::from_items(queried.items.unwrap_or_default())?;
        let messages = rows.into_iter().map(MessageRow::message).collect::<Result<Vec<_>, _>>()?;
        let next = messages.last().filter(|_| more).map(|message| message.id.clone());
        Ok(History { messages, next })
    }

    /// Adds a delivery report. Idempotent by message and state: the first report of a state stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        state: DeliveryState,
        report: &Report,
        carrier_id: Option<&str>,
    ) -> Result<Reported, StoreError> {
        let Some(request) = self.update(organization, id) else { return Ok(Reported::NoMessage) };
        let mut request = request
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(states.#state)")
            .expression_attribute_names("#state", state.as_str())
            .expression_attribute_values(":report", attribute(report)?);
        request = match carrier_id {
            Some(carrier_id) => request
                .update_expression(
                    "SET states.#state = :report, carrierId = if_not_exists(carrierId, :carrier)",
                )
                .expression_attribute_values(":carrier", text(carrier_id)),
            None => request.update_expression("SET states.#state = :report"),
        };
        Ok(match send(request).await? {
            Outcome::Done(message) => Reported::Added(message),
            Outcome::Refused(message) => Reported::Known(message),
            Outcome::Absent => Reported::NoMessage,
        })
    }

    /// Claims a message for one attempt to send it. Idempotent by `attempt`, so that a repeated request of the same
    /// attempt is not taken for another's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        attempt: u64,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let Some(request) = self.update(organization, id) else { return Ok(Claim::NoMessage) };
        let request = request
            .update_expression("SET claim = :attempt, states.sending = :report")
            .condition_expression(MAY_CLAIM)
            .expression_attribute_values(":attempt", text(format!("{attempt:016x}")))
            .expression_attribute_values(":report", attribute(&Report::at(now))?);
        Ok(match send(request).await? {
            Outcome::Done(message) => Claim::Yours(message),
            Outcome::Refused(message) if message.delivery.state().is_settled() => Claim::Settled(message),
            Outcome::Refused(message) => Claim::Interrupted(message),
            Outcome::Absent => Claim::NoMessage,
        })
    }

    /// Gives a claim back after the carrier surely did not take the message, so that a later attempt may.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unclaim(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        attempt: u64,
    ) -> Result<(), StoreError> {
        let Some(request) = self.update(organization, id) else { return Ok(()) };
        let request = request
            .update_expression("REMOVE claim, states.sending")
            .condition_expression("claim = :attempt")
            .expression_attribute_values(":attempt", text(format!("{attempt:016x}")));
        send(request).await.map(|_| ())
    }

    /// The message of a thread that the carrier knows by this id, among the newest hundred.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_carrier_id(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        carrier_id: &str,
    ) -> Result<Option<Message>, StoreError> {
        let newest = self.history(organization, conversation, 100, None).await?;
        let known = |message: &Message| message.carrier_id.as_deref() == Some(carrier_id);
        Ok(newest.messages.into_iter().find(known))
    }

    fn update(&self, organization: &OrganizationId, id: &MessageId) -> Option<UpdateItemFluentBuilder> {
        let key = keys::message(organization, &id.conversation()?, id);
        let update =
            self.table.client.update_item().table_name(&self.table.name).set_key(Some(key.into_item()));
        Some(
            update
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld),
        )
    }
}

enum Outcome {
    Done(Box<Message>),
    Refused(Box<Message>),
    Absent,
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Outcome, StoreError> {
    match request.send().await {
        Ok(done) => Ok(Outcome::Done(message(done.attributes.unwrap_or_default())?)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                Some(item) => Ok(Outcome::Refused(message(item.clone())?)),
                None => Ok(Outcome::Absent),
            },
            _ => Err(error.into()),
        },
    }
}

fn message(item: Item) -> Result<Box<Message>, StoreError> {
    Ok(Box::new(serde_dynamo::from_item::<_, MessageRow>(item)?.message()?))
}
