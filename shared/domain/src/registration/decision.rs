//! What to do after reading the carrier's record of a campaign.
//!
//! The record decides, with one exception: a suspension is announced by an event only (see
//! [`CampaignState::corrected_by`]). An event that does not change the status is recorded in the timeline.
//!
//! ```
//! use shared_domain::registration::decision::{CampaignRecord, DecisionInput, RegistrationDecision, decide};
//! use shared_domain::registration::{CampaignState, Registration, RegistrationStatus};
//! use shared_domain::time::Timestamp;
//!
//! let registration = Registration { status: RegistrationStatus::Pending, ..Registration::default() };
//! let record = CampaignRecord {
//!     state: CampaignState::Verified,
//!     updated_at: None,
//!     errors: vec![],
//!     segments_per_second: None,
//! };
//! let decision = decide(DecisionInput {
//!     registration: &registration,
//!     event: None,
//!     event_reasons: &[],
//!     timeline: &[],
//!     record: &record,
//!     now: Timestamp::from_millis(1_800_000_000_000),
//! });
//! let RegistrationDecision::Transition(transition) = decision else { panic!() };
//! assert_eq!(transition.to, RegistrationStatus::Approved);
//! ```

use std::time::Duration;

use super::{
    CampaignEvent, CampaignState, CampaignUpdate, CarrierReason, Registration, RegistrationStatus,
    StepSource, TimelineStep,
};
use crate::time::Timestamp;

/// The carrier dates its records in whole seconds and its events in milliseconds, by different clocks, so two
/// changes in quick succession may seem to be in the wrong order. The record is still read for an event that
/// seems older by up to this time.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// The detail of an event that is older than our newest information.
const OUTDATED: &str = "This event is older than the current status and has no effect.";

/// The carrier's record of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct CampaignRecord {
    pub state: CampaignState,
    /// When the record last changed, if the carrier says so.
    pub updated_at: Option<Timestamp>,
    /// What the carrier found. A record keeps the findings of earlier reviews.
    pub errors: Vec<CarrierReason>,
    /// What the campaign allows each number, if the carrier says so.
    pub segments_per_second: Option<u32>,
}

/// The facts that a decision is based on.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct DecisionInput<'a> {
    pub registration: &'a Registration,
    /// The event that caused the record to be read. `None` for a poll.
    pub event: Option<&'a CampaignEvent>,
    /// The reasons that the event's codes stand for.
    pub event_reasons: &'a [CarrierReason],
    /// The newest steps of the registration.
    pub timeline: &'a [TimelineStep],
    /// The record, read after the event arrived.
    pub record: &'a CampaignRecord,
    pub now: Timestamp,
}

/// A change of the registration's status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct DueTransition {
    pub to: RegistrationStatus,
    /// The time of the information that causes the change, by the carrier's clock.
    pub as_of: Timestamp,
    /// Why the carrier rejected or suspended the campaign, if it did and says so.
    pub reasons: Vec<CarrierReason>,
    /// The step that records the change.
    pub step: TimelineStep,
}

/// What to do after reading the carrier's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationDecision {
    /// Change the status.
    Transition(DueTransition),
    /// Keep the status and record the event.
    RecordEvent(TimelineStep),
    /// Do nothing: a poll found nothing new.
    Nothing,
}

/// Whether newer information is known, so that the record need not be read for this event.
pub fn is_outdated(registration: &Registration, event: &CampaignEvent) -> bool {
    !registration.accepts_update_at(event.at + CLOCK_MARGIN)
}

/// Decides what the record means, together with the event if there is one.
pub fn decide(input: DecisionInput<'_>) -> RegistrationDecision {
    let DecisionInput { registration, event, timeline, record, .. } = input;
    let newest = event.filter(|event| is_newest(registration, event, timeline));
    let state = record.state.corrected_by(newest.map(|event| event.what));
    match (next_status(registration, newest, record, state), event) {
        (Some(to), _) => RegistrationDecision::Transition(transition(input, state, to)),
        (None, Some(event)) => {
            RegistrationDecision::RecordEvent(event_step(registration, event, newest, record))
        }
        (None, None) => RegistrationDecision::Nothing,
    }
}

