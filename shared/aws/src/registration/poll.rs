//! The list of registrations that wait for the carrier. The poll asks the carrier about each of them, so that
//! a lost event delays a registration and never blocks it.

use shared_domain::{
    ids::{OrganizationId, TeamId},
    keys::TeamKey,
    registration::RegistrationStatus,
    time::Timestamp,
};

use crate::{
    registration::registrations::Registrations,
    table::{
        error::StoreError,
        item::{from_item, number},
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

impl Registrations {
    /// Returns the registrations that wait for the carrier, at most [`POLL_LIMIT`].
    pub async fn pending(&self) -> Result<Vec<PendingRegistration>, StoreError> {
        let range = KeyRange::all(keys::PENDING);
        let mut items = self.table.query(&range).limit(POLL_PAGE).into_paginator().items().send();
        let mut pending = Vec::new();
        while pending.len() < POLL_LIMIT {
            let Some(item) = items.next().await else { return Ok(pending) };
            let TeamPointer { org, team, asked } = from_item(item?)?;
            pending.push(PendingRegistration { organization: org, team, asked });
        }
        tracing::warn!(
            event = "pending_registrations_over_limit",
            limit = POLL_LIMIT,
            "more registrations are pending than one poll reads"
        );
        Ok(pending)
    }

    /// Lets the next poll check a registration, although it may not wait for the carrier.
    pub async fn request_check(&self, team: TeamKey<'_>) -> Result<(), StoreError> {
        self.table.put_new(keys::pending_registration(team), &TeamPointer::of(team)).await.map(drop)
    }

    /// Ends the polling of an approved registration.
    pub async fn end_polling(&self, team: TeamKey<'_>) -> Result<(), StoreError> {
        self.table.delete(keys::pending_registration(team)).await
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
