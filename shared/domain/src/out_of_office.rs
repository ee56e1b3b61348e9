//! Out of office: when an inbox is closed, and whether an inbound message gets the out-of-office message.
//!
//! The mode of an inbox is `off`, `on` (closed until it is switched off), or `auto` (closed outside its
//! office hours and on its holidays). A contact gets at most one out-of-office message per closed period.
//! Adjacent closed times, such as a night, a holiday and a weekend, are one period with one
//! [id](ClosedPeriod::id). Office hours are [hours of the week](crate::weekly_hours) in the time zone of the
//! inbox.
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

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    text,
    time::Timestamp,
    weekly_hours::{MAX_DAYS_OFF, WeeklyHours, WrittenHours, time_zone},
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

const MAX_MESSAGE_LENGTH: usize = 480;
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

/// Valid settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    mode: Mode,
    message: String,
    hours: WeeklyHours,
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
        let zone = time_zone(&draft.time_zone);
        if zone.is_none() {
            errors.add("/timeZone", "an IANA time zone, such as America/New_York");
        }
        let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC); // `finish` returns the error of a missing zone
        let hours = WeeklyHours::parse(zone, &draft.hours, "/hours", &mut errors);
        let hours = hours.without_days(holidays(&draft.holidays, &mut errors));
        errors.finish()?;
        Ok(Self { mode: draft.mode, message, hours })
    }

    /// The settings in normalized form. Parsing them gives the same schedule.
    pub fn draft(&self) -> Draft {
        Draft {
            mode: self.mode,
            message: self.message.clone(),
            time_zone: self.hours.zone_name().to_owned(),
            hours: self.hours.written(),
            holidays: self.hours.days_off().map(Date::to_string).collect(),
        }
    }

    /// The office hours with their days off. `None` if they do not decide, because the mode is not `auto`.
    pub fn office_hours(&self) -> Option<&WeeklyHours> {
        (self.mode == Mode::Auto).then_some(&self.hours)
    }

    /// When the out-of-office message is sent.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The out-of-office message.
    pub fn message(&self) -> &str {
        &self.message
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
        Mode::Auto if schedule.hours.is_empty() => Some(endless("closed")),
        Mode::Auto if schedule.hours.is_open(now) => None,
        Mode::Auto => {
            let since = schedule.hours.closed_since(now).unwrap_or(on_since);
            let until = schedule.hours.opens_after(now);
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

fn holidays(written: &[String], errors: &mut FieldErrors) -> BTreeSet<Date> {
    if written.len() > MAX_DAYS_OFF {
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

#[cfg(test)]
mod tests;
