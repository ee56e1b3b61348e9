//! The numbers of an organization's inboxes, as one set, so that a condition limits how many there are. A
//! number enters the set before it is bought or adopted, and leaves it when it is released. Numbers of
//! inboxes that are older than the set are not in it.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{ids::OrganizationId, phone::PhoneNumber};

use crate::table::{error::StoreError, item::number, keys, requests::Table, transaction::Transaction};

/// Adds the write that adds a number, and returns its place. Its condition fails if the organization has
/// `limit` numbers or more.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    added: &PhoneNumber,
    limit: u32,
) -> Result<usize, StoreError> {
    transaction.update(keys::owned_numbers(organization), |update| {
        update
            .update_expression("ADD numbers :number")
            .condition_expression("attribute_not_exists(numbers) OR size(numbers) < :limit")
            .expression_attribute_values(":number", set_of(added))
            .expression_attribute_values(":limit", number(limit))
    })
}

/// Adds the write that removes a number. Does nothing if it is not in the set.
pub(super) fn remove(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    removed: &PhoneNumber,
) -> Result<usize, StoreError> {
    transaction.update(keys::owned_numbers(organization), |update| {
        update
            .update_expression("DELETE numbers :number")
            .expression_attribute_values(":number", set_of(removed))
    })
}

/// Whether an organization has `limit` numbers or more.
pub(super) async fn is_full(
    table: &Table,
    organization: &OrganizationId,
    limit: u32,
) -> Result<bool, StoreError> {
    let row: Option<OwnedNumbersRow> = table.get(keys::owned_numbers(organization), true).await?;
    Ok(row.is_some_and(|row| row.numbers.len() >= limit as usize))
}

#[derive(Debug, serde::Deserialize)]
struct OwnedNumbersRow {
    #[serde(default)]
    numbers: Vec<String>,
}

fn set_of(number: &PhoneNumber) -> AttributeValue {
    AttributeValue::Ss(vec![number.as_str().to_owned()])
}
