//! Members of teams. A membership is two items: one found from the team and one found from the user. Removing
//! a member also removes the user from the team's inboxes.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::{InboxKind, Stage},
    keys::{InboxKey, TeamKey},
    membership::{Membership, Role, TeamMember, TeamRole},
    user::{User, UserRef},
};

use crate::{
    inbox::rows::{InboxPointer, InboxRow},
    table::{
        error::StoreError,
        item::{attribute, text},
        keys::{self, Key},
        query::KeyRange,
        requests::{EXISTS, IS_NEW, Table},
        transaction::Transaction,
    },
    team::{
        audit::AuditEvent,
        inbox_members,
        members::Members,
        rows::{TeamMemberRow, TeamRoleRow},
        users::UserProfile,
    },
};

/// Two items each, within the limit of 100 writes.
const INBOXES_PER_TRANSACTION: usize = 40;
/// One item each, in addition to those of the user, the team and the audit trail, within the limit of 100
/// writes.
const COPIES_PER_TRANSACTION: usize = 90;

/// The members of teams.
#[derive(Debug, Clone)]
pub struct TeamMembers {
    table: Table,
}

impl TeamMembers {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns all members of a team, by user id.
    pub async fn list(&self, team: TeamKey<'_>) -> Result<Vec<TeamMember>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::TEAM_MEMBERS);
        let rows: Vec<TeamMemberRow> = self.table.all(&range).await?;
        Ok(rows.into_iter().map(TeamMemberRow::member).collect())
    }

    /// Returns all admins of a team, by user id.
    pub async fn admins(&self, team: TeamKey<'_>) -> Result<Vec<TeamMember>, StoreError> {
        let mut members = self.list(team).await?;
        members.retain(|member| member.role == Role::Admin);
        Ok(members)
    }

    pub async fn get(&self, team: TeamKey<'_>, user: &UserId) -> Result<Option<TeamMember>, StoreError> {
        let row: Option<TeamMemberRow> = self.table.get(keys::team_member(team, user), false).await?;
        Ok(row.map(TeamMemberRow::member))
    }

    /// Makes a user a member or changes role and rights, and copies a new name and e-mail address to every
    /// item that contains them. `before` is the profile of the user as the caller read it, if there is one. A
    /// user who left the team and returns gets their personal inbox back.
    ///
    /// `false` if any of it changed in the meantime; the role matters most, because it decides who may change
    /// it. The user's own item is written last, so that repeating a call that failed halfway copies a new
    /// name everywhere.
    pub async fn put(
        &self,
        team: TeamKey<'_>,
        user: &User,
        role: &TeamRole,
        before: Option<&UserProfile>,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let organization = team.organization;
        let renamed =
            before.filter(|before| before.user.name != user.name || before.user.email != user.email);
        let copies = renamed.map(|before| copies(team, before)).unwrap_or_default();
        let (first, last) = copies.split_at(copies.len().saturating_sub(COPIES_PER_TRANSACTION));
        for chunk in first.chunks(COPIES_PER_TRANSACTION) {
            let mut transaction = Transaction::new(&self.table);
            for copy in chunk {
                update_copy(&mut transaction, copy, user)?;
            }
            if !transaction.commit().await?.is_done() {
                return Ok(false);
            }
        }
        let mut transaction = Transaction::new(&self.table);
        transaction.require_exists(keys::team(team))?;
        transaction.update(keys::user(organization, &user.id), |update| {
            update
                .update_expression(
                    "SET id = :id, #name = :name, email = :email, #owner = if_not_exists(#owner, :owner)",
                )
                .expression_attribute_names("#name", "name")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":id", text(&user.id))
                .expression_attribute_values(":name", text(&user.name))
                .expression_attribute_values(":email", text(&user.email))
                .expression_attribute_values(":owner", AttributeValue::Bool(user.owner))
        })?;
        let role_row = TeamRoleRow::of(role);
        let role_before = before.and_then(|before| before.role(team.team));
        transaction.put_if(keys::user_team(organization, &user.id, team.team), &role_row, |put| {
            match role_before {
                Some(role) => put
                    .condition_expression("#role = :before")
                    .expression_attribute_names("#role", "role")
                    .expression_attribute_values(":before", text(role.as_str())),
                None => put.condition_expression(IS_NEW),
            }
        })?;
        transaction.put(keys::team_member(team, &user.id), &member_row(user, role))?;
        if let Some(personal) = self.lost_personal_inbox(team, user, before).await? {
            inbox_members::write(&mut transaction, organization, &personal)?;
        }
        event.write(&mut transaction, team)?;
        for copy in last {
            update_copy(&mut transaction, copy, user)?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Returns the membership in the user's personal inbox of the team if they do not have it any more.
    async fn lost_personal_inbox(
        &self,
        team: TeamKey<'_>,
        user: &User,
        before: Option<&UserProfile>,
    ) -> Result<Option<Membership>, StoreError> {
        let pointer: Option<InboxPointer> =
            self.table.get(keys::personal_inbox(team, &user.id), true).await?;
        let Some(InboxPointer { inbox, .. }) = pointer else { return Ok(None) };
        if before.is_some_and(|profile| profile.inboxes.iter().any(|membership| membership.inbox == inbox)) {
            return Ok(None);
        }
        let key = InboxKey { organization: team.organization, inbox: &inbox };
        let row: Option<InboxRow> = self.table.get(keys::inbox(key), true).await?;
        let is_active = row.is_some_and(|row| row.inbox().stage == Stage::Active);
        let team = team.team.clone();
        let personal = Membership { inbox, kind: InboxKind::Personal, team, user: user_ref(user) };
        Ok(is_active.then_some(personal))
    }

    /// Removes a member from the team and from the team's inboxes, and returns those inboxes.
    ///
    /// The items of the team are deleted after those of the inboxes, so that repeating a call that failed
    /// halfway removes the rest. Without the items of the team, the user cannot be added to an inbox. Inboxes
    /// that were added after `profile` was read are removed at the end.
    pub async fn remove(
        &self,
        team: TeamKey<'_>,
        profile: &UserProfile,
        event: &AuditEvent<'_>,
    ) -> Result<Vec<InboxId>, StoreError> {
        let (organization, user) = (team.organization, &profile.user.id);
        let mut inboxes = inboxes_of(team.team, profile);
        self.remove_from_inboxes(organization, user, &inboxes).await?;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::team_member(team, user))?;
        transaction.delete(keys::user_team(organization, user, team.team))?;
        event.write(&mut transaction, team)?;
        let _ = transaction.commit().await?;
        if let Some(profile) = Members::new(self.table.clone()).profile(organization, user).await? {
            let added_meanwhile = inboxes_of(team.team, &profile);
            self.remove_from_inboxes(organization, user, &added_meanwhile).await?;
            inboxes.extend(added_meanwhile);
        }
        Ok(inboxes)
    }

