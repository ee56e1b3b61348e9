//! The drain of a broadcast: when its first and its last text go out.
//!
//! The simulation sends every text as the product does: at the [pace](crate::pace) of the number, within the
//! sending hours of its recipient, and within the carriers' limit of the day. The recipients come in the
//! order in which the product looks at them: of those who may get a text at the start, those whose hours end
//! first, see [`first_look`]; then those who wait, by when their hours begin. For three minutes the product
//! prefers those whose hours have just begun, which the simulation leaves out. Among equals the product goes
//! by the number, and the simulation by the group and the length of the text.
//!
//! ```
//! use std::collections::BTreeMap;
//! use shared_domain::broadcast::{Capacity, RecipientGroup, drain};
//! use shared_domain::{pace::Pace, phone::PhoneNumber};
//! use shared_domain::sending_hours::{HoursMode, RecipientPlace, SendingHours};
//! use shared_domain::time::Timestamp;
//!
//! let place = RecipientPlace::of(&PhoneNumber::parse("(202) 555-0143").unwrap(), None);
//! let hours = SendingHours::of(&place, HoursMode::Recipient, None);
//! let group = RecipientGroup { hours, texts: BTreeMap::from([(1, 100)]) };
//! let capacity = Capacity { segments_per_second: 1, segments_per_day: None };
//! let monday_night = Timestamp::parse("2026-11-23T03:00:00-05:00").unwrap();
//! let drain = drain(&[group], capacity, Pace::default(), monday_night).unwrap();
//! assert_eq!(drain.starts_at, Timestamp::parse("2026-11-23T09:00:00-05:00").unwrap());
//! assert_eq!(drain.ends_at, Timestamp::parse("2026-11-23T09:01:43.950-05:00").unwrap());
//! assert_eq!(drain.held, 100);
//! ```

use std::{collections::BTreeMap, time::Duration};

use super::{AHEAD, LAST_SEND};
use crate::{
    pace::{Pace, Turn, next_carrier_day},
    sending_hours::{Release, SendingHours},
    time::Timestamp,
};

/// The longest drain that is simulated. A broadcast of 100,000 texts takes a day at one segment per second,
/// and three at the usual hours.
const MAX_DRAIN: Duration = Duration::from_hours(24 * 365);
/// How long before the end of a recipient's hours its text is released at the latest.
const LAST_RELEASE: Duration = AHEAD.saturating_add(LAST_SEND);
/// Longer than any hours last.
const LONG_AGO: Duration = Duration::from_hours(24 * 400);

/// Recipients with the same sending hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientGroup {
    /// When they may get a text.
    pub hours: SendingHours,
    /// How many of their texts have this number of segments.
    pub texts: BTreeMap<u32, u64>,
}

/// How much a number may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// The pace of the number.
    pub segments_per_second: u32,
    /// The carriers' limit until midnight Pacific time. `None` if it is unknown.
    pub segments_per_day: Option<u64>,
}

/// When the texts of a broadcast go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When the first text goes out.
    pub starts_at: Timestamp,
    /// When the last text goes out.
    pub ends_at: Timestamp,
    /// How many recipients wait at the start, because their sending hours begin later.
    pub held: u64,
    /// On how many days the carriers' limit is reached.
    pub capped_days: u32,
}

/// When a recipient is looked at first, if these are its next hours at the start of a broadcast. For one that
/// does not wait for its hours that is a time before the start, the earlier, the sooner its hours end. Those
/// whose hours never end come last, at the start itself.
pub fn first_look(release: &Release, start: Timestamp) -> Timestamp {
    if release.at > start {
        return release.at;
    }
    release.until.map_or(start, |until| start.min(until - LONG_AGO))
}

