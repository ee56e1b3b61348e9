//! The hours in which states allow texts, where they are shorter than those of the federal rule.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::tz::TimeZone;

use crate::{
    field::FieldErrors,
    phone::PhoneNumber,
    weekly_hours::{WeeklyHours, WrittenHours},
};

const DATA: &str = include_str!("../../data/state-hours.txt");
const DAYS: [(&str, usize); 7] =
    [("mon", 0), ("tue", 0), ("wed", 0), ("thu", 0), ("fri", 0), ("sat", 1), ("sun", 2)];

/// The hours of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateHours(WrittenHours);

impl StateHours {
    pub(super) fn in_zone(&self, zone: TimeZone) -> WeeklyHours {
        WeeklyHours::parse(zone, &self.0, "", &mut FieldErrors::default())
    }
}

#[derive(Default)]
struct States {
    hours: BTreeMap<&'static str, StateHours>,
    by_area_code: BTreeMap<&'static str, &'static str>,
}

static STATES: LazyLock<States> = LazyLock::new(|| {
    let mut states = States::default();
    for line in DATA.lines().filter(|line| !line.starts_with('#')) {
        let Some((rule, area_codes)) = line.split_once(':') else { continue };
        let mut words = rule.split_whitespace();
        let Some(state) = words.next() else { continue };
        let ranges: Vec<_> = words.filter_map(|range| range.split_once('-')).collect();
        let day = |(day, place): (&str, usize)| {
            let (start, end) = ranges.get(place)?;
            Some((day.to_owned(), vec![(format!("{start}:00"), format!("{end}:00"))]))
        };
        states.hours.insert(state, StateHours(DAYS.into_iter().filter_map(day).collect()));
        states.by_area_code.extend(area_codes.split_whitespace().map(|code| (code, state)));
    }
    states
});

/// The state of the number's area code, if the state has hours of its own.
pub(super) fn state_of(number: &PhoneNumber) -> Option<&'static str> {
    let area_code = number.as_str().strip_prefix("+1")?.get(..3)?;
    STATES.by_area_code.get(area_code).copied()
}

/// The hours of a state.
pub(super) fn hours_of(state: &str) -> Option<StateHours> {
    STATES.hours.get(state).cloned()
}

#[cfg(test)]
mod tests {
    use super::{super::number_zones::zones_of, *};

    #[test]
    fn the_data_file_has_hours_for_every_day_and_area_codes_of_one_state() {
        let rules = || DATA.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(rules().count(), STATES.hours.len());
        for (state, hours) in &STATES.hours {
            let mut errors = FieldErrors::default();
            let parsed = WeeklyHours::parse(TimeZone::UTC, &hours.0, "", &mut errors);
            assert!(errors.is_empty() && hours.0.len() == 7 && parsed.written() == hours.0, "{state}");
        }
        let listed = rules().filter_map(|rule| rule.split_once(": ")).flat_map(|(_, codes)| codes.split(' '));
        assert_eq!(listed.count(), STATES.by_area_code.len());
        for code in STATES.by_area_code.keys() {
            let number = PhoneNumber::from_carrier(&format!("+1{code}5550143")).unwrap();
            let zones = zones_of(&number);
            let american = zones
                .iter()
                .all(|zone| ["America/New_York", "America/Chicago", "America/Denver"].contains(&&**zone));
            assert!(american, "{code} is in {zones:?}");
        }
    }

    #[test]
    fn a_number_has_the_hours_of_its_area_codes_state() {
        let state = |number: &str| state_of(&PhoneNumber::from_carrier(number).unwrap());
        assert_eq!((state("+14015550143"), state("+12145550143")), (Some("RI"), Some("TX")));
        assert_eq!((state("+12025550143"), state("+442079460958")), (None, None));
        let rhode_island = hours_of("RI").unwrap().0;
        let range = |start: &str, end: &str| vec![(start.to_owned(), end.to_owned())];
        assert_eq!(rhode_island["fri"], range("09:00", "18:00"));
        assert_eq!(rhode_island["sun"], range("10:00", "17:00"));
        assert_eq!(hours_of("NY"), None);
    }
}
