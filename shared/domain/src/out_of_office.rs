//! Out of Office: when an inbox is closed, and whether an inbound text gets its automatic answer.
//!
//! An inbox is `off`, `on` (closed from the moment it was saved so until it is switched off) or `auto`: closed outside of
//! its weekly hours and on its holidays. A contact is answered at most once per closed period; adjoining closed stretches
//! (a night, a holiday, a weekend) are one period, with one [id](ClosedPeriod::id).
//!
//! **The wall clock decides.** An instant is open when the clock in the inbox's time zone shows a time within the hours
//! of that weekday. So an hour that a clock change skips is never open, an hour that it repeats is open twice, and a day
//! that a zone left out is nobody's holiday. The zones' rules come with the binary (jiff's bundled tz database): nothing
//! is read from disk.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Weekday},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    time::Timestamp,
};

/// How an inbox answers when nobody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Never.
    #[default]
    Off,
    /// Always, until switched off.
    On,
    /// Outside of the weekly hours, and on holidays.
    Auto,
}

impl Mode {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Auto => "auto",
        }
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Enough for every break of a day.
const MAX_RANGES: usize = 12;
/// Enough for a year without a single working day.
const MAX_HOLIDAYS: usize = 366;
const MAX_MESSAGE_LENGTH: usize = 480;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// No closed stretch of a schedule that opens at all is longer: every holiday, a week around each end, and then some.
const MAX_WINDOWS: usize = MAX_HOLIDAYS + 30;

/// Opening hours as people write them: `{"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}`.
pub type WrittenHours = BTreeMap<String, Vec<(String, String)>>;

/// The settings as they are written: on the wire and in the table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// `off`, `on` or `auto`.
    pub mode: Mode,
    /// What is answered.
    pub message: String,
    /// An IANA name: `America/New_York`.
    pub time_zone: String,
    /// By weekday, `mon` to `sun`; a day without hours is closed.
    #[serde(default)]
    pub hours: WrittenHours,
    /// Whole local days, ISO: `2026-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
}

/// A range of minutes since midnight, the end not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: u16,
    end: u16,
}

/// Settings that make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    mode: Mode,
    message: String,
    zone: TimeZone,
    zone_name: String,
    hours: [Vec<Range>; 7],
    holidays: BTreeSet<Date>,
}

/// A stretch of time during which an inbox is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// The same at every instant of the period, another for every other period. What was answered is kept under
    /// contact and this id, by a conditional write.
    pub id: String,
    /// Its first instant.
    pub since: Timestamp,
    /// The instant at which the inbox opens; `None` when no hours say so.
    pub until: Option<Timestamp>,
}

impl Schedule {
    /// Checks every field.
    ///
    /// The message has 1 to 480 characters once trimmed (none is needed while `off`), a day has up to 12 ranges that do
    /// not overlap (in any order, `24:00` is an end), holidays are dates.
    ///
    /// # Errors
    /// All [`FieldError`]s at once.
    pub fn parse(draft: &Draft) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let message = draft.message.trim().to_owned();
        let needless = draft.mode == Mode::Off && message.is_empty();
        if !(needless || is_message(&message)) {
            errors.add("/message", "1 to 480 characters without control characters");
        }
        let zone = zone(&draft.time_zone);
        if zone.is_none() {
            errors.add("/timeZone", "a time zone of the IANA database, such as America/New_York");
        }
        let hours = hours(&draft.hours, &mut errors);
        let holidays = holidays(&draft.holidays, &mut errors);
        errors.finish()?;
        let zone = zone.unwrap_or(TimeZone::UTC); // without a zone there was an error
        let zone_name = zone.iana_name().unwrap_or(&draft.time_zone).to_owned();
        Ok(Self { mode: draft.mode, message, zone, zone_name, hours, holidays })
    }

    /// The settings in their tidy notation: parsed again, they are the same.
    pub fn draft(&self) -> Draft {
        let written = |range: &Range| (clock(range.start), clock(range.end));
        let days = DAYS.iter().zip(&self.hours).filter(|(_, ranges)| !ranges.is_empty());
        Draft {
            mode: self.mode,
            message: self.message.clone(),
            time_zone: self.zone_name.clone(),
            hours: days
                .map(|((day, _), ranges)| ((*day).to_owned(), ranges.iter().map(written).collect()))
                .collect(),
            holidays: self.holidays.iter().map(Date::to_string).collect(),
        }
    }

    /// Off, on or auto.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What is answered.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn opens_at_all(&self) -> bool {
        self.hours.iter().any(|ranges| !ranges.is_empty())
    }

    /// Whether the office hours hold at this instant, by the wall clock.
    fn is_open(&self, instant: jiff::Timestamp) -> bool {
        let local = self.zone.to_datetime(instant);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        !self.holidays.contains(&local.date())
            && self.ranges(local.date()).iter().any(|range| (range.start..range.end).contains(&minute))
    }

    fn ranges(&self, date: Date) -> &[Range] {
        &self.hours[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
    }

    /// Every instant in `from..to` at which open may turn to closed or back, in order: the edges of the hours, midnights
    /// and clock changes.
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
            .chain(std::iter::once(from)) // a clock change at `from` itself is not among those that follow
            .chain(changes)
            .filter(|edge| (from..to).contains(edge))
            .collect()
    }

    /// When the clock shows this: once, twice, or never.
    fn instants(&self, local: DateTime) -> Vec<jiff::Timestamp> {
        let offsets = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => vec![offset],
            AmbiguousOffset::Fold { before, after } => vec![before, after],
            AmbiguousOffset::Gap { .. } => vec![], // the clock change is an edge of its own
        };
        offsets.into_iter().filter_map(|offset| offset.to_timestamp(local).ok()).collect()
    }

    /// The first open instant after a closed one.
    fn opens_after(&self, closed: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let mut from = closed;
        for _ in 0..MAX_WINDOWS {
            let to = from.checked_add(DAY).ok()?;
            let edges = self.edges(from, to);
            if let Some(edge) = edges.into_iter().find(|edge| self.is_open(*edge)) {
                return Some(edge);
            }
            from = to;
        }
        None
    }

    /// The first instant of the closed stretch that holds a closed one.
    fn closed_since(&self, closed: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let just = SignedDuration::from_nanos(1);
        let mut to = closed.checked_add(just).ok()?;
        for _ in 0..MAX_WINDOWS {
            let from = to.checked_sub(DAY).ok()?;
            let begins =
                |edge: &jiff::Timestamp| edge.checked_sub(just).is_ok_and(|before| self.is_open(before));
            if let Some(edge) = self.edges(from, to).into_iter().rev().find(begins) {
                return Some(edge);
            }
            to = from;
        }
        None
    }
}

