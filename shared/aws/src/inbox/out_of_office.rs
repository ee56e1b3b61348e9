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
    keys::{InboxKey, TeamKey},
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
        error::StoreError, item::number, keys, query::KeyRange, requests::Table, transaction::Transaction,
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

#[derive(Debug, Serialize, Deserialize)]
struct AnsweredRow {
    at: Timestamp,
    message: MessageId,
    ttl: i64,
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

    /// Replaces the settings of an inbox of this team.
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
            .filter_expression("#at > :since")
            .expression_attribute_names("#at", "at")
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
        let (inbox, conversation) = (InboxKey { organization, inbox: &message.inbox }, &message.conversation);
        let claim = AnsweredRow {
            at: message.created_at,
            message: message.id.clone(),
            ttl: (message.created_at + DEDUP_TTL).seconds(),
        };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(keys::automatic_reply(inbox, conversation, &period.id), &claim)?;
        let key = keys::message(organization, conversation, &message.id);
        transaction.put_new(key, &MessageRow::of(message))?;
        let key = keys::outbox(conversation, &message.id);
        transaction.put_new(key, &OutboxRow::of(organization, message))?;
        transaction.require(keys::conversation(inbox.conversation(conversation)), |check| {
            if message.bypass_opt_out {
                check.condition_expression(format!("attribute_exists(pk) AND {NOT_BLOCKED}"))
            } else {
                check
                    .condition_expression(format!("attribute_exists(pk) AND {MAY_BE_TEXTED}"))
                    .expression_attribute_names("#out", "out")
            }
        })?;
        Ok(transaction.commit().await?.is_done())
    }
}
