//! Sending hours: when a recipient of a broadcast may get a text.
//!
//! By default that is from 9 to 20 o'clock where the recipient is. The zone is that of the contact, if it is
//! known, and otherwise those in which its [number](number_zones) may be. The text goes out when it is within
//! the hours of all of these zones, within the hours of the recipient's state, and within the hours of the
//! team. If the zones are unknown, it is from 12 to 20 o'clock in New York, which is within the hours of all
//! zones of the continental United States.
//!
//! The more zones, the shorter the hours: a mobile number of Russia gets texts for one hour a day. All
//! numbers have at least this hour on every day. Only hours of the team can have nothing in common with those
//! of a recipient. Such a recipient gets no text, and the checklist of the broadcast says so.
//!
//! Sources: 47 CFR 64.1200(c)(1) allows solicitations from 8 to 21 o'clock at the recipient's location. The
//! hours of states are a dated data file, `data/state-hours.txt`.
//!
//! ```
//! use shared_domain::phone::PhoneNumber;
//! use shared_domain::sending_hours::{HoursMode, RecipientPlace, SendingHours};
//! use shared_domain::time::Timestamp;
//!
//! let boise_or_los_angeles = PhoneNumber::parse("(208) 300-0143").unwrap();
//! let place = RecipientPlace::of(&boise_or_los_angeles, None);
//! let hours = SendingHours::of(&place, HoursMode::Recipient, None);
//! let release = hours.next_release(Timestamp::parse("2026-11-23T09:00:00-07:00").unwrap()).unwrap();
//! assert_eq!(release.at, Timestamp::parse("2026-11-23T09:00:00-08:00").unwrap());
//! assert_eq!(release.until, Timestamp::parse("2026-11-23T20:00:00-07:00"));
//! ```

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    phone::PhoneNumber,
    time::Timestamp,
    weekly_hours::{WeeklyHours, time_zone},
};

pub mod number_zones;
mod state_hours;

/// The default hours where the recipient is.
const RECIPIENT_HOURS: (u8, u8) = (9, 20);
/// The hours of a recipient whose zone is unknown.
const UNKNOWN_ZONE_HOURS: (u8, u8) = (12, 20);
const UNKNOWN_ZONE: &str = "America/New_York";
/// How far ahead the next release is searched. Hours that have nothing in common for two weeks never have.
const MAX_SEARCH: Duration = Duration::from_hours(24 * 14);
/// The longest time for which the carrier accepts to try to send a text (Twilio's `ValidityPeriod`).
const MAX_VALIDITY: Duration = Duration::from_secs(36_000);

/// Whose hours decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoursMode {
    /// Those of the recipient, of its state, and of the team.
    #[default]
    Recipient,
    /// Those of the team alone. Without hours of the team, those of the recipient.
    Team,
    /// None: texts go out at any time.
    Always,
}

impl HoursMode {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Team => "team",
            Self::Always => "always",
        }
    }
}

/// Where a recipient may be. Recipients in the same place have the same sending hours, so callers compute
/// them once for all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientPlace {
    /// Empty if the zone is unknown.
    zones: Cow<'static, number_zones::ZoneNames>,
    /// The area code's state, if it has hours of its own.
    state: Option<&'static str>,
}

impl RecipientPlace {
    /// The place of a recipient. `own_zone` is the time zone of the contact, if it is known; an unknown name
    /// is ignored.
    pub fn of(number: &PhoneNumber, own_zone: Option<&str>) -> Self {
        let own = own_zone.and_then(time_zone);
        let own = own.as_ref().and_then(|zone| zone.iana_name());
        let zones = match own {
            Some(name) => Cow::Owned(vec![Cow::Owned(name.to_owned())]),
            None => Cow::Borrowed(number_zones::zones_of(number)),
        };
        Self { zones, state: state_hours::state_of(number) }
    }

    /// Whether nothing is known about the recipient's zone.
    pub fn is_unknown(&self) -> bool {
        self.zones.is_empty()
    }
}

/// When a text is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The earliest time.
    pub at: Timestamp,
    /// When the hours end. `None` if they never do.
    pub until: Option<Timestamp>,
}

/// For how long the carrier may try to send a text at `now`, in whole seconds, if its hours end at `until`.
/// `None` if less than a second is left.
pub fn validity(until: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = Duration::from_secs(now.duration_until(until).as_secs()).min(MAX_VALIDITY);
    (!left.is_zero()).then_some(left)
}

/// The hours in which a text may be released: it has to be within all of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingHours(Vec<WeeklyHours>);

impl SendingHours {
    /// The sending hours of a recipient. `team` are the team's own hours, if it has any.
    pub fn of(place: &RecipientPlace, mode: HoursMode, team: Option<&WeeklyHours>) -> Self {
        let of_recipient = || of_place(place).into_iter().chain(team.cloned()).collect();
        Self(match (mode, team) {
            (HoursMode::Always, _) => Vec::new(),
            (HoursMode::Team, Some(team)) => vec![team.clone()],
            (HoursMode::Team, None) | (HoursMode::Recipient, _) => of_recipient(),
        })
    }

    /// The next time at which a text may be released, `now` or later. `None` if the hours have nothing in
    /// common.
    pub fn next_release(&self, now: Timestamp) -> Option<Release> {
        let mut at = now;
        while let Some(closed) = self.0.iter().find(|hours| !hours.is_open(at)) {
            at = closed.opens_after(at)?;
            if at > now + MAX_SEARCH {
                return None;
            }
        }
        Some(Release { at, until: self.0.iter().filter_map(|hours| hours.closes_after(at)).min() })
    }
}

fn of_place(place: &RecipientPlace) -> Vec<WeeklyHours> {
    let zones: Vec<_> = place.zones.iter().filter_map(|name| time_zone(name)).collect();
    let daily = |zone, (start, end)| WeeklyHours::daily(zone, start, end);
    if zones.is_empty() {
        return time_zone(UNKNOWN_ZONE).map(|zone| daily(zone, UNKNOWN_ZONE_HOURS)).into_iter().collect();
    }
    let of_state = place.state.and_then(state_hours::hours_of);
    let of_state = zones.iter().filter_map(|zone| Some(of_state.as_ref()?.in_zone(zone.clone())));
    zones.iter().map(|zone| daily(zone.clone(), RECIPIENT_HOURS)).chain(of_state).collect()
}

#[cfg(test)]
mod tests;
