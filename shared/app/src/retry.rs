//! Sending failed messages again, in bulk: after an outage, or after a fault of the carrier account.
//!
//! Each failed message is sent again by a new message with the same text and media, which is accepted like a
//! composed message: under the same checks, and in one transaction that also marks the failed message. So a
//! failed message is sent again once, however often a retry is repeated. Messages of a conversation keep
//! their order. The text of a broadcast stays that of its recipient: its hours hold, its delivery and its
//! reply are counted.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_aws::{
    broadcast::{Broadcasts, Recipients},
    contact::Contacts,
    conversation::Conversations,
    messaging::{Acceptance, Accepted, FailedMessages, Guard, Sends},
    opt_out::OptOuts,
    table::{StoreError, Table},
};
use shared_domain::{
    ids::{ConversationId, UserId},
    inbox::TeamInbox,
    message::Message,
    sending::{SendingInbox, reasons_against_compose},
    time::Timestamp,
};

use crate::broadcast::{BroadcastWorkflow, Resend};

/// Conversations that are handled at the same time.
const MAX_CONCURRENCY: usize = 8;

/// The failed messages to send again.
#[derive(Debug, Clone, Copy)]
pub struct FailedIn<'a> {
    /// Error codes of the carrier. `None` for messages with any code, and for those without one.
    pub codes: Option<&'a [String]>,
    /// The earliest failure.
    pub since: Timestamp,
    /// After the latest failure.
    pub until: Timestamp,
}

/// What a retry did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Failed messages that are sent again.
    pub queued: usize,
    /// Failed messages that may not be sent now.
    pub skipped: usize,
    /// When the first message failed that was not looked at. `None` if there is none.
    pub next: Option<Timestamp>,
}

/// What happened to one failed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Queued,
    Skipped,
    /// Another retry was first, or the message was delivered after all.
    NothingToDo,
}

/// The workflow of retries.
#[derive(Debug, Clone)]
pub struct RetryWorkflow {
    failed: FailedMessages,
    conversations: Conversations,
    contacts: Contacts,
    opt_outs: OptOuts,
    sends: Sends,
    recipients: Recipients,
    broadcasts: Broadcasts,
    workflow: BroadcastWorkflow,
}

impl RetryWorkflow {
    pub fn new(table: &Table) -> Self {
        Self {
            failed: FailedMessages::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            sends: Sends::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            workflow: BroadcastWorkflow::new(table, None),
        }
    }

    /// Sends the first failed messages of a period again, at most
    /// [`FAILED_PAGE`](shared_aws::messaging::FAILED_PAGE). `user` is the admin who retries them. After an
    /// error, some of them may be queued; a repeated retry queues the others.
    pub async fn retry(
        &self,
        from: &TeamInbox,
        user: &UserId,
        which: FailedIn<'_>,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        let page = self.failed.page(from.inbox.key(), which.since, which.until).await?;
        let mut conversations: BTreeMap<ConversationId, Vec<Message>> = BTreeMap::new();
        for message in page.messages {
            let failed = message.retried_by.is_none() && message.delivery.state().is_failure();
            if failed && has_code(&message, which.codes) {
                conversations.entry(message.conversation.clone()).or_default().push(message);
            }
        }
        let outcomes: Vec<Vec<Outcome>> = stream::iter(conversations)
            .map(|(conversation, failed)| self.retry_conversation(from, user, conversation, failed, now))
            .buffer_unordered(MAX_CONCURRENCY)
            .try_collect()
            .await?;
        let count = |outcome| outcomes.iter().flatten().filter(|one| **one == outcome).count();
        let retried =
            Retried { queued: count(Outcome::Queued), skipped: count(Outcome::Skipped), next: page.next };
        let (queued, skipped) = (retried.queued, retried.skipped);
        tracing::info!(event = "messages_retried", inbox = %from.inbox.id, queued, skipped, "failed messages queued again");
        Ok(retried)
    }

    /// Sends the failed messages of a conversation again, in their order: each is dated a millisecond after
    /// the one before.
    async fn retry_conversation(
        &self,
        from: &TeamInbox,
        user: &UserId,
        conversation: ConversationId,
        failed: Vec<Message>,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let skipped = vec![Outcome::Skipped; failed.len()];
        let found = self.conversations.get(from.inbox.key().conversation(&conversation)).await?;
        let Some((conversation, first)) = found.zip(failed.first()) else { return Ok(skipped) };
        // The contact of the number shows a block that the conversation's copy may not show yet.
        let known = self.contacts.by_number(from.inbox.team_key(), &first.contact_number).await?;
        let contact = known.as_ref().unwrap_or(&conversation.contact);
        let sending = SendingInbox { inbox: &from.inbox, registration: from.team.registration };
        let reasons = reasons_against_compose(sending, contact, Some(&conversation), Some(user), now);
        let subjects = first.opt_out_subjects(&from.inbox.organization);
        if !reasons.is_empty() || self.opt_outs.any_out(&subjects).await? {
            return Ok(skipped);
        }
        let mut outcomes = Vec::with_capacity(failed.len());
        for (place, failed) in (0..).zip(&failed) {
            if !failed.can_be_retried() {
                outcomes.push(Outcome::Skipped);
                continue;
            }
            let Some(resend) = self.resend_of(from, failed, now).await? else {
                outcomes.push(Outcome::Skipped);
                continue;
            };
            let retry = from.retry(failed, now + Duration::from_millis(place));
            let message = Message { send_until: resend.until, ..retry };
            let acceptance = Acceptance {
                organization: &from.inbox.organization,
                message: &message,
                contact,
                guard: Guard::Compose { user: Some(user) },
                idempotency: None,
            };
            outcomes.push(match self.sends.accept_retry(acceptance, resend.asked.as_ref()).await? {
                Accepted::Stored => {
                    self.look_again(from, &message, now).await?;
                    Outcome::Queued
                }
                Accepted::AlreadyRetried => Outcome::NothingToDo,
                Accepted::Refused(_) | Accepted::KeyTaken => Outcome::Skipped,
            });
        }
        Ok(outcomes)
    }

    /// How a failed message is sent again. `None` if it may not be sent now: its broadcast was canceled, or
    /// the hours of its recipient begin later.
    async fn resend_of(
        &self,
        from: &TeamInbox,
        failed: &Message,
        now: Timestamp,
    ) -> Result<Option<Resend>, StoreError> {
        let Some(of) = &failed.broadcast else { return Ok(Some(Resend::default())) };
        // A worker may have died between the report of the failure and that of the recipient.
        self.recipients.follow(&from.inbox.organization, failed).await?;
        self.workflow.resend_at(from.inbox.team_key(), of, &failed.contact_number, now).await
    }

    /// The counts of a broadcast that ended are stored again.
    async fn look_again(
        &self,
        from: &TeamInbox,
        message: &Message,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match &message.broadcast {
            Some(of) => self.broadcasts.look_again(from.inbox.team_key(), &of.broadcast, now).await,
            None => Ok(()),
        }
    }
}

fn has_code(message: &Message, codes: Option<&[String]>) -> bool {
    codes.is_none_or(|codes| {
        message.failure_code().is_some_and(|code| codes.iter().any(|wanted| wanted == code))
    })
}
