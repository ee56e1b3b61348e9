//! What a look at the carrier's record means for a registration.

use std::time::Duration;

use super::{
    CampaignEvent, CampaignState, CampaignUpdate, CarrierReason, Registration, RegistrationStatus,
    StepSource, TimelineStep, after, seen,
};
use crate::time::Timestamp;

/// The carrier dates its records in whole seconds and its events to the millisecond, by clocks of its own: two changes in
/// quick succession may seem to be in the wrong order. Within this time an event that seems old still makes us look.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// What a line says of an event that came too late.
const OLDER: &str = "Older than what is known; no effect.";

/// The carrier's own record of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignRecord {
    /// How the campaign stands.
    pub state: CampaignState,
    /// When the record changed last, where it says so.
    pub updated_at: Option<Timestamp>,
    /// What the carrier found; a record keeps what an earlier review found.
    pub errors: Vec<CarrierReason>,
}

/// Everything that one look goes by.
#[derive(Debug, Clone, Copy)]
pub struct DecisionInput<'a> {
    /// The registration as we know it.
    pub registration: &'a Registration,
    /// The event that made us look, if one did.
    pub announcement: Option<&'a CampaignEvent>,
    /// The event's codes in words.
    pub told: &'a [CarrierReason],
    /// The registration's newest steps.
    pub timeline: &'a [TimelineStep],
    /// The carrier's record, read afresh.
    pub record: &'a CampaignRecord,
    /// The time.
    pub now: Timestamp,
}

/// A turn that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTransition {
    /// Where the registration goes.
    pub to: RegistrationStatus,
    /// The instant of what it goes by, on the carrier's clock.
    pub as_of: Timestamp,
    /// Why, if the carrier said so.
    pub reasons: Vec<CarrierReason>,
    /// Its line in the timeline.
    pub step: TimelineStep,
}

/// What is to be done after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationDecision {
    /// The registration turns.
    Transition(DueTransition),
    /// Nothing turns; the event gets its line.
    RecordEvent(TimelineStep),
    /// Nothing at all: we asked, and nothing is new.
    Nothing,
}

/// Whether something newer is known, so that the carrier need not be asked.
pub fn is_outdated(registration: &Registration, announcement: &CampaignEvent) -> bool {
    !registration.accepts_update_at(announcement.at + CLOCK_MARGIN)
}

/// What the fresh record means, together with the event that made us look, if one did.
pub fn decide(look: DecisionInput<'_>) -> RegistrationDecision {
    let DecisionInput { registration, announcement, timeline, record, .. } = look;
    let fresh = announcement.filter(|told| counts(registration, told, timeline));
    let state = seen(record.state, fresh.map(|told| told.what));
    match (next(registration, fresh, record, state), announcement) {
        (Some(to), _) => RegistrationDecision::Transition(due(look, state, to)),
        (None, Some(told)) => RegistrationDecision::RecordEvent(line(registration, told, fresh, record)),
        (None, None) => RegistrationDecision::Nothing,
    }
}

/// Whether what an event says counts beside the record: it is the newest thing known. A suspension is believed without the
/// record, so an approval after it that changed nothing, and so is in the timeline alone, also makes it old; a line about
/// a number has words of its own.
fn counts(registration: &Registration, told: &CampaignEvent, timeline: &[TimelineStep]) -> bool {
    let lifted = |step: &TimelineStep| {
        let says_approved = step.source == StepSource::Callback && step.detail.is_none();
        says_approved && step.status == RegistrationStatus::Approved && step.at > told.at
    };
    registration.accepts_update_at(told.at)
        && (told.what != CampaignUpdate::Suspended || !timeline.iter().any(lifted))
}

/// A record may not know of a suspension, so it lifts none unless it changed since, or a newer event says so.
fn next(
    registration: &Registration,
    fresh: Option<&CampaignEvent>,
    record: &CampaignRecord,
    state: CampaignState,
) -> Option<RegistrationStatus> {
    let next = after(registration.status, state)?;
    let lifts = registration.status == RegistrationStatus::Suspended && next == RegistrationStatus::Approved;
    let changed = record.updated_at.is_some_and(|at| at > registration.as_of);
    let announced = fresh.is_some_and(|told| told.what == CampaignUpdate::Approved);
    (!lifts || changed || announced).then_some(next)
}

fn due(look: DecisionInput<'_>, state: CampaignState, to: RegistrationStatus) -> DueTransition {
    let DecisionInput { registration, announcement, told, record, now, .. } = look;
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
    let step = TimelineStep {
        id: announcement.map_or_else(|| format!("poll-{}", at.millis()), |event| event.id.clone()),
        status: to,
        at,
        source: if announcement.is_some() { StepSource::Callback } else { StepSource::Poll },
        codes: all_codes,
        detail: reasons.first().map(|reason| reason.detail.clone()),
        by: None,
    };
    DueTransition { to, as_of: registration.as_of.max(at).max(updated_at.unwrap_or(at)), reasons, step }
}

