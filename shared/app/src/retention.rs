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

mod inbox;

use std::time::Duration;

use shared_aws::{
    clients::{Bucket, BucketError},
    conversation::Conversations,
    event::EventLog,
    inbox::Inboxes,
    messaging::Messages,
    opt_out::OptOutReviews,
    table::{StoreError, Table},
    team::{ExpiringTeam, Organizations, Retentions, Search, Teams},
};
use shared_domain::{ids::OrganizationId, keys::TeamKey, retention::cutoff, time::Timestamp};

use inbox::InboxSweep;

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
        let due = self.retentions.due(run.now()).await?;
        for entry in due.unreadable {
            expired.failed += 1;
            tracing::warn!(event = "team_not_read", entry, "an entry of the list of teams cannot be read");
        }
        for due in due.teams {
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

    /// Sweeps the inboxes of a team from its place on.
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
            let begun = place.take_if(|place| place.inbox == inbox.id);
            let mut sweep = InboxSweep { expiry: self, run, lease, inbox: &inbox, cutoff, expired };
            match sweep.run(begun).await? {
                End::Finished => {}
                end => return Ok(end),
            }
        }
        Ok(End::Finished)
    }
}
