//! Messages.

use serde::{Deserialize, Serialize};
use shared_domain::message::{DeliveryState, Message, Report};
use utoipa::ToSchema;

use super::UserName;

/// A picture or another file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaView {
    /// Where it is.
    pub url: String,
    /// Its MIME type.
    pub content_type: String,
}

/// A step of the delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateView {
    /// `received`, `queued`, `sending`, `unknown`, `sent`, `delivered`, `undelivered` or `failed`.
    pub state: &'static str,
    /// When we learned it.
    #[schema(format = DateTime)]
    pub at: String,
    /// The carrier's error code, for a failure.
    #[schema(required)]
    pub code: Option<String>,
    /// What a person should know of it.
    #[schema(required)]
    pub detail: Option<String>,
}

/// One text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// Sorts by time within its conversation.
    pub message_id: String,
    /// The thread it stands in.
    pub conversation_id: String,
    /// The inbox of that thread.
    pub inbox_id: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// The text.
    pub text: String,
    /// Media of an MMS.
    pub media: Vec<MediaView>,
    /// As the carrier bills it.
    pub segments: usize,
    /// How far it has come; never goes backwards.
    pub state: &'static str,
    /// Every step that was reported.
    pub states: Vec<StateView>,
    /// Who sent it; null for inbound texts and machines.
    #[schema(required)]
    pub sender: Option<UserName>,
    /// Made by a rule, not by a person.
    pub automatic: bool,
    /// When it was accepted or received.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl MessageView {
    /// A message as it is now.
    pub fn of(message: &Message) -> Self {
        let state = message.delivery.state();
        Self::with(message, state, message.delivery.history())
    }

    /// An outbound message as it was when accepted: what a repeated request is answered with.
    pub fn as_accepted(message: &Message) -> Self {
        let queued = Report::at(message.created_at);
        Self::with(message, DeliveryState::Queued, vec![(DeliveryState::Queued, &queued)])
    }

    fn with(message: &Message, state: DeliveryState, history: Vec<(DeliveryState, &Report)>) -> Self {
        let media = message.media.iter();
        Self {
            message_id: message.id.to_string(),
            conversation_id: message.conversation.to_string(),
            inbox_id: message.inbox.to_string(),
            direction: message.direction.as_str(),
            text: message.text.clone(),
            media: media
                .map(|media| MediaView { url: media.url.clone(), content_type: media.content_type.clone() })
                .collect(),
            segments: message.segments(),
            state: state.as_str(),
            states: history.into_iter().map(|(state, report)| step(state, report)).collect(),
            sender: message.sender.as_ref().map(UserName::of),
            automatic: message.automatic,
            created_at: message.created_at.to_string(),
        }
    }
}

fn step(state: DeliveryState, report: &Report) -> StateView {
    StateView {
        state: state.as_str(),
        at: report.at.to_string(),
        code: report.code.clone(),
        detail: report.detail.clone(),
    }
}

/// A file to send.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OutgoingMedia {
    /// Where it is.
    pub url: String,
}

/// A reply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// At most 1,500 characters, unless the stack says otherwise.
    pub text: String,
    /// Media to send; none is taken yet, and a reply with some is refused.
    #[serde(default)]
    pub media: Vec<OutgoingMedia>,
    /// The fencing token of your lock; required in shared inboxes.
    pub lock_token: Option<u64>,
    /// The newest message on your screen: something newer refuses the reply.
    pub last_seen_message_id: Option<String>,
    /// Send although something newer came in.
    #[serde(default)]
    pub accept_unseen: bool,
}

/// The account a text goes out from: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// An inbox you are a member of.
    pub inbox_id: Option<String>,
    /// An inbox's API code.
    pub api_code: Option<String>,
}

/// Who is written to: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// A contact of the inbox's team.
    pub contact_id: Option<String>,
    /// A number, in any usual notation.
    pub phone_number: Option<String>,
}

/// A composed text.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Compose {
    /// The account; there is no default.
    pub from: Account,
    /// The recipient.
    pub to: Recipient,
    /// At most 306 characters, unless the stack says otherwise.
    pub text: String,
    /// Media to send; none is taken yet, and a text with some is refused.
    #[serde(default)]
    pub media: Vec<OutgoingMedia>,
}

/// A reason against sending.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    /// Stable name.
    pub code: &'static str,
    /// One sentence.
    pub detail: String,
}

/// Whether the caller may reply now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CanSend {
    /// Nothing stands against it.
    pub allowed: bool,
    /// Everything that does, in the order in which a reply would be refused.
    pub reasons: Vec<ReasonView>,
}
