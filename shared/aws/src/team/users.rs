//! Users of an organization, with their roles and inboxes.

use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    keys::TeamKey,
    membership::{self, Role, TeamRole},
    team::Team,
    user::{User, UserRef},
};

use crate::{
    table::{
        error::StoreError,
        item::{from_item, string_attribute},
        keys,
        query::KeyRange,
    },
    team::{
        members::Members,
        rows::{TeamRoleRow, TeamRow, UserInboxRow, UserRow},
    },
};

/// A user with roles and inboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    pub user: User,
    /// The teams of the user and the role in each.
    pub teams: Vec<TeamRole>,
    /// The inboxes that the user is a member of.
    pub inboxes: Vec<UserInbox>,
}

impl UserProfile {
    /// Returns the role in a team. `None` if the user is not a member.
    pub fn role(&self, team: &TeamId) -> Option<Role> {
        self.team_role(team).map(|role| role.role)
    }

    /// Returns role and rights in a team. `None` if the user is not a member.
    pub fn team_role(&self, team: &TeamId) -> Option<&TeamRole> {
        self.teams.iter().find(|role| role.team == *team)
    }
}

/// An inbox that a user is a member of, and its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInbox {
    pub inbox: InboxId,
    pub team: TeamId,
}

/// A user, a team, and the role of the user in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInTeam {
    pub user: User,
    pub role: Option<Role>,
    /// Whether an admin gave the user the right to broadcast.
    pub can_broadcast: bool,
    pub team: Team,
}

impl UserInTeam {
    /// Whether the user manages the team.
    pub fn manages(&self) -> bool {
        membership::manages(self.user.owner, self.role)
    }

    /// Whether the user may send broadcasts from the inboxes of the team.
    pub fn may_broadcast(&self) -> bool {
        membership::may_broadcast(self.user.owner, self.role, self.can_broadcast)
    }

    /// Returns the user as shown to others.
    pub fn person(&self) -> UserRef {
        UserRef { id: self.user.id.clone(), name: self.user.name.clone() }
    }
}

impl Members {
    pub async fn user(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = self.table.get(keys::user(organization, user), false).await?;
        Ok(row.map(UserRow::user))
    }

    /// Returns users by id. Omits those that do not exist. Costs half a read unit each.
    pub async fn users(
        &self,
        organization: &OrganizationId,
        users: &[UserId],
    ) -> Result<Vec<User>, StoreError> {
        let keys = users.iter().map(|user| keys::user(organization, user)).collect();
        let rows: Vec<UserRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        Ok(rows.into_iter().map(UserRow::user).collect())
    }

    /// Returns a user with roles and inboxes in one query. Reads consistently, because access depends on it.
    pub async fn profile(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Option<UserProfile>, StoreError> {
        let range = KeyRange::all(keys::user_partition(organization, user));
        let (mut user, mut teams, mut inboxes) = (None, Vec::new(), Vec::new());
        for item in self.table.all_items(&range).await? {
            let sort_key = string_attribute(&item, "sk").unwrap_or_default();
            if sort_key == "USER" {
                user = Some(from_item::<UserRow>(item)?.user());
            } else if sort_key.starts_with("team_") {
                teams.push(from_item::<TeamRoleRow>(item)?.role());
            } else {
                let row: UserInboxRow = from_item(item)?;
                inboxes.push(UserInbox { inbox: row.inbox, team: row.team });
            }
        }
        Ok(user.map(|user| UserProfile { user, teams, inboxes }))
    }

    /// Returns the role of a user in a team.
    pub async fn role(&self, team: TeamKey<'_>, user: &UserId) -> Result<Option<TeamRole>, StoreError> {
        let row: Option<TeamRoleRow> =
            self.table.get(keys::user_team(team.organization, user, team.team), false).await?;
        Ok(row.map(TeamRoleRow::role))
    }

    /// Returns a user and the role in a team, in one request. `None` if the user or the team does not exist.
    pub async fn user_in_team(
        &self,
        team: TeamKey<'_>,
        user: &UserId,
    ) -> Result<Option<UserInTeam>, StoreError> {
        let keys = vec![
            keys::user(team.organization, user),
            keys::user_team(team.organization, user, team.team),
            keys::team(team),
        ];
        let (mut user, mut role, mut team) = (None, None, None);
        for item in self.table.batch_get(keys, false).await? {
            match string_attribute(&item, "sk") {
                Some("USER") => user = Some(from_item::<UserRow>(item)?.user()),
                Some("TEAM") => team = Some(from_item::<TeamRow>(item)?.team()),
                _ => role = Some(from_item::<TeamRoleRow>(item)?),
            }
        }
        let can_broadcast = role.as_ref().is_some_and(|role: &TeamRoleRow| role.can_broadcast);
        let role = role.map(|role| role.role);
        Ok(user.zip(team).map(|(user, team)| UserInTeam { user, role, can_broadcast, team }))
    }

    /// Writes a user, for tests.
    pub async fn put_user(&self, organization: &OrganizationId, user: &User) -> Result<(), StoreError> {
        self.table.put(keys::user(organization, &user.id), &UserRow::of(user)).await
    }
}
