//! STOP, START and HELP: the change of the opt-out and the one confirmation.
//!
//! Idempotent by the id of the message, which the opt-out's state remembers: a message that is delivered
//! again, or late, changes nothing. Ids sort by the time at which the message was received, so that the order
//! in which keywords arrive does not matter: the sweep can find a STOP whose sender has sent START since.

use std::slice;

use shared_aws::{
    inbox::{Inboxes, OutOfOffice},
    opt_out::OptOutRecord,
    table::{StoreError, Table},
    team::Organizations,
};
use shared_carriers::twilio::OptOutType;
use shared_domain::{
    ids::MessageId,
    inbox::{Inbox, InboxKind, TeamInbox},
    message::Message,
    opt_out::{
        self, Keyword, KeywordDecision, KeywordReplies, KeywordReply, OptOutChange, OptOutSource,
        OptOutSubject, SharedOptOutScope,
    },
    out_of_office::ClosedPeriod,
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    automatic,
    opt_out::{MAX_ATTEMPTS, OptOutRequest, OptOutWorkflow, Together},
};

const HOUR_MILLIS: i64 = 3_600_000;

/// An inbound message with a keyword.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeywordMessage<'a> {
    pub(crate) inbox: &'a Inbox,
    pub(crate) from: &'a PhoneNumber,
    pub(crate) keyword: Keyword,
    /// Whether no reply may be sent, because the carrier has answered or it is too late for a reply.
    pub(crate) silent: bool,
    pub(crate) message: &'a MessageId,
    /// When the message was first received.
    pub(crate) at: Timestamp,
    pub(crate) entropy: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeywordOutcome {
    Handled,
    /// An ordinary message, such as YES from a contact who never opted out.
    NotAKeyword,
    /// The opt-out changed in every attempt.
    Contended,
}

#[derive(Debug, Clone)]
pub(crate) struct Keywords {
    opt_outs: OptOutWorkflow,
    inboxes: Inboxes,
    organizations: Organizations,
    out_of_office: OutOfOffice,
    replies: KeywordReplies,
}

/// Returns the keyword of a message. The keyword that the carrier recognized takes precedence, because the
/// carrier's account can have other keywords. A "yes" opts in only who opted out, whatever the carrier says:
/// it is also the answer to a question.
pub(crate) fn keyword_of(text: &str, opt_out_type: Option<&OptOutType>) -> Option<Keyword> {
    match opt_out_type {
        Some(OptOutType::Stop) => Some(Keyword::Stop),
        Some(OptOutType::Start) if opt_out::keyword(text) == Some(Keyword::Yes) => Some(Keyword::Yes),
        Some(OptOutType::Start) => Some(Keyword::Start),
        Some(OptOutType::Help) => Some(Keyword::Help),
        Some(OptOutType::Other(_)) | None => opt_out::keyword(text),
    }
}

impl Keywords {
    pub(crate) fn new(table: &Table, replies: KeywordReplies) -> Self {
        Self {
            opt_outs: OptOutWorkflow::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            organizations: Organizations::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
            replies,
        }
    }

    pub(crate) async fn apply(&self, text: KeywordMessage<'_>) -> Result<KeywordOutcome, StoreError> {
        let of_inbox = OptOutSubject::of(text.inbox, text.from);
        if text.inbox.kind == InboxKind::Personal {
            return self.apply_to(text, &of_inbox, None).await;
        }
        let of_organization = OptOutSubject::of_organization(&text.inbox.organization, text.from);
        let (subject, other) = match self.organizations.shared_opt_out_scope(&text.inbox.organization).await?
        {
            SharedOptOutScope::Team => (of_inbox, of_organization),
            SharedOptOutScope::Organization => (of_organization, of_inbox),
        };
        let mut lifted = KeywordOutcome::NotAKeyword;
        if matches!(text.keyword, Keyword::Start | Keyword::Yes) {
            // Opt-outs stay in force when the scope is changed, and START ends those of both scopes.
            let record = self.opt_outs.opt_outs.get(&other).await?;
            if record.state.is_out_by(OptOutSource::Keyword) || !record.precedes(text.message) {
                lifted = self.apply_to(text, &other, Some(&subject)).await?;
            }
        }
        let outcome = self.apply_to(text, &subject, Some(&other)).await?;
        Ok(if lifted == KeywordOutcome::NotAKeyword || outcome == KeywordOutcome::Contended {
            outcome
        } else {
            lifted
        })
    }

