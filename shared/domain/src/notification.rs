//! Notifications: e-mails to users about events of a team.
//!
//! Changes of the team's registration, and numbers that are missing in it, go to all of its admins. Failures
//! of a webhook endpoint go to those who manage it. All other notifications go to the addresses in the team's
//! settings, and are off by default.
//!
//! ```
//! use shared_domain::notification::NotificationKind;
//! use shared_domain::registration::RegistrationStatus;
//!
//! let kind = NotificationKind::of_registration(RegistrationStatus::Approved, &[]);
//! assert_eq!(kind, Some(NotificationKind::RegistrationApproved));
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ContactId, InboxId, OrganizationId, TeamId, UserId},
    registration::{CarrierReason, RegistrationStatus},
    time::Timestamp,
};

/// The event a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationKind {
    /// The campaign was approved, and the team may send.
    RegistrationApproved,
    /// The campaign was rejected, for these reasons.
    RegistrationRejected(Vec<CarrierReason>),
    /// The campaign was suspended, for these reasons.
    RegistrationSuspended(Vec<CarrierReason>),
    /// The carrier refuses the number of this inbox, because it is not part of the team's approved campaign.
    NumberNotRegistered(InboxId),
    /// A contact opted out or in. Changes by an import are not notified.
    #[expect(missing_docs, reason = "the names say it all")]
    OptOutChanged { contact: ContactId, opted_out: bool },
    /// An unknown number sent a message.
    #[expect(missing_docs, reason = "the other names say it all")]
    UnknownContact {
        /// The provisional contact that was created.
        contact: ContactId,
        inbox: InboxId,
    },
    /// A user added a contact by hand.
    #[expect(missing_docs, reason = "the names say it all")]
    ContactAdded { contact: ContactId, by: UserId },
    /// Deliveries to a webhook endpoint fail.
    WebhookFailing {
        /// Host of its URL. The path can contain a secret.
        receiver: String,
    },
    /// A webhook endpoint was disabled.
    #[expect(missing_docs, reason = "the other names say it all")]
    WebhookDisabled {
        receiver: String,
        /// Whether the receiver asked for it with the status 410.
        gone: bool,
    },
}

impl NotificationKind {
    /// The notification of a registration that reaches this status, or `None` if the registration is still in
    /// progress.
    pub fn of_registration(status: RegistrationStatus, reasons: &[CarrierReason]) -> Option<Self> {
        match status {
            RegistrationStatus::Approved => Some(Self::RegistrationApproved),
            RegistrationStatus::Rejected => Some(Self::RegistrationRejected(reasons.to_vec())),
            RegistrationStatus::Suspended => Some(Self::RegistrationSuspended(reasons.to_vec())),
            RegistrationStatus::NotStarted | RegistrationStatus::Pending => None,
        }
    }
}

/// A notification to one or more recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Notification {
    /// Each recipient gets at most one e-mail per id.
    pub id: String,
    pub organization: OrganizationId,
    /// `None` if it is about the whole organization.
    pub team: Option<TeamId>,
    pub subject: NotificationKind,
    /// When the event happened.
    pub at: Timestamp,
    /// The users who get it: the team's admins at that time, or the managers of a webhook endpoint. Empty if
    /// the addresses are in the settings.
    pub admins: Vec<UserId>,
}

/// The settings of one kind of notification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingPreference {
    /// Whether e-mails are sent.
    pub enabled: bool,
    /// The addresses they are sent to.
    pub recipients: Vec<String>,
}

/// Which notifications a team gets. Notifications about its registration are always sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSettings {
    /// See [`NotificationKind::OptOutChanged`].
    pub opt_out_changed: MailingPreference,
    /// See [`NotificationKind::UnknownContact`].
    pub unknown_contact: MailingPreference,
    /// See [`NotificationKind::ContactAdded`].
    pub contact_added: MailingPreference,
}

