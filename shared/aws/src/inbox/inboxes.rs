//! Inboxes and the teams that own them.

use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId},
    inbox::{Inbox, Stage, TeamInbox},
    phone::PhoneNumber,
    team::Team,
};

use crate::{
    conversation::unread::Counter,
    inbox::rows::{InboxPointer, InboxRow},
    table::{
        error::StoreError,
        item::{attribute, text},
        items::parse_id,
        keys,
        requests::Table,
        transaction::Transaction,
    },
    team::{
        audit::AuditEvent,
        rows::{TeamPointer, TeamRow},
    },
};

/// Inboxes and teams.
#[derive(Debug, Clone)]
pub struct Inboxes {
    table: Table,
}

/// The answer to an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// As wished.
    Done,
    /// Another inbox of the organization has the API code.
    ApiCodeTaken,
    /// It was edited or retired meanwhile: read it again.
    Changed,
}

impl Inboxes {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The inbox of one of our numbers, for a webhook: two reads, half a unit each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_number(&self, number: &PhoneNumber) -> Result<Option<Inbox>, StoreError> {
        self.follow(self.table.get(keys::own_number(number), false).await?).await
    }

    /// The inbox in use, or retired, that an API code names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_api_code(
        &self,
        organization: &OrganizationId,
        code: &str,
    ) -> Result<Option<Inbox>, StoreError> {
        let named = self.follow(self.table.get(keys::api_code(organization, code), false).await?).await?;
        Ok(named.filter(|inbox| inbox.stage != Stage::Creating))
    }

    /// Whether an inbox of the organization, one that is being made included, has this API code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_api_code(&self, organization: &OrganizationId, code: &str) -> Result<bool, StoreError> {
        let pointer: Option<InboxPointer> = self.table.get(keys::api_code(organization, code), false).await?;
        Ok(pointer.is_some())
    }

    async fn follow(&self, pointer: Option<InboxPointer>) -> Result<Option<Inbox>, StoreError> {
        let Some(pointer) = pointer else { return Ok(None) };
        let (organization, inbox) = pointer.target()?;
        self.get(&organization, &inbox).await
    }

    /// One inbox.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
    ) -> Result<Option<Inbox>, StoreError> {
        let row: Option<InboxRow> = self.table.get(keys::inbox(organization, inbox), false).await?;
        Ok(row.map(InboxRow::inbox).transpose()?)
    }

    /// One inbox and its team, read consistently: what a send is judged by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
    ) -> Result<Option<TeamInbox>, StoreError> {
        let row: Option<InboxRow> = self.table.get(keys::inbox(organization, inbox), true).await?;
        let Some(inbox) = row.map(InboxRow::inbox).transpose()? else { return Ok(None) };
        let team: Option<TeamRow> = self.table.get(keys::team(organization, &inbox.team), true).await?;
        Ok(team.map(TeamRow::team).transpose()?.map(|team| TeamInbox { inbox, team }))
    }

    /// Inboxes with their counters, and teams, in one request (for each hundred of them), in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn with_teams(
        &self,
        organization: &OrganizationId,
        inboxes: &[InboxId],
        teams: &[TeamId],
    ) -> Result<(Vec<(Inbox, Counter)>, Vec<Team>), StoreError> {
        let inboxes = inboxes.iter().map(|inbox| keys::inbox(organization, inbox));
        let keys = inboxes.chain(teams.iter().map(|team| keys::team(organization, team))).collect();
        let items = self.table.batch_get(keys, false).await?;
        let is_team = |item: &crate::table::item::Item| item.get("sk") == Some(&text("TEAM"));
        let (teams, inboxes): (Vec<_>, Vec<_>) = items.into_iter().partition(is_team);
        let counters: Vec<Counter> = serde_dynamo::from_items(inboxes.clone())?;
        let inboxes: Vec<InboxRow> = serde_dynamo::from_items(inboxes)?;
        let inboxes = inboxes.into_iter().map(InboxRow::inbox).collect::<Result<Vec<_>, _>>()?;
        let teams: Vec<TeamRow> = serde_dynamo::from_items(teams)?;
        let teams = teams.into_iter().map(TeamRow::team).collect::<Result<_, _>>()?;
        Ok((inboxes.into_iter().zip(counters).collect(), teams))
    }

    /// All inboxes of a team, in the order in which they were made: two requests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_team(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Vec<Inbox>, StoreError> {
        let items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :team AND begins_with(sk, :inboxes)")
            .expression_attribute_values(":team", text(keys::team_partition(organization, team)))
            .expression_attribute_values(":inboxes", text("inb_"))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await?;
        let places = items.iter().filter_map(|item| item.get("sk")?.as_s().ok());
        let ids = places.map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>()?;
        let (counted, _) = self.with_teams(organization, &ids, &[]).await?;
        let mut inboxes: Vec<_> = counted.into_iter().map(|(inbox, _)| inbox).collect();
        inboxes.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(inboxes)
    }

    /// Whether one of our inboxes, of whatever organization, has this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_ours(&self, number: &PhoneNumber) -> Result<bool, StoreError> {
        let pointer: Option<InboxPointer> = self.table.get(keys::own_number(number), false).await?;
        Ok(pointer.is_some())
    }

    /// Changes what may be edited: name, color, API code, forwarding number. `before` is the inbox as it was read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn edit(
        &self,
        before: &Inbox,
        after: &Inbox,
        deed: &AuditEvent<'_>,
    ) -> Result<Edited, StoreError> {
        let organization = &before.organization;
        let mut transaction = Transaction::new(&self.table);
        let forwarding = after.voice_forwarding.as_ref().map(attribute).transpose()?;
        transaction.update(keys::inbox(organization, &before.id), |update| {
            let update = update
                .condition_expression("apiCode = :before AND stage = :active")
                .expression_attribute_names("#name", "name")
                .expression_attribute_names("#color", "color")
                .expression_attribute_values(":before", text(&before.api_code))
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":name", text(&after.name))
                .expression_attribute_values(":color", text(&after.color))
                .expression_attribute_values(":code", text(&after.api_code));
            let set = "SET #name = :name, #color = :color, apiCode = :code";
            match forwarding {
                Some(number) => update
                    .update_expression(format!("{set}, voiceForwarding = :forwarding"))
                    .expression_attribute_values(":forwarding", number),
                None => update.update_expression(format!("{set} REMOVE voiceForwarding")),
            }
        })?;
        let (old, new) =
            (keys::api_code(organization, &before.api_code), keys::api_code(organization, &after.api_code));
        let mut code = None;
        if old != new {
            code = Some(transaction.put_new(new, &InboxPointer::of(before))?);
            transaction.delete(old)?;
        }
        deed.write(&mut transaction, organization, &before.team)?;
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            Edited::Done
        } else if code.is_some_and(|place| committed.refused_at(place)) {
            Edited::ApiCodeTaken
        } else {
            Edited::Changed
        })
    }

    /// Retires an inbox: nothing is sent from it any more. Nothing happens when it is retired already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retire(&self, inbox: &Inbox, deed: &AuditEvent<'_>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::inbox(&inbox.organization, &inbox.id), |update| {
            update
                .update_expression("SET stage = :retired")
                .condition_expression("stage = :active")
                .expression_attribute_values(":retired", text("retired"))
                .expression_attribute_values(":active", text("active"))
        })?;
        deed.write(&mut transaction, &inbox.organization, &inbox.team)?;
        transaction.commit().await.map(|_| ())
    }

    /// A retired inbox has given its number back: texts to it are not ours any more, and another inbox may have it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn number_released(&self, inbox: &Inbox, deed: &AuditEvent<'_>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::inbox(&inbox.organization, &inbox.id), |update| {
            update
                .update_expression("REMOVE numberSid")
                .condition_expression("stage = :retired AND attribute_exists(numberSid)")
                .expression_attribute_values(":retired", text("retired"))
        })?;
        transaction.delete(keys::own_number(&inbox.number))?;
        deed.write(&mut transaction, &inbox.organization, &inbox.team)?;
        transaction.commit().await.map(|_| ())
    }

    /// Writes an inbox, its number and its API code as they are, for seeds and tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, inbox: &Inbox) -> Result<(), StoreError> {
        let organization = &inbox.organization;
        let pointer = InboxPointer::of(inbox);
        self.table.put(keys::inbox(organization, &inbox.id), &InboxRow::of(inbox)).await?;
        self.table.put(keys::own_number(&inbox.number), &pointer).await?;
        let team = TeamPointer::of(organization, &inbox.team);
        self.table.put(keys::team_inbox(organization, &inbox.team, &inbox.id), &team).await?;
        self.table.put(keys::api_code(organization, &inbox.api_code), &pointer).await
    }
}
