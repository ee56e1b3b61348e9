//! The status of a number in a team: whether it is opted out or blocked. It belongs to the number, so that
//! every contact with the number has it, and no change of a contact lifts it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{keys::TeamKey, opt_out::OptOutSubject, phone::PhoneNumber};

use crate::{
    opt_out::opt_outs::{OptOuts, StateRow, state_key},
    table::{
        error::StoreError,
        item::{Item, from_item, number},
        keys::Key,
    },
};

/// The status of a number in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NumberStatus {
    pub opted_out: bool,
    pub blocked: bool,
    /// Increases with each change.
    pub(crate) version: u64,
}

impl NumberStatus {
    /// Adds the status of the same number in the other scope: the team's or the organization's.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            opted_out: self.opted_out || other.opted_out,
            blocked: self.blocked || other.blocked,
            version: self.version + other.version,
        }
    }
}

/// Returns the key of a number's own status in a team.
pub(crate) fn status_key(team: TeamKey<'_>, number: &PhoneNumber) -> Key {
    state_key(&OptOutSubject::of_team(team.organization, team.team, number))
}

/// Returns the keys of the items that make up a number's status in a team: the team's own, and that of the
/// whole organization.
pub(crate) fn status_keys(team: TeamKey<'_>, number: &PhoneNumber) -> [Key; 2] {
    [status_key(team, number), state_key(&OptOutSubject::of_organization(team.organization, number))]
}

/// Returns the status of a number, given the items that [`status_keys`] names.
pub(crate) fn status_in(
    items: &HashMap<Key, Item>,
    team: TeamKey<'_>,
    number: &PhoneNumber,
) -> Result<NumberStatus, StoreError> {
    let mut status = NumberStatus::default();
    for item in status_keys(team, number).iter().filter_map(|key| items.get(key)) {
        status = status.and(from_item::<StateRow>(item.clone())?.status());
    }
    Ok(status)
}

impl OptOuts {
    /// Blocks a number for a team, or lifts the block: 1 write unit. Idempotent. Messages to a blocked number
    /// are refused, whichever contact has it.
    pub async fn set_blocked(
        &self,
        team: TeamKey<'_>,
        of: &PhoneNumber,
        blocked: bool,
    ) -> Result<(), StoreError> {
        let written = self.table.update_if(status_key(team, of), |update| {
            let update = update.expression_attribute_values(":one", number(1));
            if blocked {
                update
                    .update_expression("SET blocked = :true ADD version :one")
                    .condition_expression("attribute_not_exists(blocked)")
                    .expression_attribute_values(":true", AttributeValue::Bool(true))
            } else {
                update
                    .update_expression("REMOVE blocked ADD version :one")
                    .condition_expression("attribute_exists(blocked)")
            }
        });
        written.await.map(drop)
    }
}
