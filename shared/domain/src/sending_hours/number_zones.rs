//! The time zones in which a number may be, by its first digits.
//!
//! The data file is made from the published map of libphonenumber. The zone is that of the prefix: people
//! keep their numbers when they move. Numbers that a country does not bind to a place, as most mobile numbers
//! outside of America, may be in all zones of the country.
//!
//! ```
//! use shared_domain::phone::PhoneNumber;
//! use shared_domain::sending_hours::number_zones::zones_of;
//!
//! assert_eq!(zones_of(&PhoneNumber::parse("(202) 555-0143").unwrap()), ["America/New_York"]);
//! assert_eq!(zones_of(&PhoneNumber::parse("+44 20 7946 0958").unwrap()), ["Europe/London"]);
//! assert!(zones_of(&PhoneNumber::parse("(800) 555-0143").unwrap()).is_empty());
//! ```

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use crate::phone::PhoneNumber;

const DATA: &str = include_str!("../../data/number-zones.txt");
/// The length of the longest prefix.
const MAX_PREFIX_LENGTH: usize = 8;

/// The zone of a sender's own number, if nobody says another: the first of its zones, or New York.
pub fn zone_of(number: &PhoneNumber) -> &'static str {
    zones_of(number).first().map_or("America/New_York", |zone| zone.as_ref())
}

