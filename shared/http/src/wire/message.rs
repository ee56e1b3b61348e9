//! Messages and their media.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_aws::{
    clients::{Bucket, Disposition},
    messaging::stored_at,
};
use shared_domain::{
    ids::{InboxId, OrganizationId},
    keys::InboxKey,
    media::{Media, MediaState, is_displayable},
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{
    UserName,
    values::{Direction, MediaRefusal, ReplyRefusal, UploadMethod},
};
use crate::input::object;

/// How long a presigned URL of a file is valid. Each response has a new one.
const MEDIA_URL_TTL: Duration = Duration::from_mins(10);

/// Signs the URLs of a message's files for a caller who can read the message.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    pub bucket: &'a Bucket,
    pub organization: &'a OrganizationId,
    pub now: Timestamp,
}

impl Links<'_> {
    /// Images, audio and video open in the browser. All other files are downloaded.
    fn to(&self, inbox: &InboxId, media: &Media) -> Option<String> {
        let shown = if media.content_type.as_deref().is_some_and(is_displayable) {
            Disposition::Inline
        } else {
            Disposition::Attachment
        };
        let key = stored_at(InboxKey { organization: self.organization, inbox }, media);
        self.bucket.presigned_get(&key, shown, MEDIA_URL_TTL, self.now).ok()
    }
}

/// A file of a message. Files from contacts are copied; the carrier's URLs are never returned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaView {
    /// ID of the file.
    pub media_id: String,
    /// MIME type. `null` if it is not known.
    #[schema(required)]
    pub content_type: Option<String>,
    /// Size in bytes. `null` until the file is stored.
    #[schema(required)]
    pub size: Option<u64>,
    #[schema(value_type = super::values::MediaState)]
    pub state: &'static str,
    /// URL of the file: presigned if the file is stored, the sender's own URL if it is linked.
    #[schema(required)]
    pub url: Option<String>,
    /// Time when a presigned URL expires.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// `null` unless the state is `refused`.
    #[schema(required, value_type = Option<MediaRefusal>)]
    pub reason: Option<&'static str>,
}

impl MediaView {
    fn of(inbox: &InboxId, media: &Media, links: Option<&Links<'_>>) -> Self {
        let mut view = Self {
            media_id: media.id.to_string(),
            content_type: media.content_type.clone(),
            size: None,
            state: "pending",
            url: None,
            expires_at: None,
            reason: None,
        };
        match &media.state {
            MediaState::Pending { .. } => {}
            MediaState::Stored { size } => {
                (view.state, view.size) = ("stored", Some(*size));
                if let Some(links) = links {
                    view.url = links.to(inbox, media);
                    view.expires_at = view.url.is_some().then(|| (links.now + MEDIA_URL_TTL).to_string());
                }
            }
            MediaState::Refused { reason, .. } => {
                (view.state, view.reason) = ("refused", Some(reason.as_str()));
            }
            MediaState::Linked { url } => (view.state, view.url) = ("linked", Some(url.clone())),
        }
        view
    }
}

/// A step of the delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateView {
    #[schema(value_type = super::values::DeliveryState)]
    pub state: &'static str,
    /// Time when the step was reported.
    #[schema(format = DateTime)]
    pub at: String,
    /// The carrier's error code if the delivery failed.
    #[schema(required)]
    pub code: Option<String>,
    /// Explanation of the step.
    #[schema(required)]
    pub detail: Option<String>,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// ID of the message. The IDs of a conversation sort by time.
    pub message_id: String,
    /// ID of the conversation.
    pub conversation_id: String,
    /// ID of the inbox.
    pub inbox_id: String,
    #[schema(value_type = Direction)]
    pub direction: &'static str,
    #[schema(value_type = super::values::Channel)]
    pub channel: &'static str,
    /// Text of the message.
    pub text: String,
    /// Files of the message.
    pub media: Vec<MediaView>,
    /// Number of segments that the carrier bills.
    pub segments: usize,
    /// Delivery status. It never goes back to an earlier step.
    #[schema(value_type = super::values::DeliveryState)]
    pub state: &'static str,
    /// All delivery steps that were reported.
    pub states: Vec<StateView>,
    /// The user who sent the message. `null` for inbound messages and messages from machines.
    #[schema(required)]
    pub sender: Option<UserName>,
    /// Whether the message was sent automatically.
    pub automatic: bool,
    /// ID of the failed message that this message sends again. `null` if it is not a retry.
    #[schema(required)]
    pub retry_of: Option<String>,
    /// ID of the message that sends this failed message again. `null` if there is none.
    #[schema(required)]
    pub retried_by: Option<String>,
    /// ID of the broadcast that the message belongs to: its text, or the reply to it. `null` if there is
    /// none.
    #[schema(required)]
    pub broadcast_id: Option<String>,
    /// Time when the message was accepted or received.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl MessageView {
    /// Returns the message as it is now.
    pub fn of(message: &Message, links: &Links<'_>) -> Self {
        let state = message.delivery.state();
        Self::with(message, state, message.delivery.history(), Some(links))
    }

    /// Returns the message as it is now, for readers who get it later: without presigned URLs, which expire.
    pub fn without_links(message: &Message) -> Self {
        let state = message.delivery.state();
        Self::with(message, state, message.delivery.history(), None)
    }

    /// Returns an outbound message as it was when it was accepted: the response to a repeated request.
    pub fn as_accepted(message: &Message, links: &Links<'_>) -> Self {
        let queued = Report::at(message.created_at);
        Self::with(message, DeliveryState::Queued, vec![(DeliveryState::Queued, &queued)], Some(links))
    }

    fn with(
        message: &Message,
        state: DeliveryState,
        history: Vec<(DeliveryState, &Report)>,
        links: Option<&Links<'_>>,
    ) -> Self {
        let media = message.media.iter();
        Self {
            message_id: message.id.to_string(),
            conversation_id: message.conversation.to_string(),
            inbox_id: message.inbox.to_string(),
            direction: message.direction.as_str(),
            channel: message.channel.as_str(),
            text: message.text.clone(),
            media: media.map(|media| MediaView::of(&message.inbox, media, links)).collect(),
            segments: message.segments(),
            state: state.as_str(),
            states: history.into_iter().map(|(state, report)| step(state, report)).collect(),
            sender: message.sender.as_ref().map(UserName::of),
            automatic: message.automatic,
            retry_of: message.retry_of.as_ref().map(ToString::to_string),
            retried_by: message.retried_by.as_ref().map(ToString::to_string),
            broadcast_id: message.broadcast.as_ref().map(|of| of.broadcast.to_string()),
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

/// A file to send: the ID of a file that was uploaded to the inbox (`med_…`), or an `https://` URL that the
/// carrier fetches, also as `{"url": "https://…"}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OutgoingMedia {
    /// An ID or a URL.
    Named(String),
    /// A URL.
    At {
        /// Starts with `https://`.
        #[schema(format = "uri")]
        url: String,
    },
}

/// A file to upload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMedia {
    /// MIME type. Carriers accept images, audio, video, PDF files, contacts and calendars.
    pub content_type: String,
    /// Size in bytes: at most 5,000,000 for `image/jpeg`, `image/png` and `image/gif`, 500,000 for other
    /// types.
    pub size: u64,
}

