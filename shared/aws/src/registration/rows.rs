//! Stored registrations and their timelines.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::UserId,
    registration::{
        CampaignSubmission, CarrierReason, Registration, RegistrationStatus, StepSource, TimelineStep,
    },
    time::Timestamp,
};

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
        let Registration { status, as_of, submission, messaging_service, brand, campaign, reasons } =
            registration.clone();
        Self { status, as_of, submission, service: messaging_service, brand, campaign, reasons }
    }

    pub(crate) fn registration(self) -> Registration {
        let Self { status, as_of, submission, service, brand, campaign, reasons } = self;
        Registration { status, as_of, submission, messaging_service: service, brand, campaign, reasons }
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
    pub by: Option<UserId>,
}

impl StepRow {
    pub(crate) fn of(step: &TimelineStep) -> Self {
        let TimelineStep { id, status, at, source, codes, detail, by } = step.clone();
        Self { id, status, at, source, codes, detail, by }
    }

    pub(crate) fn step(self) -> TimelineStep {
        let Self { id, status, at, source, codes, detail, by } = self;
        TimelineStep { id, status, at, source, codes, detail, by }
    }
}
