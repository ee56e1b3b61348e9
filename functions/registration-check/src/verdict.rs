//! What a look at the carrier's record means for a registration: no clock, no network.

use std::time::Duration;

use shared_carriers::twilio::{Campaign, CampaignError, CampaignStatus, error_code};
use shared_domain::{
    registration::{
        Announced, Announcement, CampaignState, CarrierReason, Registration, RegistrationStatus, Source,
        Step, after, seen,
    },
    time::Timestamp,
};

/// The carrier dates its records in whole seconds and its events to the millisecond, by clocks of its own: two changes in
/// quick succession may seem to be in the wrong order. Within this time an event that seems old still makes us look.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// What a line says of an event that came too late.
const OLDER: &str = "Older than what is known; no effect.";

/// The carrier's own record of a campaign.
#[derive(Debug)]
pub(crate) struct Record {
    state: CampaignState,
    updated_at: Option<Timestamp>,
    errors: Vec<CarrierReason>,
}

impl From<Campaign> for Record {
    fn from(campaign: Campaign) -> Self {
        let state = match campaign.status {
            CampaignStatus::Verified => CampaignState::Verified,
            CampaignStatus::Failed => CampaignState::Failed,
            CampaignStatus::Suspended => CampaignState::Suspended,
            CampaignStatus::Pending | CampaignStatus::InProgress | CampaignStatus::Other => {
                CampaignState::InReview
            }
        };
        Self {
            state,
            updated_at: campaign.updated_at.map(|at| Timestamp::from_millis(at.as_millisecond())),
            errors: campaign.errors.into_iter().filter_map(reason).collect(),
        }
    }
}

fn reason(CampaignError { code, description, .. }: CampaignError) -> Option<CarrierReason> {
    match (code, description.is_empty()) {
        (0, true) => None,
        (code, true) => Some(in_our_words(code)),
        (code, false) => Some(CarrierReason { code, detail: description }),
    }
}

fn in_our_words(code: u32) -> CarrierReason {
    CarrierReason { code, detail: error_code::sentence(code).into_owned() }
}

/// A turn that is due.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) to: RegistrationStatus,
    pub(crate) as_of: Timestamp,
    pub(crate) reasons: Vec<CarrierReason>,
    pub(crate) step: Step,
}

/// What is to be done after a look.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The registration turns.
    Turn(Due),
    /// Nothing turns; the event gets its line.
    Note(Step),
    /// Nothing at all: we asked, and nothing is new.
    Nothing,
}

/// Whether something newer is known, so that the carrier need not be asked.
pub(crate) fn is_old(registration: &Registration, announcement: &Announcement) -> bool {
    !registration.is_older_than(announcement.at.plus(CLOCK_MARGIN))
}

/// What the fresh record means, together with the event that made us look, if one did.
pub(crate) fn of(
    registration: &Registration,
    announcement: Option<&Announcement>,
    timeline: &[Step],
    record: &Record,
    now: Timestamp,
) -> Verdict {
    let fresh = announcement.filter(|told| counts(registration, told, timeline));
    let state = seen(record.state, fresh.map(|told| told.what));
    match (next(registration, fresh, record, state), announcement) {
        (Some(to), _) => Verdict::Turn(due(registration, announcement, record, state, to, now)),
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

fn due(
    registration: &Registration,
    announcement: Option<&Announcement>,
    record: &Record,
    state: CampaignState,
    to: RegistrationStatus,
    now: Timestamp,
) -> Due {
    let codes = announcement.map_or(&[][..], |told| &told.codes);
    let reasons = reasons(record, to, codes);
    let at = announcement.map_or(record.updated_at.unwrap_or(now), |told| told.at);
    // What turns by the event alone is not as new as a record that knows nothing of it.
    let updated_at = record.updated_at.filter(|_| state == record.state);
    let mut all_codes: Vec<u32> = Vec::new();
    for code in reasons.iter().map(|reason| reason.code).chain(codes.iter().copied()) {
        if code != 0 && !all_codes.contains(&code) {
            all_codes.push(code);
        }
    }
    let step = Step {
        id: announcement.map_or_else(|| format!("poll-{}", at.millis()), |told| told.id.clone()),
        status: to,
        at,
        source: if announcement.is_some() { Source::Callback } else { Source::Poll },
        codes: all_codes,
        detail: reasons.first().map(|reason| reason.detail.clone()),
        by: None,
    };
    Due { to, as_of: registration.as_of.max(at).max(updated_at.unwrap_or(at)), reasons, step }
}

/// Why it was stopped: the record's words, else the event's codes in ours. A record keeps what an earlier review found, so
/// one that is not stopped itself gives no reason.
fn reasons(record: &Record, to: RegistrationStatus, codes: &[u32]) -> Vec<CarrierReason> {
    let is_stopped = matches!(record.state, CampaignState::Failed | CampaignState::Suspended);
    match to {
        RegistrationStatus::Rejected | RegistrationStatus::Suspended => {
            let found = if is_stopped { record.errors.clone() } else { Vec::new() };
            if found.is_empty() { codes.iter().copied().map(in_our_words).collect() } else { found }
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
pub(crate) fn too_late(registration: &Registration, told: &Announcement) -> Step {
    noted(told, told.what.status(registration.status), Some(OLDER.to_owned()))
}

/// The line of an event about a number, if it is one: it says nothing of the campaign.
pub(crate) fn of_number(registration: &Registration, told: &Announcement) -> Option<Step> {
    let detail = match told.what {
        Announced::NumberRegistered => "One of the team's numbers has joined the campaign.",
        Announced::NumberFailed => "One of the team's numbers could not join the campaign.",
        Announced::Submitted | Announced::Approved | Announced::Failed | Announced::Suspended => return None,
    };
    Some(noted(told, registration.status, Some(detail.to_owned())))
}

/// The line of an event that came before anything was submitted.
pub(crate) fn too_early(registration: &Registration, told: &Announcement) -> Step {
    let detail = "Nothing has been submitted yet; no effect.".to_owned();
    noted(told, registration.status, Some(detail))
}

fn noted(told: &Announcement, status: RegistrationStatus, detail: Option<String>) -> Step {
    let (id, codes) = (told.id.clone(), told.codes.clone());
    Step { id, status, at: told.at, source: Source::Callback, codes, detail, by: None }
}
