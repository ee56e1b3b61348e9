//! Registrations in the table: each turn is one transaction over the registration, the team (whose copy of the state
//! decides about sends), the timeline, the list of what waits for the carrier, and the notice to the admins.
//!
//! A turn holds only while nothing turned since the registration was read, so that two events at one instant cannot both
//! be told, and a step has the key of its event, so that an event told twice is one line.

use aws_sdk_dynamodb::types::{AttributeValue, builders::UpdateBuilder};
use shared_domain::{
    ids::{OrganizationId, TeamId, UserId},
    notice::{Notification, NotificationKind},
    registration::{CampaignSubmission, CarrierReason, Registration, RegistrationStatus, TimelineStep},
    time::Timestamp,
};

use crate::{
    notification::rows::NotificationRow,
    registration::rows::{RegistrationRow, StepRow},
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{attribute, number, text},
        keys,
        requests::{Table, row},
        transaction::{Committed, Transaction},
    },
    team::{audit::AuditEvent, rows::TeamPointer},
};

/// Registrations that are polled in one go, at most, which bounds the memory of a run. Those beyond it, by id, wait until
/// others leave the list.
pub const POLL_LIMIT: usize = 5_000;
/// Registrations in one page of that list.
const POLL_PAGE: i32 = 1_000;
/// Steps of a timeline that are shown.
const TIMELINE_LIMIT: i32 = 100;

/// A turn of a registration.
#[derive(Debug, Clone)]
pub struct Transition<'a> {
    /// Where it goes.
    pub to: RegistrationStatus,
    /// The instant of what it goes by, on the carrier's clock.
    pub as_of: Timestamp,
    /// Why, if the carrier said so.
    pub reasons: &'a [CarrierReason],
    /// Its line in the timeline.
    pub step: &'a TimelineStep,
    /// The admins of this instant, who are told.
    pub admins: Vec<UserId>,
}

/// Details that were handed to the carrier.
#[derive(Debug, Clone)]
pub struct Submitted<'a> {
    /// The details.
    pub submission: &'a CampaignSubmission,
    /// The brand they go under.
    pub brand: &'a str,
    /// What the carrier calls the campaign.
    pub campaign: &'a str,
    /// When the carrier took them, on its clock.
    pub as_of: Timestamp,
    /// Their line in the timeline.
    pub step: &'a TimelineStep,
}

/// A registration that waits for the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRegistration {
    /// The tenant.
    pub organization: OrganizationId,
    /// The team.
    pub team: TeamId,
    /// When the carrier was asked last.
    pub asked: Option<Timestamp>,
}

/// Registrations of teams.
#[derive(Debug, Clone)]
pub struct Registrations {
    table: Table,
}

