//! Stored contacts.

use serde::{Deserialize, Serialize};
use shared_domain::{contact::Contact, ids::ContactId, phone::PhoneNumber, user::UserRef};

use crate::opt_out::numbers::NumberStatus;

/// A contact. Opt-out and block are not part of it, because they belong to the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(rename = "prov", default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl ContactRow {
    pub(crate) fn of(contact: &Contact) -> Self {
        let Contact { id, external_id, first_name, last_name, number, assigned, provisional, .. } =
            contact.clone();
        Self { id, external_id, first_name, last_name, number, assigned, provisional }
    }

    pub(crate) fn contact(self, status: NumberStatus) -> Contact {
        let Self { id, external_id, first_name, last_name, number, assigned, provisional } = self;
        let NumberStatus { opted_out, blocked, .. } = status;
        Contact { id, external_id, first_name, last_name, number, assigned, opted_out, blocked, provisional }
    }
}

/// The copy of a contact on a conversation, with the status of the number. The versions say how recent the
/// copy is: an older copy does not replace a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContactCopyRow {
    #[serde(flatten)]
    pub contact: ContactRow,
    #[serde(rename = "out", default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// The version of the pointer from the number to the contact.
    #[serde(rename = "v", default, skip_serializing_if = "is_zero")]
    pub shown_version: u64,
    /// The version of the number's status.
    #[serde(rename = "nv", default, skip_serializing_if = "is_zero")]
    pub number_version: u64,
}

impl ContactCopyRow {
    /// Returns a copy without versions, which every other copy replaces.
    pub(crate) fn of(contact: &Contact) -> Self {
        Self {
            contact: ContactRow::of(contact),
            opted_out: contact.opted_out,
            blocked: contact.blocked,
            shown_version: 0,
            number_version: 0,
        }
    }

    pub(crate) fn contact(self) -> Contact {
        let Self { contact, opted_out, blocked, number_version, .. } = self;
        contact.contact(NumberStatus { opted_out, blocked, version: number_version })
    }
}

/// Points at a contact: from a number, from the customer's own id, or from a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContactPointer {
    pub contact: ContactId,
    /// Increases with each write of the pointer from a number. 0 in other pointers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u64,
}

impl ContactPointer {
    pub(crate) fn to(contact: &Contact) -> Self {
        Self { contact: contact.id.clone(), version: 0 }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn is_zero(version: &u64) -> bool {
    *version == 0
}
