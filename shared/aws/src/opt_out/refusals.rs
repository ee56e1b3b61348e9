//! Opt-outs that the carrier reports by refusing a message.
//!
//! The message holds a mark that its refusal was recorded, written in one transaction with the change. The
//! same refusal can come from the send call, a status callback and the reconciler, and each of them more than
//! once. Without the mark, a late repetition would opt out a contact who has opted in since.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use shared_domain::{
    ids::{MessageId, OrganizationId},
    opt_out::{OptOutChange, OptOutSubject},
};

use crate::{
    opt_out::opt_outs::{OptOutRecord, OptOutWrite, OptOuts},
    table::{
        error::StoreError,
        keys::{self, Key},
        transaction::Transaction,
    },
};

const IS_UNMARKED: &str = "attribute_exists(pk) AND attribute_not_exists(optOutRecorded)";
const MARK: &str = "SET optOutRecorded = :true";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefusedMessageRow {
    #[serde(default)]
    opt_out_recorded: bool,
}

impl OptOuts {
    /// Whether the refusal of this message needs nothing more: it was recorded, or the message does not
    /// exist. Read consistently.
    pub async fn is_refusal_recorded(
        &self,
        organization: &OrganizationId,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let Some(key) = message_key(organization, message) else { return Ok(true) };
        let row: Option<RefusedMessageRow> = self.table.get(key, true).await?;
        Ok(row.is_none_or(|row| row.opt_out_recorded))
    }

    /// Stores the change that a refusal causes and marks the message, in one transaction. `false` if the
    /// state changed since it was read, or the message is marked.
    pub async fn record_refusal(
        &self,
        subject: &OptOutSubject,
        (before, change): (&OptOutRecord, &OptOutChange),
        with: OptOutWrite<'_>,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let Some(key) = message_key(&subject.organization, message) else { return Ok(false) };
        let mark = |transaction: &mut Transaction<'_>| {
            transaction.update(key, |update| {
                update
                    .update_expression(MARK)
                    .condition_expression(IS_UNMARKED)
                    .expression_attribute_values(":true", AttributeValue::Bool(true))
            })?;
            Ok(())
        };
        self.record_and(subject, before, change, with, mark).await
    }

    /// Marks a message whose refusal changes nothing, because the carrier has already opted the contact out.
    pub async fn mark_refusal_recorded(
        &self,
        organization: &OrganizationId,
        message: &MessageId,
    ) -> Result<(), StoreError> {
        let Some(key) = message_key(organization, message) else { return Ok(()) };
        let marked = self.table.update_if(key, |update| {
            update
                .update_expression(MARK)
                .condition_expression(IS_UNMARKED)
                .expression_attribute_values(":true", AttributeValue::Bool(true))
        });
        marked.await.map(drop)
    }
}

/// Returns the key of a message, or `None` if its id contains no conversation, so that it does not exist.
fn message_key(organization: &OrganizationId, message: &MessageId) -> Option<Key> {
    Some(keys::message(organization, &message.conversation()?, message))
}
