//! Members of inboxes. A membership is two items: one found from the inbox and one found from the user.

use shared_domain::{
    ids::{OrganizationId, UserId},
    keys::{InboxKey, TeamKey},
    membership::Membership,
    registration::RegistrationStatus,
};

use crate::{
    table::{error::StoreError, item::text, keys, query::KeyRange, transaction::Transaction},
    team::{
        audit::AuditEvent,
        members::Members,
        rows::{MemberRow, UserInboxRow},
    },
};

/// The outcome of adding a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMemberOutcome {
    /// The user is a member, newly or already.
    Done,
    /// The user does not belong to the inbox's team.
    NotInTeam,
    /// The team's registration is not complete.
    RegistrationIncomplete,
    InboxNotActive,
}

impl Members {
    /// Returns the membership of a user. `None` if the user is not a member. Every request checks access with
    /// this call, which costs half a read unit.
    pub async fn membership(
        &self,
        inbox: InboxKey<'_>,
        user: &UserId,
    ) -> Result<Option<Membership>, StoreError> {
        let row: Option<MemberRow> = self.table.get(keys::member(inbox, user), false).await?;
        Ok(row.map(MemberRow::membership))
    }

    /// Returns all members of an inbox, by user id.
    pub async fn list(&self, inbox: InboxKey<'_>) -> Result<Vec<Membership>, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::INBOX_MEMBERS);
        let rows: Vec<MemberRow> = self.table.all(&range).await?;
        Ok(rows.into_iter().map(MemberRow::membership).collect())
    }

    /// Adds a member if, at the instant of the write, the user belongs to the inbox's team, the team's
    /// registration is complete and the inbox is active.
    pub async fn add(
        &self,
        organization: &OrganizationId,
        member: &Membership,
        event: &AuditEvent<'_>,
    ) -> Result<AddMemberOutcome, StoreError> {
        let team = TeamKey { organization, team: &member.team };
        let inbox = InboxKey { organization, inbox: &member.inbox };
        let mut transaction = Transaction::new(&self.table);
        let in_team = transaction.require_exists(keys::team_member(team, &member.user.id))?;
        let registered = transaction.require(keys::team(team), |check| {
            check
                .condition_expression("registration = :approved")
                .expression_attribute_values(":approved", text(RegistrationStatus::Approved.as_str()))
        })?;
        let active = transaction.require(keys::inbox(inbox), |check| {
            check
                .condition_expression("stage = :active")
                .expression_attribute_values(":active", text("active"))
        })?;
        write(&mut transaction, organization, member)?;
        event.write(&mut transaction, team)?;
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

    /// Removes a member. Does nothing if the user is not one.
    pub async fn remove(
        &self,
        team: TeamKey<'_>,
        inbox: InboxKey<'_>,
        user: &UserId,
        event: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::member(inbox, user))?;
        transaction.delete(keys::user_inbox(inbox.organization, user, inbox.inbox))?;
        event.write(&mut transaction, team)?;
        transaction.commit().await.map(drop)
    }

    /// Adds a member whatever the state of the team, for tests.
    pub async fn put(&self, organization: &OrganizationId, member: &Membership) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        write(&mut transaction, organization, member)?;
        transaction.commit().await.map(drop)
    }
}

/// Writes both items of a membership.
pub(crate) fn write(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    member: &Membership,
) -> Result<(), StoreError> {
    let of_user = UserInboxRow { inbox: member.inbox.clone(), team: member.team.clone() };
    transaction.put(keys::user_inbox(organization, &member.user.id, &member.inbox), &of_user)?;
    let inbox = InboxKey { organization, inbox: &member.inbox };
    transaction.put(keys::member(inbox, &member.user.id), &MemberRow::of(member))?;
    Ok(())
}