impl Registrations {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// A team's registration, read consistently; one that was never begun is not started.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Registration, StoreError> {
        let row: Option<RegistrationRow> =
            self.table.get(keys::registration(organization, team), true).await?;
        Ok(row.map(RegistrationRow::registration).unwrap_or_default())
    }

    /// The newest steps, latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn timeline(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Vec<TimelineStep>, StoreError> {
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :team AND begins_with(sk, :steps)")
            .expression_attribute_values(":team", text(keys::team_partition(organization, team)))
            .expression_attribute_values(":steps", text(keys::STEPS))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(TIMELINE_LIMIT)
            .send()
            .await?;
        let rows: Vec<StepRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        Ok(rows.into_iter().map(StepRow::step).collect::<Result<_, _>>()?)
    }

    /// Whose a messaging service is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_service(&self, sid: &str) -> Result<Option<(OrganizationId, TeamId)>, StoreError> {
        let row: Option<TeamPointer> = self.table.get(keys::messaging_service(sid), false).await?;
        Ok(row.map(|row| row.target()).transpose()?)
    }

    /// Remembers the messaging service of a team, so that its events find it and its numbers join it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_service(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        sid: &str,
    ) -> Result<(), StoreError> {
        match self.service_is(organization, team, sid, None).await? {
            Committed::Done => Ok(()),
            Committed::Refused(_) => Err(no_such_team()),
        }
    }

    /// The same for a service that was just made, unless the team has one: of two that were made at one instant, the one
    /// that was remembered first counts. It comes back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_service(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        sid: &str,
    ) -> Result<String, StoreError> {
        let first = "attribute_not_exists(service) OR service = :service";
        if self.service_is(organization, team, sid, Some(first)).await?.is_done() {
            return Ok(sid.to_owned());
        }
        self.get(organization, team).await?.messaging_service.ok_or_else(no_such_team)
    }

    async fn service_is(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        sid: &str,
        condition: Option<&str>,
    ) -> Result<Committed, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let pointer = TeamPointer::of(organization, team);
        transaction.put(keys::messaging_service(sid), &pointer)?;
        transaction.update(keys::registration(organization, team), |update| {
            update
                .update_expression(
                    "SET service = :service, #status = if_not_exists(#status, :begun), \
                     asOf = if_not_exists(asOf, :zero)",
                )
                .set_condition_expression(condition.map(str::to_owned))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":service", text(sid))
                .expression_attribute_values(":begun", text(RegistrationStatus::NotStarted.as_str()))
                .expression_attribute_values(":zero", number(0))
        })?;
        transaction.update(keys::team(organization, team), |update| {
            update
                .update_expression("SET messagingService = :service")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":service", text(sid))
        })?;
        transaction.commit().await
    }

    /// Writes down that details were handed to the carrier: `pending`. `false` when the registration turned meanwhile or
    /// the key is used up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn submitted(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        from: &Registration,
        submitted: Submitted<'_>,
        deed: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let submission = attribute(submitted.submission)?;
        transaction.update(keys::registration(organization, team), |update| {
            unturned(update, from)
                .condition_expression(format!("attribute_not_exists(pk) OR ({UNTURNED})"))
                .update_expression(
                    "SET #status = :to, asOf = :at, submission = :submission, brand = :brand, \
                     campaign = :campaign, reasons = :none",
                )
                .expression_attribute_values(":to", text(RegistrationStatus::Pending.as_str()))
                .expression_attribute_values(":at", number(submitted.as_of.millis()))
                .expression_attribute_values(":submission", submission)
                .expression_attribute_values(":brand", text(submitted.brand))
                .expression_attribute_values(":campaign", text(submitted.campaign))
                .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
        })?;
        team_is(&mut transaction, organization, team, RegistrationStatus::Pending)?;
        let step = submitted.step;
        transaction.put(keys::step(organization, team, step.at, &step.id), &StepRow::of(step))?;
        let waiting = TeamPointer::of(organization, team);
        transaction.put(keys::pending_registration(organization, team), &waiting)?;
        deed.write(&mut transaction, organization, team)?;
        if let Some(key) = key {
            transaction.add(key.part(&self.table, organization, submitted.campaign, deed.at)?);
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Turns a registration, and leaves a notice for the admins where the turn is one. A suspended one is asked about until
    /// the carrier lifts it, so that a lost event delays that and never blocks it. `false` when it turned meanwhile: read
    /// it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn transition(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        from: &Registration,
        turn: Transition<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let reasons = attribute(&turn.reasons)?;
        transaction.update(keys::registration(organization, team), |update| {
            unturned(update, from)
                .update_expression("SET #status = :to, asOf = :at, reasons = :reasons")
                .expression_attribute_values(":to", text(turn.to.as_str()))
                .expression_attribute_values(":at", number(turn.as_of.millis()))
                .expression_attribute_values(":reasons", reasons)
        })?;
        team_is(&mut transaction, organization, team, turn.to)?;
        let step = turn.step;
        transaction.put(keys::step(organization, team, step.at, &step.id), &StepRow::of(step))?;
        let waiting = keys::pending_registration(organization, team);
        if goes_on_waiting(turn.to) {
            transaction.put(waiting, &TeamPointer::of(organization, team))?;
        } else {
            transaction.delete(waiting)?;
        }
        if let Some(subject) = NotificationKind::of_registration(turn.to, turn.reasons) {
            let notice = Notification {
                id: format!("{team}-{}-{}", step.at.millis(), step.id),
                organization: organization.clone(),
                team: team.clone(),
                subject,
                at: step.at,
                admins: turn.admins,
            };
            transaction.put(keys::notice(&notice.id), &NotificationRow::of(&notice))?;
        }
        Ok(transaction.commit().await? == Committed::Done)
    }

    /// Notes something that changed nothing; an event that was noted before stays as it is. The instant that later events
    /// are compared with is moved by turns alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_event(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        step: &TimelineStep,
    ) -> Result<(), StoreError> {
        use aws_sdk_dynamodb::operation::put_item::PutItemError;
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row(keys::step(organization, team, step.at, &step.id), &StepRow::of(step))?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
            Ok(_) => Ok(()),
        }
    }

    /// Registrations that wait for the carrier: all of them, up to [`POLL_LIMIT`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending(&self) -> Result<Vec<PendingRegistration>, StoreError> {
        let mut rows = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :pending")
            .expression_attribute_values(":pending", text(keys::PENDING))
            .limit(POLL_PAGE)
            .into_paginator()
            .items()
            .send();
        let mut all = Vec::new();
        while all.len() < POLL_LIMIT {
            let Some(item) = rows.next().await else { return Ok(all) };
            let row: TeamPointer = serde_dynamo::from_item(item?)?;
            let (organization, team) = row.target()?;
            all.push(PendingRegistration { organization, team, asked: row.asked });
        }
        tracing::warn!(
            event = "registrations_waiting_full",
            limit = POLL_LIMIT,
            "not all that wait are looked at"
        );
        Ok(all)
    }

    /// The carrier was asked about a registration that still waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_polled(&self, waiting: &PendingRegistration, now: Timestamp) -> Result<(), StoreError> {
        use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
        let key = keys::pending_registration(&waiting.organization, &waiting.team);
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .update_expression("SET asked = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        match update {
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()), // waits no more
                _ => Err(error.into()),
            },
            Ok(_) => Ok(()),
        }
    }

    /// Writes a registration as it is, for seeds and tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        registration: &Registration,
    ) -> Result<(), StoreError> {
        let key = keys::registration(organization, team);
        self.table.put(key, &RegistrationRow::of(registration)).await?;
        match &registration.messaging_service {
            Some(sid) => self.remember_service(organization, team, sid).await,
            None => Ok(()),
        }
    }
}

