//! Stored conversations, with a copy of the contact and the lock. Attribute names are short where an index
//! holds them: a page of 50 conversations has a budget of 3 read units.

use serde::{Deserialize, Serialize};
use shared_domain::{
    conversation::{Conversation, MessagePreview},
    ids::{ConversationId, InboxId, MessageId},
    lock::{BrokenLock, FencingToken, Lease, LockState},
    message::Direction,
    time::Timestamp,
    user::UserRef,
};

use crate::{
    contact::rows::ContactCopyRow,
    conversation::held_locks::Attempt,
    table::{
        error::StoreError,
        keys::{Key, parse_place},
    },
};

/// The newest message. Its time is the last activity, which is part of the conversation's `place`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MessagePreviewRow {
    pub id: MessageId,
    pub text: String,
    pub dir: Direction,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub media: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl MessagePreviewRow {
    pub(crate) fn of(last: &MessagePreview) -> Self {
        let MessagePreview { id, text, direction, media, created_at: _, erased } = last.clone();
        Self { id, text, dir: direction, media, erased }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BrokenRow {
    pub token: FencingToken,
    pub by: UserRef,
}

/// A conversation. An index entry lacks the attributes that the index does not hold, such as the times of the
/// lock, so that a renewal writes no index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationRow {
    pub pk: String,
    pub sk: ConversationId,
    pub contact: ContactCopyRow,
    pub last_message: MessagePreviewRow,
    pub read: bool,
    pub place: String,
    pub last_inbound: Option<MessageId>,
    /// Absent from conversations whose messages came in before it was stored, until the next one.
    pub waiting_since: Option<Timestamp>,
    #[serde(default)]
    pub delivery_failed: bool,
    pub lock_holder: Option<UserRef>,
    #[serde(default)]
    pub fence: FencingToken,
    pub lock_expires_at: Option<Timestamp>,
    pub lock_idle_at: Option<Timestamp>,
    pub lock_broken: Option<BrokenRow>,
    pub lock_attempt: Option<Attempt>,
}

impl ConversationRow {
    pub(crate) fn key(&self) -> Key {
        Key::new(&self.pk, self.sk.as_str())
    }

    pub(crate) fn lock(&self) -> LockState {
        let lease = match (&self.lock_holder, self.lock_expires_at, self.lock_idle_at) {
            (Some(holder), Some(expires_at), Some(idle_release_at)) => {
                Some(Lease { holder: holder.clone(), token: self.fence, expires_at, idle_release_at })
            }
            _ => None,
        };
        let broken = self.lock_broken.clone().map(|row| BrokenLock { token: row.token, by: row.by });
        LockState { fence: self.fence, lease, broken }
    }

    pub(crate) fn conversation(self) -> Result<Conversation, StoreError> {
        let lock = self.lock();
        let inbox = InboxId::parse(self.pk.split('#').nth(1).unwrap_or_default())?;
        let corrupt = || StoreError::Corrupt("the place of a conversation in its lists".into());
        let (folder, last_activity_at, _) = parse_place(&self.place).ok_or_else(corrupt)?;
        Ok(Conversation {
            id: self.sk,
            inbox,
            contact: self.contact.contact(),
            folder,
            read: self.read,
            last_message: MessagePreview {
                id: self.last_message.id,
                text: self.last_message.text,
                direction: self.last_message.dir,
                media: self.last_message.media,
                created_at: last_activity_at,
                erased: self.last_message.erased,
            },
            last_activity_at,
            last_inbound: self.last_inbound,
            waiting_since: self.waiting_since,
            delivery_failed: self.delivery_failed,
            lock,
        })
    }
}
