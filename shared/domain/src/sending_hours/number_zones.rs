//! The time zones in which a North American number may be, by its area code and exchange.
//!
//! The data file is made from the published map of libphonenumber. The zone is that of the area code: people
//! keep their numbers when they move.
//!
//! ```
//! use shared_domain::phone::PhoneNumber;
//! use shared_domain::sending_hours::number_zones::zones_of;
//!
//! assert_eq!(zones_of(&PhoneNumber::parse("(202) 555-0143").unwrap()), ["America/New_York"]);
//! assert!(zones_of(&PhoneNumber::parse("(800) 555-0143").unwrap()).is_empty());
//! ```

use std::{collections::BTreeMap, sync::LazyLock};

use crate::phone::PhoneNumber;

const DATA: &str = include_str!("../../data/number-zones.txt");
/// The length of the longest prefix: an area code and an exchange.
const MAX_PREFIX_LENGTH: usize = 6;

struct NumberZones {
    zones: Vec<Vec<&'static str>>,
    /// The place in `zones` by prefix.
    prefixes: BTreeMap<&'static str, usize>,
}

static NUMBER_ZONES: LazyLock<NumberZones> = LazyLock::new(|| {
    let mut all = NumberZones { zones: Vec::new(), prefixes: BTreeMap::new() };
    for line in DATA.lines().filter(|line| !line.starts_with('#')) {
        if let Some(names) = line.strip_suffix(':') {
            all.zones.push(names.split(' ').collect());
        } else if let Some(place) = all.zones.len().checked_sub(1) {
            all.prefixes.extend(line.split_whitespace().map(|prefix| (prefix, place)));
        }
    }
    all
});

/// The IANA names of the zones in which the number may be. Empty if it may be anywhere, as toll-free numbers,
/// numbers of new area codes, and numbers of other countries.
pub fn zones_of(number: &PhoneNumber) -> &'static [&'static str] {
    let Some(national) = number.as_str().strip_prefix("+1") else { return &[] };
    let mut prefixes = (1..=MAX_PREFIX_LENGTH).rev().filter_map(|length| national.get(..length));
    let place = prefixes.find_map(|prefix| NUMBER_ZONES.prefixes.get(prefix));
    place.and_then(|place| NUMBER_ZONES.zones.get(*place)).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weekly_hours::time_zone;

    fn zones(number: &str) -> &'static [&'static str] {
        zones_of(&PhoneNumber::from_carrier(number).unwrap())
    }

    #[test]
    fn the_longest_prefix_of_a_number_applies() {
        assert_eq!(zones("+12083000143"), ["America/Boise", "America/Los_Angeles"]);
        assert_eq!(zones("+12082010143"), ["America/Denver"]);
        assert_eq!(zones("+12082620143"), ["America/Los_Angeles"]);
        assert_eq!(zones("+12192260143"), ["America/Chicago"]);
        assert_eq!(zones("+12192000143"), ["America/New_York"]);
        assert_eq!(zones("+16025550143"), ["America/Phoenix"], "Arizona has no daylight saving time");
    }

    #[test]
    fn numbers_that_may_be_anywhere_have_no_zones() {
        for number in ["+18005550143", "+442079460958", "72975", "+15005550006"] {
            assert_eq!(zones(number), [] as [&str; 0], "{number}");
        }
    }

    #[test]
    fn the_data_file_has_known_zones_and_each_prefix_once() {
        let prefixes = DATA.lines().filter(|line| line.starts_with("  ")).flat_map(str::split_whitespace);
        assert_eq!(prefixes.count(), NUMBER_ZONES.prefixes.len());
        assert!(NUMBER_ZONES.prefixes.len() > 1_900);
        let longest = NUMBER_ZONES.prefixes.keys().map(|prefix| prefix.len()).max();
        assert_eq!(longest, Some(MAX_PREFIX_LENGTH));
        for name in NUMBER_ZONES.zones.iter().flatten() {
            assert!(time_zone(name).is_some(), "{name}");
        }
    }
}
