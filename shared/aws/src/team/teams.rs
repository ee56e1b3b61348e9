//! Teams and their notification settings.

use aws_sdk_dynamodb::types::{AttributeValue, builders::UpdateBuilder};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    keys::TeamKey,
    notification::{NotificationKind, NotificationSettings},
    team::Team,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{number, text},
        keys,
        query::{KeyRange, Order, Page},
        requests::Table,
        transaction::Transaction,
    },
    team::{
        audit::AuditEvent,
        retentions,
        rows::{TeamPointer, TeamRow},
    },
};

/// The teams of organizations.
#[derive(Debug, Clone)]
pub struct Teams {
    table: Table,
}

impl Teams {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a team. Costs half a read unit.
    pub async fn get(&self, team: TeamKey<'_>) -> Result<Option<Team>, StoreError> {
        let row: Option<TeamRow> = self.table.get(keys::team(team), false).await?;
        Ok(row.map(TeamRow::team))
    }

    /// As [`Self::get`], strongly consistent. Costs one read unit.
    pub async fn get_current(&self, team: TeamKey<'_>) -> Result<Option<Team>, StoreError> {
        let row: Option<TeamRow> = self.table.get(keys::team(team), true).await?;
        Ok(row.map(TeamRow::team))
    }

    /// Returns teams in the order of their creation, in one request.
    pub async fn get_many(
        &self,
        organization: &OrganizationId,
        teams: &[TeamId],
    ) -> Result<Vec<Team>, StoreError> {
        let keys = teams.iter().map(|team| keys::team(TeamKey { organization, team })).collect();
        let rows: Vec<TeamRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let mut teams: Vec<Team> = rows.into_iter().map(TeamRow::team).collect();
        teams.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(teams)
    }

    /// Returns a page of the teams of an organization in the order of their creation, in two requests.
    pub async fn page(
        &self,
        organization: &OrganizationId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Team>, StoreError> {
        let range = KeyRange::all(keys::teams_partition(organization));
        let pointers: Page<TeamPointer> = self.table.page(range, Order::Ascending, limit, after).await?;
        let ids: Vec<TeamId> = pointers.items.into_iter().map(|pointer| pointer.team).collect();
        Ok(Page { items: self.get_many(organization, &ids).await?, next: pointers.next })
    }

    /// Returns the ids of all teams of an organization, in one request.
    pub async fn ids(&self, organization: &OrganizationId) -> Result<Vec<TeamId>, StoreError> {
        let range = KeyRange::all(keys::teams_partition(organization));
        let pointers: Vec<TeamPointer> = self.table.all(&range).await?;
        Ok(pointers.into_iter().map(|pointer| pointer.team).collect())
    }

    /// Creates a team. `false` if another request used the idempotency key in the meantime.
    pub async fn create(
        &self,
        organization: &OrganizationId,
        team: &Team,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let team_key = TeamKey { organization, team: &team.id };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(keys::team(team_key), &TeamRow::of(team))?;
        transaction.put(keys::team_in_list(team_key), &TeamPointer::of(team_key))?;
        event.write(&mut transaction, team_key)?;
        if let Some(key) = key {
            key.write(&mut transaction, organization, team.id.as_str(), event.at)?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Changes name, hold and retention of a team from what `before` has to what `after` has, and the list of
    /// teams whose messages expire. `false`, and nothing is written, if the team does not exist or does not
    /// have those of `before`.
    pub async fn edit(
        &self,
        team: TeamKey<'_>,
        before: &Team,
        after: &Team,
        events: &[AuditEvent<'_>],
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::team(team), |update| edited(update, before, after))?;
        retentions::update_list(&mut transaction, team, before, after)?;
        for event in events {
            event.write(&mut transaction, team)?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Stores what the team's campaign allows each of its numbers. Writes nothing if it is known.
    pub async fn set_segments_per_second(&self, team: TeamKey<'_>, rate: u32) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::team(team), |update| {
            update
                .update_expression("SET segmentsPerSecond = :rate")
                .condition_expression(
                    "attribute_exists(pk) AND (attribute_not_exists(segmentsPerSecond) OR segmentsPerSecond <> :rate)",
                )
                .expression_attribute_values(":rate", number(rate))
        });
        updated.await.map(drop)
    }

    /// Returns the teams of an organization that are under a legal hold. Reads them strongly consistently.
    pub async fn held(&self, organization: &OrganizationId) -> Result<Vec<TeamId>, StoreError> {
        let mut held = Vec::new();
        for team in self.ids(organization).await? {
            let found = self.get_current(TeamKey { organization, team: &team }).await?;
            held.extend(found.filter(|found| found.hold).map(|_| team));
        }
        Ok(held)
    }

    /// Returns the notification settings of a team. All notifications are disabled by default.
    pub async fn notification_settings(&self, team: TeamKey<'_>) -> Result<NotificationSettings, StoreError> {
        let settings = self.table.get(keys::notification_settings(team), false).await?;
        Ok(settings.unwrap_or_default())
    }

    /// Whether the team has recipients for this notification.
    pub async fn wants_notification(
        &self,
        team: TeamKey<'_>,
        kind: &NotificationKind,
    ) -> Result<bool, StoreError> {
        let settings = self.notification_settings(team).await?;
        Ok(!settings.recipients(kind).is_empty())
    }

    /// Replaces the notification settings of a team.
    pub async fn put_notification_settings(
        &self,
        team: TeamKey<'_>,
        settings: &NotificationSettings,
        event: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::notification_settings(team), settings)?;
        event.write(&mut transaction, team)?;
        transaction.commit().await.map(drop)
    }

    /// Writes a team, for tests.
    pub async fn put(&self, organization: &OrganizationId, team: &Team) -> Result<(), StoreError> {
        let team_key = TeamKey { organization, team: &team.id };
        self.table.put(keys::team_in_list(team_key), &TeamPointer::of(team_key)).await?;
        self.table.put(keys::team(team_key), &TeamRow::of(team)).await
    }
}

/// An attribute is absent if there is no hold, and if messages are kept forever.
fn edited(update: UpdateBuilder, before: &Team, after: &Team) -> UpdateBuilder {
    let hold = |team: &Team| team.hold.then_some(AttributeValue::Bool(true));
    let days = |team: &Team| team.retention.map(|days| number(days.get()));
    let mut update = update
        .expression_attribute_names("#name", "name")
        .expression_attribute_names("#hold", "hold")
        .expression_attribute_names("#days", "retentionDays")
        .expression_attribute_values(":name", text(&after.name))
        .expression_attribute_values(":nameBefore", text(&before.name));
    let (mut conditions, mut sets) =
        (vec!["#name = :nameBefore".to_owned()], vec!["#name = :name".to_owned()]);
    let mut removed = Vec::new();
    for (field, was, will) in [("hold", hold(before), hold(after)), ("days", days(before), days(after))] {
        if let Some(value) = was {
            conditions.push(format!("#{field} = :{field}Before"));
            update = update.expression_attribute_values(format!(":{field}Before"), value);
        } else {
            conditions.push(format!("attribute_not_exists(#{field})"));
        }
        if let Some(value) = will {
            sets.push(format!("#{field} = :{field}"));
            update = update.expression_attribute_values(format!(":{field}"), value);
        } else {
            removed.push(format!("#{field}"));
        }
    }
    let mut expression = format!("SET {}", sets.join(", "));
    if !removed.is_empty() {
        expression = format!("{expression} REMOVE {}", removed.join(", "));
    }
    update.update_expression(expression).condition_expression(conditions.join(" AND "))
}
