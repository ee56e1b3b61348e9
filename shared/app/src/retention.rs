//! Expiry: erases the messages that are older than their team keeps them, with their files.
//!
//! A run takes the teams that are due, one after the other, and goes through the conversations of their
//! inboxes. A team is taken with a lease, and the place is saved after each page, so a run that dies is
//! continued by a later one. Each step can be repeated.
//!
//! Every write that erases something requires the lease in its transaction, and an edit of hold or retention
//! takes the lease away. So a legal hold stops a run at once. Files are no part of a transaction: the lease
//! is read before each of them.
//!
//! Files are erased before their message, because the message is how they are found. A message with files
//! that could be sent again is marked before that, because the new message would have the same files.
//!
//! Events expire by themselves. Those that show an expired message lose their data before that.
//!
//! What an erased message leaves is the claim of the carrier's id, so that neither a repeated webhook nor the
//! sweep of lost messages stores it again, and the time and direction of the newest message in its
//! conversation.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared_aws::{
    clients::{Bucket, BucketError},
    conversation::Conversations,
    event::EventLog,
    inbox::Inboxes,
    messaging::{Messages, files_of},
    opt_out::OptOutReviews,
    table::{Page, StoreError, Table},
    team::{Erasure, ExpiringTeam, Organizations, Retentions, Search, SweepPlace, Teams},
};
use shared_domain::{
    conversation::Conversation,
    event::EventScope,
    ids::{ConversationId, OrganizationId},
    inbox::Inbox,
    keys::TeamKey,
    message::{Direction, Message},
    retention::{cutoff, has_expired},
    time::Timestamp,
};

/// How long a run may work on a team without saving its place. Longer than the time-out of the function.
const LEASE: Duration = Duration::from_mins(5);
/// When a team is swept again of which something could not be erased.
const RETRY_INTERVAL: Duration = Duration::from_hours(1);
/// How often the teams are searched for those that the list misses.
const SEARCH_INTERVAL: Duration = Duration::from_hours(24);
/// When a team is swept that the search found.
const GRACE: Duration = Duration::from_hours(24);
/// Organizations after which the search saves its place.
const ORGANIZATIONS_PER_SEARCH: usize = 50;
const CONVERSATIONS_PER_PAGE: u16 = 50;
/// Conversations that are searched at the same time.
const MAX_CONCURRENCY: usize = 8;
/// Attempts to erase messages that are changed at the same time.
const MAX_ATTEMPTS: usize = 3;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Teams that were swept to the end.
    pub teams: usize,
    pub messages: usize,
    /// Versions of files.
    pub files: usize,
    /// Resolved opt-out reviews of expired messages.
    pub reviews: usize,
    /// Events of which only the data was erased.
    pub events: usize,
    /// Conversations and teams that could not be swept, and organizations that could not be searched. A later
    /// run tries again.
    pub failed: usize,
}

#[derive(Debug, thiserror::Error)]
enum ExpiryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("the messages changed in every attempt")]
    Changing,
}

/// How a part of a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    /// The time of the run is over.
    TimeOver,
    /// The run lost the team: a hold began, its retention was changed, or another run took it.
    Lost,
}

/// The workflow of expiry.
#[derive(Debug, Clone)]
pub struct Expiry {
    teams: Teams,
    retentions: Retentions,
    organizations: Organizations,
    inboxes: Inboxes,
    conversations: Conversations,
    messages: Messages,
    reviews: OptOutReviews,
    events: EventLog,
    bucket: Bucket,
    interval: Duration,
}

/// A run: its clock, and when it begins nothing more.
struct Run<C> {
    clock: C,
    end: Timestamp,
}

impl<C: Fn() -> Timestamp> Run<C> {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn is_over(&self) -> bool {
        self.now() >= self.end
    }
}

impl Expiry {
    /// Each team is swept once per `interval`.
    pub fn new(table: &Table, bucket: Bucket, interval: Duration) -> Self {
        Self {
            teams: Teams::new(table.clone()),
            retentions: Retentions::new(table.clone()),
            organizations: Organizations::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            messages: Messages::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            events: EventLog::new(table.clone()),
            bucket,
            interval,
        }
    }

