//! Keys of the events of inboxes and teams.

use shared_domain::{event::EventScope, ids::EventId};

use super::Key;

/// The number of the newest event of an inbox or team, beside the inbox or team.
pub fn newest_event(scope: &EventScope) -> Key {
    Key::new(format!("{}#{}", scope.organization(), scope.id()), NEWEST_EVENT)
}

/// Sort key of the number of the newest event.
pub const NEWEST_EVENT: &str = "EVENTS";

/// Partition of the events of an inbox or team.
pub fn events_partition(scope: &EventScope) -> String {
    format!("{}#{}#EVENTS", scope.organization(), scope.id())
}

/// Where an event is stored that did not get one of the first numbers after its change.
pub fn event_claim(scope: &EventScope, event: &EventId) -> Key {
    Key::new(format!("{}#{}#{event}", scope.organization(), scope.id()), "CLAIM")
}

/// Sort key of an event. Twelve digits sort as numbers.
pub fn event_place(sequence: u64) -> String {
    format!("{EVENTS}{sequence:012}")
}

/// Prefix of the events in their partition.
pub const EVENTS: &str = "EV#";
