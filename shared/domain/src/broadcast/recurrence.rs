//! Broadcasts that repeat: when the next occurrence is.

use std::time::Duration;

use jiff::{
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    time::Timestamp,
    weekly_hours::DAYS,
};

/// How late an occurrence may start. Later ones are missed, and skipped.
pub(super) const MAX_LATENESS: Duration = Duration::from_hours(1);
/// The maximum number of occurrences.
const MAX_COUNT: u32 = 1_000;
/// How many days are searched for the next occurrence. The longest distance is that of two months.
const MAX_SEARCH_DAYS: u32 = 62;

/// How often a broadcast repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// Every day.
    Daily,
    /// On some days of each week.
    Weekly,
    /// On one day of each month. A month without that day has it on its last day.
    Monthly,
}

impl Frequency {
    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// Parses the name. Returns `None` for an unknown name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Daily, Self::Weekly, Self::Monthly].into_iter().find(|frequency| frequency.as_str() == name)
    }
}

/// A recurrence as it is in the API and in stored items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenRecurrence {
    /// `daily`, `weekly` or `monthly`.
    pub frequency: Frequency,
    /// The days of `weekly`, `mon` to `sun`. Without days, the day of the first occurrence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// The number of occurrences, the first one and skipped ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// No occurrence is later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A valid recurrence with its first occurrence. Each occurrence is at the same local time in the zone of the
/// team. In an hour that a clock change skips, it is an hour later; in one that is repeated, the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    frequency: Frequency,
    days: Vec<Weekday>,
    count: Option<u32>,
    until: Option<Timestamp>,
    zone: TimeZone,
    first: Timestamp,
}

/// The next occurrence of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// Its place among all occurrences, from 0. It makes the id of an occurrence's broadcast unique.
    pub index: u32,
    /// When it starts.
    pub at: Timestamp,
}

impl Recurrence {
    /// Checks all fields. `first` is the time for which the broadcast is scheduled, and `zone` that of the
    /// team.
    ///
    /// # Errors
    /// All [`FieldError`]s, with pointers that begin with `pointer`.
    pub fn parse(
        pointer: &str,
        written: &WrittenRecurrence,
        first: Timestamp,
        zone: TimeZone,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let days = days(written, pointer, &mut errors);
        if written.count.is_some_and(|count| !(1..=MAX_COUNT).contains(&count)) {
            errors.add(format!("{pointer}/count"), "1 to 1000 occurrences");
        }
        if written.until.is_some_and(|until| until < first) {
            errors.add(format!("{pointer}/until"), "a time after the first occurrence");
        }
        errors.finish()?;
        let WrittenRecurrence { frequency, count, until, .. } = *written;
        Ok(Self { frequency, days, count, until, zone, first })
    }

    /// The first occurrence that can still start: one that is not more than an hour late. Those before it are
    /// missed and skipped. `None` after the last occurrence.
    ///
    /// `after` is the occurrence that started last. It is never returned again, even if a clock was set back.
    pub fn next(&self, after: Option<Occurrence>, now: Timestamp) -> Option<Occurrence> {
        let mut occurrence = match after {
            None => Occurrence { index: 0, at: self.first },
            Some(last) => self.following(last)?,
        };
        while occurrence.at + MAX_LATENESS < now {
            occurrence = self.following(occurrence)?;
        }
        Some(occurrence)
    }

    /// The occurrence after this one, or `None` after the last.
    fn following(&self, occurrence: Occurrence) -> Option<Occurrence> {
        let index = occurrence.index + 1;
        let local = |instant: Timestamp| {
            let instant = jiff::Timestamp::from_millisecond(instant.millis()).ok()?;
            Some(self.zone.to_datetime(instant))
        };
        let first = local(self.first)?;
        let mut date = local(occurrence.at)?.date();
        for _ in 0..MAX_SEARCH_DAYS {
            date = date.tomorrow().ok()?;
            if self.is_on(date, first.date()) {
                let zoned = self.zone.to_ambiguous_zoned(date.to_datetime(first.time())).compatible().ok()?;
                let at = Timestamp::from_millis(zoned.timestamp().as_millisecond());
                let is_within = self.count.is_none_or(|count| index < count)
                    && self.until.is_none_or(|until| at <= until);
                return is_within.then_some(Occurrence { index, at });
            }
        }
        None
    }

