//! What a team is told by e-mail: its registration's turns go to all its admins, the rest to the addresses in its settings.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ContactId, InboxId, OrganizationId, TeamId, UserId},
    registration::{CarrierReason, RegistrationStatus},
    time::Timestamp,
};

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationKind {
    /// The campaign was approved: the team may send.
    RegistrationApproved,
    /// The campaign was refused.
    RegistrationRejected(Vec<CarrierReason>),
    /// The campaign was stopped.
    RegistrationSuspended(Vec<CarrierReason>),
    /// A contact opted out or in again, not by an import.
    OptOutChanged {
        /// Who.
        contact: ContactId,
        /// Out, or in again.
        opted_out: bool,
    },
    /// Somebody who is no contact texted in.
    UnknownContact {
        /// The provisional contact.
        contact: ContactId,
        /// Which inbox was texted.
        inbox: InboxId,
    },
    /// A contact was added by hand.
    ContactAdded {
        /// The contact.
        contact: ContactId,
        /// Who added it.
        by: UserId,
    },
}

impl NotificationKind {
    /// What admins are told when a registration comes into this state; nothing while it is only under way.
    pub fn of_registration(status: RegistrationStatus, reasons: &[CarrierReason]) -> Option<Self> {
        match status {
            RegistrationStatus::Approved => Some(Self::RegistrationApproved),
            RegistrationStatus::Rejected => Some(Self::RegistrationRejected(reasons.to_vec())),
            RegistrationStatus::Suspended => Some(Self::RegistrationSuspended(reasons.to_vec())),
            RegistrationStatus::NotStarted | RegistrationStatus::Pending => None,
        }
    }
}

/// One thing to be told, once to each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Names it: whoever gets it gets it once under this name.
    pub id: String,
    /// The tenant.
    pub organization: OrganizationId,
    /// The team.
    pub team: TeamId,
    /// What.
    pub subject: NotificationKind,
    /// When it happened.
    pub at: Timestamp,
    /// The admins of that instant, for what admins are told; nobody for what goes to addresses in the settings.
    pub admins: Vec<UserId>,
}

/// One kind of e-mail of a team: whether, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingPreference {
    /// Sent at all.
    pub enabled: bool,
    /// To these addresses.
    pub recipients: Vec<String>,
}

/// A team's choice of e-mails. Registration mails are not a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSettings {
    /// A contact's opt-out changed, not by an import.
    pub opt_out_changed: MailingPreference,
    /// An unknown number texted in.
    pub unknown_contact: MailingPreference,
    /// A contact was added by hand.
    pub contact_added: MailingPreference,
}

impl NotificationSettings {
    /// Addresses of one kind may not be more than these.
    pub const MAX_RECIPIENTS: usize = 20;

    /// Who is to get a notice that goes by the settings; nobody for a registration's.
    pub fn recipients(&self, subject: &NotificationKind) -> &[String] {
        let mailing = match subject {
            NotificationKind::OptOutChanged { .. } => &self.opt_out_changed,
            NotificationKind::UnknownContact { .. } => &self.unknown_contact,
            NotificationKind::ContactAdded { .. } => &self.contact_added,
            NotificationKind::RegistrationApproved
            | NotificationKind::RegistrationRejected(_)
            | NotificationKind::RegistrationSuspended(_) => return &[],
        };
        if mailing.enabled { &mailing.recipients } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailing_that_is_switched_off_reaches_nobody() {
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
    fn a_registration_under_way_is_no_news() {
        assert_eq!(NotificationKind::of_registration(RegistrationStatus::Pending, &[]), None);
        assert_eq!(
            NotificationKind::of_registration(RegistrationStatus::Approved, &[]),
            Some(NotificationKind::RegistrationApproved)
        );
    }

    #[test]
    fn each_kind_of_mail_goes_to_its_own_addresses_and_a_registrations_to_none() {
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
            (NotificationKind::RegistrationApproved, None),
            (NotificationKind::RegistrationRejected(Vec::new()), None),
            (NotificationKind::RegistrationSuspended(Vec::new()), None),
        ] {
            let recipients = settings.recipients(&subject);
            assert_eq!(recipients.first().map(String::as_str), address, "{subject:?}");
        }
    }

    #[test]
    fn a_refusal_and_a_suspension_are_told_with_their_reasons() {
        let reasons = vec![CarrierReason { code: 30_909, detail: "No opt-in.".into() }];
        let rejected = NotificationKind::of_registration(RegistrationStatus::Rejected, &reasons);
        assert_eq!(rejected, Some(NotificationKind::RegistrationRejected(reasons.clone())));
        let suspended = NotificationKind::of_registration(RegistrationStatus::Suspended, &reasons);
        assert_eq!(suspended, Some(NotificationKind::RegistrationSuspended(reasons)));
        assert_eq!(NotificationKind::of_registration(RegistrationStatus::NotStarted, &[]), None);
    }
}
