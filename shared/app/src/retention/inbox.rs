//! The sweep of one inbox: reviews first, then events, then messages with their files.

use futures_util::{StreamExt, stream};
use shared_aws::{
    messaging::files_of,
    table::{Page, StoreError},
    team::{Erasure, ExpiringTeam, SweepPlace},
};
use shared_domain::{
    conversation::Conversation,
    event::EventScope,
    ids::ConversationId,
    inbox::Inbox,
    message::{Direction, Message},
    retention::has_expired,
    time::Timestamp,
};

use super::{End, Expired, Expiry, ExpiryError, LEASE, Run};

const CONVERSATIONS_PER_PAGE: u16 = 50;
/// Conversations that are searched at the same time.
const MAX_CONCURRENCY: usize = 8;
/// Attempts to erase messages that are changed at the same time.
const MAX_ATTEMPTS: usize = 3;

/// The part of a run that sweeps an inbox.
pub(super) struct InboxSweep<'run, C> {
    pub(super) expiry: &'run Expiry,
    pub(super) run: &'run Run<C>,
    /// The place in the team, which is saved after each page.
    pub(super) lease: &'run mut ExpiringTeam,
    pub(super) inbox: &'run Inbox,
    /// Messages from before this time have expired.
    pub(super) cutoff: Timestamp,
    pub(super) expired: &'run mut Expired,
}

