//! What becomes of our texts: a report on the message, and what lists show of it.
//!
//! Two writes, one after the other, for a report that fails a text or ends its failure. A host that dies between them leaves
//! the list behind; therefore whoever meets the message again (the callback that comes again, the queue's redelivery, the
//! reconciler's next run) shows it once more, which changes nothing where it is shown already. A text that failed may still be
//! reported as delivered, and never the other way round: that order is held by the thread itself.

use shared_domain::{
    ids::{MessageId, OrganizationId},
    keys::ConversationKey,
    message::{DeliveryState, Message, Report},
};

use crate::{
    conversation::conversations::Conversations,
    messaging::messages::{Messages, Reported},
    table::{error::StoreError, requests::Table},
};

/// Reports on our texts.
#[derive(Debug, Clone)]
pub struct Deliveries {
    messages: Messages,
    conversations: Conversations,
}

impl Deliveries {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { messages: Messages::new(table.clone()), conversations: Conversations::new(table) }
    }

    /// Adds a report and shows in the thread what it means there. Idempotent by message and state.
    ///
    /// # Errors
    /// [`StoreError`]: the same report again does the rest.
    pub async fn report(
        &self,
        organization: &OrganizationId,
        id: &MessageId,
        state: DeliveryState,
        report: &Report,
        carrier_id: Option<&str>,
    ) -> Result<Reported, StoreError> {
        let reported = self.messages.report(organization, id, state, report, carrier_id).await?;
        if let Reported::Added(message) | Reported::Known(message) = &reported
            && (state.is_failure() || state == DeliveryState::Delivered)
        {
            self.update_conversation(organization, message).await?;
        }
        Ok(reported)
    }

    /// Shows in the thread whether the text failed, or arrived after all: nothing to do for one that never failed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update_conversation(
        &self,
        organization: &OrganizationId,
        message: &Message,
    ) -> Result<(), StoreError> {
        if !message.delivery.history().iter().any(|(state, _)| state.is_failure()) {
            return Ok(());
        }
        let failed = message.delivery.state().is_failure();
        let thread =
            ConversationKey { organization, inbox: &message.inbox, conversation: &message.conversation };
        self.conversations.mark_delivery(thread, &message.id, failed).await
    }
}
