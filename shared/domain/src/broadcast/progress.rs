//! The progress of a broadcast: how many recipients are in each state.

use serde::{Deserialize, Serialize};

use super::RecipientState;

/// How many recipients are in each state, and how many replied. The sum of the states is always the number of
/// recipients, because a recipient only moves from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    counts: [u64; RecipientState::ALL.len()],
    /// How many recipients replied within the reply window. They are also counted in their state.
    pub replied: u64,
}

impl Progress {
    /// The progress of a broadcast with this many recipients, all pending.
    pub fn of(recipients: u64) -> Self {
        let mut progress = Self::default();
        progress.counts[place(RecipientState::Pending)] = recipients;
        progress
    }

    /// Reads the counts of a stored item.
    pub fn from_counts(count: impl Fn(RecipientState) -> u64, replied: u64) -> Self {
        Self { counts: RecipientState::ALL.map(count), replied }
    }

    /// The number of recipients in this state.
    pub fn count(&self, state: RecipientState) -> u64 {
        self.counts[place(state)]
    }

    /// The number of recipients.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether no recipient is open.
    pub fn is_complete(&self) -> bool {
        RecipientState::ALL.into_iter().filter(|state| state.is_open()).all(|state| self.count(state) == 0)
    }

    /// The progress after one recipient moved. `None` if no recipient is in the state that it left, which
    /// means that the move was counted before.
    #[must_use]
    pub fn moved(mut self, from: RecipientState, to: RecipientState) -> Option<Self> {
        let left = &mut self.counts[place(from)];
        *left = left.checked_sub(1)?;
        self.counts[place(to)] += 1;
        Some(self)
    }
}

fn place(state: RecipientState) -> usize {
    state as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_own_count() {
        for (place_of, state) in RecipientState::ALL.into_iter().enumerate() {
            assert_eq!(place(state), place_of);
        }
        let progress = Progress::from_counts(|state| u64::from(state == RecipientState::Held) * 3, 2);
        assert_eq!((progress.total(), progress.count(RecipientState::Held), progress.replied), (3, 3, 2));
    }

    #[test]
    fn a_recipient_leaves_only_the_state_in_which_it_is() {
        assert_eq!(Progress::of(1).moved(RecipientState::Queued, RecipientState::Sent), None);
        let queued = Progress::of(1).moved(RecipientState::Pending, RecipientState::Queued).unwrap();
        assert!(!queued.is_complete());
        assert!(queued.moved(RecipientState::Queued, RecipientState::Sent).unwrap().is_complete());
        assert!(Progress::of(0).is_complete());
    }
}
