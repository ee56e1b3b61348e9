//! Keys of contacts and of the items that find them.

use shared_domain::{ids::ContactId, keys::TeamKey, phone::PhoneNumber};

use super::{Key, team_partition};

pub fn contact(team: TeamKey<'_>, contact: &ContactId) -> Key {
    Key::new(team_partition(team), contact.as_str())
}

/// Prefix of the contacts in a team's partition.
pub const CONTACTS: &str = "con_";

/// Contact by the customer's id.
pub fn external_contact(team: TeamKey<'_>, external_id: &str) -> Key {
    Key::new(team_partition(team), format!("EXT#{external_id}"))
}

/// Prefix of the contacts by name in a team's partition.
pub const CONTACT_NAMES: &str = "FIND#";

/// Contact by name, in lowercase.
pub fn contact_name(team: TeamKey<'_>, name: &str, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{CONTACT_NAMES}{name}#{contact}"))
}

/// Prefix of the contacts whose removal is not finished.
pub const REMOVED_CONTACTS: &str = "REMOVED#";

/// Number of a contact that is removed and may still be shown on conversations.
pub fn removed_contact(team: TeamKey<'_>, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{REMOVED_CONTACTS}{contact}"))
}

/// Prefix of the pointers from numbers to contacts.
pub const NUMBERS: &str = "NUMBER#";

/// Contact that is shown for a number.
pub fn contact_number(team: TeamKey<'_>, number: &PhoneNumber) -> Key {
    Key::new(team_partition(team), format!("{NUMBERS}{}", number.as_str()))
}

/// Prefix of the contacts that have a number.
pub fn contacts_with_number(number: &PhoneNumber) -> String {
    format!("{NUMBERS}{}#", number.as_str())
}

/// A contact that has a number. Provisional contacts have no such item.
pub fn contact_with_number(team: TeamKey<'_>, number: &PhoneNumber, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{}{contact}", contacts_with_number(number)))
}
