//! Inboxes: one number each, shared by a team's members or personal to one user.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, OrganisationId, TeamId, UserId},
    phone::PhoneNumber,
    registration::RegistrationStatus,
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

/// How far an inbox has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Its number is being bought: it stores what comes in, and nobody sees it yet.
    Creating,
    /// In use.
    Active,
    /// History stays readable, nothing is sent.
    Retired,
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
    /// The carrier's name of the number (`PN…`), where the product bought it.
    pub number_sid: Option<String>,
    /// Whom a call to the number rings.
    pub voice_forwarding: Option<PhoneNumber>,
    /// Who created it.
    pub creator: Option<UserId>,
    /// How far it has come.
    pub stage: Stage,
}

impl Inbox {
    /// Whether members see it in navigation and Compose: a shared inbox waits for its team's registration.
    pub fn is_visible(&self, registration: RegistrationStatus) -> bool {
        self.stage == Stage::Active
            && match self.kind {
                InboxKind::Shared => registration.is_complete(),
                InboxKind::Personal => true,
            }
    }
}
