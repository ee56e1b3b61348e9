//! Inboxes: one number each, shared by a team's members or personal to one user.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, OrganisationId, TeamId},
    phone::PhoneNumber,
};

/// Whose inbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InboxKind {
    /// A team's; many members, conversations are locked to answer.
    Shared,
    /// One user's; no lock.
    Personal,
}

impl InboxKind {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Personal => "personal",
        }
    }
}

/// The A2P 10DLC campaign of a team, as far as sending is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationStatus {
    /// Nothing submitted yet.
    NotStarted,
    /// With the carriers.
    Pending,
    /// May send.
    Approved,
    /// Refused; may be corrected and submitted again.
    Rejected,
    /// Was approved; sends have stopped.
    Suspended,
}

impl RegistrationStatus {
    /// Whether inboxes of the team are shown and may send.
    pub fn is_complete(self) -> bool {
        match self {
            Self::Approved => true,
            Self::NotStarted | Self::Pending | Self::Rejected | Self::Suspended => false,
        }
    }
}

/// A part of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Its campaign.
    pub registration: RegistrationStatus,
    /// The carrier's messaging service of the campaign, where there is one.
    pub messaging_service: Option<String>,
}

/// One number and who texts from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The tenant.
    pub organisation: OrganisationId,
    /// Its id.
    pub id: InboxId,
    /// The team that owns it.
    pub team: TeamId,
    /// Shared or personal.
    pub kind: InboxKind,
    /// Shown to members.
    pub name: String,
    /// Shown to members; `#rrggbb`.
    pub color: String,
    /// Names the inbox for integrations; unique in the organisation.
    pub api_code: String,
    /// What texts go out from.
    pub number: PhoneNumber,
    /// Retired: history stays readable, nothing is sent.
    pub retired: bool,
}

impl Inbox {
    /// Whether members see it in navigation and Compose: a shared inbox waits for its team's registration.
    pub fn is_visible(&self, registration: RegistrationStatus) -> bool {
        !self.retired
            && match self.kind {
                InboxKind::Shared => registration.is_complete(),
                InboxKind::Personal => true,
            }
    }
}
