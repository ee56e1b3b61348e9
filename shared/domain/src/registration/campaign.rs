use serde::{Deserialize, Serialize};

use super::status::RegistrationStatus;
use crate::time::Timestamp;

/// The state of a campaign in the carrier's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CampaignState {
    /// The carriers are reviewing it.
    InReview,
    /// It may send.
    Verified,
    /// It was rejected.
    Failed,
    /// It was stopped after it was verified.
    Suspended,
}

impl CampaignState {
    /// This state of the record, corrected by a newer event. The carrier announces a suspension by event
    /// only, so a record that says *verified* may belong to a suspended campaign. All other events agree with
    /// the record sooner or later.
    #[must_use]
    pub fn corrected_by(self, event: Option<CampaignUpdate>) -> Self {
        match (self, event) {
            (Self::Verified, Some(CampaignUpdate::Suspended)) => Self::Suspended,
            (record, _) => record,
        }
    }
}

/// What an event of the carrier announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignUpdate {
    /// The carriers have the campaign.
    Submitted,
    /// The campaign may send.
    Approved,
    /// The campaign was rejected.
    Failed,
    /// The campaign was stopped.
    Suspended,
    /// One of the team's numbers was added to the campaign.
    NumberRegistered,
    /// One of the team's numbers could not be added to the campaign.
    NumberFailed,
}

impl CampaignUpdate {
    /// The status that the timeline shows for this update. An update about a number keeps the `current`
    /// status.
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

/// An event of the carrier about one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignEvent {
    /// The carrier's id. An event that is delivered twice has the same id.
    pub id: String,
    /// When it happened, by the carrier's clock.
    pub at: Timestamp,
    /// What it announces.
    pub what: CampaignUpdate,
    /// The carrier's reason codes.
    #[serde(default)]
    pub codes: Vec<u32>,
}

/// Why a carrier rejected or suspended a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierReason {
    /// The carrier's code; 0 if it gives none.
    pub code: u32,
    /// The carrier's sentence.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::{Failed, InReview, Suspended as Stopped, Verified};

    #[test]
    fn an_event_approves_nothing_and_suspends_a_campaign_whose_record_says_verified() {
        assert_eq!(InReview.corrected_by(Some(CampaignUpdate::Approved)), InReview);
        assert_eq!(Failed.corrected_by(Some(CampaignUpdate::Approved)), Failed);
        assert_eq!(Verified.corrected_by(Some(CampaignUpdate::Failed)), Verified);
        assert_eq!(Verified.corrected_by(Some(CampaignUpdate::Suspended)), Stopped);
        assert_eq!(Verified.corrected_by(None), Verified);
    }
}
