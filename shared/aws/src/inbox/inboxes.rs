//! Inboxes: reading and editing them.

use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId},
    inbox::{Inbox, Stage, TeamInbox},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
    team::Team,
};

use crate::{
    conversation::unread::Counter,
    inbox::{
        owned_numbers,
        rows::{InboxPointer, InboxRow},
    },
    table::{
        error::StoreError,
        item::{Item, attribute, number, string_attribute, text},
        keys,
        query::KeyRange,
        requests::Table,
        transaction::Transaction,
    },
    team::{
        audit::AuditEvent,
        rows::{TeamPointer, TeamRow},
    },
};

/// The inboxes of organizations.
#[derive(Debug, Clone)]
pub struct Inboxes {
    table: Table,
}

/// The outcome of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    Done,
    /// Another inbox of the organization has the API code.
    ApiCodeTaken,
    /// The inbox was edited or retired since it was read.
    Changed,
}

impl Inboxes {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the inbox with this number. Costs two reads of half a unit.
    pub async fn by_number(&self, number: &PhoneNumber) -> Result<Option<Inbox>, StoreError> {
        self.follow(self.table.get(keys::inbox_number(number), false).await?).await
    }

    /// Returns the active or retired inbox with this API code.
    pub async fn by_api_code(
        &self,
        organization: &OrganizationId,
        code: &str,
    ) -> Result<Option<Inbox>, StoreError> {
        let inbox = self.follow(self.table.get(keys::api_code(organization, code), false).await?).await?;
        Ok(inbox.filter(|inbox| inbox.stage != Stage::Creating))
    }

    /// Whether an inbox of the organization in any stage has this API code.
    pub async fn has_api_code(&self, organization: &OrganizationId, code: &str) -> Result<bool, StoreError> {
        let pointer: Option<InboxPointer> = self.table.get(keys::api_code(organization, code), false).await?;
        Ok(pointer.is_some())
    }

    async fn follow(&self, pointer: Option<InboxPointer>) -> Result<Option<Inbox>, StoreError> {
        let Some(pointer) = pointer else { return Ok(None) };
        self.get(InboxKey { organization: &pointer.org, inbox: &pointer.inbox }).await
    }

    pub async fn get(&self, inbox: InboxKey<'_>) -> Result<Option<Inbox>, StoreError> {
        self.read(inbox, false).await
    }

    /// [`Inboxes::get`], read consistently.
    pub async fn get_current(&self, inbox: InboxKey<'_>) -> Result<Option<Inbox>, StoreError> {
        self.read(inbox, true).await
    }

    async fn read(&self, inbox: InboxKey<'_>, consistent: bool) -> Result<Option<Inbox>, StoreError> {
        let row: Option<InboxRow> = self.table.get(keys::inbox(inbox), consistent).await?;
        Ok(row.map(InboxRow::inbox))
    }

    /// Returns an inbox and its team, read consistently. They decide whether a message may be sent.
    pub async fn get_with_team(&self, inbox: InboxKey<'_>) -> Result<Option<TeamInbox>, StoreError> {
        let Some(inbox) = self.get_current(inbox).await? else { return Ok(None) };
        let team: Option<TeamRow> = self.table.get(keys::team(inbox.team_key()), true).await?;
        Ok(team.map(|team| TeamInbox { inbox, team: team.team() }))
    }

    /// Returns inboxes with their counters, and teams, in no order, in one request for each hundred items.
    pub async fn with_teams(
        &self,
        organization: &OrganizationId,
        inboxes: &[InboxId],
        teams: &[TeamId],
    ) -> Result<(Vec<(Inbox, Counter)>, Vec<Team>), StoreError> {
        let inboxes = inboxes.iter().map(|inbox| keys::inbox(InboxKey { organization, inbox }));
        let teams = teams.iter().map(|team| keys::team(TeamKey { organization, team }));
        let items = self.table.batch_get(inboxes.chain(teams).collect(), false).await?;
        let is_team = |item: &Item| string_attribute(item, "sk") == Some("TEAM");
        let (teams, inboxes): (Vec<_>, Vec<_>) = items.into_iter().partition(is_team);
        let counters: Vec<Counter> = serde_dynamo::from_items(inboxes.clone())?;
        let inboxes: Vec<InboxRow> = serde_dynamo::from_items(inboxes)?;
        let teams: Vec<TeamRow> = serde_dynamo::from_items(teams)?;
        let inboxes = inboxes.into_iter().map(InboxRow::inbox).zip(counters).collect();
        Ok((inboxes, teams.into_iter().map(TeamRow::team).collect()))
    }

    /// Returns all inboxes of a team in the order of their creation, in two requests.
    pub async fn of_team(&self, team: TeamKey<'_>) -> Result<Vec<Inbox>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::INBOXES);
        let items = self.table.all_items(&range).await?;
        let ids = items.iter().filter_map(|item| string_attribute(item, "sk"));
        let ids = ids.map(|id| Ok(InboxId::parse(id)?)).collect::<Result<Vec<_>, StoreError>>()?;
        let (counted, _) = self.with_teams(team.organization, &ids, &[]).await?;
        let mut inboxes: Vec<_> = counted.into_iter().map(|(inbox, _)| inbox).collect();
        inboxes.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(inboxes)
    }

