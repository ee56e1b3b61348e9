//! Contacts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_aws::contact::ContactEntry;
use shared_domain::opt_out;
use utoipa::ToSchema;

use crate::input::nullable;

/// A contact of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactView {
    /// Our id.
    pub contact_id: String,
    /// The customer's own id (`ContactId` or `StudentId` of imports).
    #[schema(required)]
    pub external_id: Option<String>,
    /// Given name.
    #[schema(required)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(required)]
    pub last_name: Option<String>,
    /// Where texts go.
    pub mobile_number: String,
    /// Wants no texts from the team.
    pub opted_out: bool,
    /// The team wants no exchange with this number.
    pub blocked: bool,
    /// The User ID of whom it is assigned to.
    #[schema(required)]
    pub assigned_user_id: Option<String>,
    /// Known by number only.
    pub provisional: bool,
    /// Fields of the customer's own.
    pub custom: BTreeMap<String, String>,
}

impl ContactView {
    /// As the list has it.
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
        }
    }
}

/// A change of an opt-out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptOutEntryView {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who.
    pub contact_id: String,
    /// The number at that time.
    pub phone_number: String,
    /// `opted_out` or `opted_in`: where the contact stood after it.
    pub status: &'static str,
    /// `team`, or `personal`: all personal inboxes of the organization.
    pub scope: &'static str,
    /// `keyword`, `user`, `import` or `carrier`.
    pub source: &'static str,
    /// The text that did it.
    #[schema(required)]
    pub message_id: Option<String>,
    /// The user who did it.
    #[schema(required)]
    pub user_id: Option<String>,
}

impl OptOutEntryView {
    /// Of a line of the ledger.
    pub fn of(entry: &opt_out::LedgerEntry) -> Self {
        let scope = match entry.scope {
            opt_out::Scope::Team(_) => "team",
            opt_out::Scope::Personal => "personal",
        };
        Self {
            at: entry.at.to_string(),
            contact_id: entry.contact.to_string(),
            phone_number: entry.number.as_str().to_owned(),
            status: if entry.opted_out { "opted_out" } else { "opted_in" },
            scope,
            source: entry.source.as_str(),
            message_id: entry.message.as_ref().map(ToString::to_string),
            user_id: entry.user.as_ref().map(ToString::to_string),
        }
    }
}

/// A contact to be entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewContact {
    /// The customer's own id, one contact's alone.
    pub external_id: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// In any usual notation.
    pub mobile_number: String,
    /// A User ID of the team.
    pub assigned_user_id: Option<String>,
    /// Fields of the customer's own, at most 30.
    #[serde(default)]
    pub custom: BTreeMap<String, String>,
}

/// What to change; what is absent stays, what is null goes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactChange {
    /// The customer's own id.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub external_id: Option<Option<String>>,
    /// Given name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub first_name: Option<Option<String>>,
    /// Family name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub last_name: Option<Option<String>>,
    /// In any usual notation.
    pub mobile_number: Option<String>,
    /// A User ID of the team.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub assigned_user_id: Option<Option<String>>,
    /// Block, or allow again.
    pub blocked: Option<bool>,
    /// Replaces all fields of the customer's own.
    pub custom: Option<BTreeMap<String, String>>,
}
