//! Messages.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_aws::{
    clients::{Bucket, Disposition},
    messaging::stored_at,
};
use shared_domain::{
    ids::{InboxId, MediaId, OrganizationId},
    keys::InboxKey,
    media::{Media, MediaState, is_shown},
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::UserName;
use crate::input::object;

/// How long the address of a file is good for. It is made anew with every answer.
const MEDIA_URL_TTL: Duration = Duration::from_mins(10);

/// Makes the addresses by which files are read, for somebody who may see the message.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// Where the files are.
    pub bucket: &'a Bucket,
    /// The tenant.
    pub organization: &'a OrganizationId,
    /// When the answer is made.
    pub now: Timestamp,
}

impl Links<'_> {
    /// Pictures, sound and film for the page, everything else to be saved.
    fn to(&self, inbox: &InboxId, id: &MediaId, content_type: Option<&str>) -> Option<String> {
        let shown =
            if content_type.is_some_and(is_shown) { Disposition::Inline } else { Disposition::Attachment };
        let key = stored_at(InboxKey { organization: self.organization, inbox }, id);
        self.bucket.presigned_get(&key, shown, MEDIA_URL_TTL, self.now).ok()
    }
}

/// A picture or another file. The carrier's own addresses are never shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaView {
    /// Its id.
    pub media_id: String,
    /// Its MIME type, if it is known.
    #[schema(required)]
    pub content_type: Option<String>,
    /// In bytes, once it is stored.
    #[schema(required)]
    pub size: Option<u64>,
    /// `pending` (being copied from the carrier), `stored`, `refused`, or `linked` (sent as an address of the writer's, which
    /// the carrier fetches).
    pub state: &'static str,
    /// Where to read it: for some minutes where it is stored, the writer's own address where it is linked.
    #[schema(required)]
    pub url: Option<String>,
    /// Until when that address is good.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// Why it was refused: `unsupported_type`, `not_what_it_says`, `too_large`, `empty`, `foreign_address`, `gone` or
    /// `unavailable`.
    #[schema(required)]
    pub reason: Option<&'static str>,
}

impl MediaView {
    fn of(inbox: &InboxId, media: &Media, links: &Links<'_>) -> Self {
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
                view.url = links.to(inbox, &media.id, media.content_type.as_deref());
                view.expires_at = view.url.is_some().then(|| (links.now + MEDIA_URL_TTL).to_string());
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
    pub fn of(message: &Message, links: &Links<'_>) -> Self {
        let state = message.delivery.state();
        Self::with(message, state, message.delivery.history(), links)
    }

    /// An outbound message as it was when accepted: what a repeated request is answered with.
    pub fn as_accepted(message: &Message, links: &Links<'_>) -> Self {
        let queued = Report::at(message.created_at);
        Self::with(message, DeliveryState::Queued, vec![(DeliveryState::Queued, &queued)], links)
    }

    fn with(
        message: &Message,
        state: DeliveryState,
        history: Vec<(DeliveryState, &Report)>,
        links: &Links<'_>,
    ) -> Self {
        let media = message.media.iter();
        Self {
            message_id: message.id.to_string(),
            conversation_id: message.conversation.to_string(),
            inbox_id: message.inbox.to_string(),
            direction: message.direction.as_str(),
            text: message.text.clone(),
            media: media.map(|media| MediaView::of(&message.inbox, media, links)).collect(),
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

/// A file to send: the id of one that was uploaded to the inbox (`med_…`), or an `https://` address that the carrier fetches;
/// the address also as `{"url": "https://…"}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OutgoingMedia {
    /// An id or an address.
    Named(String),
    /// An address.
    At {
        /// Begins with `https://`.
        url: String,
    },
}

/// A file that is to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMedia {
    /// Its MIME type; carriers take pictures, sound, film, PDF, contacts and calendars.
    pub content_type: String,
    /// In bytes: at most 5,000,000 of `image/jpeg`, `image/png` and `image/gif`, 500,000 of anything else.
    pub size: u64,
}

/// The request that uploads a file: its body is the file, of exactly the size that was announced.
#[derive(Debug, Serialize, ToSchema)]
pub struct Upload {
    /// Where to.
    pub url: String,
    /// `PUT`
    pub method: &'static str,
    /// Headers to send.
    pub headers: std::collections::BTreeMap<&'static str, String>,
}

/// A place for a file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaPlace {
    /// What a text names the file by; for some days after the upload.
    pub media_id: String,
    /// How to upload it.
    pub upload: Upload,
    /// Until when.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// A reply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// At most 1,500 characters, unless the stack says otherwise; may be absent or empty where there is media.
    pub text: Option<String>,
    /// A canned response of the team, instead of a text: filled in for the contact and counted like one.
    pub template_id: Option<String>,
    /// Up to ten files.
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
#[serde(rename_all = "camelCase")]
pub struct Compose {
    /// The account; there is no default.
    #[serde(deserialize_with = "object")]
    pub from: Account,
    /// The recipient.
    #[serde(deserialize_with = "object")]
    pub to: Recipient,
    /// At most 306 characters, unless the stack says otherwise; may be absent or empty where there is media.
    pub text: Option<String>,
    /// A canned response of the team, instead of a text: filled in for the contact and counted like one.
    pub template_id: Option<String>,
    /// Up to ten files.
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
