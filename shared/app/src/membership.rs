//! The end of memberships: a user leaves a team, its inboxes, and the locks that the user holds there.

use shared_aws::{
    conversation::Locks,
    inbox::Inboxes,
    table::{StoreError, Table},
    team::{AuditEvent, TeamMembers, UserProfile},
};
use shared_domain::{ids::InboxId, keys::TeamKey, user::UserRef};

/// The workflow of leaving a team.
#[derive(Debug, Clone)]
pub struct Memberships {
    team_members: TeamMembers,
    inboxes: Inboxes,
    locks: Locks,
}

impl Memberships {
    pub fn new(table: &Table) -> Self {
        Self {
            team_members: TeamMembers::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            locks: Locks::new(table.clone()),
        }
    }

    /// Ends the membership of a user in a team and in all of its inboxes, with `event`, and releases the
    /// locks that the user holds there on behalf of `by`. Returns how many locks there were. Without a
    /// membership, only the locks are released, and there is no event.
    ///
    /// The membership ends first: while it exists, the user can lock a released conversation again, and then
    /// hold it until the lease ends.
    ///
    /// Idempotent by team and user. After a removal that stopped halfway, the memberships no longer say which
    /// inboxes had locks, so the locks in all inboxes of the team are released.
    pub async fn end(
        &self,
        team: TeamKey<'_>,
        profile: &UserProfile,
        by: &UserRef,
        event: &AuditEvent<'_>,
    ) -> Result<usize, StoreError> {
        let in_an_inbox = profile.inboxes.iter().any(|membership| membership.team == *team.team);
        if in_an_inbox || profile.role(team.team).is_some() {
            self.team_members.remove(team, profile, event).await?;
        }
        let inboxes = self.inboxes.of_team(team).await?;
        let inboxes: Vec<InboxId> = inboxes.into_iter().map(|inbox| inbox.id).collect();
        self.locks.break_all_of(team.organization, &profile.user.id, &inboxes, by).await
    }
}
