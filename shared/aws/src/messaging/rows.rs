//! Stored messages with their media, and the items that mark messages to be sent or looked up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{InboxId, MediaId, MessageId, OrganizationId, TeamId},
    media::{Media, MediaRefusal, MediaState},
    message::{Delivery, DeliveryState, Direction, Message, Report},
    phone::{Channel, PhoneNumber},
    time::Timestamp,
    user::UserRef,
};

use crate::{messaging::outbox::UnknownSend, table::error::StoreError};

/// An attachment: with `url` until it is stored in the bucket, with `size` after that. `id` is the name of
/// the file. Versions before copies of uploads read it too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MediaRow {
    pub id: MediaId,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<MediaId>,
    pub state: MediaStateRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MediaStateRow {
    Pending,
    Stored,
    Refused,
    Linked,
}

impl MediaRow {
    pub(crate) fn of(media: &Media) -> Self {
        let (state, url, size, reason) = match &media.state {
            MediaState::Pending { source } => (MediaStateRow::Pending, Some(source), None, None),
            MediaState::Stored { size } => (MediaStateRow::Stored, None, Some(*size), None),
            MediaState::Refused { source, reason } => {
                (MediaStateRow::Refused, Some(source), None, Some(reason.as_str().to_owned()))
            }
            MediaState::Linked { url } => (MediaStateRow::Linked, Some(url), None, None),
        };
        let (id, content_type) = (media.file().clone(), media.content_type.clone());
        let upload = media.copy.as_ref().map(|_| media.id.clone());
        Self { id, content_type, upload, state, url: url.cloned(), size, reason }
    }

    pub(crate) fn media(self) -> Media {
        let url = self.url.unwrap_or_default();
        let state = match self.state {
            MediaStateRow::Pending => MediaState::Pending { source: url },
            MediaStateRow::Stored => MediaState::Stored { size: self.size.unwrap_or_default() },
            MediaStateRow::Refused => {
                let reason = self.reason.as_deref().and_then(MediaRefusal::parse);
                MediaState::Refused { source: url, reason: reason.unwrap_or(MediaRefusal::Unavailable) }
            }
            MediaStateRow::Linked => MediaState::Linked { url },
        };
        let (id, copy) = match self.upload {
            Some(upload) => (upload, Some(self.id)),
            None => (self.id, None),
        };
        Media { id, copy, content_type: self.content_type, state }
    }
}

/// A message. `states` maps the name of a delivery state to its report, so that a write can require that a
/// state was not reported yet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageRow {
    pub sk: MessageId,
    pub inbox: InboxId,
    pub team: TeamId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    pub own_number: PhoneNumber,
    pub contact_number: PhoneNumber,
    pub direction: Direction,
    #[serde(default, skip_serializing_if = "is_sms")]
    pub channel: Channel,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserRef>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass_opt_out: bool,
    pub at: Timestamp,
    #[serde(rename = "service", skip_serializing_if = "Option::is_none")]
    pub messaging_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_by: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<BroadcastRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_until: Option<Timestamp>,
    pub states: BTreeMap<DeliveryState, Report>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_sms(channel: &Channel) -> bool {
    *channel == Channel::Sms
}

impl MessageRow {
    pub(crate) fn of(message: &Message) -> Self {
        let history = message.delivery.history().into_iter();
        Self {
            sk: message.id.clone(),
            inbox: message.inbox.clone(),
            team: message.team.clone(),
            personal: message.personal,
            own_number: message.inbox_number.clone(),
            contact_number: message.contact_number.clone(),
            direction: message.direction,
            channel: message.channel,
            text: message.text.clone(),
            media: message.media.iter().map(MediaRow::of).collect(),
            sender: message.sender.clone(),
            automatic: message.automatic,
            bypass_opt_out: message.bypass_opt_out,
            at: message.created_at,
            messaging_service: message.messaging_service.clone(),
            carrier_id: message.carrier_id.clone(),
            retry_of: message.retry_of.clone(),
            retried_by: message.retried_by.clone(),
            broadcast: message.broadcast.clone(),
            send_until: message.send_until,
            states: history.map(|(state, report)| (state, report.clone())).collect(),
        }
    }

    pub(crate) fn message(self) -> Result<Message, StoreError> {
        let without_conversation = || StoreError::Corrupt("a message id that names no conversation".into());
        let conversation = self.sk.conversation().ok_or_else(without_conversation)?;
        let mut delivery = Delivery::default();
        for (state, report) in self.states {
            delivery.add(state, report);
        }
        Ok(Message {
            id: self.sk,
            conversation,
            inbox: self.inbox,
            team: self.team,
            personal: self.personal,
            inbox_number: self.own_number,
            contact_number: self.contact_number,
            direction: self.direction,
            channel: self.channel,
            text: self.text,
            media: self.media.into_iter().map(MediaRow::media).collect(),
            sender: self.sender,
            automatic: self.automatic,
            bypass_opt_out: self.bypass_opt_out,
            created_at: self.at,
            messaging_service: self.messaging_service,
            carrier_id: self.carrier_id,
            retry_of: self.retry_of,
            retried_by: self.retried_by,
            broadcast: self.broadcast,
            send_until: self.send_until,
            delivery,
        })
    }
}

/// The message id and time under which an inbound message is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClaimRow {
    /// `None` if the message was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    pub at: Timestamp,
}

/// A message that the carrier must be asked about.
#[derive(Debug, Deserialize)]
pub(crate) struct UnknownSendRow {
    org: OrganizationId,
    sk: MessageId,
    since: Timestamp,
    #[serde(default)]
    misses: u32,
}

impl UnknownSendRow {
    pub(crate) fn send(self) -> UnknownSend {
        let Self { org, sk, since, misses } = self;
        UnknownSend { organization: org, message: sk, since, misses }
    }
}

/// An accepted message that is not queued yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    pub org: OrganizationId,
    pub sk: MessageId,
    pub at: Timestamp,
    /// Whether it is the text of a broadcast.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broadcast: bool,
}

impl OutboxRow {
    /// Returns the outbox entry of an accepted message.
    pub(crate) fn of(organization: &OrganizationId, message: &Message) -> Self {
        Self {
            org: organization.clone(),
            sk: message.id.clone(),
            at: message.created_at,
            broadcast: message.broadcast.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_know_no_copies_read_the_name_of_the_file_as_the_id() {
        let state = MediaState::Stored { size: 9 };
        let (upload, copy) = (MediaId::of_inbound("upload", 0), MediaId::of_inbound("copy", 0));
        let copied = Media { id: upload.clone(), copy: Some(copy.clone()), content_type: None, state };
        let own = Media { copy: None, ..copied.clone() };
        let row = MediaRow::of(&copied);
        assert_eq!((&row.id, row.upload.as_ref()), (&copy, Some(&upload)));
        assert_eq!(row.media(), copied);
        let row = MediaRow::of(&own);
        assert_eq!((&row.id, row.upload.as_ref()), (&upload, None));
        assert_eq!(row.media(), own);
    }
}
