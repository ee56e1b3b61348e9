//! The pace of a number: when each of its messages may go to the carrier.
//!
//! Carriers limit the segments per second of a number. Messages beyond the limit fail, or wait at the
//! carrier, where they cannot be stopped. So each message gets a turn, and goes out at its turn.
//!
//! In any ten seconds at most ten times the rate goes out. Turns are scheduled like the cells of the generic
//! cell rate algorithm (ITU-T I.371): each message moves the next turn by the time its segments take. A
//! message of several segments also needs idle time before its turn, because it is sent as a whole. A message
//! that alone is larger than the limit waits for ten idle seconds.
//!
//! The texts of broadcasts come last. Other messages reserve their turns ahead. A text of a broadcast only
//! plans its turn, behind the planned turns of other texts, and takes it when it comes. Until then, any other
//! message may take the turn, so it waits for at most one text of a broadcast: the one that has just gone
//! out.
//!
//! Replies that never pause would take every turn, and the idle time that a text of several segments needs.
//! So a text that has waited for 30 seconds reserves its turn like a reply, if the last turn was that of no
//! text: between two of them, other messages get at least one turn. Time in which nothing could be sent does
//! not count.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::{pace::{Pace, Turn}, time::Timestamp};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let Turn::Release { at, next } = Pace::default().decide(2, 1, now) else { panic!() };
//! assert_eq!(at, now);
//! let Turn::Release { at, .. } = next.decide(2, 1, now) else { panic!() };
//! assert_eq!(at, now + Duration::from_millis(525));
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The rate of a number outside a campaign.
/// Source: <https://help.twilio.com/articles/115002943027>.
pub const DEFAULT_SEGMENTS_PER_SECOND: u32 = 1;

/// The time over which the rate is kept.
pub const WINDOW: Duration = Duration::from_secs(10);
/// How much later than its turn a message may reach the carrier without breaking the rate. Turns are spaced
/// as if the window were longer by this time.
pub const MAX_LATENESS: Duration = Duration::from_millis(500);
const SPACED_WINDOW: Duration = Duration::from_millis(10_500);

/// A message whose turn is later than this waits in the queue. One whose turn is earlier waits in the worker.
/// The time of a text of a broadcast that is going out does not count, because the queue would deliver a
/// reply after the next text.
pub const MAX_RESERVATION: Duration = Duration::from_millis(1_200);

/// How long a worker waits for a turn at most, with the idle time before a long message. The timeout of
/// `outbound-send` is this time and that of a request to the carrier.
pub const MAX_WAIT: Duration = Duration::from_secs(12);

/// How much later than its planned turn a text of a broadcast may take it without losing it to the next text.
/// Part of [`MAX_LATENESS`]: without it, each late worker would slow the number down.
pub const MAX_TAKING: Duration = Duration::from_millis(100);

/// After this time a text of a broadcast no longer waits for a turn that no other message takes.
pub const MAX_YIELDING: Duration = Duration::from_secs(30);

/// How long a number sends at half its rate after it exceeded the campaign's rate.
const SLOW_PERIOD: Duration = Duration::from_mins(5);
/// How long a number waits after the carrier's queue was full.
const FULL_QUEUE_HOLD: Duration = Duration::from_mins(1);
/// How long a number waits after it was rejected as unregistered. Networks need about an hour to learn of a
/// number that was added to a campaign.
const REGISTRATION_HOLD: Duration = Duration::from_hours(1);
/// The time zone in which the carriers count days.
const CARRIER_TIME_ZONE: &str = "America/Los_Angeles";
/// The hold until the next day if the time zone is unknown.
const DAY: Duration = Duration::from_hours(24);

/// The longest random delay that is added to the delay of a message that was received often.
const MAX_SPREAD: Duration = Duration::from_secs(60);

/// A limit that the carrier says a number has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierLimit {
    /// The number sends faster than its campaign allows.
    Rate,
    /// The campaign or the brand has sent its messages of the day.
    Daily,
    /// The carrier's queue for the number is full.
    Queue,
    /// The carriers' networks do not know the number as part of an approved campaign.
    Registration,
}

impl CarrierLimit {
    /// The name in logs and stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Daily => "daily",
            Self::Queue => "queue",
            Self::Registration => "registration",
        }
    }
}

/// What a reached limit means for a number until a time: it sends nothing, or at half its rate if the limit
/// is the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Restraint {
    pub limit: CarrierLimit,
    pub until: Timestamp,
}

