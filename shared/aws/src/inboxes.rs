//! Inboxes and the teams that own them.

use aws_sdk_dynamodb::types::Select;
use shared_domain::{
    ids::{InboxId, OrganisationId, TeamId},
    inbox::{Inbox, Team},
    phone::PhoneNumber,
};

use crate::{
    items::{InboxPointer, InboxRow, TeamRow},
    keys,
    table::{StoreError, Table, text},
};

/// Inboxes and teams.
#[derive(Debug, Clone)]
pub struct Inboxes {
    table: Table,
}

/// An inbox with the team whose registration decides whether it may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The inbox.
    pub inbox: Inbox,
    /// Its team.
    pub team: Team,
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

    /// The inbox that an API code names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_api_code(
        &self,
        organisation: &OrganisationId,
        code: &str,
    ) -> Result<Option<Inbox>, StoreError> {
        self.follow(self.table.get(keys::api_code(organisation, code), false).await?).await
    }

    async fn follow(&self, pointer: Option<InboxPointer>) -> Result<Option<Inbox>, StoreError> {
        let Some(pointer) = pointer else { return Ok(None) };
        let (organisation, inbox) = pointer.target()?;
        self.get(&organisation, &inbox).await
    }

    /// One inbox.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        inbox: &InboxId,
    ) -> Result<Option<Inbox>, StoreError> {
        let row: Option<InboxRow> = self.table.get(keys::inbox(organisation, inbox), false).await?;
        Ok(row.map(InboxRow::inbox).transpose()?)
    }

    /// One inbox and its team, read consistently: what a send is judged by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(
        &self,
        organisation: &OrganisationId,
        inbox: &InboxId,
    ) -> Result<Option<Account>, StoreError> {
        let row: Option<InboxRow> = self.table.get(keys::inbox(organisation, inbox), true).await?;
        let Some(inbox) = row.map(InboxRow::inbox).transpose()? else { return Ok(None) };
        let team: Option<TeamRow> = self.table.get(keys::team(organisation, &inbox.team), true).await?;
        Ok(team.map(TeamRow::team).transpose()?.map(|team| Account { inbox, team }))
    }

    /// Several inboxes with their teams, in two requests however many they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(
        &self,
        organisation: &OrganisationId,
        inboxes: &[InboxId],
    ) -> Result<Vec<Account>, StoreError> {
        let keys = inboxes.iter().map(|inbox| keys::inbox(organisation, inbox)).collect();
        let rows: Vec<InboxRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let inboxes = rows.into_iter().map(InboxRow::inbox).collect::<Result<Vec<_>, _>>()?;
        let mut team_ids: Vec<&TeamId> = inboxes.iter().map(|inbox| &inbox.team).collect();
        team_ids.sort();
        team_ids.dedup();
        let keys = team_ids.into_iter().map(|team| keys::team(organisation, team)).collect();
        let rows: Vec<TeamRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let teams = rows.into_iter().map(TeamRow::team).collect::<Result<Vec<_>, _>>()?;
        let account = |inbox: Inbox| {
            let team = teams.iter().find(|team| team.id == inbox.team)?.clone();
            Some(Account { inbox, team })
        };
        Ok(inboxes.into_iter().filter_map(account).collect())
    }

    /// How many conversations of an inbox are unread: a count over the sparse index, which grows with what is unread and
    /// not with the inbox.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unread(&self, organisation: &OrganisationId, inbox: &InboxId) -> Result<u64, StoreError> {
        let mut total = 0;
        let mut start = None;
        loop {
            let counted = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .index_name(keys::INBOX_UNREAD)
                .key_condition_expression("gsi2pk = :inbox")
                .expression_attribute_values(":inbox", text(keys::inbox_partition(organisation, inbox)))
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            total += u64::try_from(counted.count).unwrap_or(0);
            start = counted.last_evaluated_key;
            if start.is_none() {
                return Ok(total);
            }
        }
    }

    /// Writes an inbox, its number and its API code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, inbox: &Inbox) -> Result<(), StoreError> {
        let pointer = InboxPointer::of(inbox);
        self.table.put(keys::inbox(&inbox.organisation, &inbox.id), &InboxRow::of(inbox)).await?;
        self.table.put(keys::own_number(&inbox.number), &pointer).await?;
        self.table.put(keys::api_code(&inbox.organisation, &inbox.api_code), &pointer).await
    }

    /// Writes a team.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_team(&self, organisation: &OrganisationId, team: &Team) -> Result<(), StoreError> {
        self.table.put(keys::team(organisation, &team.id), &TeamRow::of(team)).await
    }
}
