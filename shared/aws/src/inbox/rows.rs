//! Stored inboxes, pointers to them, and purchases of numbers.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, OrganizationId},
    inbox::{Inbox, InboxKind, Stage},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::table::items::{RowError, id};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InboxRow {
    pub org: String,
    pub id: String,
    pub team: String,
    pub kind: InboxKind,
    pub name: String,
    pub color: String,
    pub api_code: String,
    pub number: PhoneNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_forwarding: Option<PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    pub stage: Stage,
}

impl InboxRow {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        Self {
            org: inbox.organization.to_string(),
            id: inbox.id.to_string(),
            team: inbox.team.to_string(),
            kind: inbox.kind,
            name: inbox.name.clone(),
            color: inbox.color.clone(),
            api_code: inbox.api_code.clone(),
            number: inbox.number.clone(),
            number_sid: inbox.number_sid.clone(),
            voice_forwarding: inbox.voice_forwarding.clone(),
            creator: inbox.creator.as_ref().map(ToString::to_string),
            stage: inbox.stage,
        }
    }

    pub(crate) fn inbox(self) -> Result<Inbox, RowError> {
        Ok(Inbox {
            organization: id(&self.org)?,
            id: id(&self.id)?,
            team: id(&self.team)?,
            kind: self.kind,
            name: self.name,
            color: self.color,
            api_code: self.api_code,
            number: self.number,
            number_sid: self.number_sid,
            voice_forwarding: self.voice_forwarding,
            creator: self.creator.as_deref().map(id).transpose()?,
            stage: self.stage,
        })
    }
}

/// Points at an inbox: from one of our numbers, or from an API code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InboxPointer {
    pub org: String,
    pub inbox: String,
}

impl InboxPointer {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        Self { org: inbox.organization.to_string(), inbox: inbox.id.to_string() }
    }

    pub(crate) fn target(&self) -> Result<(OrganizationId, InboxId), RowError> {
        Ok((id(&self.org)?, id(&self.inbox)?))
    }
}

/// An inbox whose number is being bought.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurchaseRow {
    pub org: String,
    pub inbox: String,
    pub number: PhoneNumber,
    pub at: Timestamp,
    /// Partition of the idempotency key that it was asked for with, so that undoing it frees the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