impl Restraint {
    /// Returns what a limit means that is reached now.
    pub fn of(limit: CarrierLimit, now: Timestamp) -> Self {
        let until = match limit {
            CarrierLimit::Rate => now + SLOW_PERIOD,
            CarrierLimit::Daily => next_carrier_day(now),
            CarrierLimit::Queue => now + FULL_QUEUE_HOLD,
            CarrierLimit::Registration => now + REGISTRATION_HOLD,
        };
        Self { limit, until }
    }
}

/// The next midnight in the carriers' time zone.
pub(crate) fn next_carrier_day(now: Timestamp) -> Timestamp {
    let midnight = || {
        let instant = jiff::Timestamp::from_millisecond(now.millis()).ok()?;
        let tomorrow = instant.in_tz(CARRIER_TIME_ZONE).ok()?.tomorrow().ok()?.start_of_day().ok()?;
        Some(Timestamp::from_millis(tomorrow.timestamp().as_millisecond()))
    };
    midnight().unwrap_or(now + DAY)
}

/// A time in which a number sent nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Idle {
    from: Timestamp,
    until: Timestamp,
}

impl Idle {
    fn millis(self) -> i64 {
        self.until.millis() - self.from.millis()
    }
}

/// The pace of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// When the next segment may go out. `None` if the number never sent anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
    /// The longest idle time of the last seconds, which messages of several segments use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<Idle>,
    /// The end of the planned turns of broadcasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned_until: Option<Timestamp>,
    /// When the last text of a broadcast has gone out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broadcast_until: Option<Timestamp>,
    /// The number sends at half its rate until this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slow_until: Option<Timestamp>,
    /// The number sends nothing until this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold_until: Option<Timestamp>,
    /// The limit for which it sends nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_by: Option<CarrierLimit>,
}

/// When a message may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At this time, if `next` is stored as the pace of the number.
    #[expect(missing_docs, reason = "the variant says it all")]
    Release { at: Timestamp, next: Pace },
    /// Not before this time. It then gets a new decision.
    #[expect(missing_docs, reason = "the variant says it all")]
    Wait { until: Timestamp },
}

/// When a text of a broadcast may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastTurn {
    /// At this time, if `next` is stored as the pace of the number.
    #[expect(missing_docs, reason = "the variant says it all")]
    Release { at: Timestamp, next: Pace },
    /// It asks for its turn at this time if `next` is stored. See [`Pace::take_planned`].
    #[expect(missing_docs, reason = "the variant says it all")]
    Plan { at: Timestamp, next: Pace },
    /// Not before this time. It then gets a new decision.
    #[expect(missing_docs, reason = "the variant says it all")]
    Wait { until: Timestamp },
}

impl Pace {
    /// Decides when a message of this many segments may go out. `rate` is in segments per second. Planned
    /// turns of broadcasts are later by the time of this message.
    pub fn decide(&self, rate: u32, segments: u32, now: Timestamp) -> Turn {
        if let Some(until) = self.hold_until.filter(|until| *until > now) {
            return Turn::Wait { until };
        }
        let free_at = self.broadcast_until.map_or(now, |until| until.max(now));
        let (at, next) = self.next_turn(rate, segments, now, now);
        let is_later = |next_at: &Timestamp| *next_at > free_at + MAX_RESERVATION || at > now + MAX_WAIT;
        if let Some(until) = self.next_at.filter(is_later) {
            return Turn::Wait { until };
        }
        Turn::Release { at, next: self.with_later_plans(next, now) }
    }

    /// Decides when a text of a broadcast with this many segments may go out. `waited` is the time for which
    /// it could have been sent.
    pub fn decide_broadcast(
        &self,
        rate: u32,
        segments: u32,
        waited: Duration,
        now: Timestamp,
    ) -> BroadcastTurn {
        if let Some(until) = self.hold_until.filter(|until| *until > now) {
            return BroadcastTurn::Wait { until };
        }
        let (at, next) = self.next_turn(rate, segments, now, now);
        let planned = self.planned_after(now);
        let is_free = at <= now && planned.is_none();
        let others_were_first = waited >= MAX_YIELDING && self.next_at > self.broadcast_until;
        if is_free || (others_were_first && at <= now + MAX_WAIT) {
            return BroadcastTurn::Release { at, next: self.with_later_plans(next.after_broadcast(), now) };
        }
        let free_at = self.next_at.max(planned).unwrap_or(now);
        if free_at > now + MAX_RESERVATION {
            return BroadcastTurn::Wait { until: free_at };
        }
        let is_slow = self.is_slow(now);
        let idle = idle_before(segments, rate, is_slow);
        let at = planned.map_or(at, |until| at.max(until + idle));
        let planned_until = Some(at + time_of(segments, rate, is_slow));
        BroadcastTurn::Plan { at, next: Self { planned_until, ..*self } }
    }

