//! A team's A2P 10DLC registration.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::TeamId,
    registration::{CampaignSubmission, Registration, TimelineStep},
};
use utoipa::ToSchema;

use super::values::{RegistrationSource, RegistrationStatus};

/// The registration of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationView {
    /// ID of the team.
    pub team_id: String,
    #[schema(value_type = RegistrationStatus)]
    pub status: &'static str,
    /// Whether the campaign's details have been sent to the carrier.
    pub submitted: bool,
    /// What is missing before the team can send. `null` if the registration is complete.
    #[schema(required)]
    pub notice: Option<&'static str>,
    /// The carrier's IDs. Only for team admins and the organization's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<CarrierParts>,
    /// The details that were submitted last. Only for team admins and the organization's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<CampaignDetails>,
    /// The newest 100 steps, newest first.
    pub timeline: Vec<StepView>,
}

/// The carrier's IDs of the registration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarrierParts {
    /// Messaging service, `MG…`.
    #[schema(required)]
    pub messaging_service_sid: Option<String>,
    /// Brand, `BN…`.
    #[schema(required)]
    pub brand_sid: Option<String>,
    /// Campaign, `QE…`.
    #[schema(required)]
    pub campaign_sid: Option<String>,
}

/// A step of the registration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Status after the step.
    #[schema(value_type = RegistrationStatus)]
    pub status: &'static str,
    /// Time of the step.
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(value_type = RegistrationSource)]
    pub source: &'static str,
    /// The carrier's reason codes.
    pub codes: Vec<u32>,
    /// Explanation.
    #[schema(required)]
    pub detail: Option<String>,
    /// The user who made the change. `null` for changes by the carrier.
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

/// Details of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignDetails {
    /// The carrier's code for the use case, such as `LOW_VOLUME` or `CUSTOMER_CARE`.
    pub use_case: String,
    /// What the campaign is for, in 40 to 4,096 characters.
    pub description: String,
    /// How recipients agree to receive messages, in 40 to 2,048 characters.
    pub message_flow: String,
    /// Two to five sample messages of 20 to 1,024 characters each.
    pub message_samples: Vec<String>,
    /// Whether messages contain links.
    pub has_embedded_links: bool,
    /// Whether messages contain phone numbers.
    pub has_embedded_phone: bool,
    /// URL of the privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_policy_url: Option<String>,
    /// URL of the terms and conditions.
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
    /// Returns the registration with the carrier's IDs and the submitted details, for admins and the owner.
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
