//! A team's A2P 10DLC registration: `not_started → pending → approved | rejected`, `approved ↔ suspended`,
//! and `rejected → pending` when it is submitted again.
//!
//! The carrier's campaign record decides. It is read again after every event, and an event alone approves
//! nothing. Events that are older than our newest information are recorded in the timeline and change
//! nothing. Source of the states: <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.
//!
//! | file | content |
//! |---|---|
//! | `status` | the status of a registration, and what each status allows |
//! | `campaign` | what the carrier says about the campaign: records, events and reasons |
//! | `submission` | the campaign details that an admin submits, with the carrier's limits |
//! | `timeline` | the history of a registration |
//! | [`decision`] | what to do after reading the carrier's record |
//!
//! ```
//! use shared_domain::registration::{CampaignState, RegistrationStatus};
//!
//! let pending = RegistrationStatus::Pending;
//! assert_eq!(pending.after(CampaignState::InReview), None);
//! assert_eq!(pending.after(CampaignState::Verified), Some(RegistrationStatus::Approved));
//! ```

mod campaign;
pub mod decision;
mod status;
mod submission;
mod timeline;

pub use campaign::{CampaignEvent, CampaignState, CampaignUpdate, CarrierReason};
pub use status::RegistrationStatus;
pub use submission::CampaignSubmission;
pub use timeline::{StepSource, TimelineStep};

use crate::time::Timestamp;

/// A team's registration, with the carrier's ids of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Registration {
    pub status: RegistrationStatus,
    /// The time of our newest information, by the carrier's clock. Older information changes nothing.
    pub as_of: Timestamp,
    /// The newest submission.
    pub submission: Option<CampaignSubmission>,
    /// The carrier's id of the messaging service (`MG…`), once it was created.
    pub messaging_service: Option<String>,
    /// The carrier's id of the brand (`BN…`).
    pub brand: Option<String>,
    /// The carrier's id of the campaign (`QE…`), once it was created.
    pub campaign: Option<String>,
    /// Why the campaign was rejected or suspended.
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
    /// Whether information from this time may change the registration.
    pub fn accepts_update_at(&self, happened: Timestamp) -> bool {
        happened >= self.as_of
    }

    /// Whether the carriers have the campaign details.
    pub fn is_submitted(&self) -> bool {
        self.campaign.is_some()
    }

    /// See [`RegistrationStatus::notice`].
    pub fn notice(&self) -> Option<&'static str> {
        self.status.notice(self.is_submitted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RegistrationStatus::{Approved, Pending};

    #[test]
    fn a_registration_is_submitted_once_it_has_a_campaign() {
        let pending = Registration { status: Pending, ..Registration::default() };
        assert_eq!((pending.is_submitted(), pending.notice()), (false, Pending.notice(false)));
        let submitted = Registration { campaign: Some("QE1".into()), ..pending };
        assert_eq!((submitted.is_submitted(), submitted.notice()), (true, Pending.notice(true)));
        assert_ne!(Pending.notice(true), Pending.notice(false));
        assert_eq!(Registration { status: Approved, ..submitted }.notice(), None);
    }

    #[test]
    fn an_update_as_old_as_our_newest_information_is_accepted() {
        let known = Registration { as_of: Timestamp::from_millis(10), ..Registration::default() };
        assert!(
            known.accepts_update_at(Timestamp::from_millis(10))
                && known.accepts_update_at(Timestamp::from_millis(11))
        );
        assert!(!known.accepts_update_at(Timestamp::from_millis(9)));
    }
}
