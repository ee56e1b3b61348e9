//! Contacts: the people a team writes to.

use crate::{
    ids::{ContactId, TeamId},
    phone::PhoneNumber,
    user::UserRef,
};

/// A person of a team's list (its key says which team), or a number that texted in before anybody knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Our id.
    pub id: ContactId,
    /// The customer's own id (`ContactId` or `StudentId` of imports).
    pub external_id: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Where texts go.
    pub number: PhoneNumber,
    /// Whom the import assigned.
    pub assigned: Option<UserRef>,
    /// Wants no texts from the team.
    pub opted_out: bool,
    /// The team wants no exchange with this number.
    pub blocked: bool,
    /// Known by number only.
    pub provisional: bool,
}

impl Contact {
    /// The contact that an unknown number becomes.
    pub fn provisional(team: &TeamId, number: &PhoneNumber) -> Self {
        Self {
            id: ContactId::provisional(team, number),
            external_id: None,
            first_name: None,
            last_name: None,
            number: number.clone(),
            assigned: None,
            opted_out: false,
            blocked: false,
            provisional: true,
        }
    }
}