impl NotificationSettings {
    /// The maximum number of addresses of one kind of notification.
    pub const MAX_RECIPIENTS: usize = 20;

    /// The addresses that get this notification. Empty if it is disabled, or goes to users.
    pub fn recipients(&self, subject: &NotificationKind) -> &[String] {
        let mailing = match subject {
            NotificationKind::OptOutChanged { .. } => &self.opt_out_changed,
            NotificationKind::UnknownContact { .. } => &self.unknown_contact,
            NotificationKind::ContactAdded { .. } => &self.contact_added,
            NotificationKind::RegistrationApproved
            | NotificationKind::RegistrationRejected(_)
            | NotificationKind::RegistrationSuspended(_)
            | NotificationKind::NumberNotRegistered(_)
            | NotificationKind::WebhookFailing { .. }
            | NotificationKind::WebhookDisabled { .. } => return &[],
        };
        if mailing.enabled { &mailing.recipients } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_notification_has_no_recipients() {
        let mailing = MailingPreference { enabled: false, recipients: vec!["desk@clinic.example".into()] };
        let mut settings = NotificationSettings { contact_added: mailing, ..Default::default() };
        let added = NotificationKind::ContactAdded {
            contact: ContactId::parse("con_1").unwrap(),
            by: UserId::parse("ada").unwrap(),
        };
        assert!(settings.recipients(&added).is_empty());
        settings.contact_added.enabled = true;
        assert_eq!(settings.recipients(&added), ["desk@clinic.example"]);
    }

    #[test]
    fn a_registration_in_progress_is_not_notified() {
        assert_eq!(NotificationKind::of_registration(RegistrationStatus::Pending, &[]), None);
        assert_eq!(
            NotificationKind::of_registration(RegistrationStatus::Approved, &[]),
            Some(NotificationKind::RegistrationApproved)
        );
    }

    #[test]
    fn each_kind_of_notification_has_its_own_addresses_and_a_registration_has_none() {
        let mailing = |to: &str| MailingPreference { enabled: true, recipients: vec![to.into()] };
        let settings = NotificationSettings {
            opt_out_changed: mailing("out@clinic.example"),
            unknown_contact: mailing("unknown@clinic.example"),
            contact_added: mailing("added@clinic.example"),
        };
        let contact = ContactId::parse("con_1").unwrap();
        let (inbox, by) = (InboxId::parse("inb_1").unwrap(), UserId::parse("ada").unwrap());
        for (subject, address) in [
            (
                NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true },
                Some("out@clinic.example"),
            ),
            (
                NotificationKind::UnknownContact { contact: contact.clone(), inbox },
                Some("unknown@clinic.example"),
            ),
            (NotificationKind::ContactAdded { contact, by }, Some("added@clinic.example")),
            (NotificationKind::NumberNotRegistered(InboxId::parse("inb_1").unwrap()), None),
            (NotificationKind::WebhookFailing { receiver: "receiver.example".into() }, None),
            (NotificationKind::RegistrationApproved, None),
            (NotificationKind::RegistrationRejected(Vec::new()), None),
            (NotificationKind::RegistrationSuspended(Vec::new()), None),
        ] {
            let recipients = settings.recipients(&subject);
            assert_eq!(recipients.first().map(String::as_str), address, "{subject:?}");
        }
    }

    #[test]
    fn a_rejection_and_a_suspension_are_notified_with_their_reasons() {
        let reasons = vec![CarrierReason { code: 30_909, detail: "No opt-in.".into() }];
        let rejected = NotificationKind::of_registration(RegistrationStatus::Rejected, &reasons);
        assert_eq!(rejected, Some(NotificationKind::RegistrationRejected(reasons.clone())));
        let suspended = NotificationKind::of_registration(RegistrationStatus::Suspended, &reasons);
        assert_eq!(suspended, Some(NotificationKind::RegistrationSuspended(reasons)));
        assert_eq!(NotificationKind::of_registration(RegistrationStatus::NotStarted, &[]), None);
    }
}
