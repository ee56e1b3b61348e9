//! Users, their roles in teams, and who is a member of an inbox. A membership is two rows, found from the inbox and from
//! the user.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    membership::{self, Membership, Role, TeamMember, TeamRole},
    registration::RegistrationStatus,
    team::Team,
    user::{User, UserRef},
};

use crate::{
    table::{
        error::StoreError, item::text, items::parse_id, keys, requests::Table, transaction::Transaction,
    },
    team::{
        audit::AuditEvent,
        rows::{MemberRow, TeamMemberRow, TeamRoleRow, TeamRow, UserInboxRow, UserRow},
    },
};

/// Users and memberships.
#[derive(Debug, Clone)]
pub struct Members {
    table: Table,
}

/// A user with all that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// The user.
    pub user: User,
    /// Teams and the role in each.
    pub teams: Vec<TeamRole>,
    /// Inboxes the user is a member of.
    pub inboxes: Vec<UserInbox>,
}

impl UserProfile {
    /// The role in a team, if any.
    pub fn role(&self, team: &TeamId) -> Option<Role> {
        self.teams.iter().find(|role| role.team == *team).map(|role| role.role)
    }
}

/// What somebody is in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInTeam {
    /// Who.
    pub user: User,
    /// The role there, if any.
    pub role: Option<Role>,
    /// The team.
    pub team: Team,
}

impl UserInTeam {
    /// Whether the user manages the team.
    pub fn manages(&self) -> bool {
        membership::manages(self.user.owner, self.role)
    }

    /// The user as others see them.
    pub fn person(&self) -> UserRef {
        UserRef { id: self.user.id.clone(), name: self.user.name.clone() }
    }
}

/// An inbox that a user is a member of, and its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInbox {
    /// The inbox.
    pub inbox: InboxId,
    /// Its team.
    pub team: TeamId,
}

/// The answer to a wish for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMemberOutcome {
    /// A member now, or already.
    Done,
    /// The user does not belong to the inbox's team.
    NotInTeam,
    /// The team's registration is not complete.
    RegistrationIncomplete,
    /// The inbox is not in use.
    InboxNotActive,
}

