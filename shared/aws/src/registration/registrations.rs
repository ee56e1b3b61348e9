//! Registrations of teams. Each transition is one transaction over the registration, the team (whose copy of
//! the status decides whether it may send), the timeline, the poll list, and the notification of the admins.
//!
//! A transition requires that nothing changed since the registration was read, so of two events at one
//! instant only one takes effect. A timeline step has the key of its event, so a repeated event is one step.

use aws_sdk_dynamodb::types::{AttributeValue, builders::UpdateBuilder};
use shared_domain::{
    ids::{OrganizationId, TeamId, UserId},
    keys::TeamKey,
    notification::{Notification, NotificationKind},
    registration::{CampaignSubmission, CarrierReason, Registration, RegistrationStatus, TimelineStep},
    time::Timestamp,
};

use crate::{
    notification::rows::NotificationRow,
    registration::{
        poll,
        rows::{RegistrationRow, StepRow},
    },
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{attribute, number, text},
        keys,
        query::KeyRange,
        requests::{EXISTS, Table},
        transaction::{Committed, Transaction},
    },
    team::{audit::AuditEvent, rows::TeamPointer},
};

/// The most steps of a timeline that are read.
const TIMELINE_LIMIT: i32 = 100;

/// A change of a registration's status.
#[derive(Debug, Clone)]
pub struct Transition<'a> {
    pub to: RegistrationStatus,
    /// When it happened, by the carrier's clock.
    pub as_of: Timestamp,
    /// The carrier's reasons, if any.
    pub reasons: &'a [CarrierReason],
    pub step: &'a TimelineStep,
    /// The present admins of the team, who are notified.
    pub admins: Vec<UserId>,
}

/// A campaign that was submitted to the carrier.
#[derive(Debug, Clone)]
pub struct Submitted<'a> {
    pub submission: &'a CampaignSubmission,
    /// The carrier's id of the brand.
    pub brand: &'a str,
    /// The carrier's id of the campaign.
    pub campaign: &'a str,
    /// When the carrier took it, by the carrier's clock.
    pub as_of: Timestamp,
    pub step: &'a TimelineStep,
}

/// The registrations of teams.
#[derive(Debug, Clone)]
pub struct Registrations {
    pub(super) table: Table,
}

impl Registrations {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the registration of a team, read consistently. `NotStarted` if the team has none.
    pub async fn get(&self, team: TeamKey<'_>) -> Result<Registration, StoreError> {
        let row: Option<RegistrationRow> = self.table.get(keys::registration(team), true).await?;
        Ok(row.map(RegistrationRow::registration).unwrap_or_default())
    }

    /// Returns the newest steps of the timeline, newest first.
    pub async fn timeline(&self, team: TeamKey<'_>) -> Result<Vec<TimelineStep>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::REGISTRATION_STEPS);
        let query = self.table.query(&range).consistent_read(true).scan_index_forward(false);
        let found = query.limit(TIMELINE_LIMIT).send().await?;
        let rows: Vec<StepRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        Ok(rows.into_iter().map(StepRow::step).collect())
    }

    /// Returns the team of a messaging service.
    pub async fn by_service(&self, sid: &str) -> Result<Option<(OrganizationId, TeamId)>, StoreError> {
        let row: Option<TeamPointer> = self.table.get(keys::messaging_service(sid), false).await?;
        Ok(row.map(|pointer| (pointer.org, pointer.team)))
    }

    /// Stores the messaging service of a team, so that events of the service find the team and numbers can
    /// join it.
    pub async fn set_service(&self, team: TeamKey<'_>, sid: &str) -> Result<(), StoreError> {
        match self.put_service(team, sid, None).await? {
            Committed::Done => Ok(()),
            Committed::Refused(_) => Err(no_such_team()),
        }
    }

    /// Stores a new messaging service unless the team has one, and returns the service that the team has. If
    /// two services were created at the same time, the first to be stored counts.
    pub async fn get_or_set_service(&self, team: TeamKey<'_>, sid: &str) -> Result<String, StoreError> {
        let is_first = "attribute_not_exists(service) OR service = :service";
        if self.put_service(team, sid, Some(is_first)).await?.is_done() {
            return Ok(sid.to_owned());
        }
        self.get(team).await?.messaging_service.ok_or_else(no_such_team)
    }