/// Whether the event is our newest information and therefore counts beside the record. A suspension is
/// trusted without the record, so an approval in the timeline that is newer than the suspension also makes
/// the suspension outdated. Such an approval has no detail; steps about numbers have one.
fn is_newest(registration: &Registration, event: &CampaignEvent, timeline: &[TimelineStep]) -> bool {
    let lifted = |step: &TimelineStep| {
        let is_approval_event = step.source == StepSource::Callback && step.detail.is_none();
        is_approval_event && step.status == RegistrationStatus::Approved && step.at > event.at
    };
    registration.accepts_update_at(event.at)
        && (event.what != CampaignUpdate::Suspended || !timeline.iter().any(lifted))
}

/// The record may not show a suspension. It therefore lifts one only if it changed after the suspension, or
/// if a newer event announces an approval.
fn next_status(
    registration: &Registration,
    newest: Option<&CampaignEvent>,
    record: &CampaignRecord,
    state: CampaignState,
) -> Option<RegistrationStatus> {
    let next = registration.status.after(state)?;
    let lifts = registration.status == RegistrationStatus::Suspended && next == RegistrationStatus::Approved;
    let changed = record.updated_at.is_some_and(|at| at > registration.as_of);
    let announced = newest.is_some_and(|event| event.what == CampaignUpdate::Approved);
    (!lifts || changed || announced).then_some(next)
}

fn transition(input: DecisionInput<'_>, state: CampaignState, to: RegistrationStatus) -> DueTransition {
    let DecisionInput { registration, event, event_reasons, record, now, .. } = input;
    let codes = event.map_or(&[][..], |event| &event.codes);
    let reasons = reasons(record, to, event_reasons);
    let at = event.map_or(record.updated_at.unwrap_or(now), |event| event.at);
    // If the event overrides the record, the time of the record is not the time of this change.
    let updated_at = record.updated_at.filter(|_| state == record.state);
    let mut all_codes: Vec<u32> = Vec::new();
    for code in reasons.iter().map(|reason| reason.code).chain(codes.iter().copied()) {
        if code != 0 && !all_codes.contains(&code) {
            all_codes.push(code);
        }
    }
    let step = TimelineStep {
        id: event.map_or_else(|| format!("poll-{}", at.millis()), |event| event.id.clone()),
        status: to,
        at,
        source: if event.is_some() { StepSource::Callback } else { StepSource::Poll },
        codes: all_codes,
        detail: reasons.first().map(|reason| reason.detail.clone()),
        by: None,
    };
    DueTransition { to, as_of: registration.as_of.max(at).max(updated_at.unwrap_or(at)), reasons, step }
}

/// Why the campaign was rejected or suspended: the findings in the record, or the event's reasons if there
/// are none. A record keeps the findings of earlier reviews, so only those of a failed or suspended record
/// are used.
fn reasons(
    record: &CampaignRecord,
    to: RegistrationStatus,
    event_reasons: &[CarrierReason],
) -> Vec<CarrierReason> {
    let is_stopped = matches!(record.state, CampaignState::Failed | CampaignState::Suspended);
    match to {
        RegistrationStatus::Rejected | RegistrationStatus::Suspended => {
            let found = if is_stopped { record.errors.clone() } else { Vec::new() };
            if found.is_empty() { event_reasons.to_vec() } else { found }
        }
        RegistrationStatus::NotStarted | RegistrationStatus::Pending | RegistrationStatus::Approved => {
            Vec::new()
        }
    }
}

