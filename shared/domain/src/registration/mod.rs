//! A team's A2P 10DLC registration: `not_started → pending → approved | rejected`, `approved ↔ suspended`,
//! `rejected → pending` by resubmission.
//!
//! The carrier's own record of the campaign decides, read afresh after every event; an event alone approves nothing. What
//! happened before the newest thing we know stands in the timeline and changes nothing.

pub mod decision;

use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    ids::UserId,
    time::Timestamp,
};

/// The A2P 10DLC campaign of a team, as far as sending is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationStatus {
    /// The team has no shared inbox yet and has submitted nothing.
    NotStarted,
    /// Begun: the campaign's details are awaited, or they are with the carriers.
    Pending,
    /// May send.
    Approved,
    /// Refused; may be corrected and submitted again.
    Rejected,
    /// Was approved; sends have stopped.
    Suspended,
}

impl RegistrationStatus {
    /// Whether inboxes of the team are shown and may send.
    pub fn is_complete(self) -> bool {
        match self {
            Self::Approved => true,
            Self::NotStarted | Self::Pending | Self::Rejected | Self::Suspended => false,
        }
    }

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
        }
    }

    /// Whether the campaign's details may be submitted: before the first time, and after a refusal. `submitted` tells a
    /// registration that was opened from one that is with the carriers.
    pub fn accepts_submission(self, submitted: bool) -> bool {
        match self {
            Self::NotStarted | Self::Rejected => true,
            Self::Pending => !submitted,
            Self::Approved | Self::Suspended => false,
        }
    }
}

/// What the carrier's own record says of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CampaignState {
    /// With the carriers.
    InReview,
    /// May send.
    Verified,
    /// Refused.
    Failed,
    /// Stopped after it was verified.
    Suspended,
}

/// Where a registration stands after a look at the carrier's record, or `None` when nothing changes.
///
/// A campaign in review changes nothing: only a resubmission, which we make ourselves, goes back to `pending`. A failed
/// campaign that we hold for approved was stopped by the carrier: `suspended`.
pub fn after(status: RegistrationStatus, seen: CampaignState) -> Option<RegistrationStatus> {
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};
    let next = match (status, seen) {
        (NotStarted, _)
        | (_, CampaignState::InReview)
        | (Rejected | Suspended, CampaignState::Failed | CampaignState::Suspended) => status,
        (_, CampaignState::Verified) => Approved,
        (Pending, CampaignState::Failed) => Rejected,
        (Pending | Approved, CampaignState::Suspended) | (Approved, CampaignState::Failed) => Suspended,
    };
    (next != status).then_some(next)
}

/// What an event of the carrier says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignUpdate {
    /// The campaign is with the carriers.
    Submitted,
    /// The campaign may send.
    Approved,
    /// The campaign was refused.
    Failed,
    /// The campaign was stopped.
    Suspended,
    /// One of the team's numbers has joined the campaign.
    NumberRegistered,
    /// One of the team's numbers could not join the campaign.
    NumberFailed,
}

impl CampaignUpdate {
    /// The state that a line of the timeline shows for it; that of the registration where it says nothing of it.
    pub fn status(self, current: RegistrationStatus) -> RegistrationStatus {
        match self {
            Self::Submitted => RegistrationStatus::Pending,
            Self::Approved => RegistrationStatus::Approved,
            Self::Failed => RegistrationStatus::Rejected,
            Self::Suspended => RegistrationStatus::Suspended,
            Self::NumberRegistered | Self::NumberFailed => current,
        }
    }
}

/// An event of the carrier, as far as it concerns one registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignEvent {
    /// The carrier's id: the same event told twice is one.
    pub id: String,
    /// When it happened, by the carrier's clock.
    pub at: Timestamp,
    /// What it says.
    pub what: CampaignUpdate,
    /// The carrier's reason codes.
    #[serde(default)]
    pub codes: Vec<u32>,
}