    /// Applies a keyword to one subject. A contact who is opted out in the `other` scope as well gets no
    /// confirmation: a STOP was confirmed before, and a START leaves the contact opted out.
    async fn apply_to(
        &self,
        text: KeywordMessage<'_>,
        subject: &OptOutSubject,
        other: Option<&OptOutSubject>,
    ) -> Result<KeywordOutcome, StoreError> {
        let store = &self.opt_outs.opt_outs;
        for _ in 0..MAX_ATTEMPTS {
            let record = store.get(subject).await?;
            let is_out_elsewhere = match other {
                Some(other) if text.keyword != Keyword::Help => store.any_out(slice::from_ref(other)).await?,
                _ => false,
            };
            let is_new = record.precedes(text.message)
                && !(text.keyword == Keyword::Stop && record.has_later_start(&text.inbox.id, text.message));
            let (change, reply) = match self.decide(&record, text) {
                KeywordDecision::Ordinary if is_new => {
                    if self.remember_start(text, subject, &record).await? {
                        return Ok(KeywordOutcome::NotAKeyword);
                    }
                    continue;
                }
                KeywordDecision::Ordinary => (None, None), // a YES that was applied, delivered again
                KeywordDecision::Keyword { change, reply } => (change, reply.filter(|_| !is_out_elsewhere)),
            };
            let stored = match &change {
                Some(change) if is_new => self.record(text, subject, &record, change, reply).await?,
                None if is_new && text.keyword == Keyword::Stop => {
                    store.remember_stop(subject, &record, text.message).await?
                }
                None if is_new && text.keyword != Keyword::Help => {
                    self.remember_start(text, subject, &record).await?
                }
                _ => true,
            };
            if !stored {
                continue;
            }
            if text.keyword != Keyword::Help {
                self.opt_outs.sync_copies(&Self::request(text, subject)).await?;
            }
            if reply == Some(KeywordReply::Help) {
                self.send_help(text).await?;
            }
            return Ok(KeywordOutcome::Handled);
        }
        Ok(KeywordOutcome::Contended)
    }

    /// Remembers a START that changes nothing, so that an older STOP that arrives later does not override it.
    /// `false` if the state changed since it was read.
    async fn remember_start(
        &self,
        text: KeywordMessage<'_>,
        subject: &OptOutSubject,
        before: &OptOutRecord,
    ) -> Result<bool, StoreError> {
        if before.has_later_start(&text.inbox.id, text.message) {
            return Ok(true);
        }
        self.opt_outs.opt_outs.remember_start(subject, before, &text.inbox.id, text.message).await
    }

    fn decide(&self, record: &OptOutRecord, text: KeywordMessage<'_>) -> KeywordDecision {
        let same_number = record.stopped_at.contains(&text.inbox.id);
        opt_out::after_keyword(&record.state, text.keyword, same_number, self.replies, text.silent)
    }

    fn request<'a>(text: KeywordMessage<'a>, subject: &'a OptOutSubject) -> OptOutRequest<'a> {
        OptOutRequest {
            subject,
            team: &text.inbox.team,
            contact: None,
            message: Some(text.message),
            user: None,
            notify: true,
            at: text.at,
        }
    }

    async fn record(
        &self,
        text: KeywordMessage<'_>,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        change: &OptOutChange,
        reply: Option<KeywordReply>,
    ) -> Result<bool, StoreError> {
        let request = Self::request(text, subject);
        let confirmation = self.confirmation(text, reply).await?;
        let together = Together::Keyword { inbox: &text.inbox.id, confirmation: confirmation.as_ref() };
        let stored = self.opt_outs.record(&request, before, change, together).await?;
        if stored {
            let opted_out = change.state.is_out();
            tracing::info!(event = "opt_out_changed", inbox = %text.inbox.id, opted_out, "opt-out changed by keyword");
        }
        Ok(stored)
    }

    async fn confirmation(
        &self,
        text: KeywordMessage<'_>,
        reply: Option<KeywordReply>,
    ) -> Result<Option<Message>, StoreError> {
        let words: fn(&str) -> String = match reply {
            Some(KeywordReply::Stopped) => opt_out::stop_text,
            Some(KeywordReply::Started) => opt_out::start_text,
            Some(KeywordReply::Help) | None => return Ok(None),
        };
        let Some(team_inbox) = self.sending_inbox(text).await? else { return Ok(None) };
        let message =
            automatic::message(&team_inbox, text.from, &words(&team_inbox.team.name), text.at, text.entropy);
        Ok(Some(Message { bypass_opt_out: true, ..message }))
    }

    /// Sends the help text, at most once an hour to each contact, also to those who opted out.
    async fn send_help(&self, text: KeywordMessage<'_>) -> Result<(), StoreError> {
        let Some(team_inbox) = self.sending_inbox(text).await? else { return Ok(()) };
        let words = opt_out::help_text(&team_inbox.team.name);
        let message = automatic::message(&team_inbox, text.from, &words, text.at, text.entropy);
        let message = Message { bypass_opt_out: true, ..message };
        let hour = text.at.millis().div_euclid(HOUR_MILLIS);
        let hour = ClosedPeriod { id: format!("help-{hour}"), since: text.at, until: None };
        self.out_of_office.answer(&text.inbox.organization, &hour, &message).await?;
        Ok(())
    }

    /// The inbox that replies to a keyword. `None` if it cannot send, or if the sender cannot receive
    /// messages.
    async fn sending_inbox(&self, text: KeywordMessage<'_>) -> Result<Option<TeamInbox>, StoreError> {
        if !text.from.can_receive() {
            return Ok(None);
        }
        let team_inbox = self.inboxes.get_with_team(text.inbox.key()).await?;
        Ok(team_inbox.filter(TeamInbox::may_send))
    }
}
