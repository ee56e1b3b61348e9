//! What a keyword reply does with an inbound message: it accepts the answer and adds the tag.
//!
//! Both are one transaction with the claim of the inbound message, so that a message that is delivered again
//! is not answered twice, and does not bring back a tag that a user removed since. 8 write units for the
//! answer as for an out-of-office message, 2 for the claim alone, and 2 for the tag.

use shared_domain::{
    ids::{ConversationId, MessageId},
    inbox::Inbox,
    message::Message,
    phone::PhoneNumber,
    tag::Tags,
    time::Timestamp,
};

use crate::{
    contact::{ContactEntry, entries::set_tags},
    inbox::out_of_office::{ReplyPlaces, claim_reply, put_reply},
    table::{error::StoreError, requests::Table, transaction::Transaction},
};

/// What to do with an inbound message.
#[derive(Debug, Clone, Copy)]
pub struct KeywordAnswer<'a> {
    pub inbox: &'a Inbox,
    /// The number that sent the message.
    pub from: &'a PhoneNumber,
    pub message: &'a MessageId,
    /// When the message was first received.
    pub at: Timestamp,
    /// The answer to accept.
    pub reply: Option<&'a Message>,
    /// A contact as it was read, and all tags that it gets.
    pub tags: Option<(&'a ContactEntry, &'a Tags)>,
}

/// The outcome of a [`KeywordAnswer`]. Unless it is done, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum KeywordOutcome {
    Done,
    /// An earlier delivery of the message was handled.
    Repeated,
    /// The contact opted out or is blocked, so the reply cannot be accepted.
    MayNotBeTexted,
    /// The contact was changed or removed since it was read.
    ContactChanged,
}

/// The answers of keyword replies.
#[derive(Debug, Clone)]
pub struct KeywordAnswers {
    table: Table,
}

impl KeywordAnswers {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Accepts the reply and adds the tags, once for each inbound message.
    pub async fn write(&self, answer: &KeywordAnswer<'_>) -> Result<KeywordOutcome, StoreError> {
        let KeywordAnswer { inbox, from, message, at, reply, tags } = *answer;
        let claim = format!("keyword-{message}");
        let mut transaction = Transaction::new(&self.table);
        let ReplyPlaces { claim, conversation } = match reply {
            Some(reply) => put_reply(&mut transaction, &inbox.organization, &claim, reply)?,
            None => {
                let conversation = ConversationId::of(&inbox.id, from);
                let key = inbox.key().conversation(&conversation);
                let claim = claim_reply(&mut transaction, key, &claim, at, None)?;
                ReplyPlaces { claim, conversation: None }
            }
        };
        let contact = match tags {
            Some((entry, tags)) => Some(set_tags(&mut transaction, inbox.team_key(), entry, tags)?),
            None => None,
        };
        let committed = transaction.commit().await?;
        let refused = |place: Option<usize>| place.is_some_and(|place| committed.refused_at(place));
        Ok(if committed.is_done() {
            KeywordOutcome::Done
        } else if committed.refused_at(claim) {
            KeywordOutcome::Repeated
        } else if refused(conversation) {
            KeywordOutcome::MayNotBeTexted
        } else if refused(contact) {
            KeywordOutcome::ContactChanged
        } else {
            KeywordOutcome::Repeated // the reply's own items exist already
        })
    }
}
