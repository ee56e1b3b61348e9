//! The checklist of an estimate: what a user should look at before confirming a broadcast.

use super::{CostlyCharacter, Drain, EstimateRef, SkipReason, Tally};
use crate::{template::MAX_TEXT_LENGTH, time::Timestamp};

/// An estimate is stale if more than this part of the recipients changed.
const STALE_PART: u64 = 20;
/// A drain that takes longer than this is reviewed.
const LONG_DRAIN_HOURS: u64 = 24;

/// How much a check matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckLevel {
    /// Nothing to do.
    Ok,
    /// A user should look at it.
    Review,
    /// The broadcast cannot be confirmed.
    Stop,
}

impl CheckLevel {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Review => "review",
            Self::Stop => "stop",
        }
    }
}

/// A line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How much it matters.
    pub level: CheckLevel,
    /// What was checked.
    pub code: &'static str,
    /// What was found, as sentences for the user.
    pub detail: String,
}

/// Facts about the inbox and the user that the checklist needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct SenderFacts {
    /// The inbox was not retired.
    pub is_active: bool,
    /// The team is registered.
    pub is_registered: bool,
    /// The user may send broadcasts from the inbox.
    pub may_broadcast: bool,
    /// The text says how to opt out, or everyone had such a text before.
    pub names_opt_out: bool,
    /// It is a series whose first time has passed.
    pub is_past: bool,
    /// The organization's sending is paused.
    pub is_paused: bool,
    /// How many other broadcasts of the inbox are running. 0 if this one starts later.
    pub other_broadcasts: usize,
}

/// The checklist of an estimate, in a fixed order. `starts_at` is when the broadcast is to start.
pub fn checks(tally: &Tally, sender: SenderFacts, drain: Option<&Drain>, starts_at: Timestamp) -> Vec<Check> {
    vec![
        stops("inbox", sender.is_active, "The inbox can send messages.", "The inbox was retired."),
        stops("registration", sender.is_registered, "The team is registered.", "The team is not registered."),
        stops(
            "permission",
            sender.may_broadcast,
            "You may send broadcasts.",
            "You have no permission to send broadcasts from this inbox. Ask an admin of the team.",
        ),
        recipients(tally),
        excluded(tally),
        characters(tally),
        length(tally),
        opt_out(sender),
        hours(tally, drain),
        duration(drain, starts_at),
        daily_cap(drain),
        sending_paused(sender),
        other_broadcasts(sender),
        stops(
            "schedule",
            !sender.is_past,
            "The broadcast starts at its time.",
            "The time of the first occurrence has passed. Choose a time in the future.",
        ),
    ]
}

/// Whether a broadcast with this checklist can be confirmed.
pub fn can_confirm(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.level != CheckLevel::Stop)
}

/// Whether an estimate is stale: by more than 5 %, the number of recipients changed, or others get the text.
/// An estimate from before sketches knows the number alone.
pub fn is_stale(estimate: &EstimateRef, current: &Tally) -> bool {
    let EstimateRef { recipients, audience, .. } = estimate;
    is_over_limit(recipients.abs_diff(current.recipients()), *recipients)
        || audience.as_ref().is_some_and(|audience| audience.differs(current.audience()))
}

/// Whether a change of an audience of this many people is one of more than 5 %.
pub(super) fn is_over_limit(change: u64, people: u64) -> bool {
    change.saturating_mul(STALE_PART) > people
}

fn check(level: CheckLevel, code: &'static str, detail: impl Into<String>) -> Check {
    Check { level, code, detail: detail.into() }
}

fn stops(code: &'static str, passes: bool, good: &str, bad: &str) -> Check {
    if passes { check(CheckLevel::Ok, code, good) } else { check(CheckLevel::Stop, code, bad) }
}

fn recipients(tally: &Tally) -> Check {
    match tally.recipients() {
        0 => check(CheckLevel::Stop, "recipients", "Nobody would get a text. Choose another audience."),
        1 => check(CheckLevel::Ok, "recipients", "1 person gets a text."),
        count => check(CheckLevel::Ok, "recipients", format!("{count} people get a text.")),
    }
}

