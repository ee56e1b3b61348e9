//! Stored notifications.

use serde::{Deserialize, Serialize};
use shared_domain::{
    notice::{Notification, NotificationKind},
    registration::CarrierReason,
    time::Timestamp,
};

use crate::table::items::{RowError, id};

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
