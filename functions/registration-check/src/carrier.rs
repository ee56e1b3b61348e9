//! Converts the carrier's campaign record into the input of [`shared_domain::registration::decision`].

use shared_carriers::twilio::{Campaign, CampaignError, CampaignStatus, error_code};
use shared_domain::{
    registration::{CampaignState, CarrierReason, decision::CampaignRecord},
    time::Timestamp,
};

pub(crate) fn record(campaign: Campaign) -> CampaignRecord {
    let state = match campaign.status {
        CampaignStatus::Verified => CampaignState::Verified,
        CampaignStatus::Failed => CampaignState::Failed,
        CampaignStatus::Suspended => CampaignState::Suspended,
        CampaignStatus::Pending | CampaignStatus::InProgress | CampaignStatus::Other => {
            CampaignState::InReview
        }
    };
    CampaignRecord {
        state,
        updated_at: campaign.updated_at.map(|at| Timestamp::from_millis(at.as_millisecond())),
        segments_per_second: campaign.segments_per_second,
        errors: campaign.errors.into_iter().filter_map(reason).collect(),
    }
}

fn reason(CampaignError { code, description, .. }: CampaignError) -> Option<CarrierReason> {
    match (code, description.is_empty()) {
        (0, true) => None,
        (code, true) => Some(known_reason(code)),
        (code, false) => Some(CarrierReason { code, detail: description }),
    }
}

/// Returns the reason for a code that the carrier does not explain.
pub(crate) fn known_reason(code: u32) -> CarrierReason {
    CarrierReason { code, detail: error_code::sentence(code).into_owned() }
}