fn excluded(tally: &Tally) -> Check {
    if tally.excluded().is_empty() {
        return check(CheckLevel::Ok, "excluded", "Nobody in the audience is left out.");
    }
    let parts: Vec<_> =
        tally.excluded().iter().map(|(reason, count)| format!("{count} {}", why(*reason))).collect();
    let detail = format!("Some people in the audience get no text: {}.", parts.join(", "));
    check(CheckLevel::Review, "excluded", detail)
}

fn why(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::OptedOut => "opted out",
        SkipReason::Blocked => "blocked",
        SkipReason::InvalidNumber => "without a number that can get messages",
        SkipReason::NoValue => "without a value for a merge field",
        SkipReason::NotRegistered => "because the team is not registered",
        SkipReason::Retired => "because the inbox was retired",
        SkipReason::NoAccess => "because you have no access to the inbox",
        SkipReason::Replied => "replied to an earlier text",
        SkipReason::Canceled => "canceled",
        SkipReason::Expired => "without hours in common with the inbox",
    }
}

fn characters(tally: &Tally) -> Check {
    let Some(first) = tally.costly_characters().into_iter().next() else {
        return check(CheckLevel::Ok, "characters", "No character makes the texts longer.");
    };
    let CostlyCharacter { character, field, .. } = first;
    let texts = tally.unicode_texts();
    let detail = format!(
        "Texts with characters that leave room for only 70 characters in a segment instead of 160: {texts}. The \
         most frequent one is {character:?} in {field}."
    );
    check(CheckLevel::Review, "characters", detail)
}

fn length(tally: &Tally) -> Check {
    let too_long = tally.too_long_texts();
    if too_long > 0 {
        let detail = format!(
            "Texts with more than {MAX_TEXT_LENGTH} characters, which carriers do not accept: {too_long}. Shorten \
             the text, or the values of its merge fields."
        );
        return check(CheckLevel::Stop, "length", detail);
    }
    match tally.histogram().keys().last() {
        None | Some(1) => check(CheckLevel::Ok, "length", "Each text is one segment."),
        Some(longest) => {
            let detail =
                format!("Some texts have several segments, up to {longest}. Each segment is billed.");
            check(CheckLevel::Review, "length", detail)
        }
    }
}

fn opt_out(sender: SenderFacts) -> Check {
    if sender.names_opt_out {
        check(CheckLevel::Ok, "opt_out", "Recipients know how to opt out.")
    } else {
        check(
            CheckLevel::Review,
            "opt_out",
            "The text does not say how to opt out, such as \"Reply STOP to opt out\".",
        )
    }
}

fn hours(tally: &Tally, drain: Option<&Drain>) -> Check {
    let held = drain.map_or(0, |drain| drain.held);
    if let Some(count) = tally.excluded().get(&SkipReason::Expired) {
        // Nobody is late before the start.
        let detail = format!(
            "People who have no hours in common with the office hours of the inbox: {count}. They get no text. \
             Check these hours."
        );
        let level = if tally.recipients() == 0 { CheckLevel::Stop } else { CheckLevel::Review };
        check(level, "hours", detail)
    } else if drain.is_none() && tally.recipients() > 0 {
        let detail = "Some texts would not go out within a year. Check the sending hours of the team.";
        check(CheckLevel::Stop, "hours", detail)
    } else if held > 0 {
        check(
            CheckLevel::Review,
            "hours",
            format!("Texts that wait for the sending hours of their recipients: {held}."),
        )
    } else {
        check(CheckLevel::Ok, "hours", "All texts can go out at the start.")
    }
}

fn duration(drain: Option<&Drain>, starts_at: Timestamp) -> Check {
    let hours = drain.map_or(0, |drain| starts_at.duration_until(drain.ends_at).as_secs().div_ceil(3_600));
    if hours > LONG_DRAIN_HOURS {
        let detail = format!("The last text goes out {hours} hours after the start.");
        check(CheckLevel::Review, "duration", detail)
    } else {
        check(CheckLevel::Ok, "duration", "The last text goes out within a day.")
    }
}

