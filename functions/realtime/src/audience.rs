//! Who may see an event now.

use std::collections::HashMap;

use shared_aws::{realtime::Socket, table::StoreError};
use shared_domain::{
    event::EventScope,
    ids::{InboxId, OrganizationId, UserId},
    keys::{InboxKey, TeamKey},
    membership::Role,
    time::Timestamp,
};

use crate::App;

/// The members of an inbox or team at one instant, with their roles in the team. Members of an inbox have no
/// role here.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    members: HashMap<UserId, Option<Role>>,
}

impl Audience {
    pub(crate) async fn of(app: &App, scope: &EventScope) -> Result<Self, StoreError> {
        match scope {
            EventScope::Inbox { organization, inbox } => Self::of_inbox(app, organization, inbox).await,
            EventScope::Team { organization, team } => {
                let members = app.team_members.list(TeamKey { organization, team }).await?;
                let members = members.into_iter().map(|member| (member.user.id, Some(member.role)));
                Ok(Self { members: members.collect() })
            }
        }
    }

    pub(crate) async fn of_inbox(
        app: &App,
        organization: &OrganizationId,
        inbox: &InboxId,
    ) -> Result<Self, StoreError> {
        let members = app.members.list(InboxKey { organization, inbox }).await?;
        let members = members.into_iter().map(|member| (member.user.id, None)).collect();
        Ok(Self { members })
    }

    /// Returns whether the user of a connection is a member, and the token of the connection is valid.
    pub(crate) fn has(&self, socket: &Socket, now: Timestamp) -> bool {
        let role = self.members.get(&socket.place.user);
        socket.token_expires_at > now && role.is_some()
    }

    /// As [`Audience::has`], for events that only admins of the team and the owner see.
    pub(crate) fn has_manager(&self, socket: &Socket, now: Timestamp) -> bool {
        let role = self.members.get(&socket.place.user).copied().flatten();
        self.has(socket, now) && (socket.owner || role == Some(Role::Admin))
    }
}
