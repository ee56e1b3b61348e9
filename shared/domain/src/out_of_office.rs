//! Out of office: when an inbox is closed, and whether an inbound message gets the out-of-office message.
//!
//! The mode of an inbox is `off`, `on` (closed until it is switched off), or `auto` (closed outside its
//! office hours and on its holidays). A contact gets at most one out-of-office message per closed period.
//! Adjacent closed times, such as a night, a holiday and a weekend, are one period with one
//! [id](ClosedPeriod::id).
//!
//! **Local time decides.** An inbox is open if the local time in its time zone is within the office hours of
//! that weekday. An hour that a clock change skips is therefore never open, an hour that a clock change
//! repeats is open twice, and a date that a time zone skipped has no effect as a holiday. The rules of the
//! time zones are part of the binary (jiff's bundled IANA database), so nothing is read from disk.
//!
//! ```
//! use shared_domain::out_of_office::{Draft, Mode, Schedule, closed_period};
//! use shared_domain::time::Timestamp;
//!
//! let nine_to_five = vec![("09:00".to_owned(), "17:00".to_owned())];
//! let schedule = Schedule::parse(&Draft {
//!     mode: Mode::Auto,
//!     message: "We are closed.".into(),
//!     time_zone: "America/New_York".into(),
//!     hours: [("mon".to_owned(), nine_to_five)].into(),
//!     holidays: vec![],
//! })
//! .unwrap();
//! let saved = Timestamp::default();
//! let monday_noon = Timestamp::parse("2026-11-23T12:00:00-05:00").unwrap();
//! assert_eq!(closed_period(&schedule, monday_noon, saved), None);
//! let monday_night = Timestamp::parse("2026-11-23T22:00:00-05:00").unwrap();
//! let period = closed_period(&schedule, monday_night, saved).unwrap();
//! assert_eq!(period.until, Timestamp::parse("2026-11-30T09:00:00-05:00"));
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Weekday},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors, escape_pointer},
    text,
    time::Timestamp,
};

/// When the out-of-office message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Never.
    #[default]
    Off,
    /// Always, until it is switched off.
    On,
    /// Outside the office hours, and on holidays.
    Auto,
}

impl Mode {
    /// The name in the API.
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

/// The maximum number of ranges per day.
const MAX_RANGES: usize = 12;
/// The maximum number of holidays: enough for a whole year.
const MAX_HOLIDAYS: usize = 366;
const MAX_MESSAGE_LENGTH: usize = 480;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The longest closed period that is searched, in days: all holidays, a week on each side, and some margin.
/// No closed period of a schedule with office hours is longer.
const MAX_WINDOWS: usize = MAX_HOLIDAYS + 30;

/// Office hours as users enter them: `{"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}`.
pub type WrittenHours = BTreeMap<String, Vec<(String, String)>>;

/// The settings as they are in the API and in stored items.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// `off`, `on` or `auto`.
    pub mode: Mode,
    /// The out-of-office message.
    pub message: String,
    /// An IANA name, such as `America/New_York`.
    pub time_zone: String,
    /// The hours by weekday, `mon` to `sun`. A day without hours is closed.
    #[serde(default)]
    pub hours: WrittenHours,
    /// Whole local days as ISO dates, such as `2026-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
}

/// A range of minutes since midnight. The end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: u16,
    end: u16,
}

/// Valid settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    mode: Mode,
    message: String,
    zone: TimeZone,
    zone_name: String,
    hours: [Vec<Range>; 7],
    holidays: BTreeSet<Date>,
}

/// A continuous time in which an inbox is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// The same at any time within the period, and different for every other period. The caller stores one
    /// answer per contact and id, with a conditional write.
    pub id: String,
    /// When the period started.
    pub since: Timestamp,
    /// When the inbox opens. `None` if there are no office hours.
    pub until: Option<Timestamp>,
}

