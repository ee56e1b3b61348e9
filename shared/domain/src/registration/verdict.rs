//! What a look at the carrier's record means for a registration.

use std::time::Duration;

use super::{
    Announced, Announcement, CampaignState, CarrierReason, Registration, RegistrationStatus, Source, Step,
    after, seen,
};
use crate::time::Timestamp;

/// The carrier dates its records in whole seconds and its events to the millisecond, by clocks of its own: two changes in
/// quick succession may seem to be in the wrong order. Within this time an event that seems old still makes us look.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// What a line says of an event that came too late.
const OLDER: &str = "Older than what is known; no effect.";

/// The carrier's own record of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How the campaign stands.
    pub state: CampaignState,
    /// When the record changed last, where it says so.
    pub updated_at: Option<Timestamp>,
    /// What the carrier found; a record keeps what an earlier review found.
    pub errors: Vec<CarrierReason>,
}

/// Everything that one look goes by.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The registration as we know it.
    pub registration: &'a Registration,
    /// The event that made us look, if one did.
    pub announcement: Option<&'a Announcement>,
    /// The event's codes in words.
    pub told: &'a [CarrierReason],
    /// The registration's newest steps.
    pub timeline: &'a [Step],
    /// The carrier's record, read afresh.
    pub record: &'a Record,
    /// The time.
    pub now: Timestamp,
}

/// A turn that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where the registration goes.
    pub to: RegistrationStatus,
    /// The instant of what it goes by, on the carrier's clock.
    pub as_of: Timestamp,
    /// Why, if the carrier said so.
    pub reasons: Vec<CarrierReason>,
    /// Its line in the timeline.
    pub step: Step,
}

/// What is to be done after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The registration turns.
    Turn(Due),
    /// Nothing turns; the event gets its line.
    Note(Step),
    /// Nothing at all: we asked, and nothing is new.
    Nothing,
}

/// Whether something newer is known, so that the carrier need not be asked.
pub fn is_old(registration: &Registration, announcement: &Announcement) -> bool {
    !registration.is_older_than(announcement.at.plus(CLOCK_MARGIN))
}

/// What the fresh record means, together with the event that made us look, if one did.
pub fn of(look: Look<'_>) -> Verdict {
    let Look { registration, announcement, timeline, record, .. } = look;
    let fresh = announcement.filter(|told| counts(registration, told, timeline));
    let state = seen(record.state, fresh.map(|told| told.what));
    match (next(registration, fresh, record, state), announcement) {
        (Some(to), _) => Verdict::Turn(due(look, state, to)),
        (None, Some(told)) => Verdict::Note(line(registration, told, fresh, record)),
        (None, None) => Verdict::Nothing,
    }
}

/// Whether what an event says counts beside the record: it is the newest thing known. A suspension is believed without the
/// record, so an approval after it that changed nothing, and so is in the timeline alone, also makes it old; a line about
/// a number has words of its own.
fn counts(registration: &Registration, told: &Announcement, timeline: &[Step]) -> bool {
    let lifted = |step: &Step| {
        let says_approved = step.source == Source::Callback && step.detail.is_none();
        says_approved && step.status == RegistrationStatus::Approved && step.at > told.at
    };
    registration.is_older_than(told.at) && (told.what != Announced::Suspended || !timeline.iter().any(lifted))
}

/// A record may not know of a suspension, so it lifts none unless it changed since, or a newer event says so.
fn next(
    registration: &Registration,
    fresh: Option<&Announcement>,
    record: &Record,
    state: CampaignState,
) -> Option<RegistrationStatus> {
    let next = after(registration.status, state)?;
    let lifts = registration.status == RegistrationStatus::Suspended && next == RegistrationStatus::Approved;
    let changed = record.updated_at.is_some_and(|at| at > registration.as_of);
    let announced = fresh.is_some_and(|told| told.what == Announced::Approved);
    (!lifts || changed || announced).then_some(next)
}

fn due(look: Look<'_>, state: CampaignState, to: RegistrationStatus) -> Due {
    let Look { registration, announcement, told, record, now, .. } = look;
    let codes = announcement.map_or(&[][..], |event| &event.codes);
    let reasons = reasons(record, to, told);
    let at = announcement.map_or(record.updated_at.unwrap_or(now), |event| event.at);
    // What turns by the event alone is not as new as a record that knows nothing of it.
    let updated_at = record.updated_at.filter(|_| state == record.state);
    let mut all_codes: Vec<u32> = Vec::new();
    for code in reasons.iter().map(|reason| reason.code).chain(codes.iter().copied()) {
        if code != 0 && !all_codes.contains(&code) {
            all_codes.push(code);
        }
    }
    let step = Step {
        id: announcement.map_or_else(|| format!("poll-{}", at.millis()), |event| event.id.clone()),
        status: to,
        at,
        source: if announcement.is_some() { Source::Callback } else { Source::Poll },
        codes: all_codes,
        detail: reasons.first().map(|reason| reason.detail.clone()),
        by: None,
    };
    Due { to, as_of: registration.as_of.max(at).max(updated_at.unwrap_or(at)), reasons, step }
}

