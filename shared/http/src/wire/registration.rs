//! A team's A2P 10DLC registration.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::TeamId,
    registration::{CampaignSubmission, Registration, TimelineStep},
};
use utoipa::ToSchema;

/// Where a registration stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationView {
    /// The team.
    pub team_id: String,
    /// `not_started`, `pending`, `approved`, `rejected` or `suspended`.
    pub status: &'static str,
    /// Whether the campaign's details are with the carriers.
    pub submitted: bool,
    /// What the team has to know; null once it may send.
    #[schema(required)]
    pub notice: Option<&'static str>,
    /// What the carrier calls its parts; for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<CarrierParts>,
    /// What was submitted last; for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<CampaignDetails>,
    /// The newest hundred steps, latest first.
    pub timeline: Vec<StepView>,
}

/// The carrier's names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarrierParts {
    /// `MG…`
    #[schema(required)]
    pub messaging_service_sid: Option<String>,
    /// `BN…`
    #[schema(required)]
    pub brand_sid: Option<String>,
    /// `QE…`
    #[schema(required)]
    pub campaign_sid: Option<String>,
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Where the registration stood after it, or what an event said that changed nothing.
    pub status: &'static str,
    /// When it happened.
    #[schema(format = DateTime)]
    pub at: String,
    /// `callback`, `poll` or `user`.
    pub source: &'static str,
    /// The carrier's reason codes.
    pub codes: Vec<u32>,
    /// A sentence for people.
    #[schema(required)]
    pub detail: Option<String>,
    /// Who did it, where a user did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

impl StepView {
    fn of(step: &TimelineStep) -> Self {
        Self {
            status: step.status.as_str(),
            at: step.at.to_string(),
            source: step.source.as_str(),
            codes: step.codes.clone(),
            detail: step.detail.clone(),
            user_id: step.by.as_ref().map(ToString::to_string),
        }
    }
}

/// The campaign's details.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignDetails {
    /// The carrier's word for the kind of traffic: `LOW_VOLUME`, `CUSTOMER_CARE`, …
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

impl From<CampaignDetails> for CampaignSubmission {
    fn from(details: CampaignDetails) -> Self {
        Self {
            use_case: details.use_case,
            description: details.description,
            message_flow: details.message_flow,
            message_samples: details.message_samples,
            has_embedded_links: details.has_embedded_links,
            has_embedded_phone: details.has_embedded_phone,
            privacy_policy_url: details.privacy_policy_url,
            terms_url: details.terms_url,
        }
    }
}

impl From<CampaignSubmission> for CampaignDetails {
    fn from(submission: CampaignSubmission) -> Self {
        Self {
            use_case: submission.use_case,
            description: submission.description,
            message_flow: submission.message_flow,
            message_samples: submission.message_samples,
            has_embedded_links: submission.has_embedded_links,
            has_embedded_phone: submission.has_embedded_phone,
            privacy_policy_url: submission.privacy_policy_url,
            terms_url: submission.terms_url,
        }
    }
}

impl RegistrationView {
    /// With the carrier's names and the details for those who manage the team.
    pub fn of(
        team: &TeamId,
        registration: Registration,
        timeline: &[TimelineStep],
        for_manager: bool,
    ) -> Self {
        Self {
            team_id: team.to_string(),
            status: registration.status.as_str(),
            submitted: registration.is_submitted(),
            notice: registration.notice(),
            timeline: timeline.iter().map(StepView::of).collect(),
            carrier: for_manager.then(|| CarrierParts {
                messaging_service_sid: registration.messaging_service.clone(),
                brand_sid: registration.brand.clone(),
                campaign_sid: registration.campaign.clone(),
            }),
            submission: registration.submission.filter(|_| for_manager).map(CampaignDetails::from),
        }
    }
}