impl Schedule {
    /// Checks all fields.
    ///
    /// The message has 1 to 480 characters after trimming, of which one is visible. It may be empty while the
    /// mode is `off`. A day has up to 12 ranges in any order that do not overlap; `24:00` is allowed as an
    /// end. Holidays are dates.
    ///
    /// # Errors
    /// All [`FieldError`]s.
    pub fn parse(draft: &Draft) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let message = text::trim(&draft.message).to_owned();
        let may_be_empty = draft.mode == Mode::Off && message.is_empty();
        if !(may_be_empty || is_message(&message)) {
            errors.add("/message", "1 to 480 characters without control characters");
        }
        let zone = zone(&draft.time_zone);
        if zone.is_none() {
            errors.add("/timeZone", "an IANA time zone, such as America/New_York");
        }
        let hours = hours(&draft.hours, &mut errors);
        let holidays = holidays(&draft.holidays, &mut errors);
        errors.finish()?;
        let zone = zone.unwrap_or(TimeZone::UTC); // `finish` has returned the error of a missing zone
        let zone_name = zone.iana_name().unwrap_or(&draft.time_zone).to_owned();
        Ok(Self { mode: draft.mode, message, zone, zone_name, hours, holidays })
    }

    /// The settings in normalized form. Parsing them gives the same schedule.
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

    /// When the out-of-office message is sent.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The out-of-office message.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn has_office_hours(&self) -> bool {
        self.hours.iter().any(|ranges| !ranges.is_empty())
    }

    /// Whether the local time at this instant is within the office hours.
    fn is_open(&self, instant: jiff::Timestamp) -> bool {
        let local = self.zone.to_datetime(instant);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        !self.holidays.contains(&local.date())
            && self.ranges(local.date()).iter().any(|range| (range.start..range.end).contains(&minute))
    }

    fn ranges(&self, date: Date) -> &[Range] {
        &self.hours[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
    }

    /// All instants in `from..to` at which the inbox may open or close, in order: the ends of office hours,
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

    /// When the inbox opens after this closed instant.
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

    /// When the closed period that contains this closed instant started.
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

/// The closed period that contains `now`, or `None` if the inbox is open or the mode is `off`.
///
/// `on_since` is when the settings were first saved in this mode. The period of `on`, and of `auto` without
/// office hours, starts there. The caller must keep it when the settings are saved again in the same mode, or
/// all contacts get another answer.
pub fn closed_period(schedule: &Schedule, now: Timestamp, on_since: Timestamp) -> Option<ClosedPeriod> {
    let endless = |kind: &str| ClosedPeriod {
        id: format!("{kind}-{}", on_since.millis()),
        since: on_since,
        until: None,
    };
    match schedule.mode {
        Mode::Off => None,
        Mode::On => Some(endless("on")),
        Mode::Auto if !schedule.has_office_hours() => Some(endless("closed")),
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

/// The facts about an inbound message that decide whether it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub struct Inbound {
    /// The text is a keyword such as STOP, START or HELP, or the carrier says so.
    pub keyword: bool,
    /// The message was sent automatically: the carrier says so, or it [echoes] the out-of-office message.
    pub automatic: bool,
    /// The sender is one of the product's own numbers.
    pub from_own_number: bool,
    /// The sender is a short code.
    pub short_code: bool,
}

/// Whether an inbound message may be answered. `recent_automatic` is the number of automatic replies to the
/// contact in the last hour. The caller enforces one answer per contact and [`ClosedPeriod::id`], with a
/// conditional write.
pub fn should_answer(period: Option<&ClosedPeriod>, what: &Inbound, recent_automatic: u32) -> bool {
    let Inbound { keyword, automatic, from_own_number, short_code } = *what;
    period.is_some()
        && !(keyword || automatic || from_own_number || short_code)
        && loop_guard(recent_automatic)
}

/// The maximum number of automatic replies of an inbox to one contact per hour. It stops loops between two
/// automatic systems, which carriers block.
pub const MAX_AUTOMATIC_PER_HOUR: u32 = 3;

/// Whether a contact that got this many automatic replies in the last hour may get another one.
pub fn loop_guard(recent_automatic: u32) -> bool {
    recent_automatic < MAX_AUTOMATIC_PER_HOUR
}

/// Whether the text equals the message `ours`, ignoring case and spaces. Two systems that answer each other
/// echo messages.
pub fn echoes(text: &str, ours: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    !text.trim().is_empty() && words(text) == words(ours)
}

fn is_message(text: &str) -> bool {
    text::is_visible(text)
        && text.chars().count() <= MAX_MESSAGE_LENGTH
        && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\r')
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name().is_some())
}

fn hours(written: &WrittenHours, errors: &mut FieldErrors) -> [Vec<Range>; 7] {
    let mut hours: [Vec<Range>; 7] = Default::default();
    for (day, ranges) in written {
        let place = DAYS.iter().position(|(name, _)| name == day);
        let pointer = format!("/hours/{}", escape_pointer(day));
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

/// The local time this many minutes after midnight.
fn at(midnight: DateTime, minute: u16) -> Option<DateTime> {
    midnight.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
}

#[cfg(test)]
mod tests;
