//! Conversations with their contact and lock, and messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, LastMessage},
    ids::{self, ConversationId, IdError, MessageId},
    lock::{BrokenLock, FencingToken, Lease, LockState},
    media::{Media, MediaRefusal, MediaState},
    message::{Delivery, DeliveryState, Direction, Message, Report},
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{PersonRow, RowError, id};
use crate::keys::{Key, place_parts};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub id: String,
    #[serde(rename = "ext", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(rename = "first", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(rename = "last", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    pub number: PhoneNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<PersonRow>,
    #[serde(rename = "out", default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    #[serde(rename = "prov", default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl ContactRow {
    pub(crate) fn of(contact: &Contact) -> Self {
        Self {
            id: contact.id.to_string(),
            external_id: contact.external_id.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            number: contact.number.clone(),
            assigned: contact.assigned.as_ref().map(PersonRow::of),
            opted_out: contact.opted_out,
            blocked: contact.blocked,
            provisional: contact.provisional,
        }
    }

    pub(crate) fn contact(self) -> Result<Contact, RowError> {
        Ok(Contact {
            id: id::<ids::Contact>(&self.id)?,
            external_id: self.external_id,
            first_name: self.first_name,
            last_name: self.last_name,
            number: self.number,
            assigned: self.assigned.map(PersonRow::person).transpose()?,
            opted_out: self.opted_out,
            blocked: self.blocked,
            provisional: self.provisional,
        })
    }
}

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

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MediaPlace {
    Pending,
    Stored,
    Refused,
    Linked,
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
