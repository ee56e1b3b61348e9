//! Stored contacts.

use serde::{Deserialize, Serialize};
use shared_domain::{contact::Contact, ids, phone::PhoneNumber};

use crate::table::items::{PersonRow, RowError, id};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NumberRow {
    pub contact: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub id: String,
    #[serde(rename = "ext", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(rename = "first", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(rename = "last", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    pub number: PhoneNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<PersonRow>,
    #[serde(rename = "out", default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    #[serde(rename = "prov", default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl ContactRow {
    pub(crate) fn of(contact: &Contact) -> Self {
        Self {
            id: contact.id.to_string(),
            external_id: contact.external_id.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            number: contact.number.clone(),
            assigned: contact.assigned.as_ref().map(PersonRow::of),
            opted_out: contact.opted_out,
            blocked: contact.blocked,
            provisional: contact.provisional,
        }
    }

    pub(crate) fn contact(self) -> Result<Contact, RowError> {
        Ok(Contact {
            id: id::<ids::Contact>(&self.id)?,
            external_id: self.external_id,
            first_name: self.first_name,
            last_name: self.last_name,
            number: self.number,
            assigned: self.assigned.map(PersonRow::person).transpose()?,
            opted_out: self.opted_out,
            blocked: self.blocked,
            provisional: self.provisional,
        })
    }
}
