//! Conversations.

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Folder},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{UserName, lock::LockView};

/// With whom.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactSummary {
    /// Our id.
    pub contact_id: String,
    /// The customer's own id.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Given name.
    #[schema(required)]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(required)]
    pub last_name: Option<String>,
    /// Where texts go.
    pub phone_number: String,
    /// Known by number only.
    pub provisional: bool,
    /// Wants no texts from the team.
    pub opted_out: bool,
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
        }
    }
}

/// The newest text, cut to a line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMessageView {
    /// Which message.
    pub message_id: String,
    /// Its beginning.
    pub text: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A thread as its inbox sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationView {
    /// Its id.
    pub conversation_id: String,
    /// The inbox it belongs to.
    pub inbox_id: String,
    /// With whom.
    pub contact: ContactSummary,
    /// `inbox` or `archived`.
    pub folder: &'static str,
    /// The state belongs to the inbox, not to the viewer.
    pub read: bool,
    /// Whom the contact is assigned to.
    #[schema(required)]
    pub assigned_user: Option<UserName>,
    /// The newest text.
    pub last_message: LastMessageView,
    /// Orders the lists.
    #[schema(format = DateTime)]
    pub last_activity_at: String,
    /// Who is responding, if anybody.
    #[schema(required)]
    pub lock: Option<LockView>,
    /// The newest text of ours did not arrive.
    pub delivery_failed: bool,
}

impl ConversationView {
    /// A conversation at this instant; a lock that has ended is none.
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
                created_at: last.created_at.to_string(),
            },
            last_activity_at: conversation.last_activity_at.to_string(),
            lock: conversation.lock.live(now).map(LockView::of),
            delivery_failed: conversation.delivery_failed,
        }
    }
}

/// Where a conversation is listed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FolderName {
    /// Somebody waits for an answer.
    Inbox,
    /// Nobody does.
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

/// What to change; what is absent stays.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct ConversationChange {
    /// Archive or bring back.
    pub folder: Option<FolderName>,
    /// Mark read or unread.
    pub read: Option<bool>,
}

/// What to change of many at once; what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationsChange {
    /// Which ones of the inbox: 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub conversation_ids: Vec<String>,
    /// Archive or bring back.
    pub folder: Option<FolderName>,
    /// Mark read or unread.
    pub read: Option<bool>,
}

/// What became of many.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsChanged {
    /// As they are now, in the order they were named.
    pub items: Vec<ConversationView>,
    /// Those that are not in this inbox.
    pub missing: Vec<String>,
}
