//! A sketch of an audience: enough of it to notice later that it has other people, and no numbers.
//!
//! It keeps the 256 lowest hashes of the numbers. An audience of up to 256 people is compared exactly, and a
//! larger one by those of its people whose hashes are the lowest, who are a fair sample. Hashes have 24 bits,
//! so hundreds of numbers have the same, and those of two broadcasts have nothing in common.
//!
//! ```
//! use shared_domain::broadcast::AudienceSketch;
//! use shared_domain::{ids::BroadcastId, phone::PhoneNumber};
//!
//! let broadcast = BroadcastId::parse("bct_1").unwrap();
//! let (mut before, mut now) = (AudienceSketch::default(), AudienceSketch::default());
//! before.add(&broadcast, &PhoneNumber::parse("(202) 555-0143").unwrap());
//! assert!(!before.differs(&before));
//! now.add(&broadcast, &PhoneNumber::parse("(202) 555-0144").unwrap());
//! assert!(before.differs(&now));
//! ```

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checklist::is_over_limit;
use crate::{ids::BroadcastId, phone::PhoneNumber};

/// How many hashes are kept.
const MAX_HASHES: usize = 256;

/// The lowest hashes of the numbers of an audience. Stored in base64, with three bytes for each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AudienceSketch(BTreeSet<[u8; 3]>);

impl AudienceSketch {
    /// Adds a recipient of a broadcast. One that was added before changes nothing.
    pub fn add(&mut self, broadcast: &BroadcastId, number: &PhoneNumber) {
        let digest = Sha256::digest(format!("recipient {broadcast} {}", number.as_str()));
        self.0.insert([digest[0], digest[1], digest[2]]);
        if self.0.len() > MAX_HASHES {
            self.0.pop_last();
        }
    }

    /// Whether more than 5 % of the people of this audience are missing in a later one, or as many are new
    /// there. Both must be of the same broadcast.
    pub fn differs(&self, later: &Self) -> bool {
        // Above the highest hash of a full sketch, nothing is known of its audience.
        let full = [self, later].into_iter().filter(|sketch| sketch.0.len() == MAX_HASHES);
        let last = full.filter_map(|sketch| sketch.0.last()).min().copied().unwrap_or([u8::MAX; 3]);
        let count = |of: &Self, but: &Self| of.0.range(..=last).filter(|hash| !but.0.contains(*hash)).count();
        let (missing, new) = (count(self, later), count(later, self));
        let all = self.0.range(..=last).count();
        let as_number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        is_over_limit(as_number(missing.max(new)), as_number(all))
    }
}

impl From<AudienceSketch> for String {
    fn from(AudienceSketch(hashes): AudienceSketch) -> Self {
        BASE64_STANDARD.encode(hashes.into_iter().flatten().collect::<Vec<_>>())
    }
}

impl TryFrom<String> for AudienceSketch {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64_STANDARD.decode(text)?;
        Ok(Self(bytes.as_chunks::<3>().0.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    /// The audience with these people.
    fn sketch(people: Range<u64>) -> AudienceSketch {
        let broadcast = BroadcastId::parse("bct_1").unwrap();
        let mut sketch = AudienceSketch::default();
        for person in people {
            let number = PhoneNumber::from_carrier(&format!("+1202{person:07}")).unwrap();
            sketch.add(&broadcast, &number);
        }
        sketch
    }

    #[test]
    fn other_people_are_noticed_however_many_there_are() {
        for count in [1, 19, 100, 256, 257, 1_000, 5_000] {
            let (before, others) = (sketch(0..count), sketch(count..2 * count));
            assert!(!before.differs(&before), "{count}");
            assert!(before.differs(&others) && others.differs(&before), "{count}");
            let half = count.div_ceil(2);
            assert!(before.differs(&sketch(half..half + count)), "half of {count}");
            assert!(before.differs(&AudienceSketch::default()), "{count}");
            assert!(AudienceSketch::default().differs(&before), "{count}");
        }
        let nobody = AudienceSketch::default();
        assert!(!nobody.differs(&nobody));
    }

    #[test]
    fn a_small_audience_may_change_by_5_percent() {
        let before = sketch(0..100);
        let smaller = [(0..95, false), (0..94, true)];
        for (now, differs) in [(5..105, false), (6..106, true), (0..106, true)].into_iter().chain(smaller) {
            assert_eq!(before.differs(&sketch(now.clone())), differs, "{now:?}");
        }
    }

    #[test]
    fn a_sketch_has_256_hashes_of_three_bytes_that_depend_on_the_broadcast() {
        let text = String::from(sketch(0..2_000));
        assert_eq!(text.len(), 1_024);
        let number = PhoneNumber::parse("(202) 555-0143").unwrap();
        let texts = ["bct_1", "bct_2"].map(|id| {
            let mut sketch = AudienceSketch::default();
            sketch.add(&BroadcastId::parse(id).unwrap(), &number);
            String::from(sketch)
        });
        assert_eq!(texts.each_ref().map(String::len), [4, 4]);
        assert_ne!(texts[0], texts[1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// A sample of 256 does not tell apart what is near the limit.
        #[test]
        fn an_audience_of_any_size_may_change_a_little_and_not_much(
            (first, count) in (0_u64..1_000_000, 1_u64..2_000),
            tenths in 0_u64..=10,
        ) {
            let before = sketch(first..first + count);
            let text = serde_json::to_string(&before).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AudienceSketch>(&text).unwrap(), &before);
            prop_assert!(!before.differs(&sketch(first..first + count)));
            let moved = |by| sketch(first + by..first + by + count);
            prop_assert!(!before.differs(&moved(count / 200)), "half a percent");
            let by = (count * (2 + tenths)).div_ceil(12);
            prop_assert!(before.differs(&moved(by)), "{by} of {count}");
        }
    }
}