fn daily_cap(drain: Option<&Drain>) -> Check {
    match drain.map_or(0, |drain| drain.capped_days) {
        0 => check(
            CheckLevel::Ok,
            "daily_cap",
            "No limit of the day is known. A broadcast that reaches that of the carriers waits for the next day.",
        ),
        days => {
            let detail = format!(
                "Days on which the carriers' limit is reached: {days}. The other texts wait for the next day."
            );
            check(CheckLevel::Review, "daily_cap", detail)
        }
    }
}

fn sending_paused(sender: SenderFacts) -> Check {
    if sender.is_paused {
        let detail = "Sending is paused. If it is not resumed before the start, the texts wait for that, and go out \
                      later than this estimate says.";
        check(CheckLevel::Review, "sending_paused", detail)
    } else {
        check(CheckLevel::Ok, "sending_paused", "Sending is not paused.")
    }
}

fn other_broadcasts(sender: SenderFacts) -> Check {
    match sender.other_broadcasts {
        0 => check(CheckLevel::Ok, "other_broadcasts", "No other broadcast of the inbox is running."),
        count => {
            let detail = format!(
                "Other broadcasts that the inbox is sending: {count}. They share its pace, so the last text goes out \
                 later than this estimate says."
            );
            check(CheckLevel::Review, "other_broadcasts", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::{
        broadcast::Capacity,
        ids::BroadcastId,
        pace::Pace,
        phone::PhoneNumber,
        sending_hours::{HoursMode, RecipientPlace},
    };

    const SENDER: SenderFacts = SenderFacts {
        is_active: true,
        is_registered: true,
        may_broadcast: true,
        names_opt_out: true,
        is_past: false,
        is_paused: false,
        other_broadcasts: 0,
    };
    const CAPACITY: Capacity = Capacity { segments_per_second: 10, segments_per_day: None };

    fn place(number: &str) -> RecipientPlace {
        RecipientPlace::of(&PhoneNumber::from_carrier(number).unwrap(), None)
    }

    fn noon() -> Timestamp {
        Timestamp::parse("2026-11-23T15:00:00-05:00").unwrap()
    }

    fn tally() -> Tally {
        let mut tally = Tally::default();
        let (east, west) = (place("+12025550143"), place("+12135550143"));
        tally.add(&east, "Hi Ada", []);
        tally.add(&west, &"x".repeat(161), []);
        for _ in 0..3 {
            tally.add(&east, "Hi ✓", [('✓', "text".to_owned())]);
        }
        tally.exclude(SkipReason::OptedOut);
        tally.exclude(SkipReason::OptedOut);
        tally.exclude(SkipReason::NoValue);
        tally
    }

    fn level(checks: &[Check], code: &str) -> CheckLevel {
        checks.iter().find(|check| check.code == code).unwrap().level
    }

    #[test]
    fn a_checklist_stops_what_cannot_be_sent() {
        let tally = tally();
        let drain = tally.drain(HoursMode::Recipient, None, CAPACITY, Pace::default(), noon());
        let checks = |tally: &Tally, sender| super::checks(tally, sender, drain.as_ref(), noon());
        assert!(can_confirm(&checks(&tally, SENDER)));
        for (sender, code) in [
            (SenderFacts { is_active: false, ..SENDER }, "inbox"),
            (SenderFacts { is_registered: false, ..SENDER }, "registration"),
            (SenderFacts { may_broadcast: false, ..SENDER }, "permission"),
            (SenderFacts { is_past: true, ..SENDER }, "schedule"),
        ] {
            let checks = checks(&tally, sender);
            assert_eq!((level(&checks, code), can_confirm(&checks)), (CheckLevel::Stop, false), "{code}");
        }
        let mut nobody = Tally::default();
        nobody.exclude(SkipReason::OptedOut);
        assert_eq!(level(&checks(&nobody, SENDER), "recipients"), CheckLevel::Stop);
        let never = super::checks(&tally, SENDER, None, noon());
        assert_eq!(level(&never, "hours"), CheckLevel::Stop);
    }

    #[test]
    fn a_text_that_carriers_do_not_accept_stops_the_broadcast() {
        for (length, too_long) in [(1_600, 0), (1_601, 1)] {
            let mut tally = tally();
            tally.add(&place("+12025550143"), &"✓".repeat(length), []);
            let drain = tally.drain(HoursMode::Recipient, None, CAPACITY, Pace::default(), noon());
            let checks = checks(&tally, SENDER, drain.as_ref(), noon());
            assert_eq!((tally.too_long_texts(), can_confirm(&checks)), (too_long, too_long == 0));
            let expected = if too_long > 0 { CheckLevel::Stop } else { CheckLevel::Review };
            assert_eq!(level(&checks, "length"), expected, "{length}");
        }
    }

    #[test]
    fn a_checklist_asks_to_review_what_costs_more_or_takes_longer() {
        let tally = tally();
        let night = Timestamp::parse("2026-11-23T03:00:00-05:00").unwrap();
        let drain = tally.drain(HoursMode::Recipient, None, CAPACITY, Pace::default(), night).unwrap();
        let sender = SenderFacts { names_opt_out: false, is_paused: true, other_broadcasts: 2, ..SENDER };
        let long = Drain { capped_days: 2, ends_at: night + std::time::Duration::from_hours(25), ..drain };
        let checks = checks(&tally, sender, Some(&long), night);
        let of_texts = ["excluded", "characters", "length", "opt_out"];
        let of_times = ["hours", "duration", "daily_cap", "sending_paused", "other_broadcasts"];
        for code in of_texts.into_iter().chain(of_times) {
            assert_eq!(level(&checks, code), CheckLevel::Review, "{code}");
        }
        let detail = |code: &str| checks.iter().find(|check| check.code == code).unwrap().detail.as_str();
        assert_eq!(
            detail("excluded"),
            "Some people in the audience get no text: 2 opted out, 1 without a value for a merge field."
        );
        assert!(detail("other_broadcasts").contains("sending: 2."));
        assert!(detail("characters").contains("160: 3.") && detail("characters").contains("'✓' in text"));
        assert_eq!(detail("hours"), "Texts that wait for the sending hours of their recipients: 5.");
        let mut plain = Tally::default();
        plain.add(&place("+12025550143"), "Hi", []);
        let drain = plain.drain(HoursMode::Recipient, None, CAPACITY, Pace::default(), noon()).unwrap();
        let checks = super::checks(&plain, SENDER, Some(&drain), noon());
        assert!(checks.iter().all(|check| check.level == CheckLevel::Ok), "{checks:?}");
        assert_eq!(
            [CheckLevel::Ok, CheckLevel::Review, CheckLevel::Stop].map(CheckLevel::as_str),
            ["ok", "review", "stop"]
        );
    }

    #[test]
    fn an_estimate_is_stale_after_a_change_of_more_than_5_percent() {
        for (estimated, current, stale) in [
            (100, 100, false),
            (100, 105, false),
            (100, 106, true),
            (100, 95, false),
            (100, 94, true),
            (1, 2, true),
        ] {
            let mut tally = Tally::default();
            for _ in 0..current {
                tally.add(&place("+12025550143"), "Hi", []);
            }
            let estimate = EstimateRef { id: "est_1".into(), recipients: estimated, audience: None };
            assert_eq!(is_stale(&estimate, &tally), stale, "{estimated} {current}");
        }
    }

    #[test]
    fn an_estimate_is_stale_if_as_many_others_get_the_text() {
        let broadcast = BroadcastId::parse("bct_1").unwrap();
        let tally = |people: Range<u64>| {
            let mut tally = Tally::default();
            for person in people {
                let number = PhoneNumber::from_carrier(&format!("+1202555{person:04}")).unwrap();
                tally.add(&place(number.as_str()), "Hi", []);
                tally.add_to_audience(&broadcast, &number);
            }
            tally
        };
        let eighth_grade = tally(0..100);
        let audience = Some(eighth_grade.audience().clone());
        let estimate = EstimateRef { id: "est_1".into(), recipients: 100, audience };
        assert!(!is_stale(&estimate, &eighth_grade));
        assert!(!is_stale(&estimate, &tally(5..105)), "five others");
        assert!(is_stale(&estimate, &tally(6..106)), "six others");
        assert!(is_stale(&estimate, &tally(100..200)), "another grade");
        assert!(!is_stale(&EstimateRef { audience: None, ..estimate }, &tally(100..200)), "an old estimate");
    }
}
