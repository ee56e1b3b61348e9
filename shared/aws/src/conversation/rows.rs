//! Stored conversations, with the contact copied onto them and the lock.

use serde::{Deserialize, Serialize};
use shared_domain::{
    conversation::{Conversation, LastMessage},
    lock::{BrokenLock, FencingToken, Lease, LockState},
    message::Direction,
    time::Timestamp,
};

use crate::{
    contact::rows::ContactRow,
    table::{
        items::{PersonRow, RowError, id},
        keys::{Key, place_parts},
    },
};

/// The newest text. Its time is the conversation's last activity, which its place in the lists says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LastMessageRow {
    pub id: String,
    pub text: String,
    pub dir: Direction,
}

impl LastMessageRow {
    pub(crate) fn of(last: &LastMessage) -> Self {
        Self { id: last.id.to_string(), text: last.text.clone(), dir: last.direction }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrokenRow {
    pub token: FencingToken,
    pub by: PersonRow,
}

/// A conversation. In a list the attributes outside the index are absent: the lock's times above all, so that a renewal
/// writes no index.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationRow {
    pub pk: String,
    pub sk: String,
    pub contact: ContactRow,
    pub last_message: LastMessageRow,
    pub read: bool,
    pub place: String,
    pub last_inbound: Option<String>,
    #[serde(default)]
    pub delivery_failed: bool,
    pub lock_holder: Option<PersonRow>,
    #[serde(default)]
    pub fence: FencingToken,
    pub lock_expires_at: Option<Timestamp>,
    pub lock_idle_at: Option<Timestamp>,
    pub lock_broken: Option<BrokenRow>,
}

impl ConversationRow {
    pub(crate) fn key(&self) -> Key {
        Key { pk: self.pk.clone(), sk: self.sk.clone() }
    }

    pub(crate) fn lock(&self) -> Result<LockState, RowError> {
        let lease = match (&self.lock_holder, self.lock_expires_at, self.lock_idle_at) {
            (Some(holder), Some(expires_at), Some(idle_release_at)) => Some(Lease {
                holder: holder.clone().person()?,
                token: self.fence,
                expires_at,
                idle_release_at,
            }),
            _ => None,
        };
        let broken = match &self.lock_broken {
            Some(row) => Some(BrokenLock { token: row.token, by: row.by.clone().person()? }),
            None => None,
        };
        Ok(LockState { fence: self.fence, lease, broken })
    }

    pub(crate) fn conversation(self) -> Result<Conversation, RowError> {
        let lock = self.lock()?;
        let inbox = self.pk.split('#').nth(1).unwrap_or_default();
        let (folder, last_activity_at, _) = place_parts(&self.place).ok_or(RowError::Place)?;
        Ok(Conversation {
            id: id(&self.sk)?,
            inbox: id(inbox)?,
            contact: self.contact.contact()?,
            folder,
            read: self.read,
            last_message: LastMessage {
                id: id(&self.last_message.id)?,
                text: self.last_message.text,
                direction: self.last_message.dir,
                created_at: last_activity_at,
            },
            last_activity_at,
            last_inbound: self.last_inbound.as_deref().map(id).transpose()?,
            delivery_failed: self.delivery_failed,
            lock,
        })
    }
}