/// Why it was stopped: the record's words, else those for the event's codes. A record keeps what an earlier review found, so
/// one that is not stopped itself gives no reason.
fn reasons(record: &Record, to: RegistrationStatus, told: &[CarrierReason]) -> Vec<CarrierReason> {
    let is_stopped = matches!(record.state, CampaignState::Failed | CampaignState::Suspended);
    match to {
        RegistrationStatus::Rejected | RegistrationStatus::Suspended => {
            let found = if is_stopped { record.errors.clone() } else { Vec::new() };
            if found.is_empty() { told.to_vec() } else { found }
        }
        RegistrationStatus::NotStarted | RegistrationStatus::Pending | RegistrationStatus::Approved => {
            Vec::new()
        }
    }
}

/// The line of an event that turned nothing. An event may also run ahead of the record, which follows a moment later: it
/// approves nothing even then, and the poll finds what the record says in the end.
fn line(
    registration: &Registration,
    told: &Announcement,
    fresh: Option<&Announcement>,
    record: &Record,
) -> Step {
    let current = registration.status;
    let says = told.what.status(current);
    if fresh.is_none() {
        return too_late(registration, told);
    }
    if says == current {
        return noted(told, current, None);
    }
    let announced = match told.what {
        Announced::Submitted => "a submission",
        Announced::Approved => "an approval",
        Announced::Failed => "a refusal",
        Announced::Suspended => "a suspension",
        Announced::NumberRegistered | Announced::NumberFailed => "something of a number",
    };
    let record = match record.state {
        CampaignState::InReview => "in review",
        CampaignState::Verified => "verified",
        CampaignState::Failed => "failed",
        CampaignState::Suspended => "suspended",
    };
    let detail = format!("The carrier announced {announced}; its record says that the campaign is {record}.");
    noted(told, current, Some(detail))
}

/// The line of an event that came after something newer.
pub fn too_late(registration: &Registration, told: &Announcement) -> Step {
    noted(told, told.what.status(registration.status), Some(OLDER.to_owned()))
}

/// The line of an event about a number, if it is one: it says nothing of the campaign.
pub fn of_number(registration: &Registration, told: &Announcement) -> Option<Step> {
    let detail = match told.what {
        Announced::NumberRegistered => "One of the team's numbers has joined the campaign.",
        Announced::NumberFailed => "One of the team's numbers could not join the campaign.",
        Announced::Submitted | Announced::Approved | Announced::Failed | Announced::Suspended => return None,
    };
    Some(noted(told, registration.status, Some(detail.to_owned())))
}

/// The line of an event that came before anything was submitted.
pub fn too_early(registration: &Registration, told: &Announcement) -> Step {
    let detail = "Nothing has been submitted yet; no effect.".to_owned();
    noted(told, registration.status, Some(detail))
}

