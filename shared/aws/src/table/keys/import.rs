//! Keys of imports of contacts.

use shared_domain::{
    ids::{ImportId, OrganizationId},
    keys::TeamKey,
};

use super::{Key, team_partition};

pub fn contact_import(team: TeamKey<'_>, import: &ImportId) -> Key {
    Key::new(team_partition(team), import.as_str())
}

/// Prefix of the imports in a team's partition.
pub const IMPORTS: &str = "imp_";

/// The team's running import.
pub fn running_import(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "IMPORTING")
}

/// Partition of an import's errors.
pub fn import_partition(organization: &OrganizationId, import: &ImportId) -> String {
    format!("{organization}#{import}")
}

/// Prefix of the errors from `row` on.
pub fn import_errors_from(row: u64) -> String {
    format!("ERRORS#{row:09}")
}

/// One of several items with the errors from `row` on.
pub fn import_errors(organization: &OrganizationId, import: &ImportId, row: u64, part: usize) -> Key {
    let place = format!("{}#{part:04}", import_errors_from(row));
    Key::new(import_partition(organization, import), place)
}

/// Partition of the imports that are not complete.
pub const OPEN_IMPORTS: &str = "IMPORTS";

/// Prefix of an organization's imports in [`OPEN_IMPORTS`].
pub fn open_imports(organization: &OrganizationId) -> String {
    format!("{organization}#")
}

pub fn open_import(team: TeamKey<'_>, import: &ImportId) -> Key {
    Key::new(OPEN_IMPORTS, format!("{}#{}#{import}", team.organization, team.team))
}
