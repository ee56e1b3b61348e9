//! Out of Office: the settings of inboxes, and the automatic replies.
//!
//! A reply is one transaction: the claim of the contact's closed period, which limits the replies to one, the
//! message and its outbox entry. It does not change the conversation (an automatic reply moves nothing and
//! marks nothing read), but it requires that the contact may be texted. 8 write units.

use std::time::Duration;

use aws_sdk_dynamodb::types::Select;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, MessageId, OrganizationId},
    keys::{ConversationKey, InboxKey, TeamKey},
    message::Message,
    out_of_office::{ClosedPeriod, Draft},
    time::Timestamp,
};

use crate::{
    messaging::{
        rows::{MessageRow, OutboxRow},
        sends::{MAY_BE_TEXTED, NOT_BLOCKED},
    },
    table::{
        error::StoreError,
        item::{number, text},
        keys,
        query::KeyRange,
        requests::Table,
        transaction::Transaction,
    },
    team::audit::AuditEvent,
};

/// How long a reply is remembered. The closed period is over by then, and its id does not come again.
const DEDUP_TTL: Duration = Duration::from_hours(400 * 24);
/// The time that [`OutOfOffice::recent`] counts.
const RECENT: Duration = Duration::from_hours(1);

/// The settings of an inbox as they were saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    pub draft: Draft,
    /// `on` takes effect from this time.
    pub saved_at: Timestamp,
}

/// The settings with the mark of the write that saved them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    draft: Draft,
    saved_at: Timestamp,
    /// Absent in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

impl Stored {
    pub fn saved(&self) -> Saved {
        Saved { draft: self.draft.clone(), saved_at: self.saved_at }
    }
}

/// The claim of an automatic reply. One without a message remembers that there was nothing to send.
#[derive(Debug, Serialize, Deserialize)]
struct AnsweredRow {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
    ttl: i64,
}

/// Where an automatic reply is in a transaction.
pub(crate) struct ReplyPlaces {
    /// Refused if there was a reply under the same claim.
    pub(crate) claim: usize,
    /// Refused if the contact may not be texted.
    pub(crate) conversation: Option<usize>,
}

/// Adds the claim of an automatic reply. Its condition fails if the conversation has one of this name.
pub(crate) fn claim_reply(
    transaction: &mut Transaction<'_>,
    key: ConversationKey<'_>,
    name: &str,
    at: Timestamp,
    message: Option<&MessageId>,
) -> Result<usize, StoreError> {
    let claim = AnsweredRow { at, message: message.cloned(), ttl: (at + DEDUP_TTL).seconds() };
    transaction.put_new(keys::automatic_reply(key.inbox_key(), key.conversation, name), &claim)
}

/// Adds an automatic reply with its claim of this name, under the condition that the contact may be texted.
pub(crate) fn put_reply(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    name: &str,
    message: &Message,
) -> Result<ReplyPlaces, StoreError> {
    let conversation = &message.conversation;
    let of_inbox = InboxKey { organization, inbox: &message.inbox }.conversation(conversation);
    let claim = claim_reply(transaction, of_inbox, name, message.created_at, Some(&message.id))?;
    let key = keys::message(organization, conversation, &message.id);
    transaction.put_new(key, &MessageRow::of(message))?;
    let key = keys::outbox(conversation, &message.id);
    transaction.put_new(key, &OutboxRow::of(organization, message))?;
    let conversation = transaction.require(keys::conversation(of_inbox), |check| {
        if message.bypass_opt_out {
            check.condition_expression(format!("attribute_exists(pk) AND {NOT_BLOCKED}"))
        } else {
            check
                .condition_expression(format!("attribute_exists(pk) AND {MAY_BE_TEXTED}"))
                .expression_attribute_names("#out", "out")
        }
    })?;
    Ok(ReplyPlaces { claim, conversation: Some(conversation) })
}

/// Out-of-office settings and replies of inboxes.
#[derive(Debug, Clone)]
pub struct OutOfOffice {
    table: Table,
}

impl OutOfOffice {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the settings of an inbox. `None` if it never had any. Costs half a read unit.
    pub async fn get(&self, inbox: InboxKey<'_>) -> Result<Option<Saved>, StoreError> {
        self.table.get(keys::out_of_office(inbox), false).await
    }

    /// Returns the settings of an inbox, to replace them. Costs a read unit.
    pub async fn stored(&self, inbox: InboxKey<'_>) -> Result<Option<Stored>, StoreError> {
        self.table.get(keys::out_of_office(inbox), true).await
    }

    /// Replaces the settings of an inbox of this team, unless they are not `before` any more. Returns whether
    /// it did.
    pub async fn replace(
        &self,
        team: TeamKey<'_>,
        inbox: InboxKey<'_>,
        before: Option<&Stored>,
        saved: &Saved,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let revision = format!("{}-{:016x}", event.at.millis(), event.entropy);
        let row = Stored { draft: saved.draft.clone(), saved_at: saved.saved_at, revision: Some(revision) };
        let mut transaction = Transaction::new(&self.table);
        let known = before.map(|before| before.revision.as_deref());
        transaction.put_if(keys::out_of_office(inbox), &row, |put| match known {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(None) => put.condition_expression("attribute_exists(pk) AND attribute_not_exists(revision)"),
            Some(Some(revision)) => put
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", text(revision)),
        })?;
        event.write(&mut transaction, team)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Writes the settings of an inbox of this team, for tests.
    pub async fn put(
        &self,
        team: TeamKey<'_>,
        inbox: InboxKey<'_>,
        saved: &Saved,
        event: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::out_of_office(inbox), saved)?;
        event.write(&mut transaction, team)?;
        transaction.commit().await.map(drop)
    }

    /// Returns the number of automatic replies that a contact received in the last hour.
    pub async fn recent(
        &self,
        inbox: InboxKey<'_>,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::automatic_replies(conversation));
        let counted = self
            .table
            .query(&range)
            .filter_expression("#at > :since AND attribute_exists(#message)")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#message", "message")
            .expression_attribute_values(":since", number((now - RECENT).millis()))
            .select(Select::Count)
            .send()
            .await?;
        Ok(u32::try_from(counted.count).unwrap_or(0))
    }

    /// Accepts the automatic reply of a closed period. `false` if the contact got one in this period already,
    /// is blocked, or is opted out and the message does not bypass opt-outs.
    pub async fn answer(
        &self,
        organization: &OrganizationId,
        period: &ClosedPeriod,
        message: &Message,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        put_reply(&mut transaction, organization, &period.id, message)?;
        Ok(transaction.commit().await?.is_done())
    }
}
