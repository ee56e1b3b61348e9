//! The teams whose messages expire, each with the time at which the sweep goes on and the place where.
//!
//! While a run works on a team, that time is its lease. Each write that erases something requires it in its
//! transaction, and each edit of hold or retention takes it away in its own. So nothing is erased anymore
//! once the edit is stored.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | the teams that are due | 1 per megabyte | read by size: 0.5 for about 25 teams |
//! | save a place, remove a team, add one that is missing | 1 | 1 write |
//! | whether a run still has its team | 1 | 1 read |
//! | when missing teams were looked for | 1 | 0.5 read |

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, TeamId},
    keys::TeamKey,
    team::Team,
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::number,
    keys,
    query::{KeyRange, Order, Page},
    requests::Table,
    transaction::{Committed, Transaction},
};

/// The teams of one page of the list.
const PAGE_SIZE: u16 = 1_000;

/// A team whose messages expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringTeam {
    #[serde(rename = "org")]
    pub organization: OrganizationId,
    pub team: TeamId,
    /// When the sweep goes on. While a run works on the team, the time at which another one takes over.
    pub at: Timestamp,
    /// Where the sweep goes on. `None` if it begins again. The attribute `place` is a key of indexes.
    #[serde(rename = "progress", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SweepPlace>,
    /// Whether something could not be erased since the sweep began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// How far a sweep of a team came: all inboxes before `inbox` are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPlace {
    pub inbox: InboxId,
    /// The place of the last event of the inbox that is done. `None` before and after the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The last conversation of the inbox that is done. `None` before the conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
}

/// The teams of the list that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueTeams {
    /// Those that waited longest come first.
    pub teams: Vec<ExpiringTeam>,
    /// The sort keys of entries that cannot be read. They stop no other team.
    pub unreadable: Vec<String>,
}

/// An item of the list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Team(ExpiringTeam),
    Unreadable {
        #[serde(rename = "sk")]
        key: String,
    },
}

/// How far the search for teams came that have a retention and are not in the list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Search {
    /// When the search begins or goes on.
    pub at: Timestamp,
    /// The last organization that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<OrganizationId>,
}

/// The outcome of a write under the lease of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Erasure {
    Done,
    /// The run has lost the team: a hold began, or its retention changed. Nothing was written.
    Lost,
    /// What was to be erased changed in the meantime. Nothing was written.
    Changed,
}

impl ExpiringTeam {
    /// A team that becomes due at `at`, from its beginning.
    fn new(team: TeamKey<'_>, at: Timestamp) -> Self {
        let (organization, team) = (team.organization.clone(), team.team.clone());
        Self { organization, team, at, place: None, failed: false }
    }

    pub fn key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }
}

/// The list of teams whose messages expire.
#[derive(Debug, Clone)]
pub struct Retentions {
    table: Table,
}

impl Retentions {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the teams that are due.
    pub async fn due(&self, now: Timestamp) -> Result<DueTeams, StoreError> {
        let mut due = DueTeams::default();
        let mut after = None;
        loop {
            let range = KeyRange::all(keys::RETENTION);
            let page: Page<Entry> =
                self.table.page(range, Order::Ascending, PAGE_SIZE, after.as_deref()).await?;
            for entry in page.items {
                match entry {
                    Entry::Team(team) if team.at <= now => due.teams.push(team),
                    Entry::Team(_) => {}
                    Entry::Unreadable { key } => due.unreadable.push(key),
                }
            }
            after = page.next;
            if after.is_none() {
                due.teams.sort_by_key(|team| team.at);
                return Ok(due);
            }
        }
    }

    /// Replaces time and place of a team. `false` if another run took the team since `before`, or its
    /// retention was changed.
    pub async fn save(&self, before: &ExpiringTeam, after: &ExpiringTeam) -> Result<bool, StoreError> {
        let saved = self.table.put_if(keys::retention(before.key()), after, |put| {
            put.condition_expression("#at = :at")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", number(before.at.millis()))
        });
        Ok(saved.await?.is_done())
    }

    /// Whether a run still has its team.
    pub async fn is_held(&self, lease: &ExpiringTeam) -> Result<bool, StoreError> {
        let current: Option<ExpiringTeam> = self.table.get(keys::retention(lease.key()), true).await?;
        Ok(current.is_some_and(|current| current.at == lease.at))
    }

    /// Adds a team that has a retention, unless it is in the list. It becomes due at `at`.
    pub async fn add_missing(&self, team: TeamKey<'_>, at: Timestamp) -> Result<(), StoreError> {
        self.table.put_new(keys::retention(team), &ExpiringTeam::new(team, at)).await.map(drop)
    }

    /// Returns how far the search for missing teams came.
    pub async fn search(&self) -> Result<Search, StoreError> {
        Ok(self.table.get(keys::retention_search(), false).await?.unwrap_or_default())
    }

    /// Stores how far the search for missing teams came. It can be repeated from any place.
    pub async fn save_search(&self, search: &Search) -> Result<(), StoreError> {
        self.table.put(keys::retention_search(), search).await
    }

    /// Writes a team, for tests.
    pub async fn put(&self, team: &ExpiringTeam) -> Result<(), StoreError> {
        self.table.put(keys::retention(team.key()), team).await
    }

    /// Removes a team that has no retention, under the condition of [`Self::save`].
    pub async fn remove(&self, before: &ExpiringTeam) -> Result<(), StoreError> {
        let removed = self.table.delete_if(keys::retention(before.key()), |delete| {
            delete
                .condition_expression("#at = :at")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", number(before.at.millis()))
        });
        removed.await.map(drop)
    }
}

/// Requires that the run with this lease still has its team.
pub(crate) fn require(transaction: &mut Transaction<'_>, lease: &ExpiringTeam) -> Result<usize, StoreError> {
    transaction.require(keys::retention(lease.key()), |check| {
        check
            .condition_expression("#at = :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(lease.at.millis()))
    })
}

/// The outcome of a transaction whose write at `required` is that of [`require`].
pub(crate) fn outcome(committed: &Committed, required: usize) -> Erasure {
    if committed.is_done() {
        Erasure::Done
    } else if committed.refused_at(required) {
        Erasure::Lost
    } else {
        Erasure::Changed
    }
}

/// Adds a team to the list or removes it, if an edit changes what expires. The sweep then begins again, and a
/// run that works on the team loses it. An added team is due at once.
pub(crate) fn update_list(
    transaction: &mut Transaction<'_>,
    key: TeamKey<'_>,
    before: &Team,
    after: &Team,
) -> Result<(), StoreError> {
    if after.retention.is_none() && before.retention.is_some() {
        transaction.delete(keys::retention(key))?;
    } else if after.retention.is_some() && (after.retention != before.retention || after.hold != before.hold)
    {
        transaction.put(keys::retention(key), &ExpiringTeam::new(key, Timestamp::default()))?;
    }
    Ok(())
}
