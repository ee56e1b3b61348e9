//! Stored messages with their media, and the items that mark work to do for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, IdError, MessageId},
    media::{Media, MediaRefusal, MediaState},
    message::{Delivery, DeliveryState, Direction, Message, Report},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::table::items::{PersonRow, RowError, id};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClaimRow {
    pub message: String,
    pub at: Timestamp,
}

/// An accepted text that is not yet in the queue, or a send that is to be asked about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    pub org: String,
    pub sk: String,
    pub at: Timestamp,
}

/// A file of a message: `url` until it is ours, `size` from then on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MediaRow {
    pub id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    pub state: MediaPlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl MediaRow {
    pub(crate) fn of(media: &Media) -> Self {
        let (state, url, size, reason) = match &media.state {
            MediaState::Pending { source } => (MediaPlace::Pending, Some(source), None, None),
            MediaState::Stored { size } => (MediaPlace::Stored, None, Some(*size), None),
            MediaState::Refused { source, reason } => {
                (MediaPlace::Refused, Some(source), None, Some(reason.as_str().to_owned()))
            }
            MediaState::Linked { url } => (MediaPlace::Linked, Some(url), None, None),
        };
        let (id, content_type) = (media.id.to_string(), media.content_type.clone());
        Self { id, content_type, state, url: url.cloned(), size, reason }
    }

    pub(crate) fn media(self) -> Result<Media, RowError> {
        let url = self.url.unwrap_or_default();
        let state = match self.state {
            MediaPlace::Pending => MediaState::Pending { source: url },
            MediaPlace::Stored => MediaState::Stored { size: self.size.unwrap_or_default() },
            MediaPlace::Refused => {
                let reason = self.reason.as_deref().and_then(MediaRefusal::parse);
                MediaState::Refused { source: url, reason: reason.unwrap_or(MediaRefusal::Unavailable) }
            }
            MediaPlace::Linked => MediaState::Linked { url },
        };
        Ok(Media { id: id(&self.id)?, content_type: self.content_type, state })
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MediaPlace {
    Pending,
    Stored,
    Refused,
    Linked,
}

/// A message. `states` maps the name of a state to its report: adding one is a condition on that name alone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageRow {
    pub sk: String,
    pub inbox: String,
    pub team: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    pub own_number: PhoneNumber,
    pub contact_number: PhoneNumber,
    pub direction: Direction,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<PersonRow>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass_opt_out: bool,
    pub at: Timestamp,
    #[serde(rename = "service", skip_serializing_if = "Option::is_none")]
    pub messaging_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_id: Option<String>,
    pub states: BTreeMap<DeliveryState, Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

impl MessageRow {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            sk: message.id.to_string(),
            inbox: message.inbox.to_string(),
            team: message.team.to_string(),
            personal: message.personal,
            own_number: message.inbox_number.clone(),
            contact_number: message.contact_number.clone(),
            direction: message.direction,
            text: message.text.clone(),
            media: message.media.iter().map(MediaRow::of).collect(),
            sender: message.sender.as_ref().map(PersonRow::of),
            automatic: message.automatic,
            bypass_opt_out: message.bypass_opt_out,
            at: message.created_at,
            messaging_service: message.messaging_service.clone(),
            carrier_id: message.carrier_id.clone(),
            states: message
                .delivery
                .history()
                .into_iter()
                .map(|(state, report)| (state, report.clone()))
                .collect(),
            claim: None,
        }
    }

    pub(crate) fn message(self) -> Result<Message, RowError> {
        let message: MessageId = id(&self.sk)?;
        let conversation: ConversationId = message.conversation().ok_or(IdError::Length)?;
        let mut delivery = Delivery::default();
        for (state, report) in self.states {
            delivery.add(state, report);
        }
        Ok(Message {
            id: message,
            conversation,
            inbox: id(&self.inbox)?,
            team: id(&self.team)?,
            personal: self.personal,
            inbox_number: self.own_number,
            contact_number: self.contact_number,
            direction: self.direction,
            text: self.text,
            media: self.media.into_iter().map(MediaRow::media).collect::<Result<_, _>>()?,
            sender: self.sender.map(PersonRow::person).transpose()?,
            automatic: self.automatic,
            bypass_opt_out: self.bypass_opt_out,
            created_at: self.at,
            messaging_service: self.messaging_service,
            carrier_id: self.carrier_id,
            delivery,
        })
    }
}
