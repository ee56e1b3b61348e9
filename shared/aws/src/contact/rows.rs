//! Stored contacts.

use serde::{Deserialize, Serialize};
use shared_domain::{contact::Contact, ids::ContactId, phone::PhoneNumber, user::UserRef};

/// A contact, as an item of its own and as the copy on its conversations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub id: ContactId,
    #[serde(rename = "ext", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(rename = "first", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(rename = "last", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    pub number: PhoneNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<UserRef>,
    #[serde(rename = "out", default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    #[serde(rename = "prov", default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl ContactRow {
    pub(crate) fn of(contact: &Contact) -> Self {
        let Contact {
            id,
            external_id,
            first_name,
            last_name,
            number,
            assigned,
            opted_out,
            blocked,
            provisional,
        } = contact.clone();
        Self { id, external_id, first_name, last_name, number, assigned, opted_out, blocked, provisional }
    }

    pub(crate) fn contact(self) -> Contact {
        let Self {
            id,
            external_id,
            first_name,
            last_name,
            number,
            assigned,
            opted_out,
            blocked,
            provisional,
        } = self;
        Contact { id, external_id, first_name, last_name, number, assigned, opted_out, blocked, provisional }
    }
}

/// Points at a contact: from a number, from the customer's own id, or from a name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContactPointer {
    pub contact: ContactId,
}