/// The request that uploads the file. Its body is the file, with exactly the announced size.
#[derive(Debug, Serialize, ToSchema)]
pub struct Upload {
    /// Presigned URL.
    #[schema(format = "uri")]
    pub url: String,
    #[schema(value_type = UploadMethod)]
    pub method: &'static str,
    /// Headers to send.
    pub headers: std::collections::BTreeMap<&'static str, String>,
}

/// A file that can be uploaded now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaPlace {
    /// ID to send the file with. Uploaded files are kept for some days.
    pub media_id: String,
    /// The request that uploads the file.
    pub upload: Upload,
    /// Time when the URL expires.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// A reply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Text, by default at most 1,500 characters. Optional if there is media.
    pub text: Option<String>,
    /// ID of a template to send instead of a text. It is rendered for the contact.
    pub template_id: Option<String>,
    /// Up to 10 files.
    #[serde(default)]
    pub media: Vec<OutgoingMedia>,
    /// Fencing token of your lock. Required in shared inboxes.
    pub lock_token: Option<u64>,
    /// ID of the newest message that you have seen. The reply is refused if there is a newer one.
    pub last_seen_message_id: Option<String>,
    /// Whether to send even if there is a newer message.
    #[serde(default)]
    pub accept_unseen: bool,
}

/// The inbox to send from. Set one of the fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenderInbox {
    /// ID of an inbox that you are a member of.
    pub inbox_id: Option<String>,
    /// API code of an inbox.
    pub api_code: Option<String>,
}

/// The recipient. Set one of the fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// ID of a contact of the inbox's team.
    pub contact_id: Option<String>,
    /// Phone number in any common format.
    pub phone_number: Option<String>,
}

/// A message to a recipient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compose {
    /// The inbox to send from. There is no default.
    #[serde(deserialize_with = "object")]
    pub from: SenderInbox,
    /// The recipient.
    #[serde(deserialize_with = "object")]
    pub to: Recipient,
    /// Text, by default at most 306 characters. Optional if there is media.
    pub text: Option<String>,
    /// ID of a template to send instead of a text. It is rendered for the contact.
    pub template_id: Option<String>,
    /// Up to 10 files.
    #[serde(default)]
    pub media: Vec<OutgoingMedia>,
}

/// The failed messages to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryMessages {
    /// Error codes of the carrier, such as `30003`: at most 50. If absent, messages with any code and without
    /// one.
    #[schema(min_items = 1, max_items = 50)]
    pub codes: Option<Vec<String>>,
    /// Messages that failed at this time or later.
    #[schema(format = DateTime)]
    pub since: String,
    /// Messages that failed before this time. If absent, until now.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// The result of a retry.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedMessages {
    /// Number of failed messages that are sent again.
    pub queued: usize,
    /// Number of failed messages that may not be sent now: the contact opted out or is blocked, another user
    /// is responding, or the message was automatic.
    pub skipped: usize,
    /// If there are more failed messages in the period: the time to use as `since` of the next request.
    #[schema(required, format = DateTime)]
    pub next: Option<String>,
}

/// A reason why you cannot reply.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    /// Stable code.
    #[schema(value_type = ReplyRefusal)]
    pub code: &'static str,
    /// Explanation.
    pub detail: String,
}

/// Whether you can reply now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CanSend {
    /// Whether a reply would be accepted.
    pub allowed: bool,
    /// All reasons against a reply. A reply is refused with the first one.
    pub reasons: Vec<ReasonView>,
}