/// The step of an event that does not change the status. An event may be ahead of the record, which follows a
/// moment later. Such an event still approves nothing; the next poll finds the changed record.
fn event_step(
    registration: &Registration,
    event: &CampaignEvent,
    newest: Option<&CampaignEvent>,
    record: &CampaignRecord,
) -> TimelineStep {
    let current = registration.status;
    let announced = event.what.status(current);
    if newest.is_none() {
        return outdated_step(registration, event);
    }
    if announced == current {
        return step(event, current, None);
    }
    let announced = match event.what {
        CampaignUpdate::Submitted => "a submission",
        CampaignUpdate::Approved => "an approval",
        CampaignUpdate::Failed => "a rejection",
        CampaignUpdate::Suspended => "a suspension",
        CampaignUpdate::NumberRegistered | CampaignUpdate::NumberFailed => "a change of a number",
    };
    let record = match record.state {
        CampaignState::InReview => "in review",
        CampaignState::Verified => "verified",
        CampaignState::Failed => "failed",
        CampaignState::Suspended => "suspended",
    };
    let detail = format!("The carrier announced {announced}, but its record shows the campaign as {record}.");
    step(event, current, Some(detail))
}

/// The step of an event that is older than our newest information.
pub fn outdated_step(registration: &Registration, event: &CampaignEvent) -> TimelineStep {
    step(event, event.what.status(registration.status), Some(OUTDATED.to_owned()))
}

/// The step of an event about a number, or `None` for an event about the campaign. A number does not change
/// the status.
pub fn number_step(registration: &Registration, event: &CampaignEvent) -> Option<TimelineStep> {
    let detail = match event.what {
        CampaignUpdate::NumberRegistered => "One of the team's numbers was added to the campaign.",
        CampaignUpdate::NumberFailed => "One of the team's numbers could not be added to the campaign.",
        CampaignUpdate::Submitted
        | CampaignUpdate::Approved
        | CampaignUpdate::Failed
        | CampaignUpdate::Suspended => return None,
    };
    Some(step(event, registration.status, Some(detail.to_owned())))
}

/// The step of an event that arrives before anything was submitted.
pub fn premature_step(registration: &Registration, event: &CampaignEvent) -> TimelineStep {
    let detail = "Nothing has been submitted yet, so this event has no effect.".to_owned();
    step(event, registration.status, Some(detail))
}

