//! The estimate of a broadcast, which a user sees before confirming it: recipients, exclusions, segments, and
//! characters that cost.
//!
//! A worker adds the recipients of the audience one by one to a [`Tally`], so it needs the same memory for
//! any number of them.
//!
//! ```
//! use shared_domain::broadcast::{SegmentPrice, SkipReason, Tally};
//! use shared_domain::phone::PhoneNumber;
//! use shared_domain::sending_hours::RecipientPlace;
//!
//! let mut tally = Tally::default();
//! let place = RecipientPlace::of(&PhoneNumber::parse("(202) 555-0143").unwrap(), None);
//! tally.add(&place, "Hi Zoë!", [('ë', "firstName".to_owned())]);
//! tally.exclude(SkipReason::OptedOut);
//! assert_eq!((tally.recipients(), tally.segments()), (1, 1));
//! let price = SegmentPrice::parse("0.0083 USD").unwrap();
//! assert_eq!(price.amount(tally.segments()), "0.0083");
//! ```

use std::collections::BTreeMap;

use super::{AudienceSketch, Capacity, Check, Drain, RecipientGroup, SkipReason, drain};
use crate::{
    ids::BroadcastId,
    pace::Pace,
    phone::PhoneNumber,
    segment::{Encoding, Segments},
    sending_hours::{HoursMode, RecipientPlace, SendingHours},
    template::MAX_TEXT_LENGTH,
    time::Timestamp,
    weekly_hours::WeeklyHours,
};

/// The maximum number of characters in an estimate.
const MAX_CHARACTERS: usize = 50;
/// The maximum number of characters that are counted, so that names in many scripts need little memory.
const MAX_COUNTED_CHARACTERS: usize = 2_000;

/// What a user sees before confirming a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Identifies the estimate when the broadcast is confirmed.
    pub id: String,
    /// The recipients, counted.
    pub tally: Tally,
    /// Amount and currency, if the price of a segment is known.
    pub price: Option<(String, String)>,
    /// When the first and the last text go out. `None` if none does.
    pub times: Option<(Timestamp, Timestamp)>,
    /// The checklist.
    pub checks: Vec<Check>,
}

/// Counts the recipients of an audience.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    excluded: BTreeMap<SkipReason, u64>,
    /// The number of texts by segments, by place.
    places: BTreeMap<RecipientPlace, BTreeMap<u32, u64>>,
    /// The number of texts that are in UCS-2 because of this character of this field.
    characters: BTreeMap<(char, String), u64>,
    unicode_texts: u64,
    too_long_texts: u64,
    audience: AudienceSketch,
}

/// A character that makes texts longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostlyCharacter {
    /// A character that GSM-7 does not have.
    pub character: char,
    /// The merge field whose values have it, or `text`.
    pub field: String,
    /// In how many texts it is.
    pub count: u64,
}

impl Tally {
    /// Counts a recipient. `characters` are those of its text that GSM-7 does not have, with their fields.
    pub fn add(
        &mut self,
        place: &RecipientPlace,
        text: &str,
        characters: impl IntoIterator<Item = (char, String)>,
    ) {
        let segments = Segments::of(text);
        let count = u32::try_from(segments.count).unwrap_or(u32::MAX);
        let sizes = match self.places.get_mut(place) {
            Some(sizes) => sizes,
            None => self.places.entry(place.clone()).or_default(),
        };
        *sizes.entry(count).or_default() += 1;
        if text.chars().count() > MAX_TEXT_LENGTH {
            self.too_long_texts += 1;
        }
        if segments.encoding == Encoding::Ucs2 {
            self.unicode_texts += 1;
            for key in characters {
                let is_full = self.characters.len() >= MAX_COUNTED_CHARACTERS;
                match self.characters.get_mut(&key) {
                    Some(count) => *count += 1,
                    None if is_full => {}
                    None => drop(self.characters.insert(key, 1)),
                }
            }
        }
    }

    /// Adds the number of a recipient to the sketch of the audience.
    pub fn add_to_audience(&mut self, broadcast: &BroadcastId, number: &PhoneNumber) {
        self.audience.add(broadcast, number);
    }

    /// Who the recipients are, to notice later that others get the text.
    pub fn audience(&self) -> &AudienceSketch {
        &self.audience
    }

    /// Counts a number that gets no text.
    pub fn exclude(&mut self, reason: SkipReason) {
        *self.excluded.entry(reason).or_default() += 1;
    }

    /// How many numbers get a text.
    pub fn recipients(&self) -> u64 {
        self.places.values().flat_map(BTreeMap::values).sum()
    }