    async fn remove_from_inboxes(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
    ) -> Result<(), StoreError> {
        for chunk in inboxes.chunks(INBOXES_PER_TRANSACTION) {
            let mut transaction = Transaction::new(&self.table);
            for inbox in chunk {
                transaction.delete(keys::member(InboxKey { organization, inbox }, user))?;
                transaction.delete(keys::user_inbox(organization, user, inbox))?;
            }
            let _ = transaction.commit().await?;
        }
        Ok(())
    }

    /// Stores the role of a user in a team, for tests.
    pub async fn put_role(
        &self,
        organization: &OrganizationId,
        user: &User,
        role: &TeamRole,
    ) -> Result<(), StoreError> {
        let team = TeamKey { organization, team: &role.team };
        self.table.put(keys::team_member(team, &user.id), &member_row(user, role)).await?;
        self.table.put(keys::user_team(organization, &user.id, &role.team), &TeamRoleRow::of(role)).await
    }
}

fn member_row(user: &User, role: &TeamRole) -> TeamMemberRow {
    let TeamRole { role, can_broadcast, .. } = *role;
    TeamMemberRow { user: user_ref(user), email: user.email.clone(), role, can_broadcast }
}

fn user_ref(user: &User) -> UserRef {
    UserRef { id: user.id.clone(), name: user.name.clone() }
}

fn inboxes_of(team: &TeamId, profile: &UserProfile) -> Vec<InboxId> {
    let of_team = profile.inboxes.iter().filter(|membership| membership.team == *team);
    of_team.map(|membership| membership.inbox.clone()).collect()
}

/// An item that holds a copy of a user's name.
enum NameCopy {
    /// A team member with the e-mail address.
    Team(Key),
    /// An inbox member.
    Inbox(Key),
}

/// Returns all copies of a user's name except the one in this team.
fn copies(team: TeamKey<'_>, profile: &UserProfile) -> Vec<NameCopy> {
    let (organization, user) = (team.organization, &profile.user.id);
    let other_teams = profile.teams.iter().filter(|role| role.team != *team.team);
    let teams = other_teams.map(|role| keys::team_member(TeamKey { organization, team: &role.team }, user));
    let inboxes = profile.inboxes.iter();
    let inboxes =
        inboxes.map(|membership| keys::member(InboxKey { organization, inbox: &membership.inbox }, user));
    teams.map(NameCopy::Team).chain(inboxes.map(NameCopy::Inbox)).collect()
}

/// Updates a copy. The condition fails if the item does not exist.
fn update_copy(transaction: &mut Transaction<'_>, copy: &NameCopy, user: &User) -> Result<usize, StoreError> {
    let user_attribute = attribute(&user_ref(user))?;
    let (key, set) = match copy {
        NameCopy::Team(key) => (key, "SET #user = :user, email = :email"),
        NameCopy::Inbox(key) => (key, "SET #user = :user"),
    };
    transaction.update(key.clone(), |update| {
        let update = update
            .update_expression(set)
            .condition_expression(EXISTS)
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":user", user_attribute);
        match copy {
            NameCopy::Team(_) => update.expression_attribute_values(":email", text(&user.email)),
            NameCopy::Inbox(_) => update,
        }
    })
}