/// The next hours in which a text can be released, up to the last release. `None` if they do not come within
/// the longest drain.
fn next_release(hours: &SendingHours, now: Timestamp) -> Option<Release> {
    let mut release = hours.next_release(now)?;
    while let Some(until) = release.until.filter(|until| *until < release.at + LAST_RELEASE) {
        if until > now + MAX_DRAIN {
            return None;
        }
        release = hours.next_release(until)?;
    }
    Some(Release { at: release.at, until: release.until.map(|until| until - LAST_RELEASE) })
}

/// The drain of a broadcast that starts at `now`, when its number has this pace and maybe waits or is slowed
/// down. `None` if there is nothing to send, if some hours never come, or if it takes longer than a year.
pub fn drain(groups: &[RecipientGroup], capacity: Capacity, pace: Pace, now: Timestamp) -> Option<Drain> {
    let lanes = groups.iter().map(|group| Lane::new(group, now)).collect::<Option<Vec<_>>>()?;
    let held = lanes.iter().filter(|lane| lane.check_at > now).map(Lane::remaining).sum();
    let lanes = lanes.into_iter().filter(|lane| lane.remaining() > 0).collect();
    let run = Run { lanes, capacity, pace, sent_today: 0, day_ends: next_carrier_day(now), capped_days: 0 };
    run.finish(now, held)
}

/// The texts of a group that were not sent yet.
struct Lane<'a> {
    hours: &'a SendingHours,
    texts: Vec<(u32, u64)>,
    /// When its recipients are looked at next. The earliest lane is first.
    check_at: Timestamp,
    /// When a text can be released at the latest.
    until: Option<Timestamp>,
}

impl<'a> Lane<'a> {
    fn new(group: &'a RecipientGroup, now: Timestamp) -> Option<Self> {
        let texts =
            group.texts.iter().map(|(segments, count)| (*segments, *count)).filter(|(_, count)| *count > 0);
        let release = next_release(&group.hours, now)?;
        let check_at = first_look(&release, now);
        Some(Self { hours: &group.hours, texts: texts.collect(), check_at, until: release.until })
    }

    fn remaining(&self) -> u64 {
        self.texts.iter().map(|(_, count)| count).sum()
    }

    /// Whether it has ended. A lane is looked at only after it has begun.
    fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until < now)
    }

    /// Goes on with its next hours. `None` if they never come.
    fn renew(&mut self, now: Timestamp) -> Option<()> {
        let release = next_release(self.hours, now)?;
        if release.at > now {
            self.check_at = release.at;
        }
        self.until = release.until;
        Some(())
    }

    /// Removes one text of the size that is sent next.
    fn take(&mut self) {
        if let Some((_, count)) = self.texts.last_mut() {
            *count -= 1;
            if *count == 0 {
                self.texts.pop();
            }
        }
    }
}

struct Run<'a> {
    lanes: Vec<Lane<'a>>,
    capacity: Capacity,
    pace: Pace,
    sent_today: u64,
    day_ends: Timestamp,
    capped_days: u32,
}

impl Run<'_> {
    fn finish(mut self, start: Timestamp, held: u64) -> Option<Drain> {
        let (mut now, mut first, mut last) = (start, None, start);
        while !self.lanes.is_empty() {
            if now > start + MAX_DRAIN {
                return None;
            }
            now = match self.step(now)? {
                Step::Sent(at) => {
                    first.get_or_insert(at);
                    last = at;
                    now
                }
                Step::Wait(until) => until,
            };
        }
        let capped_days = self.capped_days;
        first.map(|starts_at| Drain { starts_at, ends_at: last, held, capped_days })
    }

    /// Sends one text, or returns until when none can be sent. `None` if some hours never come.
    fn step(&mut self, now: Timestamp) -> Option<Step> {
        let (place, lane) = self.lanes.iter_mut().enumerate().min_by_key(|(_, lane)| lane.check_at)?;
        if lane.check_at > now {
            return Some(Step::Wait(lane.check_at));
        }
        if lane.has_ended(now) {
            lane.renew(now)?;
            return Some(Step::Wait(now));
        }
        let Some((segments, _)) = lane.texts.last().copied() else {
            self.lanes.remove(place); // keeps the order of the others
            return Some(Step::Wait(now));
        };
        if now >= self.day_ends {
            (self.sent_today, self.day_ends) = (0, next_carrier_day(now));
        }
        let after = self.sent_today + u64::from(segments);
        if self.sent_today > 0 && self.capacity.segments_per_day.is_some_and(|cap| after > cap) {
            self.capped_days += 1;
            return Some(Step::Wait(self.day_ends));
        }
        match self.pace.decide(self.capacity.segments_per_second, segments, now) {
            Turn::Wait { until } => Some(Step::Wait(until)),
            Turn::Release { at, .. } if self.lanes[place].has_ended(at) => Some(Step::Wait(at)),
            Turn::Release { at, next } => {
                self.pace = next;
                self.sent_today = after;
                self.lanes[place].take();
                Some(Step::Sent(at))
            }
        }
    }
}

