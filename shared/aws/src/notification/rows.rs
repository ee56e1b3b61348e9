//! Stored notifications.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ContactId, InboxId, OrganizationId, TeamId, UserId},
    notification::{Notification, NotificationKind},
    registration::CarrierReason,
    time::Timestamp,
};

/// A notification, in the table and in the mail queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotificationRow {
    #[serde(rename = "notification")]
    pub id: String,
    pub org: OrganizationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    pub subject: SubjectRow,
    pub at: Timestamp,
    #[serde(default)]
    pub admins: Vec<UserId>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub(crate) enum SubjectRow {
    RegistrationApproved,
    RegistrationRejected { reasons: Vec<CarrierReason> },
    RegistrationSuspended { reasons: Vec<CarrierReason> },
    NumberNotRegistered { inbox: InboxId },
    OptOutChanged { contact: ContactId, opted_out: bool },
    UnknownContact { contact: ContactId, inbox: InboxId },
    ContactAdded { contact: ContactId, by: UserId },
    WebhookFailing { receiver: String },
    WebhookDisabled { receiver: String, gone: bool },
}

impl From<NotificationKind> for SubjectRow {
    fn from(kind: NotificationKind) -> Self {
        match kind {
            NotificationKind::RegistrationApproved => Self::RegistrationApproved,
            NotificationKind::RegistrationRejected(reasons) => Self::RegistrationRejected { reasons },
            NotificationKind::RegistrationSuspended(reasons) => Self::RegistrationSuspended { reasons },
            NotificationKind::NumberNotRegistered(inbox) => Self::NumberNotRegistered { inbox },
            NotificationKind::OptOutChanged { contact, opted_out } => {
                Self::OptOutChanged { contact, opted_out }
            }
            NotificationKind::UnknownContact { contact, inbox } => Self::UnknownContact { contact, inbox },
            NotificationKind::ContactAdded { contact, by } => Self::ContactAdded { contact, by },
            NotificationKind::WebhookFailing { receiver } => Self::WebhookFailing { receiver },
            NotificationKind::WebhookDisabled { receiver, gone } => Self::WebhookDisabled { receiver, gone },
        }
    }
}

impl From<SubjectRow> for NotificationKind {
    fn from(row: SubjectRow) -> Self {
        match row {
            SubjectRow::RegistrationApproved => Self::RegistrationApproved,
            SubjectRow::RegistrationRejected { reasons } => Self::RegistrationRejected(reasons),
            SubjectRow::RegistrationSuspended { reasons } => Self::RegistrationSuspended(reasons),
            SubjectRow::NumberNotRegistered { inbox } => Self::NumberNotRegistered(inbox),
            SubjectRow::OptOutChanged { contact, opted_out } => Self::OptOutChanged { contact, opted_out },
            SubjectRow::UnknownContact { contact, inbox } => Self::UnknownContact { contact, inbox },
            SubjectRow::ContactAdded { contact, by } => Self::ContactAdded { contact, by },
            SubjectRow::WebhookFailing { receiver } => Self::WebhookFailing { receiver },
            SubjectRow::WebhookDisabled { receiver, gone } => Self::WebhookDisabled { receiver, gone },
        }
    }
}

impl NotificationRow {
    pub(crate) fn of(notification: &Notification) -> Self {
        let Notification { id, organization, team, subject, at, admins } = notification.clone();
        Self { id, org: organization, team, subject: subject.into(), at, admins }
    }

    pub(crate) fn notification(self) -> Notification {
        let Self { id, org, team, subject, at, admins } = self;
        Notification { id, organization: org, team, subject: subject.into(), at, admins }
    }
}
