//! Rows as they are stored, and their way to domain types and back. Attribute names are short where a row is in a list
//! index: a page of 50 conversations has a budget of 3 read units.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{Id, IdError, Kind},
    phone::PhoneNumberError,
    user::UserRef,
};

use crate::table::error::StoreError;

/// An id, number or place in a row that is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error("id: {0}")]
    Id(#[from] IdError),
    #[error("number: {0}")]
    Number(#[from] PhoneNumberError),
    #[error("place in a list")]
    Place,
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        Self::Refused(format!("a row holds a bad {error}"))
    }
}

pub(crate) fn id<K: Kind>(text: &str) -> Result<Id<K>, RowError> {
    Ok(Id::parse(text)?)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PersonRow {
    pub id: String,
    pub name: String,
}

impl PersonRow {
    pub(crate) fn of(person: &UserRef) -> Self {
        Self { id: person.id.to_string(), name: person.name.clone() }
    }

    pub(crate) fn person(self) -> Result<UserRef, RowError> {
        Ok(UserRef { id: id(&self.id)?, name: self.name })
    }
}

pub(crate) fn parse_id<K: Kind>(text: &str) -> Result<Id<K>, StoreError> {
    Ok(id(text)?)
}