enum Step {
    Sent(Timestamp),
    Wait(Timestamp),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        pace::{CarrierLimit, Restraint},
        phone::PhoneNumber,
        sending_hours::{HoursMode, RecipientPlace},
        weekly_hours::{WeeklyHours, time_zone},
    };

    const FAST: Capacity = Capacity { segments_per_second: 75, segments_per_day: None };
    const SLOW: Capacity = Capacity { segments_per_second: 1, segments_per_day: None };
    const NUMBERS: [&str; 5] =
        ["+12025550143", "+12135550143", "+12083000143", "+18005550143", "+14015550143"];

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn group(number: &str, texts: &[(u32, u64)]) -> RecipientGroup {
        let place = RecipientPlace::of(&PhoneNumber::from_carrier(number).unwrap(), None);
        let hours = SendingHours::of(&place, HoursMode::Recipient, None);
        RecipientGroup { hours, texts: texts.iter().copied().collect() }
    }

    const GROUPS: usize = 7;
    const LIMITS: [CarrierLimit; 3] = [CarrierLimit::Rate, CarrierLimit::Daily, CarrierLimit::Queue];

    /// Recipients in several countries, of a team with hours of its own, and without hours. No texts.
    fn groups() -> [RecipientGroup; GROUPS] {
        let working_hours = WeeklyHours::daily(time_zone("America/Chicago").unwrap(), 8, 17);
        let place = RecipientPlace::of(&PhoneNumber::from_carrier(NUMBERS[1]).unwrap(), None);
        let of_team = SendingHours::of(&place, HoursMode::Recipient, Some(&working_hours));
        [
            group("+14015550143", &[]), // shorter hours on weekends
            group("+12025550143", &[]),
            group("+12083000143", &[]),
            group("+79161234567", &[]), // one hour a day
            RecipientGroup { hours: of_team, texts: BTreeMap::new() },
            always(&[]),
            group("+18005550143", &[]), // ends when the one in New York does
        ]
    }

    fn always(texts: &[(u32, u64)]) -> RecipientGroup {
        let place = RecipientPlace::of(&PhoneNumber::from_carrier(NUMBERS[0]).unwrap(), None);
        let hours = SendingHours::of(&place, HoursMode::Always, None);
        RecipientGroup { hours, texts: texts.iter().copied().collect() }
    }

    #[test]
    fn a_broadcast_drains_at_the_pace_of_its_number() {
        let now = at("2026-11-23T12:00:00-05:00");
        let drain = drain(&[always(&[(1, 75_001)])], FAST, Pace::default(), now).unwrap();
        assert_eq!((drain.starts_at, drain.held, drain.capped_days), (now, 0, 0));
        let seconds = now.duration_until(drain.ends_at).as_secs();
        assert!((1_050..=1_051).contains(&seconds), "{seconds} s for 75,000 segments at 75 per second");
    }

    #[test]
    fn a_number_that_waits_or_is_slowed_down_starts_and_ends_later() {
        let now = at("2026-11-23T12:00:00-05:00");
        let drain = |limit| {
            let pace = Pace::default().restrained(Restraint::of(limit, now));
            super::drain(&[always(&[(1, 101)])], SLOW, pace, now).unwrap()
        };
        let held = drain(CarrierLimit::Daily);
        assert_eq!(held.starts_at, at("2026-11-24T00:00:00-08:00"));
        assert_eq!(held.starts_at.duration_until(held.ends_at), Duration::from_secs(105));
        let slow = drain(CarrierLimit::Rate);
        assert_eq!((slow.starts_at, slow.ends_at), (now, now + Duration::from_secs(210)));
    }

    #[test]
    fn texts_that_do_not_fit_in_the_hours_go_out_the_next_day() {
        let evening = at("2026-11-23T19:58:00-05:00");
        let drain = drain(&[group(NUMBERS[0], &[(1, 100)])], SLOW, Pace::default(), evening).unwrap();
        assert_eq!(drain.starts_at, evening);
        assert!(drain.ends_at > at("2026-11-24T09:00:00-05:00"));
        assert!(drain.ends_at < at("2026-11-24T09:01:00-05:00"));
        let autumn = at("2026-10-31T19:58:00-04:00");
        let over_the_change =
            super::drain(&[group(NUMBERS[0], &[(1, 100)])], SLOW, Pace::default(), autumn).unwrap();
        assert!(over_the_change.ends_at > at("2026-11-01T09:00:00-05:00"));
        assert!(over_the_change.ends_at < at("2026-11-01T09:01:00-05:00"));
    }

    #[test]
    fn a_text_that_is_not_released_75_seconds_before_the_end_of_its_hours_waits_for_the_next_day() {
        let now = at("2026-11-23T19:58:44.500-05:00");
        let drain = drain(&[group(NUMBERS[0], &[(1, 2)])], SLOW, Pace::default(), now).unwrap();
        assert_eq!((drain.starts_at, drain.ends_at), (now, at("2026-11-24T09:00:00-05:00")));
        let last = at("2026-11-23T19:58:45-05:00");
        for (now, held) in [(last, 0), (last + Duration::from_millis(1), 1)] {
            let drain = super::drain(&[group(NUMBERS[0], &[(1, 1)])], SLOW, Pace::default(), now).unwrap();
            assert_eq!(drain.held, held, "{now}");
        }
    }

    #[test]
    fn recipients_whose_hours_end_first_come_first() {
        let now = at("2026-11-23T19:57:00-05:00");
        let groups = [group(NUMBERS[1], &[(1, 100)]), group(NUMBERS[0], &[(1, 50)])];
        let drain = drain(&groups, SLOW, Pace::default(), now).unwrap();
        assert_eq!(drain.held, 0);
        assert!(drain.ends_at < at("2026-11-23T20:00:00-05:00"), "{}", drain.ends_at);
    }

    #[test]
    fn the_limit_of_the_day_holds_texts_until_midnight_in_california() {
        let capacity = Capacity { segments_per_second: 75, segments_per_day: Some(100) };
        let now = at("2026-11-23T12:00:00-08:00");
        let drain = drain(&[always(&[(2, 120)])], capacity, Pace::default(), now).unwrap();
        assert_eq!(drain.capped_days, 2);
        assert!(drain.ends_at >= at("2026-11-25T00:00:00-08:00"), "{}", drain.ends_at);
        assert!(drain.ends_at < at("2026-11-25T00:01:00-08:00"));
        let large = Capacity { segments_per_day: Some(1), ..capacity };
        let one_a_day = super::drain(&[always(&[(2, 2)])], large, Pace::default(), now).unwrap();
        assert_eq!(one_a_day.capped_days, 1, "a text larger than the limit goes out alone");
    }

    #[test]
    fn those_who_wait_are_looked_at_when_their_hours_begin_and_the_others_before() {
        let start = at("2026-11-23T10:00:00-05:00");
        let look = |group: RecipientGroup| first_look(&group.hours.next_release(start).unwrap(), start);
        let (east, mountain, west) = (group(NUMBERS[0], &[]), group(NUMBERS[2], &[]), group(NUMBERS[1], &[]));
        assert_eq!((look(always(&[])), look(west)), (start, at("2026-11-23T12:00:00-05:00")));
        let (east, mountain) = (look(east), look(mountain));
        assert!(east < start && start < mountain, "{east} {mountain}");
        let noon = at("2026-11-23T15:00:00-05:00");
        let look = |number| first_look(&group(number, &[]).hours.next_release(noon).unwrap(), noon);
        assert!(look(NUMBERS[0]) < look(NUMBERS[1]) && look(NUMBERS[1]) < noon);
    }

    #[test]
    fn nothing_to_send_and_hours_that_never_come_have_no_drain() {
        let now = at("2026-11-23T12:00:00-05:00");
        assert_eq!(drain(&[], FAST, Pace::default(), now), None);
        assert_eq!(drain(&[always(&[(1, 0)])], FAST, Pace::default(), now), None);
        let place = RecipientPlace::of(&PhoneNumber::from_carrier(NUMBERS[0]).unwrap(), None);
        let night = WeeklyHours::daily(time_zone("America/New_York").unwrap(), 0, 6);
        let hours = SendingHours::of(&place, HoursMode::Recipient, Some(&night));
        assert_eq!(
            drain(&[RecipientGroup { hours, texts: BTreeMap::from([(1, 1)]) }], FAST, Pace::default(), now),
            None
        );
    }

    /// The drain of texts that are released one by one. Each recipient has a time at which it is looked at
    /// next, and the one with the earliest is looked at, as a worker does. The time moves from text to text,
    /// and in quarters of an hour while the carriers' limit holds all texts.
    fn simulated(groups: &[RecipientGroup], capacity: Capacity, pace: Pace, start: Timestamp) -> Drain {
        const QUARTER: i64 = 15 * 60_000;
        let quarter_after = |now: Timestamp| Timestamp::from_millis((now.millis() / QUARTER + 1) * QUARTER);
        let day = |now: Timestamp| {
            jiff::Timestamp::from_millisecond(now.millis())
                .unwrap()
                .in_tz("America/Los_Angeles")
                .unwrap()
                .date()
        };
        let held_until = |group: usize, now: Timestamp| {
            let hours = &groups[group].hours;
            let release = hours.next_release(now).unwrap();
            if release.at > now {
                return Some(release.at);
            }
            let end = release.until.filter(|until| *until < now + AHEAD + LAST_SEND)?;
            Some(hours.next_release(end).unwrap().at)
        };
        let texts = |(group, of): (usize, &RecipientGroup)| {
            let first = first_look(&of.hours.next_release(start).unwrap(), start);
            let texts = of.texts.iter().rev();
            let texts = texts.flat_map(move |(size, count)| (0..*count).map(move |_| (first, group, *size)));
            texts.collect::<Vec<_>>()
        };
        let mut waiting: Vec<(Timestamp, usize, u32)> = groups.iter().enumerate().flat_map(texts).collect();
        let held = waiting.iter().filter(|(_, group, _)| held_until(*group, start).is_some()).count();
        let (mut now, mut pace, mut sent_at) = (start, pace, Vec::new());
        let mut sent: BTreeMap<jiff::civil::Date, u64> = BTreeMap::new();
        let mut capped = BTreeSet::new();
        while let Some(place) = (0..waiting.len()).min_by_key(|place| waiting[*place].0) {
            let (check_at, group, size) = waiting[place];
            if check_at > now {
                now = check_at;
                continue;
            }
            if let Some(until) = held_until(group, now) {
                waiting[place].0 = until;
                continue;
            }
            let today = day(now);
            let of_today = sent.entry(today).or_default();
            if *of_today > 0 && capacity.segments_per_day.is_some_and(|cap| *of_today + u64::from(size) > cap)
            {
                capped.insert(today);
                while day(now) == today {
                    now = quarter_after(now);
                }
                continue;
            }
            match pace.decide(capacity.segments_per_second, size, now) {
                Turn::Wait { until } => now = until,
                Turn::Release { at, .. } if held_until(group, at).is_some() => now = at,
                Turn::Release { at, next } => {
                    pace = next;
                    *of_today += u64::from(size);
                    sent_at.push(at);
                    waiting.remove(place);
                }
            }
        }
        Drain {
            starts_at: sent_at[0],
            ends_at: *sent_at.last().unwrap(),
            held: u64::try_from(held).unwrap(),
            capped_days: u32::try_from(capped.len()).unwrap(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Often just before the hours of some recipients or the day of the carriers end.
        #[test]
        fn a_drain_is_that_of_texts_that_are_released_one_by_one(
            texts in prop::collection::vec((0..GROUPS, 1_u32..=3, 1_u64..12), 1..5),
            rate in 1_u32..=3,
            segments_per_day in prop::option::of(1_u64..60),
            (minutes, before) in (0_i64..525_600, prop::option::weighted(0.8, 0_u64..100_000)),
            limit in prop::option::weighted(0.3, 0_usize..LIMITS.len()),
        ) {
            let mut groups = groups();
            let of_first = texts[0].0;
            for (group, segments, count) in texts {
                *groups[group].texts.entry(segments).or_default() += count;
            }
            let now = Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000); // from 1 January 2026 on
            let end = groups[of_first].hours.next_release(now).unwrap().until;
            let end = end.unwrap_or_else(|| next_carrier_day(now));
            let now = before.map_or(now, |before| end - Duration::from_millis(before));
            let capacity = Capacity { segments_per_second: rate, segments_per_day };
            let pace = limit.map_or(Pace::default(), |limit| {
                Pace::default().restrained(Restraint::of(LIMITS[limit], now))
            });
            let expected = simulated(&groups, capacity, pace, now);
            prop_assert_eq!(drain(&groups, capacity, pace, now), Some(expected));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_drain_starts_with_the_first_hours_and_keeps_the_pace(
            texts in prop::collection::vec((0_usize..NUMBERS.len(), 1_u32..=3, 1_u64..40), 1..6),
            rate in 1_u32..=10,
            minutes in 0_i64..525_600,
        ) {
            let now = Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000);
            let mut sizes: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); NUMBERS.len()];
            for (place, segments, count) in texts {
                *sizes[place].entry(segments).or_default() += count;
            }
            let groups: Vec<_> = NUMBERS
                .iter()
                .zip(&sizes)
                .map(|(number, texts)| RecipientGroup { texts: texts.clone(), ..group(number, &[]) })
                .collect();
            let capacity = Capacity { segments_per_second: rate, segments_per_day: None };
            let drain = drain(&groups, capacity, Pace::default(), now).unwrap();

            let total: u64 = sizes.iter().flatten().map(|(segments, count)| u64::from(*segments) * count).sum();
            let first = groups.iter().filter(|group| !group.texts.is_empty());
            let first = first.filter_map(|group| next_release(&group.hours, now)).map(|release| release.at).min();
            prop_assert_eq!(Some(drain.starts_at), first);
            let last = groups.iter().filter(|group| !group.texts.is_empty());
            let last = last.filter_map(|group| next_release(&group.hours, now)).map(|release| release.at).max();
            prop_assert!(Some(drain.ends_at) >= last, "a group has not begun");
            let ends = groups.iter().filter_map(|group| group.hours.next_release(drain.ends_at));
            prop_assert!(ends.into_iter().any(|release| release.at == drain.ends_at), "outside of all hours");
            let fastest = Duration::from_secs(total.saturating_sub(12) / u64::from(rate));
            prop_assert!(drain.starts_at.duration_until(drain.ends_at) >= fastest, "faster than the pace");
            let slowest = Duration::from_secs(3 * total / u64::from(rate)) + Duration::from_hours(48);
            prop_assert!(now.duration_until(drain.ends_at) <= slowest);
        }
    }
}
