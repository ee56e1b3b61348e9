//! Gathers what an e-mail tells: names as they are when it is written. What is gone meanwhile is told in neutral words.

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
    notice::{Notification, NotificationKind},
    registration::CarrierReason,
};

use crate::letter::{About, Letter, one_line};

/// Reads what letters need.
#[derive(Debug)]
pub(crate) struct Writer {
    teams: Teams,
    contacts: Contacts,
    inboxes: Inboxes,
    members: Members,
}

impl Writer {
    /// Over this table.
    pub(crate) fn new(table: Table) -> Self {
        Self {
            teams: Teams::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            members: Members::new(table),
        }
    }

    /// The letter of a notice: one to three reads.
    pub(crate) async fn letter(&self, notice: &Notification) -> Result<Letter, StoreError> {
        let organization = &notice.organization;
        let team = self.teams.get(TeamKey { organization, team: &notice.team }).await?.map(|team| team.name);
        let about = match &notice.subject {
            NotificationKind::RegistrationApproved => About::RegistrationApproved,
            NotificationKind::RegistrationRejected(reasons) => {
                About::RegistrationRejected { reasons: one_line_each(reasons) }
            }
            NotificationKind::RegistrationSuspended(reasons) => {
                About::RegistrationSuspended { reasons: one_line_each(reasons) }
            }
            NotificationKind::OptOutChanged { contact, opted_out } => {
                let contact = self.contact(notice, contact).await?.as_ref().map(name_or_number);
                About::OptOutChanged { contact: or_gone_contact(contact), opted_out: *opted_out }
            }
            NotificationKind::UnknownContact { contact, inbox } => {
                let number = self.contact(notice, contact).await?.map(|contact| contact.number);
                let inbox = self.inboxes.get(InboxKey { organization, inbox }).await?.map(|inbox| inbox.name);
                About::UnknownContact {
                    number: known(
                        number.map(|number| number.as_str().to_owned()),
                        "a number no longer listed",
                    ),
                    inbox: known(inbox, "one of the team's inboxes"),
                }
            }
            NotificationKind::ContactAdded { contact, by } => {
                let contact = self.contact(notice, contact).await?.as_ref().map(name_or_number);
                let by = self.members.user(organization, by).await?.map(|user| user.name);
                About::ContactAdded {
                    contact: or_gone_contact(contact),
                    by: known(by, "somebody who is no longer a user"),
                }
            }
        };
        Ok(Letter { team: known(team, "your team"), at: notice.at, about })
    }

    async fn contact(
        &self,
        notice: &Notification,
        contact: &ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        self.contacts.get(TeamKey { organization: &notice.organization, team: &notice.team }, contact).await
    }
}

fn name_or_number(contact: &Contact) -> String {
    let parts = [&contact.first_name, &contact.last_name].into_iter().flatten();
    let name = one_line(&parts.map(String::as_str).collect::<Vec<_>>().join(" "));
    if name.is_empty() { contact.number.as_str().to_owned() } else { name }
}

fn or_gone_contact(contact: Option<String>) -> String {
    known(contact, "a contact no longer listed")
}

/// A name on one line, or other words for what has none.
fn known(name: Option<String>, otherwise: &str) -> String {
    let name = name.map(|name| one_line(&name)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| otherwise.to_owned())
}

fn one_line_each(reasons: &[CarrierReason]) -> Vec<CarrierReason> {
    let reason =
        |reason: &CarrierReason| CarrierReason { code: reason.code, detail: one_line(&reason.detail) };
    reasons.iter().map(reason).collect()
}
