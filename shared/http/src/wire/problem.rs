//! Fields that some problems have in addition to those of every problem.

use serde::Serialize;
use shared_aws::conversation::HeldLock;
use utoipa::ToSchema;

use super::{
    broadcast::CheckView,
    inbox::AvailableNumberView,
    lock::Holder,
    message::MessageView,
    opt_out_review::DecidedView,
    values::{BroadcastStatus, LockLossReason, RegistrationStatus},
};

/// The checklist of an estimate has a stop.
#[derive(Debug, Serialize, ToSchema)]
pub struct EstimateStop {
    /// The checklist of now.
    pub checks: Vec<CheckView>,
}

/// The broadcast is in a status that does not allow this.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastNotAllowed {
    #[schema(value_type = BroadcastStatus)]
    pub broadcast_status: &'static str,
}

/// The fields of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Stable URI that ends in the code.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, and what to do.
    pub detail: String,
    /// Stable code for programs.
    pub code: String,
    /// ID of the request. Include it when you contact your operator.
    pub request_id: String,
}

/// An invalid field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldErrorView {
    /// JSON pointer into the body, such as `/name`, or `?` and the name of a query parameter.
    pub pointer: String,
    /// What is expected.
    pub detail: String,
}

/// Invalid fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvalidFields {
    pub errors: Vec<FieldErrorView>,
}

/// Another user holds the lock.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Locked {
    /// The user who is responding.
    pub holder: Holder,
    /// Time when the lock expires unless it is renewed.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// The fencing token is not the current one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockLost {
    #[schema(value_type = LockLossReason)]
    pub reason: &'static str,
    /// The admin who broke the lock. Absent for other reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<Holder>,
    /// The user who holds the lock now. `null` if the conversation is not locked.
    #[schema(required)]
    pub holder: Option<Holder>,
    /// Time when the current lock expires. Absent if the conversation is not locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A lock that you hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnLock {
    /// ID of the inbox.
    pub inbox_id: String,
    /// ID of the conversation.
    pub conversation_id: String,
    /// Time when the lock expires unless it is renewed.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl OwnLock {
    pub fn of(lock: &HeldLock) -> Self {
        Self {
            inbox_id: lock.inbox.to_string(),
            conversation_id: lock.conversation.to_string(),
            expires_at: lock.lease.ends_at().to_string(),
        }
    }
}

/// You hold the maximum number of locks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TooManyLocks {
    /// The maximum number of locks.
    pub limit: usize,
    /// The locks that you hold.
    pub held: Vec<OwnLock>,
}

/// The registration of the team does not allow the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistrationIncomplete {
    /// Absent if the status changed during the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RegistrationStatus>)]
    pub registration: Option<&'static str>,
}

/// There is a newer message than the newest one that you have seen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnseenMessage {
    /// ID of the newest message.
    pub unseen_message_id: String,
    /// The newest message. `null` if it no longer exists.
    #[schema(required)]
    pub unseen_message: Option<MessageView>,
}

/// Some events after the cursor are no longer stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CursorExpired {
    /// IDs of the inboxes and teams to load again.
    pub resync: Vec<String>,
    /// The cursor to continue with after that.
    pub next_cursor: String,
}

/// The text is too long.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextTooLong {
    /// Characters of the text.
    pub characters: usize,
    /// The maximum number of characters.
    pub limit: usize,
    /// Segments of the text.
    pub segments: usize,
}

/// The contact has no value for some merge fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateIncomplete {
    /// Merge fields without a value and without a fallback.
    pub missing: Vec<String>,
}

/// The message has been reviewed with a different outcome.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlreadyDecided {
    pub decided: DecidedView,
}

/// The number is no longer available.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberUnavailable {
    /// Similar numbers that are available.
    pub suggestions: Vec<AvailableNumberView>,
}
