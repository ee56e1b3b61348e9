//! Teams, and which e-mails they want.

use shared_domain::{
    ids::{OrganizationId, TeamId},
    notice::{NotificationKind, NotificationSettings},
    team::Team,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::text,
        keys,
        requests::Table,
        transaction::{Committed, Transaction},
    },
    team::{
        audit::AuditEvent,
        rows::{TeamPointer, TeamRow},
    },
};

/// Teams of organizations.
#[derive(Debug, Clone)]
pub struct Teams {
    table: Table,
}

/// A page of an organization's teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamPage {
    /// In the order in which they were made.
    pub teams: Vec<Team>,
    /// Where the next page begins.
    pub next: Option<TeamId>,
}

impl Teams {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// One team: half a read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Option<Team>, StoreError> {
        let row: Option<TeamRow> = self.table.get(keys::team(organization, team), false).await?;
        Ok(row.map(TeamRow::team).transpose()?)
    }

    /// Several teams in one request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn several(
        &self,
        organization: &OrganizationId,
        teams: &[TeamId],
    ) -> Result<Vec<Team>, StoreError> {
        let keys = teams.iter().map(|team| keys::team(organization, team)).collect();
        let rows: Vec<TeamRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let mut teams = rows.into_iter().map(TeamRow::team).collect::<Result<Vec<_>, _>>()?;
        teams.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(teams)
    }

    /// A page of all teams of the organization: two requests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        organization: &OrganizationId,
        limit: u16,
        after: Option<&TeamId>,
    ) -> Result<TeamPage, StoreError> {
        let start = after.map(|team| keys::listed_team(organization, team).into_item());
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :organization")
            .expression_attribute_values(":organization", text(keys::teams_partition(organization)))
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let more = found.last_evaluated_key.is_some();
        let rows: Vec<TeamPointer> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        let ids = rows.iter().map(|row| Ok(row.target()?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        let next = ids.last().cloned().filter(|_| more);
        Ok(TeamPage { teams: self.several(organization, &ids).await?, next })
    }

    /// Makes a team. Idempotent by the key it is given; `false` when that key is used up by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(
        &self,
        organization: &OrganizationId,
        team: &Team,
        deed: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(keys::team(organization, &team.id), &TeamRow::of(team))?;
        let pointer = TeamPointer::of(organization, &team.id);
        transaction.put(keys::listed_team(organization, &team.id), &pointer)?;
        deed.write(&mut transaction, organization, &team.id)?;
        if let Some(key) = key {
            transaction.add(key.part(&self.table, organization, team.id.as_str(), deed.at)?);
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Gives a team another name; `false` when there is no such team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rename(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        name: &str,
        deed: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::team(organization, team), |update| {
            update
                .update_expression("SET #name = :name")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", text(name))
        })?;
        deed.write(&mut transaction, organization, team)?;
        Ok(transaction.commit().await? == Committed::Done)
    }

    /// Which e-mails the team wants; none unless it said so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_settings(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<NotificationSettings, StoreError> {
        let row = self.table.get(keys::notification_settings(organization, team), false).await?;
        Ok(row.unwrap_or_default())
    }

    /// Whether a team wants to be told of this by e-mail.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wants(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        subject: &NotificationKind,
    ) -> Result<bool, StoreError> {
        let settings = self.notification_settings(organization, team).await?;
        Ok(!settings.recipients(subject).is_empty())
    }

    /// Replaces the choice of e-mails.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn choose_notifications(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        settings: &NotificationSettings,
        deed: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::notification_settings(organization, team), settings)?;
        deed.write(&mut transaction, organization, team)?;
        transaction.commit().await.map(|_| ())
    }

    /// Writes a team as it is, for seeds and tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, organization: &OrganizationId, team: &Team) -> Result<(), StoreError> {
        let pointer = TeamPointer::of(organization, &team.id);
        self.table.put(keys::listed_team(organization, &team.id), &pointer).await?;
        self.table.put(keys::team(organization, &team.id), &TeamRow::of(team)).await
    }
}