fn no_such_team() -> StoreError {
    StoreError::Refused("a service of a team that is not there".into())
}

/// Begins a registration within the transaction that makes a team's first shared inbox.
pub(crate) fn open(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    team: &TeamId,
    step: &TimelineStep,
) -> Result<usize, StoreError> {
    transaction.update(keys::registration(organization, team), |update| {
        update
            .update_expression("SET #status = :pending, asOf = :at")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", text(RegistrationStatus::Pending.as_str()))
            .expression_attribute_values(":at", number(step.at.millis()))
    })?;
    transaction.put(keys::step(organization, team, step.at, &step.id), &StepRow::of(step))?;
    transaction.update(keys::team(organization, team), |update| {
        update
            .update_expression("SET registration = :pending")
            .condition_expression("registration = :not_started")
            .expression_attribute_values(":pending", text(RegistrationStatus::Pending.as_str()))
            .expression_attribute_values(":not_started", text(RegistrationStatus::NotStarted.as_str()))
    })
}

/// The team's copy of the state, which decides about sends.
fn team_is(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    team: &TeamId,
    status: RegistrationStatus,
) -> Result<usize, StoreError> {
    transaction.update(keys::team(organization, team), |update| {
        update
            .update_expression("SET registration = :status")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":status", text(status.as_str()))
    })
}

/// Whether the carrier is asked about a registration in this state without being prompted by an event.
fn goes_on_waiting(status: RegistrationStatus) -> bool {
    match status {
        RegistrationStatus::Pending | RegistrationStatus::Suspended => true,
        RegistrationStatus::NotStarted | RegistrationStatus::Approved | RegistrationStatus::Rejected => false,
    }
}

/// Nothing turned since the registration was read.
const UNTURNED: &str = "#status = :from AND asOf = :known";

fn unturned(update: UpdateBuilder, from: &Registration) -> UpdateBuilder {
    update
        .condition_expression(UNTURNED)
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":from", text(from.status.as_str()))
        .expression_attribute_values(":known", number(from.as_of.millis()))
}