/// Why it was stopped: the record's words, else those for the event's codes. A record keeps what an earlier review found, so
/// one that is not stopped itself gives no reason.
fn reasons(record: &CampaignRecord, to: RegistrationStatus, told: &[CarrierReason]) -> Vec<CarrierReason> {
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
    told: &CampaignEvent,
    fresh: Option<&CampaignEvent>,
    record: &CampaignRecord,
) -> TimelineStep {
    let current = registration.status;
    let says = told.what.status(current);
    if fresh.is_none() {
        return outdated_step(registration, told);
    }
    if says == current {
        return noted(told, current, None);
    }
    let announced = match told.what {
        CampaignUpdate::Submitted => "a submission",
        CampaignUpdate::Approved => "an approval",
        CampaignUpdate::Failed => "a refusal",
        CampaignUpdate::Suspended => "a suspension",
        CampaignUpdate::NumberRegistered | CampaignUpdate::NumberFailed => "something of a number",
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
pub fn outdated_step(registration: &Registration, told: &CampaignEvent) -> TimelineStep {
    noted(told, told.what.status(registration.status), Some(OLDER.to_owned()))
}

/// The line of an event about a number, if it is one: it says nothing of the campaign.
pub fn number_step(registration: &Registration, told: &CampaignEvent) -> Option<TimelineStep> {
    let detail = match told.what {
        CampaignUpdate::NumberRegistered => "One of the team's numbers has joined the campaign.",
        CampaignUpdate::NumberFailed => "One of the team's numbers could not join the campaign.",
        CampaignUpdate::Submitted
        | CampaignUpdate::Approved
        | CampaignUpdate::Failed
        | CampaignUpdate::Suspended => return None,
    };
    Some(noted(told, registration.status, Some(detail.to_owned())))
}

/// The line of an event that came before anything was submitted.
pub fn premature_step(registration: &Registration, told: &CampaignEvent) -> TimelineStep {
    let detail = "Nothing has been submitted yet; no effect.".to_owned();
    noted(told, registration.status, Some(detail))
}

fn noted(told: &CampaignEvent, status: RegistrationStatus, detail: Option<String>) -> TimelineStep {
    let (id, codes) = (told.id.clone(), told.codes.clone());
    TimelineStep { id, status, at: told.at, source: StepSource::Callback, codes, detail, by: None }
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

    fn event(what: CampaignUpdate, seconds: i64) -> CampaignEvent {
        CampaignEvent { id: "EZ1".into(), at: at(seconds), what, codes: vec![30_909] }
    }

    fn record(state: CampaignState, updated_at: i64) -> CampaignRecord {
        CampaignRecord { state, updated_at: Some(at(updated_at)), errors: Vec::new() }
    }

    fn look(
        status: RegistrationStatus,
        event: Option<&CampaignEvent>,
        timeline: &[TimelineStep],
        record: &CampaignRecord,
    ) -> RegistrationDecision {
        let registration = registration(status);
        let told = [reason(30_909)];
        decide(DecisionInput {
            registration: &registration,
            announcement: event,
            told: &told,
            timeline,
            record,
            now: at(900),
        })
    }

    fn turned(verdict: RegistrationDecision) -> DueTransition {
        match verdict {
            RegistrationDecision::Transition(due) => due,
            other => panic!("it does not turn: {other:?}"),
        }
    }

    fn noted(verdict: RegistrationDecision) -> TimelineStep {
        match verdict {
            RegistrationDecision::RecordEvent(line) => line,
            other => panic!("it is not noted: {other:?}"),
        }
    }

    #[test]
    fn a_poll_turns_by_the_record_and_is_silent_where_nothing_is_new() {
        let due = turned(look(Pending, None, &[], &record(CampaignState::Verified, 200)));
        assert_eq!((due.to, due.as_of, due.reasons), (Approved, at(200), Vec::new()));
        assert_eq!((due.step.source, due.step.at), (StepSource::Poll, at(200)));
        let undated = CampaignRecord { updated_at: None, ..record(CampaignState::Verified, 0) };
        assert_eq!(turned(look(Pending, None, &[], &undated)).as_of, at(900));
        let verdict = look(Pending, None, &[], &record(CampaignState::InReview, 200));
        assert_eq!(verdict, RegistrationDecision::Nothing);
    }

    #[test]
    fn an_event_approves_nothing_before_the_record_does() {
        let approved = event(CampaignUpdate::Approved, 200);
        let line = noted(look(Pending, Some(&approved), &[], &record(CampaignState::InReview, 50)));
        assert_eq!((line.id.as_str(), line.status, line.codes), ("EZ1", Pending, vec![30_909]));
        let words = "The carrier announced an approval; its record says that the campaign is in review.";
        assert_eq!(line.detail.as_deref(), Some(words));
        let due = turned(look(Pending, Some(&approved), &[], &record(CampaignState::Verified, 199)));
        assert_eq!((due.to, due.as_of, due.step.source), (Approved, at(200), StepSource::Callback));
    }

    #[test]
    fn a_suspension_is_believed_without_the_record_and_lifted_by_what_is_newer_alone() {
        let suspended = event(CampaignUpdate::Suspended, 200);
        let verified = record(CampaignState::Verified, 500);
        let due = turned(look(Approved, Some(&suspended), &[], &verified));
        assert_eq!(
            (due.to, due.as_of),
            (Suspended, at(200)),
            "not as new as a record that knows nothing of it"
        );
        assert_eq!((due.reasons, due.step.codes), (vec![reason(30_909)], vec![30_909]));
        let unchanged = record(CampaignState::Verified, 100);
        assert_eq!(look(Suspended, None, &[], &unchanged), RegistrationDecision::Nothing);
        assert_eq!(turned(look(Suspended, None, &[], &record(CampaignState::Verified, 101))).to, Approved);
        let lifted = event(CampaignUpdate::Approved, 200);
        assert_eq!(turned(look(Suspended, Some(&lifted), &[], &unchanged)).to, Approved);
    }

    #[test]
    fn a_suspension_that_comes_after_its_lifting_changes_nothing() {
        let suspended = event(CampaignUpdate::Suspended, 200);
        let lifting = TimelineStep {
            detail: None,
            ..super::noted(&event(CampaignUpdate::Approved, 300), Approved, None)
        };
        let verified = record(CampaignState::Verified, 50);
        let line = noted(look(Approved, Some(&suspended), std::slice::from_ref(&lifting), &verified));
        assert_eq!(line.detail.as_deref(), Some(OLDER));
        let at_that_instant = TimelineStep { at: at(200), ..lifting.clone() };
        assert_eq!(turned(look(Approved, Some(&suspended), &[at_that_instant], &verified)).to, Suspended);
        let of_a_number =
            TimelineStep { detail: Some("One of the team's numbers has joined.".into()), ..lifting };
        let due = turned(look(Approved, Some(&suspended), &[of_a_number], &verified));
        assert_eq!(due.to, Suspended);
    }

    #[test]
    fn the_record_s_words_come_before_those_for_the_event_s_codes() {
        let failed = event(CampaignUpdate::Failed, 200);
        let found =
            CampaignRecord { errors: vec![reason(7), reason(0)], ..record(CampaignState::Failed, 199) };
        let due = turned(look(Pending, Some(&failed), &[], &found));
        assert_eq!((due.to, due.reasons), (Rejected, vec![reason(7), reason(0)]));
        assert_eq!((due.step.codes, due.step.detail), (vec![7, 30_909], Some(reason(7).detail)));
        let silent = record(CampaignState::Failed, 199);
        assert_eq!(turned(look(Pending, Some(&failed), &[], &silent)).reasons, [reason(30_909)]);
        let of_earlier = CampaignRecord { errors: vec![reason(7)], ..record(CampaignState::Verified, 50) };
        let suspended = event(CampaignUpdate::Suspended, 200);
        assert_eq!(turned(look(Approved, Some(&suspended), &[], &of_earlier)).reasons, [reason(30_909)]);
    }

    #[test]
    fn what_is_older_than_the_newest_thing_known_stands_in_the_timeline_alone() {
        let (old, close) = (event(CampaignUpdate::Suspended, 94), event(CampaignUpdate::Suspended, 95));
        assert!(is_outdated(&registration(Approved), &old));
        assert!(!is_outdated(&registration(Approved), &close), "clocks differ");
        let line = noted(look(Approved, Some(&close), &[], &record(CampaignState::Verified, 100)));
        assert_eq!((line.status, line.detail.as_deref()), (Suspended, Some(OLDER)));
    }

    #[test]
    fn an_event_about_a_number_says_nothing_of_the_campaign() {
        for what in [CampaignUpdate::NumberRegistered, CampaignUpdate::NumberFailed] {
            assert_eq!(number_step(&registration(Approved), &event(what, 200)).unwrap().status, Approved);
        }
        for what in [
            CampaignUpdate::Submitted,
            CampaignUpdate::Approved,
            CampaignUpdate::Failed,
            CampaignUpdate::Suspended,
        ] {
            assert_eq!(number_step(&registration(Approved), &event(what, 200)), None);
        }
    }
}
