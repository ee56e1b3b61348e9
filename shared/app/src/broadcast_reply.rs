//! Replies to broadcasts: which inbound message is the reply of a recipient, which answer it gives to the
//! question of the broadcast, and the follow-up of that answer.
//!
//! Idempotent by the recipient, who replies once: a repeated delivery finds the reply, and whether its answer
//! has a follow-up. Requests to opt out, to opt in or for help do not come here, and automatic messages of
//! phones are no replies.

use shared_aws::{
    broadcast::{BroadcastReplies, Broadcasts, RecipientReply, Recipients, ReplyOutcome, StoredRecipient},
    inbox::{Inboxes, OutOfOffice},
    messaging::{BeforeInbound, Messages},
    table::{StoreError, Table},
};
use shared_domain::{
    automatic::automatic,
    broadcast::{Asked, RecipientState, ReplyFacts, ReplyWindow, can_be_answered},
    ids::{ConversationId, MessageId, OrganizationId},
    inbox::TeamInbox,
    keyword_reply::KeywordAction,
    message::Message,
    opt_out::wants_review,
    question::Answer,
    time::Timestamp,
};

use crate::{automatic, keyword_reply::InboundKeyword};

#[derive(Debug, Clone)]
pub(crate) struct BroadcastReplyWorkflow {
    broadcasts: Broadcasts,
    recipients: Recipients,
    replies: BroadcastReplies,
    messages: Messages,
    inboxes: Inboxes,
    out_of_office: OutOfOffice,
}

impl BroadcastReplyWorkflow {
    pub(crate) fn new(table: &Table) -> Self {
        Self {
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            replies: BroadcastReplies::new(table.clone()),
            messages: Messages::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
        }
    }

    /// Stores a message as the reply to a broadcast, if it is one. Returns whether its answer has a
    /// follow-up, so that no other rule answers the message.
    pub(crate) async fn apply(
        &self,
        inbound: InboundKeyword<'_>,
        before: &BeforeInbound,
    ) -> Result<bool, StoreError> {
        if automatic(inbound.text).is_some() {
            return Ok(false);
        }
        let Some((asked, recipient)) = self.answered(inbound, before).await? else { return Ok(false) };
        // A text that seems to ask for an opt-out is reviewed by a user, and gets no follow-up.
        let is_answer = asked.question && !wants_review(inbound.text);
        let (answer, follow_up) = if is_answer { self.answer(inbound, asked).await? } else { (None, None) };
        if recipient.replied_at.is_none() {
            self.write(inbound, asked, answer, follow_up.as_deref()).await?;
        }
        Ok(follow_up.is_some())
    }

    /// Returns the text to which a message is the reply, with its recipient. Only the last text that the
    /// person can have read may be it.
    async fn answered<'a>(
        &self,
        inbound: InboundKeyword<'_>,
        before: &'a BeforeInbound,
    ) -> Result<Option<(&'a Asked, StoredRecipient)>, StoreError> {
        let InboundKeyword { inbox, from, at, .. } = inbound;
        if !before.texts().any(|asked| asked.is_open(at)) {
            return Ok(None);
        }
        let mut unread = None;
        for asked in before.texts().filter(|asked| asked.at <= at) {
            let recipient = self.recipients.get(&inbox.organization, &asked.of, from).await?;
            let Some(recipient) = recipient else { return Ok(None) };
            if self.can_be_answered(&inbox.organization, &recipient).await? {
                let is_reply = is_reply(asked, &recipient, before, unread.as_ref(), at);
                return Ok(is_reply.then_some((asked, recipient)));
            }
            unread = recipient.message;
        }
        Ok(None)
    }

    /// Whether a recipient can have read the text. 1 read unit while the recipient is queued.
    async fn can_be_answered(
        &self,
        organization: &OrganizationId,
        recipient: &StoredRecipient,
    ) -> Result<bool, StoreError> {
        if recipient.replied_at.is_some() {
            return Ok(true);
        }
        let text = match &recipient.message {
            Some(id) if recipient.state == RecipientState::Queued => {
                self.messages.get(organization, id).await?
            }
            _ => None,
        };
        Ok(can_be_answered(recipient.state, text.map(|text| text.delivery.state())))
    }

    /// The answer to the question, and the text that it gets.
    async fn answer(
        &self,
        inbound: InboundKeyword<'_>,
        asked: &Asked,
    ) -> Result<(Option<Answer>, Option<String>), StoreError> {
        let team = inbound.inbox.team_key();
        let found = self.broadcasts.get(team, &asked.of.broadcast).await?;
        let Some(question) = found.and_then(|found| found.value.question()) else { return Ok((None, None)) };
        let answer = question.answer_of(inbound.text);
        let follow_up = answer.and_then(|answer| question.follow_up(answer));
        Ok((answer, follow_up.map(str::to_owned)))
    }

    async fn write(
        &self,
        inbound: InboundKeyword<'_>,
        asked: &Asked,
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
                of: &asked.of,
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
                    let broadcast = &asked.of.broadcast;
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

/// Whether a message that arrived at this time is the reply of a recipient, now or in an earlier delivery.
/// `unread` is the message of a later text that the person cannot have read.
fn is_reply(
    asked: &Asked,
    recipient: &StoredRecipient,
    before: &BeforeInbound,
    unread: Option<&MessageId>,
    at: Timestamp,
) -> bool {
    if let Some(replied_at) = recipient.replied_at {
        return replied_at == at;
    }
    let released_at = recipient.released_at.unwrap_or(asked.at);
    let texts = [recipient.message.as_ref(), unread];
    let of_users = before.outbound().filter(|message| !texts.contains(&Some(*message)));
    let last_user_message_at = of_users.filter_map(MessageId::made_at).filter(|made_at| *made_at <= at).max();
    let facts = ReplyFacts { released_at, last_user_message_at, has_replied: false };
    ReplyWindow::of_hours(asked.window_hours).is_reply(facts, at)
}
