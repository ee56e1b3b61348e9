//! Edits of a team: its name, its legal hold, and its retention. The API and the operator's tool use it.

use shared_aws::{
    table::{StoreError, Table},
    team::{AuditEvent, Retentions, Teams},
};
use shared_domain::{
    keys::TeamKey,
    team::{Team, TeamEdit},
    time::Timestamp,
};

/// Attempts to apply an edit to a team that is being edited by others.
const MAX_ATTEMPTS: usize = 3;

/// The outcome of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditTeamOutcome {
    /// The team has all values of the edit. `changed` if it did not have them before.
    Edited {
        team: Box<Team>,
        changed: bool,
    },
    NoTeam,
    /// Other requests edited the team at the same time. Nothing was written.
    Conflict,
}

/// The workflow of edits.
#[derive(Debug, Clone)]
pub struct TeamEdits {
    teams: Teams,
    retentions: Retentions,
}

impl TeamEdits {
    pub fn new(table: &Table) -> Self {
        Self { teams: Teams::new(table.clone()), retentions: Retentions::new(table.clone()) }
    }

    /// Applies an edit, with an audit event for each kind of change, in one transaction. Idempotent: an edit
    /// whose values the team already has writes nothing, except that the sweep of expired messages learns of
    /// a retention that a version without that sweep stored. `by` has the actor and the time of the events,
    /// and its action is that of a new name.
    pub async fn apply(
        &self,
        key: TeamKey<'_>,
        edit: &TeamEdit,
        by: &AuditEvent<'_>,
    ) -> Result<EditTeamOutcome, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(before) = self.teams.get_current(key).await? else {
                return Ok(EditTeamOutcome::NoTeam);
            };
            let after = edit.applied_to(&before);
            let changed = after != before;
            if !changed && edit.retention.is_some_and(|days| days.is_some()) {
                self.retentions.add_missing(key, Timestamp::default()).await?;
            }
            if !changed || self.teams.edit(key, &before, &after, &events(&before, &after, by)).await? {
                return Ok(EditTeamOutcome::Edited { team: Box::new(after), changed });
            }
        }
        Ok(EditTeamOutcome::Conflict)
    }
}

/// The audit events of a change. Each has its own entropy, because they have the same time.
fn events<'a>(before: &Team, after: &Team, by: &AuditEvent<'a>) -> Vec<AuditEvent<'a>> {
    let hold = if after.hold { "team.hold_begin" } else { "team.hold_end" };
    let kinds = [
        (after.name != before.name, by.action),
        (after.hold != before.hold, hold),
        (after.retention != before.retention, "team.retention_edit"),
    ];
    let changes = kinds.into_iter().filter(|(is_changed, _)| *is_changed);
    (0..)
        .zip(changes)
        .map(|(place, (_, action))| AuditEvent { action, entropy: by.entropy.wrapping_add(place), ..*by })
        .collect()
}