/// The closed period that holds `now`, or `None` while the inbox is open or its Out of Office is off.
///
/// `on_since` is when the settings were saved in this mode: there `on` begins, and so does the one period of `auto` without
/// hours. Saving again in the same mode (another message) has to keep it, or everybody is answered once more.
pub fn closed_period(schedule: &Schedule, now: Timestamp, on_since: Timestamp) -> Option<ClosedPeriod> {
    let unending = |kind: &str| ClosedPeriod {
        id: format!("{kind}-{}", on_since.millis()),
        since: on_since,
        until: None,
    };
    match schedule.mode {
        Mode::Off => None,
        Mode::On => Some(unending("on")),
        Mode::Auto if !schedule.opens_at_all() => Some(unending("closed")),
        Mode::Auto => {
            let instant = jiff::Timestamp::from_millisecond(now.millis()).ok()?;
            if schedule.is_open(instant) {
                return None;
            }
            let millis = |instant: jiff::Timestamp| Timestamp::from_millis(instant.as_millisecond());
            let since = schedule.closed_since(instant).map_or(on_since, millis);
            let until = schedule.opens_after(instant).map(millis);
            Some(ClosedPeriod { id: format!("auto-{}", since.millis()), since, until })
        }
    }
}

/// What is known of an inbound text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub struct Inbound {
    /// An opt-out word or its kin: STOP, START, HELP; also when the carrier says so.
    pub keyword: bool,
    /// From a machine: the carrier says so, or it [echoes] our own message.
    pub automatic: bool,
    /// From one of our own numbers.
    pub from_own_number: bool,
    /// From a short code.
    pub short_code: bool,
}

/// Whether an inbound text may get the automatic answer. At most once per contact and [`ClosedPeriod::id`] is a
/// conditional write of the caller's; `recent_automatic` counts as [`loop_guard`] says.
pub fn should_answer(period: Option<&ClosedPeriod>, what: &Inbound, recent_automatic: u32) -> bool {
    let Inbound { keyword, automatic, from_own_number, short_code } = *what;
    period.is_some()
        && !(keyword || automatic || from_own_number || short_code)
        && loop_guard(recent_automatic)
}

/// Automatic texts of an inbox to one contact in an hour, at most: carriers cut loops off.
pub const MAX_AUTOMATIC_PER_HOUR: u32 = 3;

/// Whether one more automatic text may go to a contact that got this many in the last hour.
pub fn loop_guard(recent_automatic: u32) -> bool {
    recent_automatic < MAX_AUTOMATIC_PER_HOUR
}

/// Whether a text is one of ours come back, whatever happened to its case and spaces.
pub fn echoes(text: &str, ours: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    !text.trim().is_empty() && words(text) == words(ours)
}

fn is_message(text: &str) -> bool {
    (1..=MAX_MESSAGE_LENGTH).contains(&text.chars().count())
        && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\r')
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name().is_some())
}

fn hours(written: &WrittenHours, errors: &mut FieldErrors) -> [Vec<Range>; 7] {
    let mut hours: [Vec<Range>; 7] = Default::default();
    for (day, ranges) in written {
        let place = DAYS.iter().position(|(name, _)| name == day);
        let pointer = format!("/hours/{}", day.replace('~', "~0").replace('/', "~1"));
        match place {
            None => errors.add(pointer, "one of mon, tue, wed, thu, fri, sat, sun"),
            Some(_) if ranges.len() > MAX_RANGES => errors.add(pointer, "at most 12 ranges"),
            Some(place) => hours[place] = day_of(ranges, &pointer, errors),
        }
    }
    hours
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

fn holidays(written: &[String], errors: &mut FieldErrors) -> BTreeSet<Date> {
    if written.len() > MAX_HOLIDAYS {
        errors.add("/holidays", "at most 366 dates");
        return BTreeSet::new();
    }
    let mut holidays = BTreeSet::new();
    for (index, text) in written.iter().enumerate() {
        let form = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match text.parse::<Date>() {
            Ok(date) if form => {
                holidays.insert(date);
            }
            _ => errors.add(format!("/holidays/{index}"), "a date, such as 2026-12-25"),
        }
    }
    holidays
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

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// This many minutes after midnight, on the wall clock.
fn at(midnight: DateTime, minute: u16) -> Option<DateTime> {
    midnight.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
}

#[cfg(test)]
mod tests;