    /// Does one run. Begins nothing after `budget`. Errors if the teams cannot be listed.
    pub async fn run(&self, clock: impl Fn() -> Timestamp, budget: Duration) -> Result<Expired, StoreError> {
        let end = clock() + budget;
        let run = Run { clock, end };
        let mut expired = Expired::default();
        for due in self.retentions.due(run.now()).await? {
            if run.is_over() {
                break;
            }
            if let Err(error) = Box::pin(self.sweep_team(&run, &due, &mut expired)).await {
                expired.failed += 1;
                tracing::warn!(event = "team_not_swept", team = %due.team, %error, "expired messages of a team not erased");
            }
        }
        if let Err(error) = self.add_missing(&run, &mut expired).await {
            expired.failed += 1;
            tracing::warn!(event = "teams_not_searched", %error, "teams with a retention not searched");
        }
        Ok(expired)
    }

    /// Once a day, adds the teams to the list that have a retention and are missing: they got it from a
    /// version that had no list, or a restore lost their entry. They are swept [`GRACE`] later, so that an
    /// owner can look at a retention that did nothing until now. What cannot be read stops no other
    /// organization.
    async fn add_missing<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        expired: &mut Expired,
    ) -> Result<(), StoreError> {
        let mut search = self.retentions.search().await?;
        if search.at > run.now() {
            return Ok(());
        }
        let after = search.after.take();
        let organizations = self.organizations.list().await?;
        let rest = organizations.iter().map(|organization| &organization.id);
        let rest = rest.filter(|id| after.as_ref().is_none_or(|after| *id > after));
        for (place, organization) in (1..).zip(rest) {
            if let Err(error) = self.add_missing_of(organization, run.now() + GRACE).await {
                expired.failed += 1;
                tracing::warn!(event = "teams_not_searched", %organization, %error, "teams of an organization not searched");
            }
            if place % ORGANIZATIONS_PER_SEARCH == 0 || run.is_over() {
                let after = Some(organization.clone());
                self.retentions.save_search(&Search { at: run.now(), after }).await?;
            }
            if run.is_over() {
                return Ok(());
            }
        }
        self.retentions.save_search(&Search { at: run.now() + SEARCH_INTERVAL, after: None }).await
    }

    /// Adds the teams of an organization that are missing, which become due at `at`.
    async fn add_missing_of(&self, organization: &OrganizationId, at: Timestamp) -> Result<(), StoreError> {
        let ids = self.teams.ids(organization).await?;
        for team in self.teams.get_many(organization, &ids).await? {
            if team.retention.is_some() {
                self.retentions.add_missing(TeamKey { organization, team: &team.id }, at).await?;
            }
        }
        Ok(())
    }

    /// Takes a team and sweeps it. After an error it stays taken until its lease ends.
    async fn sweep_team<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        due: &ExpiringTeam,
        expired: &mut Expired,
    ) -> Result<(), ExpiryError> {
        let mut lease = ExpiringTeam { at: run.now() + LEASE, ..due.clone() };
        if !self.retentions.save(due, &lease).await? {
            return Ok(());
        }
        let team = self.teams.get_current(due.key()).await?;
        let Some(team) = team.filter(|team| team.retention.is_some()) else {
            return Ok(self.retentions.remove(&lease).await?);
        };
        let Some(cutoff) = cutoff(&team, run.now()) else {
            let later = ExpiringTeam { at: run.now() + self.interval, ..lease.clone() };
            return Ok(self.retentions.save(&lease, &later).await.map(drop)?);
        };
        let after = match self.sweep_inboxes(run, &mut lease, cutoff, expired).await? {
            End::Lost => return Ok(()),
            End::TimeOver => ExpiringTeam { at: run.now(), ..lease.clone() },
            End::Finished => {
                expired.teams += 1;
                let wait = if lease.failed { self.interval.min(RETRY_INTERVAL) } else { self.interval };
                ExpiringTeam { at: run.now() + wait, place: None, failed: false, ..lease.clone() }
            }
        };
        self.retentions.save(&lease, &after).await?;
        Ok(())
    }

    /// Sweeps the inboxes of a team from its place on, and saves the place after each page and each inbox.
    async fn sweep_inboxes<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &mut ExpiringTeam,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> Result<End, ExpiryError> {
        let mut place = lease.place.clone();
        for inbox in self.inboxes.of_team(lease.key()).await? {
            if place.as_ref().is_some_and(|place| inbox.id < place.inbox) {
                continue;
            }
            let begin = SweepPlace { inbox: inbox.id.clone(), event: None, conversation: None };
            let place = place.take_if(|place| place.inbox == inbox.id).unwrap_or_else(|| begin.clone());
            if place == begin && !self.save_place(run, lease, begin).await? {
                return Ok(End::Lost);
            }
            if place.conversation.is_none() {
                if place.event.is_none() {
                    match self.sweep_reviews(run, lease, &inbox, cutoff, expired).await? {
                        End::Finished => {}
                        end => return Ok(end),
                    }
                }
                match self.sweep_events(run, lease, &inbox, place.event, cutoff, expired).await? {
                    End::Finished => {}
                    end => return Ok(end),
                }
            }
            match self.sweep_conversations(run, lease, &inbox, place.conversation, cutoff, expired).await? {
                End::Finished => {}
                end => return Ok(end),
            }
        }
        Ok(End::Finished)
    }

    /// Saves how far the sweep of a team came, and renews the lease. `false` if the team is lost.
    async fn save_place<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &mut ExpiringTeam,
        place: SweepPlace,
    ) -> Result<bool, StoreError> {
        let moved = ExpiringTeam { at: run.now() + LEASE, place: Some(place), ..lease.clone() };
        let is_saved = self.retentions.save(lease, &moved).await?;
        if is_saved {
            *lease = moved;
        }
        Ok(is_saved)
    }

    /// Erases the resolved reviews of expired messages. Open ones may be requests to opt out.
    async fn sweep_reviews<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &ExpiringTeam,
        inbox: &Inbox,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> Result<End, ExpiryError> {
        loop {
            if run.is_over() {
                return Ok(End::TimeOver);
            }
            match self.reviews.expire_resolved(lease, inbox.key(), cutoff).await? {
                (_, Erasure::Lost) => return Ok(End::Lost),
                (0, _) => return Ok(End::Finished),
                (_, Erasure::Changed) => {}
                (count, Erasure::Done) => expired.reviews += count,
            }
        }
    }

    /// Erases the data of events that show an expired message. A new event can show an old message: a late
    /// delivery report, or a conversation whose newest message is old.
    async fn sweep_events<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &mut ExpiringTeam,
        inbox: &Inbox,
        mut after: Option<String>,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> Result<End, ExpiryError> {
        let (organization, id) = (inbox.organization.clone(), inbox.id.clone());
        let scope = EventScope::Inbox { organization, inbox: id };
        loop {
            if run.is_over() {
                return Ok(End::TimeOver);
            }
            let (count, next, erasure) = self.events.expire(lease, &scope, cutoff, after.as_deref()).await?;
            match erasure {
                Erasure::Lost => return Ok(End::Lost),
                Erasure::Changed => continue,
                Erasure::Done => expired.events += count,
            }
            if next.is_none() {
                return Ok(End::Finished);
            }
            after = next;
            let place = SweepPlace { inbox: inbox.id.clone(), event: after.clone(), conversation: None };
            if !self.save_place(run, lease, place).await? {
                return Ok(End::Lost);
            }
        }
    }

    /// Sweeps the conversations of an inbox after a place.
    async fn sweep_conversations<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &mut ExpiringTeam,
        inbox: &Inbox,
        mut after: Option<ConversationId>,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> Result<End, ExpiryError> {
        loop {
            let page = self.conversations.page(inbox.key(), CONVERSATIONS_PER_PAGE, after.as_ref()).await?;
            let failed_before = expired.failed;
            let end = self.sweep_page(run, lease, inbox, page.items, &mut after, cutoff, expired).await;
            lease.failed |= expired.failed > failed_before;
            if end == End::Lost || (end == End::Finished && page.next.is_none()) {
                return Ok(end);
            }
            let place = SweepPlace { inbox: inbox.id.clone(), event: None, conversation: after.clone() };
            if after.is_some() && !self.save_place(run, lease, place).await? {
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
    #[expect(clippy::too_many_arguments, reason = "the state of the run, and the place in the team")]
    async fn sweep_page<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &ExpiringTeam,
        inbox: &Inbox,
        page: Vec<Conversation>,
        after: &mut Option<ConversationId>,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> End {
        let search = |conversation: Conversation| async move {
            let found =
                self.messages.created_before(&inbox.organization, &conversation.id, cutoff, None, false);
            (found.await, conversation)
        };
        let searched: Vec<_> = stream::iter(page).map(search).buffered(MAX_CONCURRENCY).collect().await;
        for (found, conversation) in searched {
            let swept = match found {
                Ok(found) => {
                    self.sweep_conversation(run, lease, inbox, &conversation, found, cutoff, expired).await
                }
                Err(error) => Err(error.into()),
            };
            match swept {
                Ok(End::Finished) => {}
                Ok(end) => return end,
                Err(error) => {
                    expired.failed += 1;
                    tracing::warn!(event = "conversation_not_swept", conversation = %conversation.id, %error, "expired messages of a conversation not erased");
                }
            }
            *after = Some(conversation.id);
        }
        End::Finished
    }

    /// Erases the expired messages of a conversation, and then what the conversation shows of them. `page` is
    /// the first page of its messages before `cutoff`.
    #[expect(clippy::too_many_arguments, reason = "the state of the run, and the place in the team")]
    async fn sweep_conversation<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &ExpiringTeam,
        inbox: &Inbox,
        conversation: &Conversation,
        mut page: Page<Message>,
        cutoff: Timestamp,
        expired: &mut Expired,
    ) -> Result<End, ExpiryError> {
        let newest = &conversation.last_message;
        let mut is_shown = !newest.erased && newest.created_at < cutoff;
        let mut after = None;
        let mut attempts = 0;
        if page.items.is_empty() && page.next.is_none() && !is_shown {
            return Ok(End::Finished);
        }
        loop {
            let now = run.now();
            if now >= run.end {
                return Ok(End::TimeOver);
            }
            let (old, kept): (Vec<_>, Vec<_>) =
                page.items.iter().partition(|message| has_expired(message, cutoff, now));
            is_shown &= !kept.iter().any(|message| message.id == newest.id);
            match self.erase(run, lease, inbox, &old, expired).await? {
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
            let (id, after) = (&conversation.id, after.as_deref());
            page = self.messages.created_before(&inbox.organization, id, cutoff, after, attempts > 0).await?;
        }
        if is_shown {
            let key = inbox.key().conversation(&conversation.id);
            if self.conversations.expire_preview(lease, key, &newest.id).await? == Erasure::Lost {
                return Ok(End::Lost);
            }
        }
        Ok(End::Finished)
    }

    /// Erases messages with their files.
    async fn erase<C: Fn() -> Timestamp>(
        &self,
        run: &Run<C>,
        lease: &ExpiringTeam,
        inbox: &Inbox,
        old: &[&Message],
        expired: &mut Expired,
    ) -> Result<Erasure, ExpiryError> {
        if old.is_empty() {
            return Ok(Erasure::Done);
        }
        let files = |message: &Message| files_of(&inbox.organization, message);
        let can_be_sent_again =
            |message: &&&Message| message.direction == Direction::Outbound && !files(message).is_empty();
        let marked: Vec<_> = old.iter().filter(can_be_sent_again).copied().collect();
        if !marked.is_empty() {
            match self.messages.mark_expiring(lease, &marked).await? {
                Erasure::Done => {}
                other => return Ok(other),
            }
        }
        for message in old {
            for file in files(message) {
                if !self.retentions.is_held(lease).await? {
                    return Ok(Erasure::Lost);
                }
                expired.files += self.bucket.erase(&file, run.now()).await?;
            }
        }
        let erasure = self.messages.expire(lease, old, run.now()).await?;
        if erasure == Erasure::Done {
            expired.messages += old.len();
        }
        Ok(erasure)
    }
}
