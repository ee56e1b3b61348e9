//! Messages: history, reading by id, delivery reports, and the claim of the sender.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | a delivery report, new or repeated | 1 | 1 write |
//! | the first report of `sent`, and of `delivered` after it | 1 | 2 writes: the entry in `delivery-checks` |
//! | a report of a failure, after `sent` | 1 | 3 writes: the entry moves to the failed messages |
//! | claim, and its outcome | 1 each | 1 write each |
//! | a page of history | 1 | read by size: about 1.5 for 25 messages |

use aws_sdk_dynamodb::{operation::update_item::builders::UpdateItemFluentBuilder, types::ReturnValue};
use shared_domain::{
    ids::{ConversationId, MessageId, OrganizationId},
    media::MediaState,
    message::{DeliveryState, Direction, Message, Report},
    retention::is_waiting,
    time::Timestamp,
};

use crate::{
    messaging::{
        inbound::CARRIER,
        rows::{ClaimRow, MessageRow},
    },
    table::{
        error::StoreError,
        item::{Item, attribute, from_item, number, text},
        keys::{self, Key},
        query::{KeyRange, Order, Page},
        requests::{Conditional, Table},
        transaction::Transaction,
    },
    team::retentions::{self, Erasure, ExpiringTeam},
};

/// Not claimed by another attempt. With [`HAS_NO_OUTCOME`], so that a late redelivery does not send a message
/// again.
const IS_UNCLAIMED: &str = "attribute_exists(pk) AND (attribute_not_exists(claim) OR claim = :attempt)";
/// [`DeliveryState::is_settled`] is `false`.
const HAS_NO_OUTCOME: &str = "attribute_not_exists(states.sent) AND attribute_not_exists(states.failed) \
     AND attribute_not_exists(states.undelivered) AND attribute_not_exists(states.delivered)";

/// Messages of a page that expires. Each has at most three writes of a transaction, which has at most 100.
const EXPIRED_PAGE: u16 = 25;
/// Maximum number of messages that [`Messages::by_carrier_id`] searches.
const CARRIER_ID_SEARCH: u16 = 100;

/// The messages of conversations.
#[derive(Debug, Clone)]
pub struct Messages {
    table: Table,
}

/// The outcome of a delivery report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The report is new. Holds the message with it.
    Added(Box<Message>),
    /// This state was reported before. Holds the message as it is.
    Known(Box<Message>),
    NoMessage,
}

/// Whether an attempt may send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Only this attempt may call the carrier.
    Yours(Box<Message>),
    /// An earlier attempt claimed the message and stored no outcome. The carrier may have the message.
    Interrupted(Box<Message>),
    /// The message has its outcome.
    Settled(Box<Message>),
    NoMessage,
}

impl Messages {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a message. Its id contains the id of the conversation.
    pub async fn get(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let Some(conversation) = id.conversation() else { return Ok(None) };
        let row: Option<MessageRow> =
            self.table.get(keys::message(organization, &conversation, id), true).await?;
        row.map(MessageRow::message).transpose()
    }

    /// Returns a page of the messages of a conversation, newest first.
    pub async fn history(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Message>, StoreError> {
        let range = KeyRange::all(keys::messages_partition(organization, conversation));
        self.table.page(range, Order::Descending, limit, after).await?.try_map(MessageRow::message)
    }

    /// Returns all messages of a conversation, oldest first, read consistently.
    pub async fn all(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
    ) -> Result<Vec<Message>, StoreError> {
        let range = KeyRange::all(keys::messages_partition(organization, conversation));
        let rows: Vec<MessageRow> = self.table.all(&range).await?;
        rows.into_iter().map(MessageRow::message).collect()
    }

    /// Deletes a message with everything that refers to it, in one transaction. The claim of an inbound
    /// message stays without its id, so that neither a repeated webhook nor the sweep stores it again.
    pub async fn erase(
        &self,
        organization: &OrganizationId,
        message: &Message,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, conversation) = (&message.id, &message.conversation);
        let mut transaction = Transaction::new(&self.table);
        if let Some(claim) = claim_of(organization, message) {
            transaction.put(claim, &ClaimRow { message: None, at: now })?;
        }
        transaction.delete(keys::outbox(conversation, id))?;
        transaction.delete(keys::media(id))?;
        transaction.delete(keys::reconcile(id))?;
        transaction.delete(keys::message(organization, conversation, id))?;
        transaction.commit().await.map(drop)
    }