    /// Whether an inbox of any organization has this number.
    pub async fn is_ours(&self, number: &PhoneNumber) -> Result<bool, StoreError> {
        let pointer: Option<InboxPointer> = self.table.get(keys::inbox_number(number), false).await?;
        Ok(pointer.is_some())
    }

    /// Changes the name, color, API code, forwarding number and rate. `before` is the inbox as the caller
    /// read it: if any of these differ by now, nothing is changed.
    pub async fn edit(
        &self,
        before: &Inbox,
        after: &Inbox,
        event: &AuditEvent<'_>,
    ) -> Result<Edited, StoreError> {
        let organization = &before.organization;
        let mut transaction = Transaction::new(&self.table);
        let forwarding = after.voice_forwarding.as_ref().map(attribute).transpose()?;
        let rate = after.segments_per_second.map(number);
        let known_forwarding = before.voice_forwarding.as_ref().map(attribute).transpose()?;
        let known_rate = before.segments_per_second.map(number);
        transaction.update(keys::inbox(before.key()), |update| {
            let optional =
                [("voiceForwarding", ":forwarding", forwarding), ("segmentsPerSecond", ":rate", rate)];
            let known = [
                ("voiceForwarding", ":knownForwarding", known_forwarding),
                ("segmentsPerSecond", ":knownRate", known_rate),
            ];
            let mut condition =
                "apiCode = :before AND stage = :active AND #name = :knownName AND #color = :knownColor"
                    .to_owned();
            let mut update = update;
            for (name, place, value) in known {
                if let Some(value) = value {
                    condition = format!("{condition} AND {name} = {place}");
                    update = update.expression_attribute_values(place, value);
                } else {
                    condition = format!("{condition} AND attribute_not_exists({name})");
                }
            }
            let mut update = update
                .condition_expression(condition)
                .expression_attribute_values(":knownName", text(&before.name))
                .expression_attribute_values(":knownColor", text(&before.color))
                .expression_attribute_names("#name", "name")
                .expression_attribute_names("#color", "color")
                .expression_attribute_values(":before", text(&before.api_code))
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":name", text(&after.name))
                .expression_attribute_values(":color", text(&after.color))
                .expression_attribute_values(":code", text(&after.api_code));
            let (mut set, mut remove) =
                ("SET #name = :name, #color = :color, apiCode = :code".to_owned(), vec![]);
            for (name, place, value) in optional {
                if let Some(value) = value {
                    set = format!("{set}, {name} = {place}");
                    update = update.expression_attribute_values(place, value);
                } else {
                    remove.push(name);
                }
            }
            let removed =
                if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
            update.update_expression(set + &removed)
        })?;
        let (old, new) =
            (keys::api_code(organization, &before.api_code), keys::api_code(organization, &after.api_code));
        let mut code = None;
        if old != new {
            code = Some(transaction.put_new(new, &InboxPointer::of(before))?);
            transaction.delete(old)?;
        }
        event.write(&mut transaction, before.team_key())?;
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            Edited::Done
        } else if code.is_some_and(|place| committed.refused_at(place)) {
            Edited::ApiCodeTaken
        } else {
            Edited::Changed
        })
    }

    /// Retires an inbox, after which it sends nothing. Does nothing if it is retired already.
    pub async fn retire(&self, inbox: &Inbox, event: &AuditEvent<'_>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::inbox(inbox.key()), |update| {
            update
                .update_expression("SET stage = :retired")
                .condition_expression("stage = :active")
                .expression_attribute_values(":retired", text("retired"))
                .expression_attribute_values(":active", text("active"))
        })?;
        event.write(&mut transaction, inbox.team_key())?;
        transaction.commit().await.map(drop)
    }

    /// Records that the carrier has released the number of a retired inbox. Another inbox may get the number
    /// after that.
    pub async fn number_released(&self, inbox: &Inbox, event: &AuditEvent<'_>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::inbox(inbox.key()), |update| {
            update
                .update_expression("REMOVE numberSid")
                .condition_expression("stage = :retired AND attribute_exists(numberSid)")
                .expression_attribute_values(":retired", text("retired"))
        })?;
        transaction.delete(keys::inbox_number(&inbox.number))?;
        owned_numbers::remove(&mut transaction, &inbox.organization, &inbox.number)?;
        event.write(&mut transaction, inbox.team_key())?;
        transaction.commit().await.map(drop)
    }

    /// Writes an inbox with its number and its API code, for tests.
    pub async fn put(&self, inbox: &Inbox) -> Result<(), StoreError> {
        let pointer = InboxPointer::of(inbox);
        self.table.put(keys::inbox(inbox.key()), &InboxRow::of(inbox)).await?;
        self.table.put(keys::inbox_number(&inbox.number), &pointer).await?;
        let team = TeamPointer::of(inbox.team_key());
        self.table.put(keys::team_inbox(inbox.team_key(), &inbox.id), &team).await?;
        self.table.put(keys::api_code(&inbox.organization, &inbox.api_code), &pointer).await
    }
}
