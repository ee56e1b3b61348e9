//! Keys of templates.

use shared_domain::{ids::TemplateId, keys::TeamKey};

use super::{Key, team_partition};

pub fn template(team: TeamKey<'_>, template: &TemplateId) -> Key {
    Key::new(team_partition(team), template.as_str())
}

/// Prefix of the templates in a team's partition.
pub const TEMPLATES: &str = "tpl_";

/// Template by name, in lowercase.
pub fn template_name(team: TeamKey<'_>, name: &str) -> Key {
    Key::new(team_partition(team), format!("TPLNAME#{name}"))
}
