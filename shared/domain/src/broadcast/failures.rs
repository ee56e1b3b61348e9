//! Failures that pause a broadcast: more than 10 of 100 texts.

use serde::{Deserialize, Serialize};

/// The number of texts over which failures are counted.
const BLOCK: u32 = 100;
/// The maximum number of failures in a block.
const MAX_FAILURES: u32 = 10;

/// Counts the failures in each block of 100 texts. A broadcast is paused at the eleventh failure of a block,
/// so that a wrong text or a blocked number does not fail for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailureWatch {
    texts: u32,
    failures: u32,
}

impl FailureWatch {
    /// Counts a text that reached its end, and returns whether the broadcast is paused now. After that, and
    /// after each block, the count starts again.
    pub fn add(&mut self, failed: bool) -> bool {
        self.texts += 1;
        self.failures += u32::from(failed);
        let pauses = self.failures > MAX_FAILURES;
        if pauses || self.texts >= BLOCK {
            *self = Self::default();
        }
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places, from 1, of the texts that pause a broadcast.
    fn pauses(texts: impl IntoIterator<Item = bool>) -> Vec<usize> {
        let mut watch = FailureWatch::default();
        (1..).zip(texts).filter(|(_, failed)| watch.add(*failed)).map(|(place, _)| place).collect()
    }

    #[test]
    fn a_broadcast_is_paused_at_the_eleventh_failure_of_a_hundred_texts() {
        assert_eq!(pauses((1..=1_000).map(|text| text % 10 == 0)), [] as [usize; 0]);
        assert_eq!(pauses((1..=100).map(|text| text > 89)), [100]);
        assert_eq!(pauses((1..=101).map(|text| text > 90)), [] as [usize; 0], "a new block begins");
        assert_eq!(pauses([true; 30]), [11, 22]);
    }
}