    /// Takes a turn that was planned for a time. A text that comes a little late still gets this time. If
    /// other messages took the turn, the text waits for the next one and takes that in the same way.
    pub fn take_planned(&self, rate: u32, segments: u32, planned: Timestamp, now: Timestamp) -> Turn {
        if let Some(until) = self.hold_until.filter(|until| *until > now) {
            return Turn::Wait { until };
        }
        let (at, next) = self.next_turn(rate, segments, planned.max(now - MAX_TAKING), now);
        if at > now { Turn::Wait { until: at } } else { Turn::Release { at, next: next.after_broadcast() } }
    }

    /// The next turn that is not before `from`, and the pace if it is taken.
    fn next_turn(&self, rate: u32, segments: u32, from: Timestamp, now: Timestamp) -> (Timestamp, Self) {
        let is_slow = self.is_slow(now);
        let time = time_of(segments, rate, is_slow);
        let Some(next_at) = self.next_at else {
            return (from, Self { next_at: Some(from + time), ..*self });
        };
        let needed = idle_before(segments, rate, is_slow);
        let earliest = next_at.max(from);
        let was_idle = self.idle.filter(|idle| idle.from > earliest - SPACED_WINDOW);
        let has_been_idle = was_idle.is_some_and(|idle| idle.millis() >= millis(needed));
        let at = if has_been_idle { earliest } else { earliest.max(next_at + needed) };
        let idle = Idle { from: next_at, until: at };
        let longest = was_idle.filter(|was_idle| was_idle.millis() > idle.millis()).unwrap_or(idle);
        (at, Self { next_at: Some(at + time), idle: Some(longest), ..*self })
    }

    /// Moves the planned turns of broadcasts by the time that `next` takes.
    fn with_later_plans(&self, next: Self, now: Timestamp) -> Self {
        let start = self.next_at.map_or(now, |next_at| next_at.max(now));
        let moved = next.next_at.map_or(Duration::ZERO, |next_at| start.duration_until(next_at));
        Self { planned_until: self.planned_after(now).map(|until| until + moved), ..next }
    }

    fn after_broadcast(self) -> Self {
        Self { broadcast_until: self.next_at, ..self }
    }

    /// How many segments of a number with this rate go out in a time that begins now. `rate` is in segments
    /// per second.
    pub fn segments_in(&self, time: Duration, rate: u32, now: Timestamp) -> u64 {
        let segments = u64::from(rate) * time.as_secs();
        if self.is_slow(now) { segments / 2 } else { segments }
    }

    fn is_slow(&self, now: Timestamp) -> bool {
        self.slow_until.is_some_and(|until| until > now)
    }

    /// The end of the planned turns, if any of them is to come.
    fn planned_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.planned_until.filter(|until| *until > now)
    }

    /// When the last hold ends or ended.
    pub fn hold_until(&self) -> Option<Timestamp> {
        self.hold_until
    }

    /// The limit that holds the number now, and until when.
    pub fn held(&self, now: Timestamp) -> Option<(CarrierLimit, Timestamp)> {
        let until = self.hold_until.filter(|until| *until > now)?;
        Some((self.held_by.unwrap_or(CarrierLimit::Queue), until))
    }

    /// The pace under a restraint. A longer restraint of the same kind stays.
    #[must_use]
    pub fn restrained(self, restraint: Restraint) -> Self {
        let Restraint { limit, until } = restraint;
        match limit {
            CarrierLimit::Rate => Self { slow_until: self.slow_until.max(Some(until)), ..self },
            _ if self.hold_until >= Some(until) => self,
            _ => Self { hold_until: Some(until), held_by: Some(limit), ..self },
        }
    }
}

/// How long a message is hidden in the queue until its turn. The time is in whole seconds, and longer by a
/// random time that grows with the number of receives: messages that wait for one number do not all come back
/// at once.
pub fn queue_delay(wait: Duration, receives: u32, entropy: u64) -> Duration {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let spread = 2_u64.saturating_pow(receives.saturating_sub(1)).min(MAX_SPREAD.as_secs() + 1);
    Duration::from_secs(seconds + entropy % spread)
}

/// The idle time that a message of several segments needs before its turn.
fn idle_before(segments: u32, rate: u32, is_slow: bool) -> Duration {
    time_of(segments.saturating_sub(1), rate, is_slow).min(SPACED_WINDOW)
}