    async fn put_service(
        &self,
        team: TeamKey<'_>,
        sid: &str,
        condition: Option<&str>,
    ) -> Result<Committed, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::messaging_service(sid), &TeamPointer::of(team))?;
        transaction.update(keys::registration(team), |update| {
            update
                .update_expression(
                    "SET service = :service, #status = if_not_exists(#status, :not_started), \
                     asOf = if_not_exists(asOf, :zero)",
                )
                .set_condition_expression(condition.map(str::to_owned))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":service", text(sid))
                .expression_attribute_values(":not_started", text(RegistrationStatus::NotStarted.as_str()))
                .expression_attribute_values(":zero", number(0))
        })?;
        transaction.update(keys::team(team), |update| {
            update
                .update_expression("SET messagingService = :service")
                .condition_expression(EXISTS)
                .expression_attribute_values(":service", text(sid))
        })?;
        transaction.commit().await
    }

    /// Records that a campaign was submitted, which makes the registration `pending`. `false` if the
    /// registration changed since it was read, or if another request used the idempotency key in the
    /// meantime.
    pub async fn submitted(
        &self,
        team: TeamKey<'_>,
        from: &Registration,
        submitted: Submitted<'_>,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let submission = attribute(submitted.submission)?;
        transaction.update(keys::registration(team), |update| {
            unchanged(update, from)
                .condition_expression(format!("attribute_not_exists(pk) OR ({UNCHANGED})"))
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
        update_team(&mut transaction, team, RegistrationStatus::Pending)?;
        let step = submitted.step;
        transaction.put(keys::registration_step(team, step.at, &step.id), &StepRow::of(step))?;
        poll::update_list(&mut transaction, team, RegistrationStatus::Pending)?;
        event.write(&mut transaction, team)?;
        if let Some(key) = key {
            key.write(&mut transaction, team.organization, submitted.campaign, event.at)?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Changes the status of a registration, and adds a notification for the admins if the new status
    /// requires one. `false` if the registration changed since it was read.
    pub async fn transition(
        &self,
        team: TeamKey<'_>,
        from: &Registration,
        transition: Transition<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let reasons = attribute(&transition.reasons)?;
        transaction.update(keys::registration(team), |update| {
            unchanged(update, from)
                .update_expression("SET #status = :to, asOf = :at, reasons = :reasons")
                .expression_attribute_values(":to", text(transition.to.as_str()))
                .expression_attribute_values(":at", number(transition.as_of.millis()))
                .expression_attribute_values(":reasons", reasons)
        })?;
        update_team(&mut transaction, team, transition.to)?;
        let step = transition.step;
        transaction.put(keys::registration_step(team, step.at, &step.id), &StepRow::of(step))?;
        poll::update_list(&mut transaction, team, transition.to)?;
        if let Some(subject) = NotificationKind::of_registration(transition.to, transition.reasons) {
            let notification = Notification {
                id: format!("{}-{}-{}", team.team, step.at.millis(), step.id),
                organization: team.organization.clone(),
                team: Some(team.team.clone()),
                subject,
                at: step.at,
                admins: transition.admins,
            };
            transaction.put(keys::notification(&notification.id), &NotificationRow::of(&notification))?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Adds a step for an event that changes nothing. A step that is there already stays as it is. Later
    /// events are compared with the time of the last transition and not with this one.
    pub async fn record_event(&self, team: TeamKey<'_>, step: &TimelineStep) -> Result<(), StoreError> {
        let key = keys::registration_step(team, step.at, &step.id);
        self.table.put_new(key, &StepRow::of(step)).await.map(drop)
    }

    /// Writes a registration, for tests.
    pub async fn put(&self, team: TeamKey<'_>, registration: &Registration) -> Result<(), StoreError> {
        self.table.put(keys::registration(team), &RegistrationRow::of(registration)).await?;
        match &registration.messaging_service {
            Some(sid) => self.set_service(team, sid).await,
            None => Ok(()),
        }
    }
}

fn no_such_team() -> StoreError {
    StoreError::Refused("the team of a messaging service does not exist".into())
}

/// Starts a registration in the transaction that creates the first shared inbox of the team.
pub(crate) fn start(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    step: &TimelineStep,
) -> Result<usize, StoreError> {
    transaction.update(keys::registration(team), |update| {
        update
            .update_expression("SET #status = :pending, asOf = :at")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", text(RegistrationStatus::Pending.as_str()))
            .expression_attribute_values(":at", number(step.at.millis()))
    })?;
    transaction.put(keys::registration_step(team, step.at, &step.id), &StepRow::of(step))?;
    transaction.update(keys::team(team), |update| {
        update
            .update_expression("SET registration = :pending")
            .condition_expression("registration = :not_started")
            .expression_attribute_values(":pending", text(RegistrationStatus::Pending.as_str()))
            .expression_attribute_values(":not_started", text(RegistrationStatus::NotStarted.as_str()))
    })
}

/// Updates the team's copy of the status, which decides whether the team may send.
fn update_team(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    status: RegistrationStatus,
) -> Result<usize, StoreError> {
    transaction.update(keys::team(team), |update| {
        update
            .update_expression("SET registration = :status")
            .condition_expression(EXISTS)
            .expression_attribute_values(":status", text(status.as_str()))
    })
}

/// The registration did not change since it was read.
const UNCHANGED: &str = "#status = :from AND asOf = :known";

fn unchanged(update: UpdateBuilder, from: &Registration) -> UpdateBuilder {
    update
        .condition_expression(UNCHANGED)
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":from", text(from.status.as_str()))
        .expression_attribute_values(":known", number(from.as_of.millis()))
}
