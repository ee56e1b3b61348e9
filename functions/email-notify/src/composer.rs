//! Reads the names that an e-mail contains. The names are the current ones. If a contact, inbox or user no
//! longer exists, the e-mail says so.

use shared_aws::{
    contact::Contacts,
    inbox::Inboxes,
    table::{StoreError, Table},
    team::{Members, Teams},
};
use shared_domain::{
    contact::Contact,
    ids::ContactId,
    keys::{InboxKey, TeamKey},
    notification::{Notification, NotificationKind},
    phone::PhoneNumber,
    registration::CarrierReason,
};

use crate::email::{Email, EmailKind, one_line};

/// Turns notifications into e-mails.
#[derive(Debug)]
pub(crate) struct Composer {
    teams: Teams,
    contacts: Contacts,
    inboxes: Inboxes,
    members: Members,
}

impl Composer {
    pub(crate) fn new(table: Table) -> Self {
        Self {
            teams: Teams::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            members: Members::new(table),
        }
    }

    /// Returns the e-mail for a notification. Reads one to three items.
    pub(crate) async fn compose(&self, notification: &Notification) -> Result<Email, StoreError> {
        let organization = &notification.organization;
        let team = match &notification.team {
            Some(team) => self.teams.get(TeamKey { organization, team }).await?.map(|team| team.name),
            None => Some("your organization".into()),
        };
        let kind = match &notification.subject {
            NotificationKind::RegistrationApproved => EmailKind::RegistrationApproved,
            NotificationKind::RegistrationRejected(reasons) => {
                EmailKind::RegistrationRejected { reasons: one_line_each(reasons) }
            }
            NotificationKind::RegistrationSuspended(reasons) => {
                EmailKind::RegistrationSuspended { reasons: one_line_each(reasons) }
            }
            NotificationKind::NumberNotRegistered(inbox) => {
                let inbox = self.inboxes.get(InboxKey { organization, inbox }).await?;
                EmailKind::NumberNotRegistered {
                    number: name_or(
                        inbox.as_ref().map(|inbox| inbox.number.as_str().to_owned()),
                        "no longer available",
                    ),
                    inbox: name_or(inbox.map(|inbox| inbox.name), "a former inbox"),
                }
            }
            NotificationKind::OptOutChanged { contact, opted_out } => {
                let contact = self.contact(notification, contact).await?.as_ref().map(name_or_number);
                EmailKind::OptOutChanged { contact: name_or_former_contact(contact), opted_out: *opted_out }
            }
            NotificationKind::UnknownContact { contact, inbox } => {
                let number = self.contact(notification, contact).await?.map(|contact| contact.number);
                let inbox = self.inboxes.get(InboxKey { organization, inbox }).await?;
                let text = |number: Option<PhoneNumber>| {
                    name_or(number.map(|number| number.as_str().to_owned()), "no longer available")
                };
                EmailKind::UnknownContact {
                    number: text(number),
                    inbox_number: text(inbox.map(|inbox| inbox.number)),
                }
            }
            NotificationKind::ContactAdded { contact, by } => {
                let contact = self.contact(notification, contact).await?.as_ref().map(name_or_number);
                let by = self.members.user(organization, by).await?.map(|user| user.name);
                EmailKind::ContactAdded {
                    contact: name_or_former_contact(contact),
                    by: name_or(by, "a former user"),
                }
            }
            NotificationKind::WebhookFailing { receiver } => {
                EmailKind::WebhookFailing { receiver: one_line(receiver) }
            }
            NotificationKind::WebhookDisabled { receiver, gone } => {
                EmailKind::WebhookDisabled { receiver: one_line(receiver), gone: *gone }
            }
        };
        Ok(Email { team: name_or(team, "your team"), at: notification.at, kind })
    }

    async fn contact(
        &self,
        notification: &Notification,
        contact: &ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        let Some(team) = &notification.team else { return Ok(None) };
        self.contacts.get(TeamKey { organization: &notification.organization, team }, contact).await
    }
}

fn name_or_number(contact: &Contact) -> String {
    let parts = [&contact.first_name, &contact.last_name].into_iter().flatten();
    let name = one_line(&parts.map(String::as_str).collect::<Vec<_>>().join(" "));
    if name.is_empty() { contact.number.as_str().to_owned() } else { name }
}

fn name_or_former_contact(contact: Option<String>) -> String {
    name_or(contact, "a former contact")
}

/// Returns a name on one line, or `fallback` if there is no name.
fn name_or(name: Option<String>, fallback: &str) -> String {
    let name = name.map(|name| one_line(&name)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| fallback.to_owned())
}

fn one_line_each(reasons: &[CarrierReason]) -> Vec<CarrierReason> {
    let reason =
        |reason: &CarrierReason| CarrierReason { code: reason.code, detail: one_line(&reason.detail) };
    reasons.iter().map(reason).collect()
}
