//! Hours of the week in a time zone: whether an instant is within them, and when they begin and end.
//!
//! **Local time decides.** An instant is within the hours if the local time of the zone is within a range of
//! that weekday. An hour that a clock change skips is therefore never within them, an hour that a clock
//! change repeats is within them twice, and a date that a time zone skipped has no effect as a day off. The
//! rules of the time zones are part of the binary (jiff's bundled IANA database), so nothing is read from
//! disk.
//!
//! ```
//! use shared_domain::time::Timestamp;
//! use shared_domain::weekly_hours::{WeeklyHours, time_zone};
//!
//! let hours = WeeklyHours::daily(time_zone("America/New_York").unwrap(), 9, 20);
//! let night = Timestamp::parse("2026-11-22T22:00:00-05:00").unwrap();
//! assert!(!hours.is_open(night));
//! assert_eq!(hours.opens_after(night), Timestamp::parse("2026-11-23T09:00:00-05:00"));
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Weekday},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::{
    field::{FieldErrors, escape_pointer},
    time::Timestamp,
};

pub(crate) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The maximum number of ranges per day.
const MAX_RANGES: usize = 12;
/// The maximum number of days off: enough for a whole year.
pub(crate) const MAX_DAYS_OFF: usize = 366;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The longest time without hours that is searched, in days: all days off, a week on each side, and some
/// margin. No week with hours has a longer one.
const MAX_WINDOWS: usize = MAX_DAYS_OFF + 30;

/// Hours as users enter them, by weekday: `{"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}`. A day without
/// hours is closed.
pub type WrittenHours = BTreeMap<String, Vec<(String, String)>>;

/// A range of minutes since midnight. The end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: u16,
    end: u16,
}

/// Hours of the week in a time zone, and days off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyHours {
    zone: TimeZone,
    hours: [Vec<Range>; 7],
    days_off: BTreeSet<Date>,
}

/// The time zone with this IANA name, or `None`. Case does not matter.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name().is_some())
}

impl WeeklyHours {
    /// Parses hours. A day has up to 12 ranges in any order that do not overlap; `24:00` is allowed as an
    /// end. Errors are added with pointers that begin with `pointer`, and the range is left out.
    pub fn parse(zone: TimeZone, written: &WrittenHours, pointer: &str, errors: &mut FieldErrors) -> Self {
        let mut hours: [Vec<Range>; 7] = Default::default();
        for (day, ranges) in written {
            let place = DAYS.iter().position(|(name, _)| name == day);
            let pointer = format!("{pointer}/{}", escape_pointer(day));
            match place {
                None => errors.add(pointer, "one of mon, tue, wed, thu, fri, sat, sun"),
                Some(_) if ranges.len() > MAX_RANGES => errors.add(pointer, "at most 12 ranges"),
                Some(place) => hours[place] = day_of(ranges, &pointer, errors),
            }
        }
        Self { zone, hours, days_off: BTreeSet::new() }
    }

    /// The same hours on every day, from and to these full hours.
    pub fn daily(zone: TimeZone, start: u8, end: u8) -> Self {
        let range = Range { start: u16::from(start) * 60, end: u16::from(end) * 60 };
        Self { zone, hours: std::array::from_fn(|_| vec![range]), days_off: BTreeSet::new() }
    }

    /// The hours without these local dates.
    #[must_use]
    pub fn without_days(self, days_off: BTreeSet<Date>) -> Self {
        Self { days_off, ..self }
    }

    /// The hours in normalized form.
    pub fn written(&self) -> WrittenHours {
        let written = |range: &Range| (clock(range.start), clock(range.end));
        let days = DAYS.iter().zip(&self.hours).filter(|(_, ranges)| !ranges.is_empty());
        days.map(|((day, _), ranges)| ((*day).to_owned(), ranges.iter().map(written).collect())).collect()
    }