/// The time that segments take, rounded up to milliseconds.
fn time_of(segments: u32, rate: u32, is_slow: bool) -> Duration {
    let window = SPACED_WINDOW * if is_slow { 2 } else { 1 };
    let per_window = u64::from(rate.max(1)) * WINDOW.as_secs();
    let millis = u64::from(segments) * u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.div_ceil(per_window))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Sends messages of these sizes as early as possible. Each is offered after a pause in milliseconds.
    fn send_all(rate: u32, messages: &[(u32, u64)]) -> Vec<(Timestamp, u32)> {
        let (mut pace, mut now) = (Pace::default(), NOW);
        let mut released = Vec::new();
        for &(segments, pause) in messages {
            now = now + Duration::from_millis(pause);
            loop {
                match pace.decide(rate, segments, now) {
                    Turn::Release { at, next } => {
                        assert!(at >= now && at <= now + Duration::from_secs(15), "released too far ahead");
                        released.push((at, segments));
                        pace = next;
                        break;
                    }
                    Turn::Wait { until } => {
                        assert!(until > now, "a wait must have an end in the future");
                        now = until;
                    }
                }
            }
        }
        released
    }

    /// The most segments in any window that begins with a message, and the size of its first message if it is
    /// the only one.
    fn fullest_window(released: &[(Timestamp, u32)], length: Duration) -> u32 {
        let window = |(index, (from, _)): (usize, &(Timestamp, u32))| -> Vec<u32> {
            released[index..]
                .iter()
                .take_while(|(at, _)| *at < *from + length)
                .map(|(_, segments)| *segments)
                .collect()
        };
        let windows = released.iter().enumerate().map(window);
        windows.filter(|window| window.len() > 1).map(|window| window.iter().sum()).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_ten_seconds_have_more_than_ten_times_the_rate(
            rate in 1_u32..=80,
            messages in vec((1_u32..=12, prop_oneof![Just(0_u64), 0_u64..15_000]), 1..200),
        ) {
            let released = send_all(rate, &messages);
            prop_assert!(released.is_sorted_by_key(|(at, _)| *at));
            prop_assert!(fullest_window(&released, WINDOW + MAX_LATENESS) <= 10 * rate);
        }

        #[test]
        fn calls_that_are_late_by_up_to_half_a_second_keep_the_rate(
            rate in 1_u32..=80,
            messages in vec((1_u32..=4, 0_u64..500, 0_u64..=500), 1..200),
        ) {
            let planned: Vec<_> = messages.iter().map(|(segments, pause, _)| (*segments, *pause)).collect();
            let mut sent = send_all(rate, &planned);
            for ((at, _), (_, _, late)) in sent.iter_mut().zip(&messages) {
                *at = *at + Duration::from_millis(*late);
            }
            sent.sort();
            prop_assert!(fullest_window(&sent, WINDOW) <= 10 * rate);
        }

        #[test]
        fn a_backlog_goes_out_at_two_thirds_of_the_rate_or_faster(rate in 1_u32..=40, segments in 1_u32..=3) {
            let messages = vec![(segments, 0); 200];
            let released = send_all(rate, &messages);
            let last = released.last().unwrap().0.millis() - NOW.millis();
            let total = i64::from(199 * segments) * 1_000;
            prop_assert!(last * i64::from(rate) * 2 <= total * 3, "{last} ms");
        }

        /// Messages come back from the queue at random times, as SQS delivers them.
        #[test]
        fn no_message_waits_forever(
            rate in 1_u32..=5,
            sizes in vec(1_u32..=3, 1..60),
            seed in any::<u64>(),
        ) {
            let total: u32 = sizes.iter().sum();
            let limit = NOW + Duration::from_secs(u64::from(2 * total / rate) + 10 * MAX_SPREAD.as_secs());
            let mut waiting: Vec<_> = sizes.into_iter().map(|segments| (NOW, 1_u32, segments)).collect();
            let (mut pace, mut entropy) = (Pace::default(), seed);
            while let Some(index) = (0..waiting.len()).min_by_key(|index| waiting[*index].0) {
                let (now, receives, segments) = waiting[index];
                prop_assert!(now < limit, "{} messages wait after {receives} receives", waiting.len());
                match pace.decide(rate, segments, now) {
                    Turn::Release { next, .. } => {
                        pace = next;
                        waiting.swap_remove(index);
                    }
                    Turn::Wait { until } => {
                        entropy = entropy.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let delay = queue_delay(now.duration_until(until), receives, entropy >> 33);
                        waiting[index] = (now + delay, receives + 1, segments);
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_larger_than_ten_seconds_of_the_rate_is_alone_in_them() {
        let released = send_all(1, &[(1, 0), (12, 0), (1, 0)]);
        let at: Vec<_> = released.iter().map(|(at, _)| at.millis() - NOW.millis()).collect();
        assert_eq!(at, [0, 1_050 + 10_500, 1_050 + 10_500 + 12_600]);
    }

    #[test]
    fn a_message_whose_turn_is_more_than_a_second_ahead_waits_in_the_queue() {
        let Turn::Release { next, .. } = Pace::default().decide(1, 3, NOW) else { panic!("not released") };
        let turn = NOW + Duration::from_millis(3_150);
        assert_eq!(next.decide(1, 1, NOW), Turn::Wait { until: turn });
        let later = NOW + Duration::from_millis(1_950);
        assert!(matches!(next.decide(1, 1, later), Turn::Release { at, .. } if at == turn));
    }

    #[test]
    fn a_number_that_exceeded_its_rate_sends_half_as_fast_for_five_minutes() {
        let limit = Restraint::of(CarrierLimit::Rate, NOW);
        let pace = Pace { next_at: Some(NOW), ..Pace::default() }.restrained(limit);
        for (after, spacing) in [(0, 1_050), (299, 1_050), (300, 525)] {
            let now = NOW + Duration::from_secs(after);
            let Turn::Release { at, next } = pace.decide(2, 1, now) else { panic!("not released") };
            let next_at = next.next_at.unwrap().millis() - at.millis();
            assert_eq!(next_at, spacing, "after {after} s");
            let segments = pace.segments_in(Duration::from_secs(15), 1, now);
            assert_eq!(segments, if after < 300 { 7 } else { 15 }, "after {after} s");
        }
    }

    #[test]
    fn a_number_that_has_sent_its_messages_of_the_day_waits_until_midnight_pacific() {
        for (now, midnight) in [
            ("2026-11-28T13:00:00Z", "2026-11-29T08:00:00.000Z"),
            ("2026-07-01T06:59:59Z", "2026-07-01T07:00:00.000Z"),
            ("2026-11-01T07:30:00Z", "2026-11-02T08:00:00.000Z"), // the day has 25 hours
        ] {
            let now = Timestamp::parse(now).unwrap();
            let restraint = Restraint::of(CarrierLimit::Daily, now);
            let until = restraint.until;
            assert_eq!(until.to_string(), midnight);
            let pace = Pace::default().restrained(restraint);
            assert_eq!(pace.decide(1, 1, now), Turn::Wait { until });
            assert!(matches!(pace.decide(1, 1, until), Turn::Release { .. }));
        }
    }

    #[test]
    fn a_shorter_restraint_does_not_replace_a_longer_one() {
        let long = Restraint::of(CarrierLimit::Daily, NOW);
        let short = Restraint::of(CarrierLimit::Queue, NOW);
        let pace = Pace::default().restrained(long).restrained(short);
        assert_eq!(pace, Pace::default().restrained(long));
        let pace = Pace::default().restrained(short).restrained(long);
        assert_eq!(pace.held(NOW), Some((CarrierLimit::Daily, long.until)));
    }

    #[test]
    fn a_text_that_reserves_its_turn_moves_the_planned_turns() {
        let Turn::Release { next, .. } = Pace::default().decide(1, 1, NOW) else { panic!("not released") };
        let BroadcastTurn::Plan { at, next } = next.decide_broadcast(1, 1, Duration::ZERO, NOW) else {
            panic!("not planned")
        };
        let planned_until = at + Duration::from_millis(1_050);
        assert_eq!(next.planned_until, Some(planned_until));
        let BroadcastTurn::Release { next, .. } = next.decide_broadcast(1, 1, MAX_YIELDING, NOW) else {
            panic!("not reserved")
        };
        assert_eq!(next.planned_until, Some(planned_until + Duration::from_millis(1_050)));
    }

    #[test]
    fn messages_that_were_received_often_come_back_at_different_times() {
        let wait = Duration::from_millis(1_500);
        assert_eq!(queue_delay(wait, 1, u64::MAX), Duration::from_secs(2));
        for (receives, spread) in [(2, 2), (3, 4), (6, 32), (7, 61), (1_000, 61)] {
            let delays: Vec<_> = (0..1_000).map(|entropy| queue_delay(wait, receives, entropy)).collect();
            let latest = delays.iter().max().unwrap();
            assert_eq!(*latest, Duration::from_secs(2 + spread - 1), "{receives} receives");
        }
    }
}
