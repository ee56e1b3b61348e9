//! Who has a conversation open on a screen.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, OrganizationId},
    time::Timestamp,
    user::UserRef,
};

use crate::{
    realtime::sockets::Place,
    table::{error::StoreError, keys, query::KeyRange, requests::Table},
};

/// A screen that views a conversation repeats this every 30 seconds.
const VIEW_TTL: Duration = Duration::from_secs(75);

/// A user who views a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewing {
    pub user: UserRef,
    until: Timestamp,
    ttl: i64,
}

/// The viewers of conversations.
#[derive(Debug, Clone)]
pub struct Viewers {
    table: Table,
}

impl Viewers {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Adds a viewer for 75 seconds.
    pub async fn add(
        &self,
        place: &Place,
        name: &str,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let until = now + VIEW_TTL;
        let user = UserRef { id: place.user.clone(), name: name.to_owned() };
        let row = Viewing { user, until, ttl: until.seconds() };
        self.table.put(keys::viewer(place, conversation), &row).await
    }

    pub async fn remove(&self, place: &Place, conversation: &ConversationId) -> Result<(), StoreError> {
        self.table.delete(keys::viewer(place, conversation)).await
    }

    /// Returns the users who view a conversation, each once, by id.
    pub async fn list(
        &self,
        organization: &OrganizationId,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<Vec<UserRef>, StoreError> {
        let range = KeyRange::all(keys::viewers_partition(organization, conversation));
        let rows: Vec<Viewing> = self.table.all(&range).await?;
        let mut users: Vec<_> = rows.into_iter().filter(|row| row.until > now).map(|row| row.user).collect();
        users.dedup_by(|next, one| next.id == one.id);
        Ok(users)
    }
}