    /// The name of the time zone.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or_default()
    }

    /// The days off, in order.
    pub fn days_off(&self) -> impl Iterator<Item = &Date> {
        self.days_off.iter()
    }

    /// Whether no day has hours.
    pub fn is_empty(&self) -> bool {
        self.hours.iter().all(Vec::is_empty)
    }

    /// Whether the local time at this instant is within the hours.
    pub fn is_open(&self, instant: Timestamp) -> bool {
        jiff::Timestamp::from_millisecond(instant.millis()).is_ok_and(|instant| self.is_open_at(instant))
    }

    /// When the hours begin after an instant that is not within them. `None` if they do not begin within a
    /// year.
    pub fn opens_after(&self, closed: Timestamp) -> Option<Timestamp> {
        self.changes_after(closed, true)
    }

    /// When the hours end after an instant that is within them. `None` if they do not end within a year.
    pub fn closes_after(&self, open: Timestamp) -> Option<Timestamp> {
        self.changes_after(open, false)
    }

    /// When the hours ended before an instant that is not within them.
    pub fn closed_since(&self, closed: Timestamp) -> Option<Timestamp> {
        let just = SignedDuration::from_nanos(1);
        let mut to = jiff::Timestamp::from_millisecond(closed.millis()).ok()?.checked_add(just).ok()?;
        for _ in 0..MAX_WINDOWS {
            let from = to.checked_sub(DAY).ok()?;
            let begins =
                |edge: &jiff::Timestamp| edge.checked_sub(just).is_ok_and(|before| self.is_open_at(before));
            if let Some(edge) = self.edges(from, to).into_iter().rev().find(begins) {
                return Some(Timestamp::from_millis(edge.as_millisecond()));
            }
            to = from;
        }
        None
    }

    fn is_open_at(&self, instant: jiff::Timestamp) -> bool {
        let local = self.zone.to_datetime(instant);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        !self.days_off.contains(&local.date())
            && self.ranges(local.date()).iter().any(|range| (range.start..range.end).contains(&minute))
    }

    /// The first instant from `instant` on at which the hours are open, or are not.
    fn changes_after(&self, instant: Timestamp, open: bool) -> Option<Timestamp> {
        let mut from = jiff::Timestamp::from_millisecond(instant.millis()).ok()?;
        for _ in 0..MAX_WINDOWS {
            let to = from.checked_add(DAY).ok()?;
            let edges = self.edges(from, to);
            if let Some(edge) = edges.into_iter().find(|edge| self.is_open_at(*edge) == open) {
                return Some(Timestamp::from_millis(edge.as_millisecond()));
            }
            from = to;
        }
        None
    }

    fn ranges(&self, date: Date) -> &[Range] {
        &self.hours[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
    }

    /// All instants in `from..to` at which the hours may begin or end, in order: the ends of ranges,
    /// midnights and clock changes.
    fn edges(&self, from: jiff::Timestamp, to: jiff::Timestamp) -> BTreeSet<jiff::Timestamp> {
        let first = self.zone.to_datetime(from).date();
        let last = self.zone.to_datetime(to).date();
        let first = first.yesterday().unwrap_or(first);
        let dates = first.series(jiff::Span::new().days(1)).take_while(|date| *date <= last);
        let marks = dates.flat_map(|date| {
            let midnight = date.to_datetime(jiff::civil::Time::midnight());
            let ends = self.ranges(date).iter().flat_map(|range| [range.start, range.end]);
            std::iter::once(midnight).chain(ends.filter_map(move |minute| at(midnight, minute)))
        });
        let changes = self.zone.following(from).map(|change| change.timestamp());
        let changes = changes.take_while(|change| *change < to);
        marks
            .flat_map(|mark| self.instants(mark))
            .chain(std::iter::once(from)) // `following` excludes a clock change at `from` itself
            .chain(changes)
            .filter(|edge| (from..to).contains(edge))
            .collect()
    }

    /// The instants with this local time: one, two, or none.
    fn instants(&self, local: DateTime) -> Vec<jiff::Timestamp> {
        let offsets = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => vec![offset],
            AmbiguousOffset::Fold { before, after } => vec![before, after],
            AmbiguousOffset::Gap { .. } => vec![], // the clock change itself is an edge
        };
        offsets.into_iter().filter_map(|offset| offset.to_timestamp(local).ok()).collect()
    }
}

fn day_of(written: &[(String, String)], pointer: &str, errors: &mut FieldErrors) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (index, (start, end)) in written.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        let (start, end) = (minutes(start).filter(|start| *start < 1440), minutes(end));
        if start.is_none() {
            errors.add(format!("{pointer}/0"), "a time of day, 00:00 to 23:59");
        }
        if end.is_none() {
            errors.add(format!("{pointer}/1"), "a time of day, 00:01 to 24:00");
        }
        let (Some(start), Some(end)) = (start, end) else { continue };
        if end <= start {
            errors
                .add(pointer, "an end after the start; for hours past midnight, enter one range on each day");
        } else if ranges.iter().any(|other| start < other.end && other.start < end) {
            errors.add(pointer, "a range that does not overlap another one of the same day");
        } else {
            ranges.push(Range { start, end });
        }
    }
    ranges.sort_unstable();
    ranges
}

/// Minutes since midnight of `HH:MM`, up to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse::<u16>().ok())?
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= 1440).then_some(all)
}

/// `HH:MM`.
pub(crate) fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The local time this many minutes after midnight.
fn at(midnight: DateTime, minute: u16) -> Option<DateTime> {
    midnight.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
}
