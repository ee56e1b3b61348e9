//! Out of Office: the automatic reply to a message that arrives while the inbox is closed.
//!
//! Each contact gets at most one reply per closed period, however often the carrier delivers the message: the
//! transaction that accepts the reply also claims the period. Opt-out keywords, machines and our own numbers
//! get none.

use shared_aws::{
    inbox::{Inboxes, OutOfOffice},
    table::{StoreError, Table},
};
use shared_domain::{
    automatic::automatic,
    ids::ConversationId,
    inbox::{Inbox, TeamInbox},
    out_of_office::{self, Inbound, Schedule},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::automatic;

#[derive(Debug, Clone)]
pub(crate) struct OutOfOfficeReplies {
    out_of_office: OutOfOffice,
    inboxes: Inboxes,
}

impl OutOfOfficeReplies {
    pub(crate) fn new(table: &Table) -> Self {
        Self { out_of_office: OutOfOffice::new(table.clone()), inboxes: Inboxes::new(table.clone()) }
    }

    /// Replies to a message that was first received at `at`, if the inbox was closed then.
    pub(crate) async fn reply(
        &self,
        inbox: &Inbox,
        from: &PhoneNumber,
        text: &str,
        at: Timestamp,
        entropy: u64,
    ) -> Result<(), StoreError> {
        let Some(saved) = self.out_of_office.get(inbox.key()).await? else {
            return Ok(());
        };
        let Ok(schedule) = Schedule::parse(&saved.draft) else {
            tracing::error!(event = "unreadable_schedule", inbox = %inbox.id, "Out of Office settings are unreadable");
            return Ok(());
        };
        if saved.saved_at > at {
            return Ok(()); // a repeated delivery: the settings are newer than the message
        }
        let Some(period) = out_of_office::closed_period(&schedule, at, saved.saved_at) else { return Ok(()) };
        let conversation = ConversationId::of(&inbox.id, from);
        let inbound = Inbound {
            keyword: false, // keywords have their own reply and do not come here
            automatic: automatic(text).is_some() || out_of_office::echoes(text, schedule.message()),
            from_own_number: self.inboxes.is_ours(from).await?,
            short_code: !from.can_receive(),
        };
        let recent = self.out_of_office.recent(inbox.key(), &conversation, at).await?;
        if !out_of_office::should_answer(Some(&period), &inbound, recent) {
            return Ok(());
        }
        let team_inbox = self.inboxes.get_with_team(inbox.key()).await?;
        let Some(team_inbox) = team_inbox.filter(TeamInbox::may_send) else { return Ok(()) };
        let message = automatic::message(&team_inbox, from, schedule.message(), at, entropy);
        if self.out_of_office.answer(&inbox.organization, &period, &message).await? {
            tracing::info!(event = "out_of_office_reply", inbox = %inbox.id, message_id = %message.id, "out-of-office reply accepted");
        }
        Ok(())
    }
}