fn step(event: &CampaignEvent, status: RegistrationStatus, detail: Option<String>) -> TimelineStep {
    let (id, codes) = (event.id.clone(), event.codes.clone());
    TimelineStep { id, status, at: event.at, source: StepSource::Callback, codes, detail, by: None }
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
        CampaignRecord {
            state,
            updated_at: Some(at(updated_at)),
            errors: Vec::new(),
            segments_per_second: None,
        }
    }

    fn decision(
        status: RegistrationStatus,
        event: Option<&CampaignEvent>,
        timeline: &[TimelineStep],
        record: &CampaignRecord,
    ) -> RegistrationDecision {
        let registration = registration(status);
        let event_reasons = [reason(30_909)];
        decide(DecisionInput {
            registration: &registration,
            event,
            event_reasons: &event_reasons,
            timeline,
            record,
            now: at(900),
        })
    }

    fn transition(decision: RegistrationDecision) -> DueTransition {
        match decision {
            RegistrationDecision::Transition(due) => due,
            other => panic!("no transition: {other:?}"),
        }
    }

    fn recorded(decision: RegistrationDecision) -> TimelineStep {
        match decision {
            RegistrationDecision::RecordEvent(step) => step,
            other => panic!("no recorded event: {other:?}"),
        }
    }

    #[test]
    fn a_poll_follows_the_record_and_does_nothing_if_nothing_is_new() {
        let due = transition(decision(Pending, None, &[], &record(CampaignState::Verified, 200)));
        assert_eq!((due.to, due.as_of, due.reasons), (Approved, at(200), Vec::new()));
        assert_eq!((due.step.source, due.step.at), (StepSource::Poll, at(200)));
        let undated = CampaignRecord { updated_at: None, ..record(CampaignState::Verified, 0) };
        assert_eq!(transition(decision(Pending, None, &[], &undated)).as_of, at(900));
        let found = decision(Pending, None, &[], &record(CampaignState::InReview, 200));
        assert_eq!(found, RegistrationDecision::Nothing);
    }

    #[test]
    fn an_event_approves_nothing_before_the_record_does() {
        let approved = event(CampaignUpdate::Approved, 200);
        let step = recorded(decision(Pending, Some(&approved), &[], &record(CampaignState::InReview, 50)));
        assert_eq!((step.id.as_str(), step.status, step.codes), ("EZ1", Pending, vec![30_909]));
        let words = "The carrier announced an approval, but its record shows the campaign as in review.";
        assert_eq!(step.detail.as_deref(), Some(words));
        let due = transition(decision(Pending, Some(&approved), &[], &record(CampaignState::Verified, 199)));
        assert_eq!((due.to, due.as_of, due.step.source), (Approved, at(200), StepSource::Callback));
    }

    #[test]
    fn a_suspension_is_trusted_without_the_record_and_lifted_only_by_newer_information() {
        let suspended = event(CampaignUpdate::Suspended, 200);
        let verified = record(CampaignState::Verified, 500);
        let due = transition(decision(Approved, Some(&suspended), &[], &verified));
        assert_eq!(
            (due.to, due.as_of),
            (Suspended, at(200)),
            "the time of the event, not of the record that does not show it"
        );
        assert_eq!((due.reasons, due.step.codes), (vec![reason(30_909)], vec![30_909]));
        let unchanged = record(CampaignState::Verified, 100);
        assert_eq!(decision(Suspended, None, &[], &unchanged), RegistrationDecision::Nothing);
        assert_eq!(
            transition(decision(Suspended, None, &[], &record(CampaignState::Verified, 101))).to,
            Approved
        );
        let lifted = event(CampaignUpdate::Approved, 200);
        assert_eq!(transition(decision(Suspended, Some(&lifted), &[], &unchanged)).to, Approved);
    }

    #[test]
    fn a_suspension_that_arrives_after_its_approval_changes_nothing() {
        let suspended = event(CampaignUpdate::Suspended, 200);
        let lifting =
            TimelineStep { detail: None, ..step(&event(CampaignUpdate::Approved, 300), Approved, None) };
        let verified = record(CampaignState::Verified, 50);
        let step = recorded(decision(Approved, Some(&suspended), std::slice::from_ref(&lifting), &verified));
        assert_eq!(step.detail.as_deref(), Some(OUTDATED));
        let at_that_instant = TimelineStep { at: at(200), ..lifting.clone() };
        assert_eq!(
            transition(decision(Approved, Some(&suspended), &[at_that_instant], &verified)).to,
            Suspended
        );
        let of_a_number =
            TimelineStep { detail: Some("One of the team's numbers has joined.".into()), ..lifting };
        let due = transition(decision(Approved, Some(&suspended), &[of_a_number], &verified));
        assert_eq!(due.to, Suspended);
    }

    #[test]
    fn reasons_in_the_record_come_before_those_of_the_event() {
        let failed = event(CampaignUpdate::Failed, 200);
        let found =
            CampaignRecord { errors: vec![reason(7), reason(0)], ..record(CampaignState::Failed, 199) };
        let due = transition(decision(Pending, Some(&failed), &[], &found));
        assert_eq!((due.to, due.reasons), (Rejected, vec![reason(7), reason(0)]));
        assert_eq!((due.step.codes, due.step.detail), (vec![7, 30_909], Some(reason(7).detail)));
        let silent = record(CampaignState::Failed, 199);
        assert_eq!(transition(decision(Pending, Some(&failed), &[], &silent)).reasons, [reason(30_909)]);
        let of_earlier = CampaignRecord { errors: vec![reason(7)], ..record(CampaignState::Verified, 50) };
        let suspended = event(CampaignUpdate::Suspended, 200);
        assert_eq!(
            transition(decision(Approved, Some(&suspended), &[], &of_earlier)).reasons,
            [reason(30_909)]
        );
    }

    #[test]
    fn an_outdated_event_is_only_recorded() {
        let (old, close) = (event(CampaignUpdate::Suspended, 94), event(CampaignUpdate::Suspended, 95));
        assert!(is_outdated(&registration(Approved), &old));
        assert!(!is_outdated(&registration(Approved), &close), "clocks differ");
        let step = recorded(decision(Approved, Some(&close), &[], &record(CampaignState::Verified, 100)));
        assert_eq!((step.status, step.detail.as_deref()), (Suspended, Some(OUTDATED)));
    }

    #[test]
    fn an_event_about_a_number_does_not_change_the_status() {
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
