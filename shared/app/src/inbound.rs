//! Taking in an inbound message: store it, request copies of its media, apply an opt-out keyword, open an
//! opt-out review, recognize the reply to a broadcast, answer a keyword of the inbox, or else reply if the
//! inbox is closed.
//!
//! Idempotent by the carrier's message id: a repeated delivery finds the stored message, and any step that an
//! interrupted delivery missed is completed. Every step uses the time at which the message was first
//! received.
//!
//! A message that the sweep finds hours later gets no automatic reply: the person would not know what it
//! answers, and US rules expect the confirmation of an opt-out within minutes. Its keyword still acts, and
//! the tag of a keyword reply is still added.

use std::time::Duration;

use shared_aws::{
    messaging::{BeforeInbound, CARRIER, Inbound, InboundText, MediaFiles, PendingMedia, Receipt},
    opt_out::OptOutReviews,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{Media as CarrierMedia, OptOutType};
use shared_domain::{
    ids::{MediaId, MessageId},
    inbox::Inbox,
    keys::TeamInboxKey,
    media::{Media, MediaState},
    opt_out::{KeywordReplies, wants_review},
    phone::ChannelAddress,
    time::Timestamp,
};

use crate::{
    broadcast_reply::BroadcastReplyWorkflow,
    keyword::{KeywordMessage, KeywordOutcome, Keywords, keyword_of},
    keyword_reply::{InboundKeyword, KeywordReplyWorkflow},
    out_of_office::OutOfOfficeReplies,
};

/// How long after it was received a message gets an automatic reply.
const MAX_REPLY_DELAY: Duration = Duration::from_mins(15);

/// Why a message was not taken in completely. The carrier must deliver it again.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the opt-out changed in every attempt")]
    Contended,
}

/// Returns a message of the carrier with this sid. Its media is still at the carrier and must be copied.
pub fn inbound_text(sid: &str, from: ChannelAddress, text: String, media: &[CarrierMedia]) -> InboundText {
    let pending = media.iter().enumerate().map(|(place, media)| Media {
        id: MediaId::of_inbound(sid, place),
        copy: None,
        content_type: Some(media.content_type.clone()),
        state: MediaState::Pending { source: media.url.clone() },
    });
    let ChannelAddress { channel, number } = from;
    InboundText {
        carrier: CARRIER,
        carrier_id: sid.to_owned(),
        from: number,
        channel,
        text,
        media: pending.collect(),
    }
}

/// The workflow of inbound messages.
#[derive(Debug, Clone)]
pub struct InboundWorkflow {
    inbound: Inbound,
    media: MediaFiles,
    keywords: Keywords,
    reviews: OptOutReviews,
    broadcast_replies: BroadcastReplyWorkflow,
    keyword_replies: KeywordReplyWorkflow,
    out_of_office: OutOfOfficeReplies,
    /// `None` if nothing gets an automatic reply.
    max_reply_delay: Option<Duration>,
}

impl InboundWorkflow {
    /// `replies` says who answers keywords.
    pub fn new(table: &Table, replies: KeywordReplies) -> Self {
        Self {
            inbound: Inbound::new(table.clone()),
            media: MediaFiles::new(table.clone()),
            keywords: Keywords::new(table, replies),
            reviews: OptOutReviews::new(table.clone()),
            broadcast_replies: BroadcastReplyWorkflow::new(table),
            keyword_replies: KeywordReplyWorkflow::new(table),
            out_of_office: OutOfOfficeReplies::new(table),
            max_reply_delay: Some(MAX_REPLY_DELAY),
        }
    }

    /// Takes in messages that had their automatic reply before, as all that a restore finds.
    #[must_use]
    pub fn without_replies(self) -> Self {
        Self { max_reply_delay: None, ..self }
    }

    /// Takes in a message for `inbox`. `received_at` is when it was received, unless it is stored already.
    /// `opt_out_type` is the keyword that the carrier recognized and answered.
    pub async fn take_in(
        &self,
        now: Timestamp,
        entropy: u64,
        received_at: Timestamp,
        inbox: &Inbox,
        text: &InboundText,
        opt_out_type: Option<&OptOutType>,
    ) -> Result<(), InboundError> {
        let (Some(message), before) = self.store(inbox, text, received_at).await? else { return Ok(()) };
        self.request_media(inbox, &message, text.media.len(), received_at).await?;
        let at = message.made_at().unwrap_or(received_at);
        let is_late = self.max_reply_delay.is_none_or(|delay| now > at + delay);
        let keyword = keyword_of(&text.text, opt_out_type);
        let is_keyword = match keyword {
            Some(keyword) => {
                let silent = is_late || opt_out_type.is_some();
                let (from, message) = (&text.from, &message);
                self.apply_keyword(KeywordMessage { inbox, from, keyword, silent, message, at, entropy })
                    .await?
            }
            None => false,
        };
        if keyword.is_none() && wants_review(&text.text) {
            self.open_review(inbox, &message, text).await?;
        }
        if is_keyword {
            return Ok(());
        }
        let (from, text, message) = (&text.from, &text.text, &message);
        // The carrier answered what it recognized.
        let is_late = is_late || opt_out_type.is_some();
        let keyword = InboundKeyword { inbox, from, text, message, at, is_late, entropy };
        if let Some(before) = before
            && self.broadcast_replies.apply(keyword, &before).await?
        {
            return Ok(());
        }
        if !self.keyword_replies.apply(keyword).await? && !is_late {
            self.out_of_office.reply(inbox, from, text, at, entropy).await?;
        }
        Ok(())
    }

    /// Returns the id of the stored message, `None` if it was erased, and the text of a broadcast that it may
    /// answer.
    async fn store(
        &self,
        inbox: &Inbox,
        text: &InboundText,
        now: Timestamp,
    ) -> Result<(Option<MessageId>, Option<BeforeInbound>), StoreError> {
        let (receipt, before) = self.inbound.receive(inbox, text, now).await?;
        let (message, repeated) = match receipt {
            Receipt::Stored(message) => (message, false),
            Receipt::Duplicate(message) => (message, true),
            Receipt::Erased => return Ok((None, None)),
        };
        tracing::info!(event = "message_received", inbox = %inbox.id, message_id = %message, carrier_id = text.carrier_id, repeated, "message stored");
        Ok((Some(message), before))
    }

    async fn request_media(
        &self,
        inbox: &Inbox,
        message: &MessageId,
        files: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if files == 0 {
            return Ok(());
        }
        let (organization, message) = (inbox.organization.clone(), message.clone());
        self.media.enqueue(&PendingMedia { organization, message, files, at: now }).await
    }

    async fn apply_keyword(&self, text: KeywordMessage<'_>) -> Result<bool, InboundError> {
        match self.keywords.apply(text).await? {
            KeywordOutcome::Handled => Ok(true),
            KeywordOutcome::NotAKeyword => Ok(false),
            KeywordOutcome::Contended => Err(InboundError::Contended),
        }
    }

    async fn open_review(
        &self,
        inbox: &Inbox,
        message: &MessageId,
        text: &InboundText,
    ) -> Result<(), StoreError> {
        let place = TeamInboxKey { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
        if self.reviews.open_review(place, message, &text.from, &text.text).await? {
            tracing::info!(event = "review_opened", inbox = %inbox.id, message_id = %message, "opt-out review opened");
        }
        Ok(())
    }
}
