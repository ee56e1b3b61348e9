//! Conversations.

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Folder},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{UserName, lock::LockView, values::Direction};

/// The contact of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactSummary {
    /// ID of the contact.
    pub contact_id: String,
    /// Your own ID of the contact.
    #[schema(required)]
    pub external_id: Option<String>,
    /// First name.
    #[schema(required)]
    pub first_name: Option<String>,
    /// Last name.
    #[schema(required)]
    pub last_name: Option<String>,
    /// Phone number in E.164 format.
    pub phone_number: String,
    /// Whether only the number is known, because the contact wrote before anyone added it.
    pub provisional: bool,
    /// Whether the contact has opted out of messages from the team.
    pub opted_out: bool,
    /// Whether the carrier blocks messages to the number.
    pub blocked: bool,
}

impl ContactSummary {
    pub(super) fn of(contact: &Contact) -> Self {
        Self {
            contact_id: contact.id.to_string(),
            external_id: contact.external_id.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            phone_number: contact.number.as_str().to_owned(),
            provisional: contact.provisional,
            opted_out: contact.opted_out,
            blocked: contact.blocked,
        }
    }
}

/// The beginning of the newest message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMessageView {
    /// ID of the message.
    pub message_id: String,
    /// The first characters of the text.
    pub text: String,
    #[schema(value_type = Direction)]
    pub direction: &'static str,
    /// Number of media files.
    pub media: usize,
    /// Time when the message was accepted or received.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whether the message was erased, because the team keeps messages for a limited time. It then has no
    /// text and no media.
    pub erased: bool,
}

/// A conversation of an inbox with a contact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationView {
    /// ID of the conversation.
    pub conversation_id: String,
    /// ID of the inbox.
    pub inbox_id: String,
    /// The contact.
    pub contact: ContactSummary,
    #[schema(value_type = FolderName)]
    pub folder: &'static str,
    /// Whether the conversation is read. The state is shared by all members of the inbox.
    pub read: bool,
    /// The user that the contact is assigned to.
    #[schema(required)]
    pub assigned_user: Option<UserName>,
    /// The newest message.
    pub last_message: LastMessageView,
    /// Time of the last activity. Lists are sorted by it.
    #[schema(format = DateTime)]
    pub last_activity_at: String,
    /// Who is responding. `null` if the conversation is not locked.
    #[schema(required)]
    pub lock: Option<LockView>,
    /// Whether the newest outbound message was not delivered.
    pub delivery_failed: bool,
}

impl ConversationView {
    /// Returns the conversation at this time. An expired lock is left out.
    pub fn of(conversation: &Conversation, now: Timestamp) -> Self {
        let last = &conversation.last_message;
        Self {
            conversation_id: conversation.id.to_string(),
            inbox_id: conversation.inbox.to_string(),
            contact: ContactSummary::of(&conversation.contact),
            folder: conversation.folder.as_str(),
            read: conversation.read,
            assigned_user: conversation.contact.assigned.as_ref().map(UserName::of),
            last_message: LastMessageView {
                message_id: last.id.to_string(),
                text: last.text.clone(),
                direction: last.direction.as_str(),
                media: last.media,
                created_at: last.created_at.to_string(),
                erased: last.erased,
            },
            last_activity_at: conversation.last_activity_at.to_string(),
            lock: conversation.lock.live(now).map(LockView::of),
            delivery_failed: conversation.delivery_failed,
        }
    }
}

/// The folder of a conversation.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FolderName {
    /// Needs a response.
    Inbox,
    /// Needs no response.
    Archived,
}

impl From<FolderName> for Folder {
    fn from(name: FolderName) -> Self {
        match name {
            FolderName::Inbox => Self::Inbox,
            FolderName::Archived => Self::Archived,
        }
    }
}

/// Changes to a conversation. Absent fields keep their values.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct ConversationChange {
    /// Folder to move the conversation to.
    pub folder: Option<FolderName>,
    /// `true` marks the conversation as read, `false` as unread.
    pub read: Option<bool>,
}

/// Changes to many conversations. Absent fields keep their values.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationsChange {
    /// IDs of 1 to 100 conversations of the inbox.
    #[schema(min_items = 1, max_items = 100)]
    pub conversation_ids: Vec<String>,
    /// Folder to move the conversations to.
    pub folder: Option<FolderName>,
    /// `true` marks the conversations as read, `false` as unread.
    pub read: Option<bool>,
}

/// The result of changing many conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsChanged {
    /// The changed conversations, in the order of the request.
    pub items: Vec<ConversationView>,
    /// IDs of conversations that do not exist in this inbox.
    pub missing: Vec<String>,
}
