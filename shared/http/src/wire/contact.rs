//! Contacts and opt-out ledger entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_aws::contact::ContactEntry;
use shared_domain::opt_out;
use utoipa::ToSchema;

use super::values::{OptOutScope, OptOutSource, OptOutStatus};
use crate::input::nullable;

/// A contact of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactView {
    /// ID of the contact.
    pub contact_id: String,
    /// Your own ID of the contact: `ContactId` or `StudentId` in imports.
    #[schema(required)]
    pub external_id: Option<String>,
    /// First name.
    #[schema(required)]
    pub first_name: Option<String>,
    /// Last name.
    #[schema(required)]
    pub last_name: Option<String>,
    /// Phone number in E.164 format.
    pub mobile_number: String,
    /// Whether the contact has opted out of messages from the team.
    pub opted_out: bool,
    /// Whether the team has blocked the number.
    pub blocked: bool,
    /// ID of the user that the contact is assigned to.
    #[schema(required)]
    pub assigned_user_id: Option<String>,
    /// Whether only the number is known, because the contact wrote before anyone added it.
    pub provisional: bool,
    /// Custom fields by name.
    pub custom: BTreeMap<String, String>,
    /// Tags, in alphabetical order. Case is ignored.
    pub tags: Vec<String>,
    /// When the contact was created. `null` for contacts that were created before this was recorded.
    #[schema(required, format = DateTime)]
    pub created_at: Option<String>,
}

impl ContactView {
    pub fn of(entry: &ContactEntry) -> Self {
        let contact = &entry.contact;
        Self {
            contact_id: contact.id.to_string(),
            external_id: contact.external_id.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            mobile_number: contact.number.as_str().to_owned(),
            opted_out: contact.opted_out,
            blocked: contact.blocked,
            assigned_user_id: contact.assigned.as_ref().map(|user| user.id.to_string()),
            provisional: contact.provisional,
            custom: entry.custom.clone(),
            tags: entry.tags.iter().map(str::to_owned).collect(),
            created_at: entry.created_at.map(|at| at.to_string()),
        }
    }
}

/// A change of an opt-out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptOutEntryView {
    /// Time of the change.
    #[schema(format = DateTime)]
    pub at: String,
    /// ID of the contact.
    pub contact_id: String,
    /// The contact's number at the time of the change.
    pub phone_number: String,
    /// State after the change.
    #[schema(value_type = OptOutStatus)]
    pub status: &'static str,
    #[schema(value_type = OptOutScope)]
    pub scope: &'static str,
    #[schema(value_type = OptOutSource)]
    pub source: &'static str,
    /// ID of the message with the keyword.
    #[schema(required)]
    pub message_id: Option<String>,
    /// ID of the user who made the change.
    #[schema(required)]
    pub user_id: Option<String>,
}

impl OptOutEntryView {
    pub fn of(entry: &opt_out::LedgerEntry) -> Self {
        Self {
            at: entry.at.to_string(),
            contact_id: entry.contact.to_string(),
            phone_number: entry.number.as_str().to_owned(),
            status: if entry.opted_out { "opted_out" } else { "opted_in" },
            scope: entry.scope.as_str(),
            source: entry.source.as_str(),
            message_id: entry.message.as_ref().map(ToString::to_string),
            user_id: entry.user.as_ref().map(ToString::to_string),
        }
    }
}

/// A contact to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewContact {
    /// Your own ID of the contact, unique in the team.
    pub external_id: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Phone number in any common format.
    pub mobile_number: String,
    /// ID of the team member to assign the contact to.
    pub assigned_user_id: Option<String>,
    /// Custom fields by name, at most 30.
    #[serde(default)]
    pub custom: BTreeMap<String, String>,
    /// Tags, at most 50 of 1 to 40 characters without commas and semicolons. Case is ignored.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Changes to a contact. Absent fields keep their values, and `null` removes a value.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactChange {
    /// Your own ID of the contact, unique in the team.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub external_id: Option<Option<String>>,
    /// First name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub first_name: Option<Option<String>>,
    /// Last name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub last_name: Option<Option<String>>,
    /// Phone number in any common format.
    pub mobile_number: Option<String>,
    /// ID of the team member to assign the contact to.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub assigned_user_id: Option<Option<String>>,
    /// `true` blocks the number, `false` unblocks it.
    pub blocked: Option<bool>,
    /// Replaces all custom fields.
    pub custom: Option<BTreeMap<String, String>>,
    /// Replaces all tags.
    pub tags: Option<Vec<String>>,
}
