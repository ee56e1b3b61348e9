//! Who belongs to a team. A membership is two rows, found from the team and from the user; removing somebody also takes
//! the team's inboxes from them.

use shared_domain::{
    ids::{InboxId, OrganisationId, TeamId, UserId},
    lock::Person,
    membership::{Role, TeamMember, TeamRole, User},
};

use crate::{
    audit::Deed,
    items::{PersonRow, TeamMemberRow, TeamRoleRow},
    keys,
    members::Home,
    table::{StoreError, Table, attribute, text},
    transaction::{Committed, Transaction},
};

/// Two rows each, beside those of the team and the trail, within a transaction's 100.
const INBOXES_AT_ONCE: usize = 40;

/// Members of teams.
#[derive(Debug, Clone)]
pub struct TeamMembers {
    table: Table,
}

impl TeamMembers {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// All members of a team, by user id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
    ) -> Result<Vec<TeamMember>, StoreError> {
        let items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :team AND begins_with(sk, :members)")
            .expression_attribute_values(":team", text(keys::team_partition(organisation, team)))
            .expression_attribute_values(":members", text(keys::TEAM_MEMBERS))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await?;
        let rows: Vec<TeamMemberRow> = serde_dynamo::from_items(items)?;
        Ok(rows.into_iter().map(TeamMemberRow::member).collect::<Result<_, _>>()?)
    }

    /// The admins of a team at this instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn admins(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
    ) -> Result<Vec<TeamMember>, StoreError> {
        let mut members = self.list(organisation, team).await?;
        members.retain(|member| member.role == Role::Admin);
        Ok(members)
    }

    /// One member.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        user: &UserId,
    ) -> Result<Option<TeamMember>, StoreError> {
        let row: Option<TeamMemberRow> =
            self.table.get(keys::team_member(organisation, team, user), false).await?;
        Ok(row.map(TeamMemberRow::member).transpose()?)
    }

    /// Makes somebody a member, or changes the role; the user's name and address go to every place that shows them.
    /// `home` is what the user had before, if anything. `false` when some of it changed meanwhile: read again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        user: &User,
        role: Role,
        home: Option<&Home>,
        deed: &Deed<'_>,
    ) -> Result<bool, StoreError> {
        let person = Person { id: user.id.clone(), name: user.name.clone() };
        let mut transaction = Transaction::new(&self.table);
        transaction.exists(keys::team(organisation, team))?;
        transaction.update(keys::user(organisation, &user.id), |update| {
            update
                .update_expression(
                    "SET id = :id, #name = :name, email = :email, #owner = if_not_exists(#owner, :owner)",
                )
                .expression_attribute_names("#name", "name")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":id", text(&user.id))
                .expression_attribute_values(":name", text(&user.name))
                .expression_attribute_values(":email", text(&user.email))
                .expression_attribute_values(
                    ":owner",
                    aws_sdk_dynamodb::types::AttributeValue::Bool(user.owner),
                )
        })?;
        let as_role = TeamRoleRow::of(&TeamRole { team: team.clone(), role });
        transaction.put(keys::user_team(organisation, &user.id, team), &as_role)?;
        let member = TeamMember { user: person.clone(), email: user.email.clone(), role };
        transaction.put(keys::team_member(organisation, team, &user.id), &TeamMemberRow::of(&member))?;
        deed.write(&mut transaction, organisation, team)?;
        if let Some(home) = home.filter(|home| home.user.name != user.name || home.user.email != user.email) {
            let person = attribute(&PersonRow::of(&person))?;
            for other in home.teams.iter().filter(|role| role.team != *team) {
                let key = keys::team_member(organisation, &other.team, &user.id);
                transaction.update(key, |update| {
                    update
                        .update_expression("SET #user = :person, email = :email")
                        .condition_expression("attribute_exists(pk)")
                        .expression_attribute_names("#user", "user")
                        .expression_attribute_values(":person", person.clone())
                        .expression_attribute_values(":email", text(&user.email))
                })?;
            }
            for membership in &home.inboxes {
                transaction.update(keys::member(organisation, &membership.inbox, &user.id), |update| {
                    update
                        .update_expression("SET #user = :person")
                        .condition_expression("attribute_exists(pk)")
                        .expression_attribute_names("#user", "user")
                        .expression_attribute_values(":person", person.clone())
                })?;
            }
        }
        Ok(transaction.commit().await? == Committed::Done)
    }

    /// Ends somebody's membership, and with it every membership of the team's inboxes, which come back. The team's rows
    /// go last, so that a removal that broke off is done to its end when it is asked for again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        home: &Home,
        deed: &Deed<'_>,
    ) -> Result<Vec<InboxId>, StoreError> {
        let user = &home.user.id;
        let of_team = home.inboxes.iter().filter(|membership| membership.team == *team);
        let inboxes: Vec<InboxId> = of_team.map(|membership| membership.inbox.clone()).collect();
        for some in inboxes.chunks(INBOXES_AT_ONCE) {
            let mut transaction = Transaction::new(&self.table);
            for inbox in some {
                transaction.delete(keys::member(organisation, inbox, user))?;
                transaction.delete(keys::user_inbox(organisation, user, inbox))?;
            }
            transaction.commit().await?;
        }
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::team_member(organisation, team, user))?;
        transaction.delete(keys::user_team(organisation, user, team))?;
        deed.write(&mut transaction, organisation, team)?;
        transaction.commit().await?;
        Ok(inboxes)
    }
}