    /// How many numbers get no text, by reason.
    pub fn excluded(&self) -> &BTreeMap<SkipReason, u64> {
        &self.excluded
    }

    /// How many texts have this number of segments.
    pub fn histogram(&self) -> BTreeMap<u32, u64> {
        let mut histogram = BTreeMap::new();
        for (segments, count) in self.places.values().flatten() {
            *histogram.entry(*segments).or_default() += count;
        }
        histogram
    }

    /// The number of all segments.
    pub fn segments(&self) -> u64 {
        self.histogram().into_iter().map(|(segments, count)| u64::from(segments) * count).sum()
    }

    /// The characters that make texts longer, the most frequent first. At most 50.
    pub fn costly_characters(&self) -> Vec<CostlyCharacter> {
        let mut all: Vec<_> = self
            .characters
            .iter()
            .map(|((character, field), count)| CostlyCharacter {
                character: *character,
                field: field.clone(),
                count: *count,
            })
            .collect();
        all.sort_by_key(|character| std::cmp::Reverse(character.count));
        all.truncate(MAX_CHARACTERS);
        all
    }

    /// How many texts are in UCS-2.
    pub fn unicode_texts(&self) -> u64 {
        self.unicode_texts
    }

    /// How many texts are longer than what carriers accept.
    pub fn too_long_texts(&self) -> u64 {
        self.too_long_texts
    }

    /// When the texts go out, if the broadcast starts at `now`, when its number has this pace.
    pub fn drain(
        &self,
        mode: HoursMode,
        team: Option<&WeeklyHours>,
        capacity: Capacity,
        pace: Pace,
        now: Timestamp,
    ) -> Option<Drain> {
        let groups: Vec<_> = self
            .places
            .iter()
            .map(|(place, texts)| RecipientGroup {
                hours: SendingHours::of(place, mode, team),
                texts: texts.clone(),
            })
            .collect();
        drain(&groups, capacity, pace, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(number: &str) -> RecipientPlace {
        RecipientPlace::of(&PhoneNumber::from_carrier(number).unwrap(), None)
    }

    fn tally() -> Tally {
        let mut tally = Tally::default();
        let (east, west) = (place("+12025550143"), place("+12135550143"));
        tally.add(&east, "Hi Ada", []);
        tally.add(&west, &"x".repeat(161), []);
        for _ in 0..2 {
            tally.add(&east, "Hi Zoë, ✓", [('ë', "firstName".to_owned()), ('✓', "text".to_owned())]);
        }
        tally.add(&west, "Hi ✓", [('✓', "text".to_owned())]);
        tally.exclude(SkipReason::OptedOut);
        tally.exclude(SkipReason::OptedOut);
        tally.exclude(SkipReason::NoValue);
        tally
    }

    #[test]
    fn a_tally_counts_recipients_segments_and_characters() {
        let tally = tally();
        assert_eq!((tally.recipients(), tally.segments()), (5, 6));
        assert_eq!(tally.histogram(), BTreeMap::from([(1, 4), (2, 1)]));
        assert_eq!(*tally.excluded(), BTreeMap::from([(SkipReason::NoValue, 1), (SkipReason::OptedOut, 2)]));
        let costly =
            |character, field: &str, count| CostlyCharacter { character, field: field.into(), count };
        assert_eq!(tally.costly_characters(), [costly('✓', "text", 3), costly('ë', "firstName", 2)]);
    }

    #[test]
    fn the_most_frequent_characters_are_listed() {
        let mut tally = Tally::default();
        let place = place("+12025550143");
        for code in 0..3_000_u32 {
            let c = char::from_u32(0x4e00 + code).unwrap();
            tally.add(&place, &c.to_string(), [(c, "lastName".to_owned()), ('一', "text".to_owned())]);
        }
        let listed = tally.costly_characters();
        assert_eq!((listed.len(), listed[0].character, listed[0].count), (50, '一', 3_000));
        assert_eq!(tally.characters.len(), MAX_COUNTED_CHARACTERS);
    }

    proptest! {
        #[test]
        fn the_histogram_counts_every_recipient_once(texts in prop::collection::vec("[a-z✓]{0,200}", 0..30)) {
            let mut tally = Tally::default();
            for (index, text) in texts.iter().enumerate() {
                tally.add(&place(["+12025550143", "+18005550143"][index % 2]), text, []);
            }
            prop_assert_eq!(tally.recipients(), texts.len() as u64);
            prop_assert_eq!(tally.histogram().values().sum::<u64>(), texts.len() as u64);
            let segments: usize = texts.iter().map(|text| Segments::of(text).count).sum();
            prop_assert_eq!(tally.segments(), segments as u64);
        }
    }
}