impl<C: Fn() -> Timestamp> InboxSweep<'_, C> {
    /// Sweeps the inbox from the place on at which an earlier run stopped.
    pub(super) async fn run(&mut self, begun: Option<SweepPlace>) -> Result<End, ExpiryError> {
        let (mut event, mut conversation) = (None, None);
        match begun {
            Some(place) => (event, conversation) = (place.event, place.conversation),
            // A place at the beginning was stored when the team was taken.
            None if !self.save_place(None, None).await? => return Ok(End::Lost),
            None => {}
        }
        if conversation.is_none() {
            if event.is_none() {
                match self.sweep_reviews().await? {
                    End::Finished => {}
                    end => return Ok(end),
                }
            }
            match self.sweep_events(event).await? {
                End::Finished => {}
                end => return Ok(end),
            }
        }
        self.sweep_conversations(conversation).await
    }

    /// Saves how far the sweep of the team came, and renews the lease. `false` if the team is lost.
    async fn save_place(
        &mut self,
        event: Option<String>,
        conversation: Option<ConversationId>,
    ) -> Result<bool, StoreError> {
        let place = SweepPlace { inbox: self.inbox.id.clone(), event, conversation };
        let moved = ExpiringTeam { at: self.run.now() + LEASE, place: Some(place), ..self.lease.clone() };
        let is_saved = self.expiry.retentions.save(self.lease, &moved).await?;
        if is_saved {
            *self.lease = moved;
        }
        Ok(is_saved)
    }

    /// Erases the resolved reviews of expired messages. Open ones may be requests to opt out.
    async fn sweep_reviews(&mut self) -> Result<End, ExpiryError> {
        loop {
            if self.run.is_over() {
                return Ok(End::TimeOver);
            }
            let reviews = &self.expiry.reviews;
            match reviews.expire_resolved(self.lease, self.inbox.key(), self.cutoff).await? {
                (_, Erasure::Lost) => return Ok(End::Lost),
                (0, _) => return Ok(End::Finished),
                (_, Erasure::Changed) => {}
                (count, Erasure::Done) => self.expired.reviews += count,
            }
        }
    }

    /// Erases the data of events that show an expired message. A new event can show an old message: a late
    /// delivery report, or a conversation whose newest message is old.
    async fn sweep_events(&mut self, mut after: Option<String>) -> Result<End, ExpiryError> {
        let (organization, id) = (self.inbox.organization.clone(), self.inbox.id.clone());
        let scope = EventScope::Inbox { organization, inbox: id };
        loop {
            if self.run.is_over() {
                return Ok(End::TimeOver);
            }
            let events = &self.expiry.events;
            let (count, next, erasure) =
                events.expire(self.lease, &scope, self.cutoff, after.as_deref()).await?;
            match erasure {
                Erasure::Lost => return Ok(End::Lost),
                Erasure::Changed => continue,
                Erasure::Done => self.expired.events += count,
            }
            if next.is_none() {
                return Ok(End::Finished);
            }
            after = next;
            if !self.save_place(after.clone(), None).await? {
                return Ok(End::Lost);
            }
        }
    }

    /// Sweeps the conversations of an inbox after a place.
    async fn sweep_conversations(&mut self, mut after: Option<ConversationId>) -> Result<End, ExpiryError> {
        loop {
            let conversations = &self.expiry.conversations;
            let page = conversations.page(self.inbox.key(), CONVERSATIONS_PER_PAGE, after.as_ref()).await?;
            let failed_before = self.expired.failed;
            let end = self.sweep_page(page.items, &mut after).await;
            self.lease.failed |= self.expired.failed > failed_before;
            if end == End::Lost || (end == End::Finished && page.next.is_none()) {
                return Ok(end);
            }
            if after.is_some() && !self.save_place(None, after.clone()).await? {
                return Ok(End::Lost);
            }
            if end == End::TimeOver {
                return Ok(end);
            }
        }
    }

    /// Sweeps a page of conversations. One that cannot be swept does not stop the others. They are searched
    /// at the same time, and erased one after the other: transactions that require the same lease would
    /// refuse each other. `after` becomes the last one that is done.
    async fn sweep_page(&mut self, page: Vec<Conversation>, after: &mut Option<ConversationId>) -> End {
        let (messages, organization, cutoff) = (&self.expiry.messages, &self.inbox.organization, self.cutoff);
        let search = |conversation: Conversation| async move {
            let found = messages.created_before(organization, &conversation.id, cutoff, None, false);
            (found.await, conversation)
        };
        let searched: Vec<_> = stream::iter(page).map(search).buffered(MAX_CONCURRENCY).collect().await;
        for (found, conversation) in searched {
            let swept = match found {
                Ok(found) => self.sweep_conversation(&conversation, found).await,
                Err(error) => Err(error.into()),
            };
            match swept {
                Ok(End::Finished) => {}
                Ok(end) => return end,
                Err(error) => {
                    self.expired.failed += 1;
                    tracing::warn!(event = "conversation_not_swept", conversation = %conversation.id, %error, "expired messages of a conversation not erased");
                }
            }
            *after = Some(conversation.id);
        }
        End::Finished
    }

    /// Erases the expired messages of a conversation, and then what the conversation shows of them. `page` is
    /// the first page of its messages before `cutoff`.
    async fn sweep_conversation(
        &mut self,
        conversation: &Conversation,
        mut page: Page<Message>,
    ) -> Result<End, ExpiryError> {
        let cutoff = self.cutoff;
        let newest = &conversation.last_message;
        let mut is_shown = !newest.erased && newest.created_at < cutoff;
        let mut after = None;
        let mut attempts = 0;
        if page.items.is_empty() && page.next.is_none() && !is_shown {
            return Ok(End::Finished);
        }
        loop {
            let now = self.run.now();
            if now >= self.run.end {
                return Ok(End::TimeOver);
            }
            let (old, kept): (Vec<_>, Vec<_>) =
                page.items.iter().partition(|message| has_expired(message, cutoff, now));
            is_shown &= !kept.iter().any(|message| message.id == newest.id);
            match self.erase(&old).await? {
                Erasure::Lost => return Ok(End::Lost),
                Erasure::Changed => {
                    attempts += 1;
                    if attempts == MAX_ATTEMPTS {
                        return Err(ExpiryError::Changing);
                    }
                }
                Erasure::Done => {
                    if page.next.is_none() {
                        break;
                    }
                    (after, attempts) = (page.next, 0);
                }
            }
            let (messages, organization) = (&self.expiry.messages, &self.inbox.organization);
            let (id, after) = (&conversation.id, after.as_deref());
            page = messages.created_before(organization, id, cutoff, after, attempts > 0).await?;
        }
        if is_shown {
            let key = self.inbox.key().conversation(&conversation.id);
            let conversations = &self.expiry.conversations;
            if conversations.expire_preview(self.lease, key, &newest.id).await? == Erasure::Lost {
                return Ok(End::Lost);
            }
        }
        Ok(End::Finished)
    }

    /// Erases messages with their files.
    async fn erase(&mut self, old: &[&Message]) -> Result<Erasure, ExpiryError> {
        let (Expiry { messages, retentions, bucket, .. }, inbox) = (self.expiry, self.inbox);
        if old.is_empty() {
            return Ok(Erasure::Done);
        }
        let files = |message: &Message| files_of(&inbox.organization, message);
        let can_be_sent_again =
            |message: &&&Message| message.direction == Direction::Outbound && !files(message).is_empty();
        let marked: Vec<_> = old.iter().filter(can_be_sent_again).copied().collect();
        if !marked.is_empty() {
            match messages.mark_expiring(self.lease, &marked).await? {
                Erasure::Done => {}
                other => return Ok(other),
            }
        }
        for message in old {
            for file in files(message) {
                if !retentions.is_held(self.lease).await? {
                    return Ok(Erasure::Lost);
                }
                self.expired.files += bucket.erase(&file, || self.run.now()).await?;
            }
        }
        let erasure = messages.expire(self.lease, old, self.run.now()).await?;
        if erasure == Erasure::Done {
            self.expired.messages += old.len();
        }
        Ok(erasure)
    }
}
