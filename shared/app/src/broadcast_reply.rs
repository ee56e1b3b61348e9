//! Replies to broadcasts: which inbound message is the reply of a recipient, which answer it gives to the
//! question of the broadcast, and the follow-up of that answer.
//!
//! Idempotent by the recipient, who replies once: a repeated delivery finds the reply, and whether its answer
//! has a follow-up. Requests to opt out, to opt in or for help do not come here, and automatic messages of
//! phones are no replies.

use shared_aws::{
    broadcast::{BroadcastReplies, Broadcasts, RecipientReply, Recipients, ReplyOutcome, StoredRecipient},
    inbox::{Inboxes, OutOfOffice},
    messaging::BeforeInbound,
    table::{StoreError, Table},
};
use shared_domain::{
    automatic::automatic,
    broadcast::{RecipientState, ReplyFacts, ReplyWindow},
    ids::{ConversationId, MessageId},
    inbox::TeamInbox,
    keyword_reply::KeywordAction,
    message::Message,
    opt_out::wants_review,
    question::Answer,
};

use crate::{automatic, keyword_reply::InboundKeyword};

#[derive(Debug, Clone)]
pub(crate) struct BroadcastReplyWorkflow {
    broadcasts: Broadcasts,
    recipients: Recipients,
    replies: BroadcastReplies,
    inboxes: Inboxes,
    out_of_office: OutOfOffice,
}

impl BroadcastReplyWorkflow {
    pub(crate) fn new(table: &Table) -> Self {
        Self {
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            replies: BroadcastReplies::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
        }
    }

    /// Stores a message as the reply to the broadcast whose text the conversation got last, if it is one.
    /// Returns whether its answer has a follow-up, so that no other rule answers the message.
    pub(crate) async fn apply(
        &self,
        inbound: InboundKeyword<'_>,
        before: &BeforeInbound,
    ) -> Result<bool, StoreError> {
        let InboundKeyword { inbox, from, text, at, .. } = inbound;
        let asked = &before.asked;
        let window = ReplyWindow::of_hours(asked.window_hours);
        if !window.contains(asked.at, at) || automatic(text).is_some() {
            return Ok(false);
        }
        let recipient = self.recipients.get(&inbox.organization, &asked.of, from).await?;
        let Some(recipient) = recipient.filter(|recipient| is_reply(recipient, inbound, before)) else {
            return Ok(false);
        };
        // A text that seems to ask for an opt-out is reviewed by a user, and gets no follow-up.
        let is_answer = asked.question && !wants_review(text);
        let (answer, follow_up) = if is_answer { self.answer(inbound, before).await? } else { (None, None) };
        if recipient.replied_at.is_none() {
            self.write(inbound, before, answer, follow_up.as_deref()).await?;
        }
        Ok(follow_up.is_some())
    }

    /// The answer to the question, and the text that it gets.
    async fn answer(
        &self,
        inbound: InboundKeyword<'_>,
        before: &BeforeInbound,
    ) -> Result<(Option<Answer>, Option<String>), StoreError> {
        let team = inbound.inbox.team_key();
        let found = self.broadcasts.get(team, &before.asked.of.broadcast).await?;
        let Some(question) = found.and_then(|found| found.value.question()) else { return Ok((None, None)) };
        let answer = question.answer_of(inbound.text);
        let follow_up = answer.and_then(|answer| question.follow_up(answer));
        Ok((answer, follow_up.map(str::to_owned)))
    }

    async fn write(
        &self,
        inbound: InboundKeyword<'_>,
        before: &BeforeInbound,
        answer: Option<Answer>,
        follow_up: Option<&str>,
    ) -> Result<(), StoreError> {
        let InboundKeyword { inbox, from, message, at, .. } = inbound;
        let mut follow_up = match follow_up {
            Some(text) => self.follow_up(inbound, text).await?,
            None => None,
        };
        let conversation = ConversationId::of(&inbox.id, from);
        loop {
            let reply = RecipientReply {
                organization: &inbox.organization,
                of: &before.asked.of,
                number: from,
                conversation: &conversation,
                message,
                at,
                answer,
                follow_up: follow_up.as_ref(),
            };
            match self.replies.write(&reply).await? {
                ReplyOutcome::MayNotBeTexted if follow_up.is_some() => follow_up = None,
                ReplyOutcome::Done => {
                    let broadcast = &before.asked.of.broadcast;
                    tracing::info!(event = "broadcast_reply", %broadcast, message_id = %message, "reply to a broadcast stored");
                    self.broadcasts.look_again(inbox.team_key(), broadcast, at).await?;
                    return Ok(());
                }
                ReplyOutcome::Repeated | ReplyOutcome::MayNotBeTexted => return Ok(()),
            }
        }
    }

    /// The message with the follow-up. `None` if it would come too late, start a loop, or cannot be sent.
    async fn follow_up(
        &self,
        inbound: InboundKeyword<'_>,
        text: &str,
    ) -> Result<Option<Message>, StoreError> {
        let InboundKeyword { inbox, from, at, entropy, .. } = inbound;
        let action = automatic::action(&self.inboxes, &self.out_of_office, inbound, text).await?;
        if action != KeywordAction::Reply {
            return Ok(None);
        }
        let team_inbox = self.inboxes.get_with_team(inbox.key()).await?;
        let team_inbox = team_inbox.filter(TeamInbox::may_send);
        Ok(team_inbox.map(|team_inbox| automatic::message(&team_inbox, from, text, at, entropy)))
    }
}

/// Whether a message is the reply of a recipient, now or in an earlier delivery.
fn is_reply(recipient: &StoredRecipient, inbound: InboundKeyword<'_>, before: &BeforeInbound) -> bool {
    if let Some(replied_at) = recipient.replied_at {
        return replied_at == inbound.at;
    }
    if matches!(recipient.state, RecipientState::Failed | RecipientState::Skipped) {
        return false; // the text was not sent
    }
    let released_at = recipient.released_at.unwrap_or(before.asked.at);
    let newer = before.last_outbound.as_ref().filter(|last| Some(*last) != recipient.message.as_ref());
    let last_user_message_at = newer.and_then(MessageId::made_at);
    let facts = ReplyFacts { released_at, last_user_message_at, has_replied: false };
    ReplyWindow::of_hours(before.asked.window_hours).is_reply(facts, inbound.at)
}