/// What the carrier's record says, given that it announced something since: a record that still says *verified* does not
/// know of a suspension, which the carrier tells by event alone.
pub fn seen(record: CampaignState, announced: Option<CampaignUpdate>) -> CampaignState {
    match (record, announced) {
        (CampaignState::Verified, Some(CampaignUpdate::Suspended)) => CampaignState::Suspended,
        (record, _) => record,
    }
}

/// Who or what told of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepSource {
    /// An event of the carrier.
    Callback,
    /// Our own question.
    Poll,
    /// An admin.
    User,
}

impl StepSource {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Poll => "poll",
            Self::User => "user",
        }
    }
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineStep {
    /// Makes the line unique: the carrier's event id, or one of ours.
    pub id: String,
    /// Where the registration stood after it.
    pub status: RegistrationStatus,
    /// When it happened, by the clock of whoever told it.
    pub at: Timestamp,
    /// Who told.
    pub source: StepSource,
    /// The carrier's reason codes.
    pub codes: Vec<u32>,
    /// A sentence for people.
    pub detail: Option<String>,
    /// Who did it, where an admin did.
    pub by: Option<UserId>,
}

/// The campaign's details, as an admin submits them. Limits are the carrier's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignSubmission {
    /// The carrier's word for the kind of traffic (`LOW_VOLUME`, `CUSTOMER_CARE`, …).
    pub use_case: String,
    /// What the campaign is for, 40 to 4096 characters.
    pub description: String,
    /// How people agree to be texted, 40 to 2048 characters.
    pub message_flow: String,
    /// Two to five texts as they will be sent, 20 to 1024 characters each.
    pub message_samples: Vec<String>,
    /// Texts hold links.
    pub has_embedded_links: bool,
    /// Texts hold phone numbers.
    pub has_embedded_phone: bool,
    /// Where the privacy policy stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_policy_url: Option<String>,
    /// Where the terms stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_url: Option<String>,
}

impl CampaignSubmission {
    /// Checks every field against the carrier's limits.
    ///
    /// # Errors
    /// Every field that the carrier would refuse.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let mut check = |pointer: &str, holds: bool, expected: &'static str| {
            if !holds {
                errors.add(pointer, expected);
            }
        };
        let length = |text: &str, from: usize, to: usize| (from..=to).contains(&text.trim().chars().count());
        let word =
            |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        check(
            "/useCase",
            length(&self.use_case, 1, 64) && word(&self.use_case),
            "a use case of the carrier, such as LOW_VOLUME",
        );
        check("/description", length(&self.description, 40, 4096), "40 to 4096 characters");
        check("/messageFlow", length(&self.message_flow, 40, 2048), "40 to 2048 characters");
        check("/messageSamples", (2..=5).contains(&self.message_samples.len()), "two to five samples");
        for (index, sample) in self.message_samples.iter().enumerate().take(5) {
            check(&format!("/messageSamples/{index}"), length(sample, 20, 1024), "20 to 1024 characters");
        }
        for (pointer, url) in
            [("/privacyPolicyUrl", &self.privacy_policy_url), ("/termsUrl", &self.terms_url)]
        {
            check(pointer, url.as_deref().is_none_or(is_web_address), "an https address");
        }
        errors.finish()
    }
}

fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        host.len() <= 512
            && host.contains('.')
            && !host.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

/// A team's registration with what the carrier calls its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Where it stands.
    pub status: RegistrationStatus,
    /// The instant of the newest thing known, by the carrier's clock: what is older changes nothing.
    pub as_of: Timestamp,
    /// What was submitted last.
    pub submission: Option<CampaignSubmission>,
    /// `MG…`: the messaging service, once made.
    pub messaging_service: Option<String>,
    /// `BN…`: the brand.
    pub brand: Option<String>,
    /// `QE…`: the campaign, once made.
    pub campaign: Option<String>,
    /// Why it was rejected or suspended.
    pub reasons: Vec<CarrierReason>,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            status: RegistrationStatus::NotStarted,
            as_of: Timestamp::default(),
            submission: None,
            messaging_service: None,
            brand: None,
            campaign: None,
            reasons: Vec::new(),
        }
    }
}