#[derive(Debug, Serialize, Deserialize)]
struct MachineRow {
    org: String,
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
        organization: &OrganizationId,
        inbox: &InboxId,
        user: &UserId,
    ) -> Result<Option<Membership>, StoreError> {
        let row: Option<MemberRow> = self.table.get(keys::member(organization, inbox, user), false).await?;
        Ok(row.map(MemberRow::membership).transpose()?)
    }

    /// A user's role in one team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        user: &UserId,
    ) -> Result<Option<TeamRole>, StoreError> {
        let row: Option<TeamRoleRow> =
            self.table.get(keys::user_team(organization, user, team), false).await?;
        Ok(row.map(TeamRoleRow::role).transpose()?)
    }

    /// What somebody is in a team: two rights and a name, in one request. Nothing for who is no user, and where there is
    /// no such team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_in_team(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        user: &UserId,
    ) -> Result<Option<UserInTeam>, StoreError> {
        let keys = vec![
            keys::user(organization, user),
            keys::user_team(organization, user, team),
            keys::team(organization, team),
        ];
        let (mut person, mut role, mut found) = (None, None, None);
        for item in self.table.batch_get(keys, false).await? {
            match item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some("USER") => person = Some(serde_dynamo::from_item::<_, UserRow>(item)?.user()?),
                Some("TEAM") => found = Some(serde_dynamo::from_item::<_, TeamRow>(item)?.team()?),
                _ => role = Some(serde_dynamo::from_item::<_, TeamRoleRow>(item)?.role),
            }
        }
        Ok(person.zip(found).map(|(user, team)| UserInTeam { user, role, team }))
    }

    /// One user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = self.table.get(keys::user(organization, user), false).await?;
        Ok(row.map(UserRow::user).transpose()?)
    }

    /// Several users at once; who is none is not among them. Half a read unit each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn users(
        &self,
        organization: &OrganizationId,
        users: &[UserId],
    ) -> Result<Vec<User>, StoreError> {
        let keys = users.iter().map(|user| keys::user(organization, user)).collect();
        let rows: Vec<UserRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        Ok(rows.into_iter().map(UserRow::user).collect::<Result<_, _>>()?)
    }

    /// A user with teams and inboxes, in one query; read consistently, since rights are taken from it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn home(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Option<UserProfile>, StoreError> {
        let pages = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :user")
            .expression_attribute_values(":user", text(keys::user_partition(organization, user)))
            .consistent_read(true)
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
                let row: UserInboxRow = serde_dynamo::from_item(item)?;
                inboxes.push(UserInbox { inbox: parse_id(&row.inbox)?, team: parse_id(&row.team)? });
            }
        }
        Ok(person.map(|user| UserProfile { user, teams, inboxes }))
    }

    /// Whose a machine client is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn machine(&self, client: &str) -> Result<Option<OrganizationId>, StoreError> {
        let row: Option<MachineRow> = self.table.get(keys::machine_client(client), false).await?;
        row.map(|row| parse_id(&row.org)).transpose()
    }

    /// Writes a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_user(&self, organization: &OrganizationId, user: &User) -> Result<(), StoreError> {
        self.table.put(keys::user(organization, &user.id), &UserRow::of(user)).await
    }

    /// Gives a user a role in a team, for seeds and tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_role(
        &self,
        organization: &OrganizationId,
        user: &User,
        role: &TeamRole,
    ) -> Result<(), StoreError> {
        let person = UserRef { id: user.id.clone(), name: user.name.clone() };
        let member = TeamMember { user: person, email: user.email.clone(), role: role.role };
        let key = keys::team_member(organization, &role.team, &user.id);
        self.table.put(key, &TeamMemberRow::of(&member)).await?;
        self.table.put(keys::user_team(organization, &user.id, &role.team), &TeamRoleRow::of(role)).await
    }

    /// Everybody in an inbox, by user id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
    ) -> Result<Vec<Membership>, StoreError> {
        let items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :inbox AND begins_with(sk, :members)")
            .expression_attribute_values(":inbox", text(keys::inbox_partition(organization, inbox)))
            .expression_attribute_values(":members", text(keys::INBOX_MEMBERS))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await?;
        let rows: Vec<MemberRow> = serde_dynamo::from_items(items)?;
        Ok(rows.into_iter().map(MemberRow::membership).collect::<Result<_, _>>()?)
    }

    /// Makes a user a member of an inbox, if the user belongs to its team, the team may send and the inbox is in use: all
    /// of it holds at the instant of the write.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn admit(
        &self,
        organization: &OrganizationId,
        member: &Membership,
        deed: &AuditEvent<'_>,
    ) -> Result<AddMemberOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let in_team = transaction.exists(keys::team_member(organization, &member.team, &member.user.id))?;
        let registered = transaction.holds(keys::team(organization, &member.team), |check| {
            check
                .condition_expression("registration = :approved")
                .expression_attribute_values(":approved", text(RegistrationStatus::Approved.as_str()))
        })?;
        let active = transaction.holds(keys::inbox(organization, &member.inbox), |check| {
            check
                .condition_expression("stage = :active")
                .expression_attribute_values(":active", text("active"))
        })?;
        write(&mut transaction, organization, member)?;
        deed.write(&mut transaction, organization, &member.team)?;
        let committed = transaction.commit().await?;
        Ok(if committed.refused_at(active) {
            AddMemberOutcome::InboxNotActive
        } else if committed.refused_at(registered) {
            AddMemberOutcome::RegistrationIncomplete
        } else if committed.refused_at(in_team) {
            AddMemberOutcome::NotInTeam
        } else {
            AddMemberOutcome::Done
        })
    }

    /// Ends a membership, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dismiss(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        inbox: &InboxId,
        user: &UserId,
        deed: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::member(organization, inbox, user))?;
        transaction.delete(keys::user_inbox(organization, user, inbox))?;
        deed.write(&mut transaction, organization, team)?;
        transaction.commit().await.map(|_| ())
    }

    /// Makes a user a member of an inbox whatever the state of its team, for seeds and tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, organization: &OrganizationId, member: &Membership) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        write(&mut transaction, organization, member)?;
        transaction.commit().await.map(|_| ())
    }

    /// Makes a machine client act for an organization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_machine(&self, client: &str, organization: &OrganizationId) -> Result<(), StoreError> {
        self.table.put(keys::machine_client(client), &MachineRow { org: organization.to_string() }).await
    }
}

/// Both rows of a membership.
pub(crate) fn write(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    member: &Membership,
) -> Result<(), StoreError> {
    let of_user = UserInboxRow { inbox: member.inbox.to_string(), team: member.team.to_string() };
    transaction.put(keys::user_inbox(organization, &member.user.id, &member.inbox), &of_user)?;
    transaction.put(keys::member(organization, &member.inbox, &member.user.id), &MemberRow::of(member))?;
    Ok(())
}