/// IANA names.
pub type ZoneNames = [Cow<'static, str>];

struct NumberZones {
    zones: Vec<Vec<Cow<'static, str>>>,
    /// The place in `zones` by prefix.
    prefixes: BTreeMap<&'static str, usize>,
}

static NUMBER_ZONES: LazyLock<NumberZones> = LazyLock::new(|| {
    let mut all = NumberZones { zones: Vec::new(), prefixes: BTreeMap::new() };
    for line in DATA.lines().filter(|line| !line.starts_with('#')) {
        if let Some(names) = line.strip_suffix(':') {
            all.zones.push(names.split(' ').map(Cow::Borrowed).collect());
        } else if let Some(place) = all.zones.len().checked_sub(1) {
            all.prefixes.extend(line.split_whitespace().map(|prefix| (prefix, place)));
        }
    }
    all
});

/// The zones in which the number may be. Empty if it may be anywhere, as North American toll-free numbers and
/// those of new area codes, and numbers of satellite networks.
pub fn zones_of(number: &PhoneNumber) -> &'static ZoneNames {
    let Some(digits) = number.as_str().strip_prefix('+') else { return &[] };
    let mut prefixes = (1..=MAX_PREFIX_LENGTH).rev().filter_map(|length| digits.get(..length));
    let place = prefixes.find_map(|prefix| NUMBER_ZONES.prefixes.get(prefix));
    place.and_then(|place| NUMBER_ZONES.zones.get(*place)).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::weekly_hours::time_zone;

    fn zones(number: &str) -> &'static ZoneNames {
        zones_of(&PhoneNumber::from_carrier(number).unwrap())
    }

    /// All prefixes and their zones, read from the data file without the table.
    pub(in super::super) fn entries() -> Vec<(&'static str, Vec<&'static str>)> {
        let mut entries = Vec::new();
        let mut names = Vec::new();
        for line in DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_suffix(':') {
                Some(line) => names = line.split(' ').collect(),
                None => entries.extend(line.trim_start().split(' ').map(|prefix| (prefix, names.clone()))),
            }
        }
        entries
    }

    #[test]
    fn the_longest_prefix_of_a_number_applies() {
        assert_eq!(zones("+12083000143"), ["America/Boise", "America/Los_Angeles"]);
        assert_eq!(zones("+12082010143"), ["America/Denver"]);
        assert_eq!(zones("+12082620143"), ["America/Los_Angeles"]);
        assert_eq!(zones("+12192260143"), ["America/Chicago"]);
        assert_eq!(zones("+12192000143"), ["America/New_York"]);
        assert_eq!(zones("+16025550143"), ["America/Phoenix"], "Arizona has no daylight saving time");
        assert_eq!(zones("+61265080143"), ["Australia/Lord_Howe"], "8 digits decide");
        assert_eq!(zones("+61265090143"), ["Australia/Sydney"]);
    }

    #[test]
    fn numbers_of_all_countries_have_zones() {
        for (number, zone) in [
            ("+442079460958", "Europe/London"),
            ("+447911123456", "Europe/London"),
            ("+35315550143", "Europe/London"), // Ireland has the same clocks
            ("+4930123456", "Europe/Berlin"),
            ("+4915112345678", "Europe/Berlin"),
            ("+911123456789", "Asia/Calcutta"),
            ("+919812345678", "Asia/Calcutta"),
            ("+74951234567", "Europe/Moscow"),
            ("+74232123456", "Asia/Vladivostok"),
            ("+74012123456", "Europe/Kaliningrad"),
            ("+525512345678", "America/Mexico_City"),
            ("+5511987654321", "America/Sao_Paulo"),
            ("+5591987654321", "America/Belem"),
            ("+212612345678", "Africa/Casablanca"),
            ("+50588123456", "America/Managua"),
            ("+6421123456", "Pacific/Auckland"),
        ] {
            assert!(zones(number).iter().any(|name| name == zone), "{number}");
        }
    }

    #[test]
    fn mobile_numbers_without_an_area_code_may_be_anywhere_in_their_country() {
        let australia = zones("+61412345678");
        for zone in ["Perth", "Adelaide", "Brisbane", "Sydney", "Lord_Howe"] {
            assert!(australia.contains(&format!("Australia/{zone}").into()), "{zone}");
        }
        assert_eq!(zones("+61291234567"), ["Australia/Sydney"]);
        let russia = zones("+79161234567");
        assert_eq!(russia.len(), 14, "{russia:?}");
        for zone in ["Europe/Kaliningrad", "Asia/Kamchatka"] {
            assert!(russia.contains(&zone.into()), "{zone}");
        }
        assert_eq!(
            zones("+77011234567"),
            ["Asia/Almaty", "Asia/Aqtobe"],
            "Kazakhstan has the same country code"
        );
        assert_eq!(zones("+34612345678"), ["Atlantic/Canary", "Europe/Madrid"]);
        assert_eq!(zones("+34911234567"), ["Europe/Madrid"]);
        assert_eq!(zones("+6281234567890"), ["Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar"]);
    }

    #[test]
    fn numbers_that_may_be_anywhere_have_no_zones() {
        for number in
            ["+18005550143", "72975", "+15005550006", "+80012345678", "+870773111632", "+88213300655"]
        {
            assert_eq!(zones(number), [] as [&str; 0], "{number}");
        }
    }

    #[test]
    fn the_data_file_has_known_zones_and_each_prefix_once() {
        let entries = entries();
        assert_eq!(entries.len(), NUMBER_ZONES.prefixes.len());
        let north_american = entries.iter().filter(|(prefix, _)| prefix.starts_with('1')).count();
        assert!(north_american > 1_900 && entries.len() > north_american + 700, "{}", entries.len());
        let longest = NUMBER_ZONES.prefixes.keys().map(|prefix| prefix.len()).max();
        assert_eq!(longest, Some(MAX_PREFIX_LENGTH));
        assert!(DATA.len() < 32_000, "{} bytes in each binary that uses it", DATA.len());
        for name in NUMBER_ZONES.zones.iter().flatten() {
            assert!(time_zone(name).is_some(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_number_has_the_zones_that_a_search_of_the_whole_file_finds(
            prefix in prop::sample::select(entries()),
            cut in 0_usize..=3,
            tail in "[0-9]{12}",
        ) {
            let (prefix, _) = prefix;
            let digits: String = prefix[..prefix.len().saturating_sub(cut).max(1)].chars().chain(tail.chars()).take(12).collect();
            let expected = entries()
                .into_iter()
                .filter(|(prefix, _)| digits.starts_with(prefix))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, zones)| zones);
            prop_assert_eq!(zones(&format!("+{digits}")), expected.unwrap_or_default());
        }
    }
}