impl Registration {
    /// Whether something of this instant may still change it.
    pub fn accepts_update_at(&self, happened: Timestamp) -> bool {
        happened >= self.as_of
    }

    /// Whether the details are with the carriers.
    pub fn is_submitted(&self) -> bool {
        self.campaign.is_some()
    }

    /// What the team has to know now; nothing once it may send.
    pub fn notice(&self) -> Option<&'static str> {
        notice(self.status, self.is_submitted())
    }
}

/// What a team in this state has to know; nothing once it may send.
pub fn notice(status: RegistrationStatus, submitted: bool) -> Option<&'static str> {
    match (status, submitted) {
        (RegistrationStatus::Approved, _) => None,
        (RegistrationStatus::NotStarted, _) => Some(
            "No messages can be sent until the team's A2P 10DLC registration is complete. It begins with the first shared inbox.",
        ),
        (RegistrationStatus::Pending, false) => Some(
            "Messages cannot be sent until the team's A2P 10DLC registration is complete. Submit the campaign's details to go on.",
        ),
        (RegistrationStatus::Pending, true) => Some(
            "Messages cannot be sent until the team's A2P 10DLC registration is complete. The carriers are reviewing it; admins get an e-mail when they are done.",
        ),
        (RegistrationStatus::Rejected, _) => Some(
            "The carriers rejected the registration, and messages cannot be sent. Correct the campaign's details and submit them again.",
        ),
        (RegistrationStatus::Suspended, _) => {
            Some("The carriers suspended the registration, and messages cannot be sent until they lift it.")
        }
    }
}

