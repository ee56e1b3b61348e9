//! Failures that pause a broadcast: more than 10 in 100 texts.

use serde::{Deserialize, Serialize};

use super::{Progress, RecipientState};

/// The number of texts over which failures are counted.
const BLOCK: u64 = 100;
/// The maximum part of failures in a block: one in this many texts.
const MAX_FAILURES_PART: u64 = 10;

/// The counts at the beginning of a block of 100 texts. A worker looks at the progress now and then, so a
/// block may be longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailureWatch {
    texts: u64,
    failures: u64,
}

impl FailureWatch {
    /// A watch that begins with this progress.
    pub fn from(progress: &Progress) -> Self {
        let count = |state| progress.count(state);
        let failures = count(RecipientState::Failed) + count(RecipientState::Undelivered);
        let sent = count(RecipientState::Sent) + count(RecipientState::Delivered);
        Self { texts: failures + sent, failures }
    }

    /// Looks at the progress. `Err` with the number of failures if the broadcast is paused: more than 10
    /// texts of the block failed, and more than 10 % of it. Otherwise the watch to go on with.
    ///
    /// # Errors
    /// The number of failures in the block.
    pub fn look(self, progress: &Progress) -> Result<Self, u64> {
        let now = Self::from(progress);
        let texts = now.texts.saturating_sub(self.texts);
        let failures = now.failures.saturating_sub(self.failures);
        if failures > texts.max(BLOCK) / MAX_FAILURES_PART {
            Err(failures)
        } else {
            Ok(if texts >= BLOCK { now } else { self })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(delivered: u64, failed: u64) -> Progress {
        let count = |state| match state {
            RecipientState::Delivered => delivered / 2,
            RecipientState::Sent => delivered - delivered / 2,
            RecipientState::Failed => failed / 2,
            RecipientState::Undelivered => failed - failed / 2,
            _ => 7,
        };
        Progress::from_counts(count, 0)
    }

    #[test]
    fn a_broadcast_is_paused_at_the_eleventh_failure_of_a_hundred_texts() {
        let watch = FailureWatch::default();
        assert_eq!(watch.look(&progress(0, 10)), Ok(watch));
        assert_eq!(watch.look(&progress(0, 11)), Err(11));
        assert_eq!(watch.look(&progress(60, 11)), Err(11));
    }

    #[test]
    fn failures_are_counted_again_after_a_hundred_texts_and_after_a_pause() {
        let after_a_block = FailureWatch::default().look(&progress(90, 10)).unwrap();
        assert_eq!(after_a_block, FailureWatch::from(&progress(90, 10)));
        assert_eq!(after_a_block.look(&progress(90, 20)), Ok(after_a_block));
        assert_eq!(after_a_block.look(&progress(90, 21)), Err(11));
        let resumed = FailureWatch::from(&progress(0, 11));
        assert_eq!(resumed.look(&progress(0, 21)), Ok(resumed));
    }

    #[test]
    fn a_block_that_was_seen_late_pauses_only_if_a_tenth_of_it_failed() {
        let watch = FailureWatch::default();
        assert_eq!(watch.look(&progress(225, 25)), Ok(FailureWatch::from(&progress(225, 25))));
        assert_eq!(watch.look(&progress(224, 26)), Err(26));
    }
}
