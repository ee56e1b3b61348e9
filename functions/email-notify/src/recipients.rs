//! The addresses that receive a notification: the team's admins if it is about the registration or a number
//! that is missing in it, the managers of a webhook endpoint if it is about the endpoint, otherwise the
//! addresses in the team's notification settings.

use std::collections::HashSet;

use shared_aws::{
    table::{StoreError, Table},
    team::{Members, Teams},
};
use shared_domain::{
    keys::TeamKey,
    notification::{Notification, NotificationKind},
};

/// Reads the recipients of notifications.
#[derive(Debug)]
pub(crate) struct Recipients {
    teams: Teams,
    members: Members,
}

impl Recipients {
    pub(crate) fn new(table: Table) -> Self {
        Self { teams: Teams::new(table.clone()), members: Members::new(table) }
    }

    /// Returns each address once. Addresses that differ only in upper and lower case are the same address.
    pub(crate) async fn addresses(&self, notification: &Notification) -> Result<Vec<String>, StoreError> {
        let mut addresses = match &notification.subject {
            NotificationKind::RegistrationApproved
            | NotificationKind::RegistrationRejected(_)
            | NotificationKind::RegistrationSuspended(_)
            | NotificationKind::NumberNotRegistered(_)
            | NotificationKind::WebhookFailing { .. }
            | NotificationKind::WebhookDisabled { .. } => self.addresses_of_users(notification).await?,
            subject @ (NotificationKind::OptOutChanged { .. }
            | NotificationKind::UnknownContact { .. }
            | NotificationKind::ContactAdded { .. }) => {
                let Some(team) = &notification.team else { return Ok(Vec::new()) };
                let team = TeamKey { organization: &notification.organization, team };
                self.teams.notification_settings(team).await?.recipients(subject).to_vec()
            }
        };
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(address.to_lowercase()));
        Ok(addresses)
    }

    /// Returns the current addresses of the users listed in the notification. Former users are skipped.
    async fn addresses_of_users(&self, notification: &Notification) -> Result<Vec<String>, StoreError> {
        let mut addresses = Vec::with_capacity(notification.admins.len());
        for admin in &notification.admins {
            let user = self.members.user(&notification.organization, admin).await?;
            addresses.extend(user.map(|user| user.email));
        }
        Ok(addresses)
    }
}