/// Why a carrier refused or stopped a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierReason {
    /// The carrier's code.
    pub code: u32,
    /// The carrier's sentence.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::{Failed, InReview, Suspended as Stopped, Verified};
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};

    #[test]
    fn the_carriers_record_leads_through_the_states() {
        let table = [
            (Pending, Verified, Some(Approved)),
            (Pending, Failed, Some(Rejected)),
            (Pending, Stopped, Some(Suspended)),
            (Pending, InReview, None),
            (Approved, Verified, None),
            (Approved, InReview, None),
            (Approved, Stopped, Some(Suspended)),
            (Approved, Failed, Some(Suspended)),
            (Suspended, Verified, Some(Approved)),
            (Suspended, Stopped, None),
            (Suspended, Failed, None),
            (Rejected, Verified, Some(Approved)),
            (Rejected, Failed, None),
            (Rejected, InReview, None),
            (Rejected, Stopped, None),
            (NotStarted, Verified, None),
        ];
        for (status, seen, next) in table {
            assert_eq!(after(status, seen), next, "{status:?} {seen:?}");
        }
    }

    #[test]
    fn looking_twice_changes_nothing_more() {
        for status in [NotStarted, Pending, Approved, Rejected, Suspended] {
            for seen in [InReview, Verified, Failed, Stopped] {
                let next = after(status, seen).unwrap_or(status);
                assert_eq!(after(next, seen), None, "{status:?} {seen:?}");
            }
        }
    }

    #[test]
    fn details_are_taken_once_and_again_after_a_refusal() {
        assert!(NotStarted.accepts_submission(false));
        assert!(Pending.accepts_submission(false));
        assert!(!Pending.accepts_submission(true));
        assert!(Rejected.accepts_submission(true));
        assert!(!Approved.accepts_submission(true));
        assert!(!Suspended.accepts_submission(true));
    }

    #[test]
    fn only_a_team_that_may_send_has_nothing_to_know() {
        for status in [NotStarted, Pending, Approved, Rejected, Suspended] {
            for submitted in [false, true] {
                assert_eq!(notice(status, submitted).is_none(), status.is_complete(), "{status:?}");
            }
        }
    }

    #[test]
    fn an_event_approves_nothing_and_suspends_what_the_record_does_not_know() {
        assert_eq!(seen(InReview, Some(CampaignUpdate::Approved)), InReview);
        assert_eq!(seen(Failed, Some(CampaignUpdate::Approved)), Failed);
        assert_eq!(seen(Verified, Some(CampaignUpdate::Failed)), Verified);
        assert_eq!(seen(Verified, Some(CampaignUpdate::Suspended)), Stopped);
        assert_eq!(seen(Verified, None), Verified);
    }

    fn submission() -> CampaignSubmission {
        CampaignSubmission {
            use_case: "LOW_VOLUME".into(),
            description: "Replies of our front desk to people who asked for an appointment.".into(),
            message_flow: "People give their mobile number on the paper form and tick the box.".into(),
            message_samples: vec![
                "Your visit is on Friday at 3pm.".into(),
                "We got your question today.".into(),
            ],
            has_embedded_links: false,
            has_embedded_phone: false,
            privacy_policy_url: Some("https://clinic.example/privacy".into()),
            terms_url: None,
        }
    }

    #[test]
    fn every_field_that_the_carrier_would_refuse_is_named_at_once() {
        assert_eq!(submission().check(), Ok(()));
        let bad = CampaignSubmission {
            use_case: "low volume".into(),
            description: "short".into(),
            message_flow: "x".repeat(2049),
            message_samples: vec!["too short".into()],
            privacy_policy_url: Some("clinic".into()),
            terms_url: Some("javascript:alert(1)".into()),
            ..submission()
        };
        let pointers: Vec<_> = bad.check().unwrap_err().into_iter().map(|error| error.pointer).collect();
        let all = [
            "/useCase",
            "/description",
            "/messageFlow",
            "/messageSamples",
            "/messageSamples/0",
            "/privacyPolicyUrl",
            "/termsUrl",
        ];
        assert_eq!(pointers, all);
    }

    #[test]
    fn states_and_sources_have_the_words_of_the_api() {
        let words = [NotStarted, Pending, Approved, Rejected, Suspended].map(RegistrationStatus::as_str);
        assert_eq!(words, ["not_started", "pending", "approved", "rejected", "suspended"]);
        assert_eq!(
            [StepSource::Callback, StepSource::Poll, StepSource::User].map(StepSource::as_str),
            ["callback", "poll", "user"]
        );
    }

    #[test]
    fn a_web_address_has_a_scheme_and_a_host_and_nothing_that_cannot_be_shown() {
        for good in [
            "https://clinic.example",
            "http://clinic.example/a?b",
            &format!("https://{}.example", "a".repeat(504)),
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "clinic.example",
            "ftp://clinic.example",
            "https://clinic",
            "https://clinic .example",
            "https://clinic.example/\u{7}",
            &format!("https://{}.example", "a".repeat(505)),
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    #[test]
    fn a_registration_is_with_the_carriers_once_it_has_a_campaign() {
        let pending = Registration { status: Pending, ..Registration::default() };
        assert_eq!((pending.is_submitted(), pending.notice()), (false, notice(Pending, false)));
        let submitted = Registration { campaign: Some("QE1".into()), ..pending };
        assert_eq!((submitted.is_submitted(), submitted.notice()), (true, notice(Pending, true)));
        assert_ne!(notice(Pending, true), notice(Pending, false));
        assert_eq!(Registration { status: Approved, ..submitted }.notice(), None);
    }

    #[test]
    fn what_happened_at_the_instant_of_the_newest_thing_known_still_counts() {
        let known = Registration { as_of: Timestamp::from_millis(10), ..Registration::default() };
        assert!(
            known.accepts_update_at(Timestamp::from_millis(10))
                && known.accepts_update_at(Timestamp::from_millis(11))
        );
        assert!(!known.accepts_update_at(Timestamp::from_millis(9)));
    }
}
