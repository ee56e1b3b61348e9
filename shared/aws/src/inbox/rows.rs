//! Stored inboxes, pointers to them, and purchases of numbers.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    phone::PhoneNumber,
    time::Timestamp,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InboxRow {
    pub org: OrganizationId,
    pub id: InboxId,
    pub team: TeamId,
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
    pub creator: Option<UserId>,
    pub stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_per_second: Option<u32>,
}

impl InboxRow {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        let inbox = inbox.clone();
        Self {
            org: inbox.organization,
            id: inbox.id,
            team: inbox.team,
            kind: inbox.kind,
            name: inbox.name,
            color: inbox.color,
            api_code: inbox.api_code,
            number: inbox.number,
            number_sid: inbox.number_sid,
            voice_forwarding: inbox.voice_forwarding,
            creator: inbox.creator,
            stage: inbox.stage,
            segments_per_second: inbox.segments_per_second,
        }
    }

    pub(crate) fn inbox(self) -> Inbox {
        Inbox {
            organization: self.org,
            id: self.id,
            team: self.team,
            kind: self.kind,
            name: self.name,
            color: self.color,
            api_code: self.api_code,
            number: self.number,
            number_sid: self.number_sid,
            voice_forwarding: self.voice_forwarding,
            creator: self.creator,
            stage: self.stage,
            segments_per_second: self.segments_per_second,
        }
    }
}

/// Points at an inbox: from its number, or from its API code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InboxPointer {
    pub org: OrganizationId,
    pub inbox: InboxId,
}

impl InboxPointer {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        Self { org: inbox.organization.clone(), inbox: inbox.id.clone() }
    }
}

/// An inbox whose number is being bought.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurchaseRow {
    pub org: OrganizationId,
    pub inbox: InboxId,
    pub number: PhoneNumber,
    pub at: Timestamp,
    /// Partition key of the request's idempotency key, so that undoing the purchase frees the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Owner of a personal inbox, so that undoing the purchase allows another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
}
