//! Delivery reports: a report on the message, and whether lists show its conversation as failed.
//!
//! A report that makes a message fail, or ends its failure, takes two writes. If the process stops between
//! them, the next step that handles the message (a repeated callback, a redelivery of the queue, or the
//! reconciler) updates the conversation again, which is idempotent. A failed message may still be reported as
//! delivered, but not the other way round; the write on the conversation enforces this order.
//!
//! The recipient of a broadcast follows its message in the same way. It changes its state under the condition
//! of the state before, so that a repeated report is counted once.

use shared_domain::{
    ids::{MessageId, OrganizationId},
    keys::ConversationKey,
    message::{DeliveryState, Message, Report},
};

use crate::{
    broadcast::Recipients,
    conversation::conversations::Conversations,
    messaging::messages::{Messages, Reported},
    table::{error::StoreError, requests::Table},
};

/// Delivery reports on outbound messages.
#[derive(Debug, Clone)]
pub struct Deliveries {
    messages: Messages,
    conversations: Conversations,
    recipients: Recipients,
}

impl Deliveries {
    pub fn new(table: Table) -> Self {
        Self {
            messages: Messages::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            conversations: Conversations::new(table),
        }
    }

    /// Adds a report to the message and updates the conversation. Idempotent by message and state; after an
    /// error, the same report completes the work.
    pub async fn report(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        state: DeliveryState,
        report: &Report,
        carrier_id: Option<&str>,
    ) -> Result<Reported, StoreError> {
        let reported = self.messages.report(organization, id, state, report, carrier_id).await?;
        if let Reported::Added(message) | Reported::Known(message) = &reported {
            if state.is_failure() || state == DeliveryState::Delivered {
                self.update_conversation(organization, message).await?;
            } else {
                self.recipients.follow(organization, message).await?;
            }
        }
        Ok(reported)
    }

    /// Stores on the conversation whether the message failed or was delivered after a failure, and brings the
    /// recipient of a broadcast to the state of its message.
    pub async fn update_conversation(
        &self,
        organization: &OrganizationId,
        message: &Message,
    ) -> Result<(), StoreError> {
        self.recipients.follow(organization, message).await?;
        if !message.delivery.history().iter().any(|(state, _)| state.is_failure()) {
            return Ok(());
        }
        let failed = message.delivery.state().is_failure();
        let key =
            ConversationKey { organization, inbox: &message.inbox, conversation: &message.conversation };
        self.conversations.mark_delivery(key, &message.id, failed).await
    }
}
