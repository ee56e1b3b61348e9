//! The list of registrations that wait for the carrier. The poll asks the carrier about each of them, so that
//! a lost event delays a registration and never blocks it.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId},
    keys::TeamKey,
    registration::RegistrationStatus,
    time::Timestamp,
};

use crate::{
    registration::registrations::Registrations,
    table::{
        error::StoreError,
        item::{from_item, number, text},
        keys,
        query::KeyRange,
        requests::EXISTS,
        transaction::Transaction,
    },
    team::rows::TeamPointer,
};

/// The most registrations of one poll, which limits its memory. Those beyond it, by id, wait until others
/// leave the list.
pub const POLL_LIMIT: usize = 5_000;
/// The registrations of one page of the list.
const POLL_PAGE: i32 = 1_000;

/// A registration that waits for the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRegistration {
    pub organization: OrganizationId,
    pub team: TeamId,
    /// When the carrier was last asked about it.
    pub asked: Option<Timestamp>,
}

impl PendingRegistration {
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }
}

/// A number that the carrier refused as unregistered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedNumber {
    pub inbox: InboxId,
    /// Since when its messages wait.
    pub held_since: Timestamp,
}

impl RefusedNumber {
    fn entry(&self) -> String {
        format!("{}#{}", self.inbox, self.held_since.millis())
    }

    fn parse(entry: &str) -> Option<Self> {
        let (inbox, millis) = entry.split_once('#')?;
        let held_since = Timestamp::from_millis(millis.parse().ok()?);
        Some(Self { inbox: InboxId::parse(inbox).ok()?, held_since })
    }
}

impl Registrations {
    /// Returns the registrations that wait for the carrier, at most [`POLL_LIMIT`].
    pub async fn pending(&self) -> Result<Vec<PendingRegistration>, StoreError> {
        let range = KeyRange::all(keys::PENDING);
        let mut items = self.table.query(&range).limit(POLL_PAGE).into_paginator().items().send();
        let mut pending = Vec::new();
        while pending.len() < POLL_LIMIT {
            let Some(item) = items.next().await else { return Ok(pending) };
            let TeamPointer { org, team, asked, .. } = from_item(item?)?;
            pending.push(PendingRegistration { organization: org, team, asked });
        }
        tracing::warn!(
            event = "pending_registrations_over_limit",
            limit = POLL_LIMIT,
            "more registrations are pending than one poll reads"
        );
        Ok(pending)
    }

    /// Lets the next poll check a registration, although it may not wait for the carrier, because the carrier
    /// refused a number of the team. Idempotent by the number and its hold.
    pub async fn request_check(&self, team: TeamKey<'_>, refused: &RefusedNumber) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::pending_registration(team), |update| {
            update
                .update_expression("SET org = :org, team = :team ADD refused :refused")
                .expression_attribute_values(":org", text(team.organization))
                .expression_attribute_values(":team", text(team.team))
                .expression_attribute_values(":refused", AttributeValue::Ss(vec![refused.entry()]))
        });
        updated.await.map(drop)
    }

    /// Returns the numbers for which a check was requested.
    pub async fn refused_numbers(&self, team: TeamKey<'_>) -> Result<Vec<RefusedNumber>, StoreError> {
        let row: Option<TeamPointer> = self.table.get(keys::pending_registration(team), true).await?;
        let refused = row.map(|row| row.refused).unwrap_or_default();
        Ok(refused.iter().filter_map(|entry| RefusedNumber::parse(entry)).collect())
    }

    /// Ends the polling of an approved registration, unless a check was requested for a number that is not
    /// among these.
    pub async fn end_polling(&self, team: TeamKey<'_>, checked: &[RefusedNumber]) -> Result<(), StoreError> {
        let entries: Vec<_> = checked.iter().map(RefusedNumber::entry).collect();
        let deleted = self.table.delete_if(keys::pending_registration(team), |delete| {
            if entries.is_empty() {
                delete.condition_expression("attribute_not_exists(refused)")
            } else {
                delete
                    .condition_expression("refused = :checked")
                    .expression_attribute_values(":checked", AttributeValue::Ss(entries))
            }
        });
        deleted.await.map(drop)
    }

    /// Records that the carrier was asked about a registration. Does nothing if it does not wait any more.
    pub async fn mark_polled(&self, pending: &PendingRegistration, now: Timestamp) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::pending_registration(pending.team_key()), |update| {
            update
                .update_expression("SET asked = :now")
                .condition_expression(EXISTS)
                .expression_attribute_values(":now", number(now.millis()))
        });
        updated.await.map(drop)
    }
}

/// Adds a registration to the list or removes it, by its new status. A suspended registration is polled until
/// the carrier lifts the suspension.
pub(crate) fn update_list(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    status: RegistrationStatus,
) -> Result<usize, StoreError> {
    let key = keys::pending_registration(team);
    match status {
        RegistrationStatus::Pending | RegistrationStatus::Suspended => {
            transaction.put(key, &TeamPointer::of(team))
        }
        RegistrationStatus::NotStarted | RegistrationStatus::Approved | RegistrationStatus::Rejected => {
            transaction.delete(key)
        }
    }
}
