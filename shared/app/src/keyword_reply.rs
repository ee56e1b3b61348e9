//! Keyword replies: the answer to a message whose whole text is a keyword of its inbox, and the tag that its
//! contact gets.
//!
//! Idempotent by the id of the inbound message: answer, tag and a claim of the message are one transaction. A
//! message gets at most one automatic answer, so a keyword is not answered by Out of Office as well, whatever
//! its own reply does.

use shared_aws::{
    contact::{ContactEntry, Contacts},
    inbox::{Inboxes, OutOfOffice},
    keyword_reply::{KeywordAnswer, KeywordAnswers, KeywordOutcome, KeywordReplies, SavedKeywordReply},
    table::{StoreError, Table},
};
use shared_domain::{
    ids::MessageId,
    inbox::{Inbox, TeamInbox},
    keyword_reply::{KeywordAction, keyword_in},
    message::Message,
    phone::PhoneNumber,
    tag::{Tag, Tags},
    time::Timestamp,
};

use crate::{automatic, opt_out::MAX_ATTEMPTS};

/// An inbound message that may be a keyword.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboundKeyword<'a> {
    pub(crate) inbox: &'a Inbox,
    pub(crate) from: &'a PhoneNumber,
    pub(crate) text: &'a str,
    pub(crate) message: &'a MessageId,
    /// When the message was first received.
    pub(crate) at: Timestamp,
    /// Whether it is too late for an answer.
    pub(crate) is_late: bool,
    pub(crate) entropy: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct KeywordReplyWorkflow {
    replies: KeywordReplies,
    answers: KeywordAnswers,
    contacts: Contacts,
    inboxes: Inboxes,
    out_of_office: OutOfOffice,
}

impl KeywordReplyWorkflow {
    pub(crate) fn new(table: &Table) -> Self {
        Self {
            replies: KeywordReplies::new(table.clone()),
            answers: KeywordAnswers::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
        }
    }

    /// Answers a message and tags its contact if a keyword reply of the inbox says so. Returns whether the
    /// message is a keyword of the inbox.
    pub(crate) async fn apply(&self, keyword: InboundKeyword<'_>) -> Result<bool, StoreError> {
        let InboundKeyword { inbox, text, at, .. } = keyword;
        let Some(words) = keyword_in(text) else { return Ok(false) };
        let Some(saved) = self.replies.find(inbox.key(), &words).await? else { return Ok(false) };
        if saved.saved_at > at {
            return Ok(true); // a repeated delivery: the keyword reply is newer than the message
        }
        let text = saved.reply.text();
        let reply = match automatic::action(&self.inboxes, &self.out_of_office, keyword, text).await? {
            KeywordAction::Ignore => return Ok(true),
            KeywordAction::TagOnly => None,
            KeywordAction::Reply => self.reply(keyword, &saved).await?,
        };
        self.write(keyword, &saved, reply).await?;
        Ok(true)
    }

    /// The answer. `None` if the inbox cannot send.
    async fn reply(
        &self,
        keyword: InboundKeyword<'_>,
        saved: &SavedKeywordReply,
    ) -> Result<Option<Message>, StoreError> {
        let InboundKeyword { inbox, from, at, entropy, .. } = keyword;
        let team_inbox = self.inboxes.get_with_team(inbox.key()).await?;
        let team_inbox = team_inbox.filter(TeamInbox::may_send);
        Ok(team_inbox
            .map(|team_inbox| automatic::message(&team_inbox, from, saved.reply.text(), at, entropy)))
    }

    /// Accepts the answer and adds the tag. A contact who may not be texted only gets the tag.
    async fn write(
        &self,
        keyword: InboundKeyword<'_>,
        saved: &SavedKeywordReply,
        mut reply: Option<Message>,
    ) -> Result<(), StoreError> {
        let InboundKeyword { inbox, from, message, at, .. } = keyword;
        for _ in 0..MAX_ATTEMPTS {
            let tagged = match saved.reply.tag() {
                Some(tag) => self.tagged(inbox, from, tag).await?,
                None => None,
            };
            if reply.is_none() && tagged.is_none() {
                return Ok(());
            }
            let tags = tagged.as_ref().map(|(entry, tags)| (entry, tags));
            let answer = KeywordAnswer { inbox, from, message, at, reply: reply.as_ref(), tags };
            match self.answers.write(&answer).await? {
                KeywordOutcome::Done => {
                    if let Some(reply) = &reply {
                        tracing::info!(event = "keyword_reply", inbox = %inbox.id, message_id = %reply.id, "keyword reply accepted");
                    }
                    return Ok(());
                }
                KeywordOutcome::Repeated => return Ok(()),
                KeywordOutcome::MayNotBeTexted => reply = None,
                KeywordOutcome::ContactChanged => {}
            }
        }
        Err(StoreError::Unavailable("a contact changed in every attempt".into()))
    }

    /// Returns the contact of a number, and its tags with one more. `None` if the contact has the tag, or has
    /// as many tags as a contact may have.
    async fn tagged(
        &self,
        inbox: &Inbox,
        number: &PhoneNumber,
        tag: &Tag,
    ) -> Result<Option<(ContactEntry, Tags)>, StoreError> {
        let team = inbox.team_key();
        let mut entry = self.contacts.shown_entry(team, number).await?;
        if entry.is_none() {
            self.contacts.by_number_or_provisional(team, number).await?; // its contact was removed
            entry = self.contacts.shown_entry(team, number).await?;
        }
        let Some(entry) = entry else { return Ok(None) };
        let tags = entry.tags.with_tag(tag).filter(|tags| *tags != entry.tags);
        Ok(tags.map(|tags| (entry, tags)))
    }
}