    /// Returns a page of the messages that were created before `cutoff`, oldest first. Half a read unit if
    /// there are none, twice as much if it reads consistently.
    pub async fn created_before(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        cutoff: Timestamp,
        after: Option<&str>,
        is_consistent: bool,
    ) -> Result<Page<Message>, StoreError> {
        let first = MessageId::in_conversation(conversation, cutoff, 0);
        let partition = keys::messages_partition(organization, conversation);
        let range = KeyRange::between(partition, keys::MESSAGES.into(), first.to_string());
        let page = if is_consistent {
            self.table.consistent_page(range, EXPIRED_PAGE, after).await?
        } else {
            self.table.page(range, Order::Ascending, EXPIRED_PAGE, after).await?
        };
        page.try_map(MessageRow::message)
    }

    /// Marks messages of which the files are erased next, so that they are not sent again until the lease
    /// ends: another message would have the same files. [`Erasure::Changed`] if one of them is sent again
    /// already or does not exist. Costs 2 write units for each, and 2.
    pub async fn mark_expiring(
        &self,
        lease: &ExpiringTeam,
        messages: &[&Message],
    ) -> Result<Erasure, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let required = retentions::require(&mut transaction, lease)?;
        for message in messages {
            let key = keys::message(&lease.organization, &message.conversation, &message.id);
            transaction.update(key, |update| {
                update
                    .update_expression("SET expiring = :end")
                    .condition_expression("attribute_exists(pk) AND attribute_not_exists(retriedBy)")
                    .expression_attribute_values(":end", number(lease.at.millis()))
            })?;
        }
        Ok(retentions::outcome(&transaction.commit().await?, required))
    }

    /// Deletes messages of a page of [`Messages::created_before`] with everything that refers to them, in one
    /// transaction. As with [`Messages::erase`], the claim of an inbound message stays without its id. Costs
    /// 2 write units for each message, 2 for each claim and 2; and 4 for a message that waits for its files
    /// or to be sent.
    pub async fn expire(
        &self,
        lease: &ExpiringTeam,
        messages: &[&Message],
        now: Timestamp,
    ) -> Result<Erasure, StoreError> {
        let organization = &lease.organization;
        let mut transaction = Transaction::new(&self.table);
        let required = retentions::require(&mut transaction, lease)?;
        for message in messages {
            let (id, conversation) = (&message.id, &message.conversation);
            if let Some(claim) = claim_of(organization, message) {
                transaction.put(claim, &ClaimRow { message: None, at: now })?;
            }
            if message.media.iter().any(|media| matches!(media.state, MediaState::Pending { .. })) {
                transaction.delete(keys::media(id))?;
            }
            if is_waiting(message) {
                transaction.delete(keys::outbox(conversation, id))?;
                transaction.delete(keys::reconcile(id))?;
            }
            transaction.delete(keys::message(organization, conversation, id))?;
        }
        Ok(retentions::outcome(&transaction.commit().await?, required))
    }

    /// Returns a page of the messages that are newer than `after`, oldest first.
    pub async fn newer_than(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        limit: u16,
        after: &str,
    ) -> Result<Page<Message>, StoreError> {
        let range = KeyRange::all(keys::messages_partition(organization, conversation));
        self.table.page(range, Order::Ascending, limit, Some(after)).await?.try_map(MessageRow::message)
    }

    /// Adds a delivery report. Idempotent by message and state: the first report of a state is kept. A
    /// message that becomes `sent` is added to the delivery checks, and a final state removes it. A failure
    /// adds it to the failed messages of its inbox, and `delivered` removes it.
    pub async fn report(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        state: DeliveryState,
        report: &Report,
        carrier_id: Option<&str>,
    ) -> Result<Reported, StoreError> {
        let (added, at) = (attribute(report)?, report.at);
        let updated = self.update(organization, id, |update| {
            let mut update = update
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(states.#state)")
                .expression_attribute_names("#state", state.as_str())
                .expression_attribute_values(":report", added);
            let mut expression = "SET states.#state = :report".to_owned();
            if let Some(carrier_id) = carrier_id {
                expression.push_str(", carrierId = if_not_exists(carrierId, :carrier)");
                update = update.expression_attribute_values(":carrier", text(carrier_id));
            }
            if let Some(conversation) = id.conversation().filter(|_| state == DeliveryState::Sent) {
                // A late report leaves a message among the failed ones.
                expression.push_str(
                    ", checkIn = if_not_exists(checkIn, :checkIn), checkAt = if_not_exists(checkAt, :checkAt)",
                );
                update = update
                    .expression_attribute_values(":checkIn", text(keys::delivery_checks(&conversation)))
                    .expression_attribute_values(":checkAt", number(at.millis()));
            } else if state.is_failure() {
                expression.push_str(", checkIn = inbox, checkAt = :checkAt");
                update = update.expression_attribute_values(":checkAt", number(at.millis()));
            } else if state == DeliveryState::Delivered {
                expression.push_str(" REMOVE checkIn, checkAt");
            }
            update.update_expression(expression)
        });
        Ok(match updated.await? {
            Conditional::Done(item) => Reported::Added(message(item)?),
            Conditional::Failed(Some(item)) => Reported::Known(message(item)?),
            Conditional::Failed(None) => Reported::NoMessage,
        })
    }

    /// Claims a message for one attempt to send it. Idempotent by `attempt`, so that a retry of the same
    /// request keeps its claim.
    pub async fn claim(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        attempt: u64,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let report = attribute(&Report::at(now))?;
        let updated = self.update(organization, id, |update| {
            update
                .update_expression("SET claim = :attempt, states.sending = :report")
                .condition_expression(format!("{IS_UNCLAIMED} AND {HAS_NO_OUTCOME}"))
                .expression_attribute_values(":attempt", text(format!("{attempt:016x}")))
                .expression_attribute_values(":report", report)
        });
        Ok(match updated.await? {
            Conditional::Done(item) => Claim::Yours(message(item)?),
            Conditional::Failed(Some(item)) => {
                let message = message(item)?;
                if message.delivery.state().is_settled() {
                    Claim::Settled(message)
                } else {
                    Claim::Interrupted(message)
                }
            }
            Conditional::Failed(None) => Claim::NoMessage,
        })
    }

    /// Removes a claim after the carrier has certainly not taken the message, so that a later attempt may
    /// send it.
    pub async fn release_claim(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        attempt: u64,
    ) -> Result<(), StoreError> {
        let updated = self.update(organization, id, |update| {
            update
                .update_expression("REMOVE claim, states.sending")
                .condition_expression("claim = :attempt")
                .expression_attribute_values(":attempt", text(format!("{attempt:016x}")))
        });
        updated.await.map(drop)
    }

    /// Makes a message `queued` again whose outcome is unknown since `unknown_at`, after the carrier has
    /// certainly not taken it: 1 write unit. Returns `false` if the message has changed since then.
    pub async fn requeue(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        unknown_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = self.update(organization, id, |update| {
            update
                .update_expression("REMOVE claim, states.sending, states.#unknown")
                .condition_expression(format!("states.#unknown.#at = :at AND {HAS_NO_OUTCOME}"))
                .expression_attribute_names("#unknown", DeliveryState::Unknown.as_str())
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", number(unknown_at.millis()))
        });
        Ok(updated.await?.is_done())
    }

    /// Makes a message `queued` again that was being sent when the table was backed up, after the carrier has
    /// certainly not taken it. Returns `false` if it has an outcome.
    pub async fn unclaim(&self, organization: &OrganizationId, id: &MessageId) -> Result<bool, StoreError> {
        let updated = self.update(organization, id, |update| {
            update
                .update_expression("REMOVE claim, states.sending, states.#unknown")
                .condition_expression(format!("attribute_exists(pk) AND {HAS_NO_OUTCOME}"))
                .expression_attribute_names("#unknown", DeliveryState::Unknown.as_str())
        });
        Ok(updated.await?.is_done())
    }

    /// Returns the message with this id at the carrier, if it is among the newest 100 of the conversation.
    pub async fn by_carrier_id(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        carrier_id: &str,
    ) -> Result<Option<Message>, StoreError> {
        let newest = self.history(organization, conversation, CARRIER_ID_SEARCH, None).await?;
        Ok(newest.items.into_iter().find(|message| message.carrier_id.as_deref() == Some(carrier_id)))
    }

    /// Updates a message and returns it. A message whose id contains no conversation does not exist.
    async fn update(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        build: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<Conditional, StoreError> {
        let Some(conversation) = id.conversation() else { return Ok(Conditional::Failed(None)) };
        let key = keys::message(organization, &conversation, id);
        self.table.update_if(key, |update| build(update.return_values(ReturnValue::AllNew))).await
    }
}

/// The key of the claim under which an inbound message is stored.
fn claim_of(organization: &OrganizationId, message: &Message) -> Option<Key> {
    let carrier_id = message.carrier_id.as_deref().filter(|_| message.direction == Direction::Inbound)?;
    Some(keys::inbound_claim(organization, CARRIER, carrier_id))
}

fn message(item: Item) -> Result<Box<Message>, StoreError> {
    Ok(Box::new(from_item::<MessageRow>(item)?.message()?))
}