    fn is_on(&self, date: Date, first: Date) -> bool {
        match self.frequency {
            Frequency::Daily => true,
            Frequency::Weekly if self.days.is_empty() => date.weekday() == first.weekday(),
            Frequency::Weekly => self.days.contains(&date.weekday()),
            Frequency::Monthly => date.day() == first.day().min(date.days_in_month()),
        }
    }
}

fn days(written: &WrittenRecurrence, pointer: &str, errors: &mut FieldErrors) -> Vec<Weekday> {
    if written.frequency != Frequency::Weekly && !written.days.is_empty() {
        errors.add(format!("{pointer}/days"), "days only for a weekly broadcast");
    }
    let mut days = Vec::new();
    if written.days.len() > DAYS.len() {
        errors.add(format!("{pointer}/days"), "at most 7 days");
        return days;
    }
    for (index, name) in written.days.iter().enumerate() {
        match DAYS.iter().find(|(known, _)| known == name) {
            Some((_, day)) if !days.contains(day) => days.push(*day),
            Some(_) => {}
            None => errors.add(format!("{pointer}/days/{index}"), "one of mon, tue, wed, thu, fri, sat, sun"),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::weekly_hours::time_zone;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn written(frequency: Frequency, days: &[&str]) -> WrittenRecurrence {
        let days = days.iter().map(|day| (*day).to_owned()).collect();
        WrittenRecurrence { frequency, days, count: None, until: None }
    }

    fn recurrence(written: &WrittenRecurrence, first: &str) -> Recurrence {
        Recurrence::parse("/recurrence", written, at(first), time_zone("America/New_York").unwrap()).unwrap()
    }

    /// The first occurrences, each of which starts in time.
    fn occurrences(recurrence: &Recurrence, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut last = None;
        while let Some(next) =
            recurrence.next(last, last.map_or(recurrence.first, |last: Occurrence| last.at))
        {
            let zone = recurrence.zone.clone();
            let instant = jiff::Timestamp::from_millisecond(next.at.millis()).unwrap();
            all.push(zone.to_datetime(instant).strftime("%m-%d %H:%M").to_string());
            last = Some(next);
            if all.len() == count {
                break;
            }
        }
        all
    }

    #[test]
    fn a_broadcast_repeats_daily_weekly_or_monthly_at_the_same_local_time() {
        let daily = recurrence(&written(Frequency::Daily, &[]), "2026-10-31T09:00:00-04:00");
        assert_eq!(occurrences(&daily, 3), ["10-31 09:00", "11-01 09:00", "11-02 09:00"]);
        let weekly = recurrence(&written(Frequency::Weekly, &[]), "2026-03-04T09:00:00-05:00");
        assert_eq!(occurrences(&weekly, 3), ["03-04 09:00", "03-11 09:00", "03-18 09:00"]);
        let days = recurrence(&written(Frequency::Weekly, &["fri", "mon"]), "2026-03-04T09:00:00-05:00");
        assert_eq!(occurrences(&days, 4), ["03-04 09:00", "03-06 09:00", "03-09 09:00", "03-13 09:00"]);
        let monthly = recurrence(&written(Frequency::Monthly, &[]), "2026-01-31T09:00:00-05:00");
        assert_eq!(occurrences(&monthly, 4), ["01-31 09:00", "02-28 09:00", "03-31 09:00", "04-30 09:00"]);
    }

    #[test]
    fn a_skipped_hour_is_an_hour_later_and_a_repeated_one_comes_once() {
        let spring = recurrence(&written(Frequency::Daily, &[]), "2026-03-07T02:30:00-05:00");
        assert_eq!(occurrences(&spring, 3), ["03-07 02:30", "03-08 03:30", "03-09 02:30"]);
        let autumn = recurrence(&written(Frequency::Daily, &[]), "2026-10-31T01:30:00-04:00");
        assert_eq!(occurrences(&autumn, 3), ["10-31 01:30", "11-01 01:30", "11-02 01:30"]);
        let second = autumn.next(Some(Occurrence { index: 0, at: autumn.first }), autumn.first).unwrap();
        assert_eq!(second.at, at("2026-11-01T01:30:00-04:00"));
    }

    #[test]
    fn missed_occurrences_are_skipped() {
        let daily = recurrence(&written(Frequency::Daily, &[]), "2026-11-02T09:00:00-05:00");
        let first = Occurrence { index: 0, at: daily.first };
        assert_eq!(daily.next(None, at("2026-11-02T10:00:00-05:00")), Some(first), "an hour late");
        let late = daily.next(Some(first), at("2026-11-05T10:00:00.001-05:00")).unwrap();
        assert_eq!((late.index, late.at), (4, at("2026-11-06T09:00:00-05:00")));
        let back = daily.next(Some(late), at("2026-11-01T00:00:00-05:00")).unwrap();
        assert_eq!(back.index, 5, "a clock that was set back repeats no occurrence");
    }

    #[test]
    fn a_recurrence_ends_after_its_count_or_its_time() {
        let end = at("2026-11-04T09:00:00-05:00");
        let until = WrittenRecurrence { until: Some(end), ..written(Frequency::Daily, &[]) };
        let three = ["11-02 09:00", "11-03 09:00", "11-04 09:00"];
        assert_eq!(occurrences(&recurrence(&until, "2026-11-02T09:00:00-05:00"), 9), three);
        let count = WrittenRecurrence { count: Some(3), ..written(Frequency::Daily, &[]) };
        let counted = recurrence(&count, "2026-11-02T09:00:00-05:00");
        assert_eq!(occurrences(&counted, 9), three);
        assert_eq!(counted.next(None, at("2026-11-05T09:00:00-05:00")), None, "skipped ones count");
    }

    #[test]
    fn all_errors_of_a_recurrence_are_reported() {
        let pointers = |written: &WrittenRecurrence| {
            let zone = time_zone("America/New_York").unwrap();
            let errors =
                Recurrence::parse("/recurrence", written, at("2026-11-02T09:00:00Z"), zone).unwrap_err();
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        let bad = WrittenRecurrence {
            count: Some(0),
            until: Some(at("2026-11-02T08:00:00Z")),
            ..written(Frequency::Weekly, &["mon", "Mon"])
        };
        assert_eq!(pointers(&bad), ["/recurrence/days/1", "/recurrence/count", "/recurrence/until"]);
        assert_eq!(pointers(&written(Frequency::Daily, &["mon"])), ["/recurrence/days"]);
        let many = WrittenRecurrence { count: Some(1_001), ..written(Frequency::Daily, &[]) };
        assert_eq!(pointers(&many), ["/recurrence/count"]);
    }

    proptest! {
        #[test]
        fn occurrences_are_in_order_and_the_next_one_is_not_missed(
            frequency in prop::sample::select(vec![Frequency::Daily, Frequency::Weekly, Frequency::Monthly]),
            minutes in 0_i64..525_600,
            later in 0_i64..527_040,
        ) {
            let first = Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000);
            let zone = time_zone("America/New_York").unwrap();
            let recurrence = Recurrence::parse("", &written(frequency, &[]), first, zone).unwrap();
            let now = first + Duration::from_secs(u64::try_from(later * 60).unwrap());
            let next = recurrence.next(None, now).unwrap();
            prop_assert!(next.at + MAX_LATENESS >= now);
            let following = recurrence.next(Some(next), now).unwrap();
            prop_assert!(following.at > next.at && following.index > next.index);
            if next.index > 0 {
                let before = (0..next.index).try_fold(Occurrence { index: 0, at: first }, |last, _| {
                    Some(last).filter(|last| last.index + 1 == next.index).or_else(|| recurrence.following(last))
                });
                prop_assert!(before.unwrap().at + MAX_LATENESS < now, "the one before was missed");
            }
        }
    }
}
