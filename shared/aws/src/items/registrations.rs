//! Registrations with their steps, what admins did, what is to be told, and what is being bought.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    notice::{Notification, NotificationKind},
    phone::PhoneNumber,
    registration::{
        CampaignSubmission, CarrierReason, Registration, RegistrationStatus, StepSource, TimelineStep,
    },
    time::Timestamp,
};

use super::{RowError, id};

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

/// Points at a team: from a messaging service, or from the list of what waits for the carrier.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TeamPointer {
    pub org: String,
    pub team: String,
    /// When the carrier was asked last, where it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
}

impl TeamPointer {
    pub(crate) fn of(organization: &OrganizationId, team: &TeamId) -> Self {
        Self { org: organization.to_string(), team: team.to_string(), asked: None }
    }

    pub(crate) fn target(&self) -> Result<(OrganizationId, TeamId), RowError> {
        Ok((id(&self.org)?, id(&self.team)?))
    }
}

/// What an admin did: the route's words, and to what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditRow {
    pub at: Timestamp,
    pub id: String,
    pub actor: String,
    pub action: String,
    pub target: String,
}

/// An inbox whose number is being bought.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurchaseRow {
    pub org: String,
    pub inbox: String,
    pub number: PhoneNumber,
    pub at: Timestamp,
    /// Partition of the idempotency key that it was asked for with, so that undoing it frees the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A notice, in the table and in the queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotificationRow {
    pub notice: String,
    pub org: String,
    pub team: String,
    pub subject: SubjectRow,
    pub at: Timestamp,
    #[serde(default)]
    pub admins: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub(crate) enum SubjectRow {
    RegistrationApproved,
    RegistrationRejected { reasons: Vec<CarrierReason> },
    RegistrationSuspended { reasons: Vec<CarrierReason> },
    OptOutChanged { contact: String, opted_out: bool },
    UnknownContact { contact: String, inbox: String },
    ContactAdded { contact: String, by: String },
}

impl NotificationRow {
    pub(crate) fn of(notice: &Notification) -> Self {
        let subject = match &notice.subject {
            NotificationKind::RegistrationApproved => SubjectRow::RegistrationApproved,
            NotificationKind::RegistrationRejected(reasons) => {
                SubjectRow::RegistrationRejected { reasons: reasons.clone() }
            }
            NotificationKind::RegistrationSuspended(reasons) => {
                SubjectRow::RegistrationSuspended { reasons: reasons.clone() }
            }
            NotificationKind::OptOutChanged { contact, opted_out } => {
                SubjectRow::OptOutChanged { contact: contact.to_string(), opted_out: *opted_out }
            }
            NotificationKind::UnknownContact { contact, inbox } => {
                SubjectRow::UnknownContact { contact: contact.to_string(), inbox: inbox.to_string() }
            }
            NotificationKind::ContactAdded { contact, by } => {
                SubjectRow::ContactAdded { contact: contact.to_string(), by: by.to_string() }
            }
        };
        Self {
            notice: notice.id.clone(),
            org: notice.organization.to_string(),
            team: notice.team.to_string(),
            subject,
            at: notice.at,
            admins: notice.admins.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn notice(self) -> Result<Notification, RowError> {
        let subject = match self.subject {
            SubjectRow::RegistrationApproved => NotificationKind::RegistrationApproved,
            SubjectRow::RegistrationRejected { reasons } => NotificationKind::RegistrationRejected(reasons),
            SubjectRow::RegistrationSuspended { reasons } => NotificationKind::RegistrationSuspended(reasons),
            SubjectRow::OptOutChanged { contact, opted_out } => {
                NotificationKind::OptOutChanged { contact: id(&contact)?, opted_out }
            }
            SubjectRow::UnknownContact { contact, inbox } => {
                NotificationKind::UnknownContact { contact: id(&contact)?, inbox: id(&inbox)? }
            }
            SubjectRow::ContactAdded { contact, by } => {
                NotificationKind::ContactAdded { contact: id(&contact)?, by: id(&by)? }
            }
        };
        let admins = self.admins.iter().map(|admin| id(admin)).collect::<Result<_, _>>()?;
        Ok(Notification {
            id: self.notice,
            organization: id(&self.org)?,
            team: id(&self.team)?,
            subject,
            at: self.at,
            admins,
        })
    }
}