fn noted(told: &Announcement, status: RegistrationStatus, detail: Option<String>) -> Step {
    let (id, codes) = (told.id.clone(), told.codes.clone());
    Step { id, status, at: told.at, source: Source::Callback, codes, detail, by: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RegistrationStatus::{Approved, Pending, Rejected, Suspended};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn reason(code: u32) -> CarrierReason {
        CarrierReason { code, detail: format!("Reason {code}.") }
    }

    fn registration(status: RegistrationStatus) -> Registration {
        Registration { status, as_of: at(100), ..Registration::default() }
    }

    fn event(what: Announced, seconds: i64) -> Announcement {
        Announcement { id: "EZ1".into(), at: at(seconds), what, codes: vec![30_909] }
    }

    fn record(state: CampaignState, updated_at: i64) -> Record {
        Record { state, updated_at: Some(at(updated_at)), errors: Vec::new() }
    }

    fn look(
        status: RegistrationStatus,
        event: Option<&Announcement>,
        timeline: &[Step],
        record: &Record,
    ) -> Verdict {
        let registration = registration(status);
        let told = [reason(30_909)];
        of(Look {
            registration: &registration,
            announcement: event,
            told: &told,
            timeline,
            record,
            now: at(900),
        })
    }

    fn turned(verdict: Verdict) -> Due {
        match verdict {
            Verdict::Turn(due) => due,
            other => panic!("it does not turn: {other:?}"),
        }
    }

    fn noted(verdict: Verdict) -> Step {
        match verdict {
            Verdict::Note(line) => line,
            other => panic!("it is not noted: {other:?}"),
        }
    }

    #[test]
    fn a_poll_turns_by_the_record_and_is_silent_where_nothing_is_new() {
        let due = turned(look(Pending, None, &[], &record(CampaignState::Verified, 200)));
        assert_eq!((due.to, due.as_of, due.reasons), (Approved, at(200), Vec::new()));
        assert_eq!((due.step.source, due.step.at), (Source::Poll, at(200)));
        let undated = Record { updated_at: None, ..record(CampaignState::Verified, 0) };
        assert_eq!(turned(look(Pending, None, &[], &undated)).as_of, at(900));
        let verdict = look(Pending, None, &[], &record(CampaignState::InReview, 200));
        assert_eq!(verdict, Verdict::Nothing);
    }

    #[test]
    fn an_event_approves_nothing_before_the_record_does() {
        let approved = event(Announced::Approved, 200);
        let line = noted(look(Pending, Some(&approved), &[], &record(CampaignState::InReview, 50)));
        assert_eq!((line.id.as_str(), line.status, line.codes), ("EZ1", Pending, vec![30_909]));
        let words = "The carrier announced an approval; its record says that the campaign is in review.";
        assert_eq!(line.detail.as_deref(), Some(words));
        let due = turned(look(Pending, Some(&approved), &[], &record(CampaignState::Verified, 199)));
        assert_eq!((due.to, due.as_of, due.step.source), (Approved, at(200), Source::Callback));
    }

    #[test]
    fn a_suspension_is_believed_without_the_record_and_lifted_by_what_is_newer_alone() {
        let suspended = event(Announced::Suspended, 200);
        let verified = record(CampaignState::Verified, 500);
        let due = turned(look(Approved, Some(&suspended), &[], &verified));
        assert_eq!(
            (due.to, due.as_of),
            (Suspended, at(200)),
            "not as new as a record that knows nothing of it"
        );
        assert_eq!((due.reasons, due.step.codes), (vec![reason(30_909)], vec![30_909]));
        let unchanged = record(CampaignState::Verified, 100);
        assert_eq!(look(Suspended, None, &[], &unchanged), Verdict::Nothing);
        assert_eq!(turned(look(Suspended, None, &[], &record(CampaignState::Verified, 101))).to, Approved);
        let lifted = event(Announced::Approved, 200);
        assert_eq!(turned(look(Suspended, Some(&lifted), &[], &unchanged)).to, Approved);
    }

    #[test]
    fn a_suspension_that_comes_after_its_lifting_changes_nothing() {
        let suspended = event(Announced::Suspended, 200);
        let lifting = Step { detail: None, ..super::noted(&event(Announced::Approved, 300), Approved, None) };
        let verified = record(CampaignState::Verified, 50);
        let line = noted(look(Approved, Some(&suspended), std::slice::from_ref(&lifting), &verified));
        assert_eq!(line.detail.as_deref(), Some(OLDER));
        let at_that_instant = Step { at: at(200), ..lifting.clone() };
        assert_eq!(turned(look(Approved, Some(&suspended), &[at_that_instant], &verified)).to, Suspended);
        let of_a_number = Step { detail: Some("One of the team's numbers has joined.".into()), ..lifting };
        let due = turned(look(Approved, Some(&suspended), &[of_a_number], &verified));
        assert_eq!(due.to, Suspended);
    }

    #[test]
    fn the_record_s_words_come_before_those_for_the_event_s_codes() {
        let failed = event(Announced::Failed, 200);
        let found = Record { errors: vec![reason(7), reason(0)], ..record(CampaignState::Failed, 199) };
        let due = turned(look(Pending, Some(&failed), &[], &found));
        assert_eq!((due.to, due.reasons), (Rejected, vec![reason(7), reason(0)]));
        assert_eq!((due.step.codes, due.step.detail), (vec![7, 30_909], Some(reason(7).detail)));
        let silent = record(CampaignState::Failed, 199);
        assert_eq!(turned(look(Pending, Some(&failed), &[], &silent)).reasons, [reason(30_909)]);
        let of_earlier = Record { errors: vec![reason(7)], ..record(CampaignState::Verified, 50) };
        let suspended = event(Announced::Suspended, 200);
        assert_eq!(turned(look(Approved, Some(&suspended), &[], &of_earlier)).reasons, [reason(30_909)]);
    }

    #[test]
    fn what_is_older_than_the_newest_thing_known_stands_in_the_timeline_alone() {
        let (old, close) = (event(Announced::Suspended, 94), event(Announced::Suspended, 95));
        assert!(is_old(&registration(Approved), &old));
        assert!(!is_old(&registration(Approved), &close), "clocks differ");
        let line = noted(look(Approved, Some(&close), &[], &record(CampaignState::Verified, 100)));
        assert_eq!((line.status, line.detail.as_deref()), (Suspended, Some(OLDER)));
    }

    #[test]
    fn an_event_about_a_number_says_nothing_of_the_campaign() {
        for what in [Announced::NumberRegistered, Announced::NumberFailed] {
            assert_eq!(of_number(&registration(Approved), &event(what, 200)).unwrap().status, Approved);
        }
        for what in [Announced::Submitted, Announced::Approved, Announced::Failed, Announced::Suspended] {
            assert_eq!(of_number(&registration(Approved), &event(what, 200)), None);
        }
    }
}
