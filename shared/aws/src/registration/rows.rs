//! Stored registrations and their timelines.

use serde::{Deserialize, Serialize};
use shared_domain::{
    registration::{
        CampaignSubmission, CarrierReason, Registration, RegistrationStatus, StepSource, TimelineStep,
    },
    time::Timestamp,
};

use crate::table::items::{RowError, id};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistrationRow {
    pub status: RegistrationStatus,
    pub as_of: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<CampaignSubmission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    #[serde(default)]
    pub reasons: Vec<CarrierReason>,
}

impl RegistrationRow {
    pub(crate) fn of(registration: &Registration) -> Self {
        Self {
            status: registration.status,
            as_of: registration.as_of,
            submission: registration.submission.clone(),
            service: registration.messaging_service.clone(),
            brand: registration.brand.clone(),
            campaign: registration.campaign.clone(),
            reasons: registration.reasons.clone(),
        }
    }

    pub(crate) fn registration(self) -> Registration {
        Registration {
            status: self.status,
            as_of: self.as_of,
            submission: self.submission,
            messaging_service: self.service,
            brand: self.brand,
            campaign: self.campaign,
            reasons: self.reasons,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StepRow {
    pub id: String,
    pub status: RegistrationStatus,
    pub at: Timestamp,
    pub source: StepSource,
    #[serde(default)]
    pub codes: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl StepRow {
    pub(crate) fn of(step: &TimelineStep) -> Self {
        Self {
            id: step.id.clone(),
            status: step.status,
            at: step.at,
            source: step.source,
            codes: step.codes.clone(),
            detail: step.detail.clone(),
            by: step.by.as_ref().map(ToString::to_string),
        }
    }

    pub(crate) fn step(self) -> Result<TimelineStep, RowError> {
        Ok(TimelineStep {
            id: self.id,
            status: self.status,
            at: self.at,
            source: self.source,
            codes: self.codes,
            detail: self.detail,
            by: self.by.as_deref().map(id).transpose()?,
        })
    }
}
