//! Out of Office: the settings of inboxes, and the automatic answers that were given.
//!
//! An answer is one transaction: the claim of this contact's closed period, which makes it at most one, the message, and
//! its outbox row. The conversation is not touched (an automatic text moves nothing and marks nothing read), but has to
//! allow being texted at that instant. 8 write units.

use std::time::Duration;

use aws_sdk_dynamodb::types::Select;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, TeamId},
    message::Message,
    out_of_office::{ClosedPeriod, Draft},
    time::Timestamp,
};

use crate::{
    messaging::{
        rows::{MessageRow, OutboxRow},
        sends::MAY_BE_TEXTED,
    },
    table::{
        error::StoreError,
        item::{number, text},
        keys,
        requests::Table,
        transaction::Transaction,
    },
    team::audit::AuditEvent,
};

/// A closed period is over by then, or its id will not come again.
const DEDUP_TTL: Duration = Duration::from_hours(400 * 24);
/// What the loop guard looks back at.
const RECENT: Duration = Duration::from_hours(1);

/// Settings as they were saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// The settings.
    pub draft: Draft,
    /// When: there `on` begins.
    pub saved_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct AnsweredRow {
    at: Timestamp,
    message: String,
    ttl: i64,
}

/// Settings and answers of inboxes.
#[derive(Debug, Clone)]
pub struct OutOfOffice {
    table: Table,
}

impl OutOfOffice {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// An inbox's settings, if it ever had some: half a read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
    ) -> Result<Option<Saved>, StoreError> {
        self.table.get(keys::out_of_office(organization, inbox), false).await
    }

    /// Replaces an inbox's settings.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        inbox: &InboxId,
        saved: &Saved,
        deed: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::out_of_office(organization, inbox), saved)?;
        deed.write(&mut transaction, organization, team)?;
        transaction.commit().await.map(|_| ())
    }

    /// How many automatic answers a contact got in the last hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let counted = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :inbox AND begins_with(sk, :answers)")
            .filter_expression("#at > :since")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":inbox", text(keys::inbox_partition(organization, inbox)))
            .expression_attribute_values(":answers", text(keys::answers(conversation)))
            .expression_attribute_values(":since", number((now - RECENT).millis()))
            .select(Select::Count)
            .send()
            .await?;
        Ok(u32::try_from(counted.count).unwrap_or(0))
    }

    /// Accepts the automatic answer of a closed period; `false` when the contact was answered in it before, or may not be
    /// texted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answer(
        &self,
        organization: &OrganizationId,
        period: &ClosedPeriod,
        message: &Message,
    ) -> Result<bool, StoreError> {
        let (inbox, conversation) = (&message.inbox, &message.conversation);
        let claim = AnsweredRow {
            at: message.created_at,
            message: message.id.to_string(),
            ttl: (message.created_at + DEDUP_TTL).seconds(),
        };
        let outbox =
            OutboxRow { org: organization.to_string(), sk: message.id.to_string(), at: message.created_at };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(keys::answered(organization, inbox, conversation, &period.id), &claim)?;
        transaction
            .put_new(keys::message(organization, conversation, &message.id), &MessageRow::of(message))?;
        transaction.put_new(keys::outbox(conversation, &message.id), &outbox)?;
        transaction.holds(keys::conversation(organization, inbox, conversation), |check| {
            check
                .condition_expression(format!("attribute_exists(pk) AND {MAY_BE_TEXTED}"))
                .expression_attribute_names("#out", "out")
        })?;
        Ok(transaction.commit().await?.is_done())
    }
}
