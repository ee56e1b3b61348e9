//! Who belongs to a team. A membership is two rows, found from the team and from the user; removing somebody also takes
//! the team's inboxes from them.

use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    membership::{Role, TeamMember, TeamRole},
    user::{User, UserRef},
};

use crate::{
    table::{
        error::StoreError,
        item::{attribute, text},
        items::PersonRow,
        keys::{self, Key},
        requests::Table,
        transaction::{Committed, Transaction},
    },
    team::{
        audit::AuditEvent,
        members::{Members, UserProfile},
        rows::{TeamMemberRow, TeamRoleRow},
    },
};

/// Two rows each, within a transaction's 100.
const INBOXES_PER_TRANSACTION: usize = 40;
/// One row each, beside those of the user, the team and the trail, within a transaction's 100.
const PLACES_PER_TRANSACTION: usize = 90;

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
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Vec<TeamMember>, StoreError> {
        let items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :team AND begins_with(sk, :members)")
            .expression_attribute_values(":team", text(keys::team_partition(organization, team)))
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
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Vec<TeamMember>, StoreError> {
        let mut members = self.list(organization, team).await?;
        members.retain(|member| member.role == Role::Admin);
        Ok(members)
    }

    /// One member.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        user: &UserId,
    ) -> Result<Option<TeamMember>, StoreError> {
        let row: Option<TeamMemberRow> =
            self.table.get(keys::team_member(organization, team, user), false).await?;
        Ok(row.map(TeamMemberRow::member).transpose()?)
    }

    /// Makes somebody a member, or changes the role; the user's name and address go to every place that shows them.
    /// `home` is what the user had before, if anything. `false` when some of it changed meanwhile, the role above all, since
    /// who may give one depends on it: read again. The user's own row goes last, so that a renaming of more places than one transaction takes is done to its end when it is asked
    /// for again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        user: &User,
        role: Role,
        home: Option<&UserProfile>,
        deed: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let person = UserRef { id: user.id.clone(), name: user.name.clone() };
        let renamed = home.filter(|home| home.user.name != user.name || home.user.email != user.email);
        let places = renamed.map(|home| places(organization, team, home)).unwrap_or_default();
        let (ahead, last) = places.split_at(places.len().saturating_sub(PLACES_PER_TRANSACTION));
        for some in ahead.chunks(PLACES_PER_TRANSACTION) {
            let mut transaction = Transaction::new(&self.table);
            for place in some {
                show(&mut transaction, place, user)?;
            }
            if !transaction.commit().await?.is_done() {
                return Ok(false);
            }
        }
        let mut transaction = Transaction::new(&self.table);
        transaction.exists(keys::team(organization, team))?;
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
                .expression_attribute_values(
                    ":owner",
                    aws_sdk_dynamodb::types::AttributeValue::Bool(user.owner),
                )
        })?;
        let as_role = TeamRoleRow::of(&TeamRole { team: team.clone(), role });
        let before = home.and_then(|home| home.role(team));
        transaction.put_if(keys::user_team(organization, &user.id, team), &as_role, |put| match before {
            Some(role) => put
                .condition_expression("#role = :before")
                .expression_attribute_names("#role", "role")
                .expression_attribute_values(":before", text(role.as_str())),
            None => put.condition_expression("attribute_not_exists(pk)"),
        })?;
        let member = TeamMember { user: person.clone(), email: user.email.clone(), role };
        transaction.put(keys::team_member(organization, team, &user.id), &TeamMemberRow::of(&member))?;
        deed.write(&mut transaction, organization, team)?;
        for place in last {
            show(&mut transaction, place, user)?;
        }
        Ok(transaction.commit().await? == Committed::Done)
    }

    /// Ends somebody's membership, and with it every membership of the team's inboxes, which come back. The team's rows
    /// go after them, so that a removal that broke off is done to its end when it is asked for again; without them nobody
    /// is admitted to an inbox, and what was given since `home` was read goes then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        home: &UserProfile,
        deed: &AuditEvent<'_>,
    ) -> Result<Vec<InboxId>, StoreError> {
        let user = &home.user.id;
        let mut inboxes = inboxes_of(team, home);
        self.leave(organization, user, &inboxes).await?;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::team_member(organization, team, user))?;
        transaction.delete(keys::user_team(organization, user, team))?;
        deed.write(&mut transaction, organization, team)?;
        transaction.commit().await?;
        if let Some(home) = Members::new(self.table.clone()).home(organization, user).await? {
            let given_meanwhile = inboxes_of(team, &home);
            self.leave(organization, user, &given_meanwhile).await?;
            inboxes.extend(given_meanwhile);
        }
        Ok(inboxes)
    }

    async fn leave(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
    ) -> Result<(), StoreError> {
        for some in inboxes.chunks(INBOXES_PER_TRANSACTION) {
            let mut transaction = Transaction::new(&self.table);
            for inbox in some {
                transaction.delete(keys::member(organization, inbox, user))?;
                transaction.delete(keys::user_inbox(organization, user, inbox))?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}

fn inboxes_of(team: &TeamId, home: &UserProfile) -> Vec<InboxId> {
    let of_team = home.inboxes.iter().filter(|membership| membership.team == *team);
    of_team.map(|membership| membership.inbox.clone()).collect()
}

/// A row that shows a user's name.
enum Place {
    /// In a team, with the address.
    Team(Key),
    /// In an inbox.
    Inbox(Key),
}

/// Every row that shows a user, but for those of this team.
fn places(organization: &OrganizationId, team: &TeamId, home: &UserProfile) -> Vec<Place> {
    let user = &home.user.id;
    let teams = home.teams.iter().filter(|role| role.team != *team);
    let teams = teams.map(|role| Place::Team(keys::team_member(organization, &role.team, user)));
    let inboxes = home.inboxes.iter();
    let inboxes = inboxes.map(|membership| Place::Inbox(keys::member(organization, &membership.inbox, user)));
    teams.chain(inboxes).collect()
}

/// Shows a user's name, and the address where it belongs, if the row is still there.
fn show(transaction: &mut Transaction<'_>, place: &Place, user: &User) -> Result<usize, StoreError> {
    let person = attribute(&PersonRow::of(&UserRef { id: user.id.clone(), name: user.name.clone() }))?;
    let (key, set) = match place {
        Place::Team(key) => (key, "SET #user = :person, email = :email"),
        Place::Inbox(key) => (key, "SET #user = :person"),
    };
    transaction.update(key.clone(), |update| {
        let update = update
            .update_expression(set)
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":person", person);
        match place {
            Place::Team(_) => update.expression_attribute_values(":email", text(&user.email)),
            Place::Inbox(_) => update,
        }
    })
}
