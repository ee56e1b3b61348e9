//! Users, their roles in teams, and their memberships of inboxes.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, OrganisationId, TeamId, UserId},
    membership::{Membership, TeamRole, User},
};

use crate::{
    items::{MemberRow, TeamRoleRow, UserRow, parse_id},
    keys,
    table::{StoreError, Table, text},
};

/// Users and memberships.
#[derive(Debug, Clone)]
pub struct Members {
    table: Table,
}

/// A user with all that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The user.
    pub user: User,
    /// Teams and the role in each.
    pub teams: Vec<TeamRole>,
    /// Inboxes the user is a member of.
    pub inboxes: Vec<InboxId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MachineRow {
    org: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct InboxOfUser {
    inbox: String,
}

impl Members {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The access check: whether this user may read and answer in this inbox. Half a read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn membership(
        &self,
        organisation: &OrganisationId,
        inbox: &InboxId,
        user: &UserId,
    ) -> Result<Option<Membership>, StoreError> {
        let row: Option<MemberRow> = self.table.get(keys::member(organisation, inbox, user), false).await?;
        Ok(row.map(MemberRow::membership).transpose()?)
    }

    /// A user's role in one team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        user: &UserId,
    ) -> Result<Option<TeamRole>, StoreError> {
        let row: Option<TeamRoleRow> =
            self.table.get(keys::user_team(organisation, user, team), false).await?;
        Ok(row.map(TeamRoleRow::role).transpose()?)
    }

    /// One user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(
        &self,
        organisation: &OrganisationId,
        user: &UserId,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = self.table.get(keys::user(organisation, user), false).await?;
        Ok(row.map(UserRow::user).transpose()?)
    }

    /// A user with teams and inboxes, in one query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn home(
        &self,
        organisation: &OrganisationId,
        user: &UserId,
    ) -> Result<Option<Home>, StoreError> {
        let pages = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :user")
            .expression_attribute_values(":user", text(keys::user_partition(organisation, user)))
            .into_paginator()
            .items()
            .send();
        let items = pages.collect::<Result<Vec<_>, _>>().await?;
        let (mut person, mut teams, mut inboxes) = (None, Vec::new(), Vec::new());
        for item in items {
            let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            if sk == "USER" {
                person = Some(serde_dynamo::from_item::<_, UserRow>(item)?.user()?);
            } else if sk.starts_with("team_") {
                teams.push(serde_dynamo::from_item::<_, TeamRoleRow>(item)?.role()?);
            } else {
                inboxes.push(parse_id(&sk)?);
            }
        }
        Ok(person.map(|user| Home { user, teams, inboxes }))
    }

    /// Whose a machine client is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn machine(&self, client: &str) -> Result<Option<OrganisationId>, StoreError> {
        let row: Option<MachineRow> = self.table.get(keys::machine_client(client), false).await?;
        row.map(|row| parse_id(&row.org)).transpose()
    }

    /// Writes a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_user(&self, organisation: &OrganisationId, user: &User) -> Result<(), StoreError> {
        self.table.put(keys::user(organisation, &user.id), &UserRow::of(user)).await
    }

    /// Gives a user a role in a team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_role(
        &self,
        organisation: &OrganisationId,
        user: &UserId,
        role: &TeamRole,
    ) -> Result<(), StoreError> {
        self.table.put(keys::user_team(organisation, user, &role.team), &TeamRoleRow::of(role)).await
    }

    /// Makes a user a member of an inbox.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, organisation: &OrganisationId, member: &Membership) -> Result<(), StoreError> {
        let of_user = InboxOfUser { inbox: member.inbox.to_string() };
        self.table.put(keys::user_inbox(organisation, &member.user.id, &member.inbox), &of_user).await?;
        self.table
            .put(keys::member(organisation, &member.inbox, &member.user.id), &MemberRow::of(member))
            .await
    }

    /// Makes a machine client act for an organisation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_machine(&self, client: &str, organisation: &OrganisationId) -> Result<(), StoreError> {
        self.table.put(keys::machine_client(client), &MachineRow { org: organisation.to_string() }).await
    }
}
