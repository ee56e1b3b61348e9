//! A broadcast as users define it, and what happened to it so far.

use serde::{Deserialize, Serialize};

use super::{BroadcastStatus, Progress, WaitReason};
use crate::{
    ids::{BroadcastId, ContactId, InboxId, OrganizationId, SegmentId, TeamId, TemplateId},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
    sending_hours::HoursMode,
    time::Timestamp,
    user::UserRef,
};

/// Who is meant to get the text. A number that occurs several times gets one text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Audience {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PhoneNumber>,
}

/// What a broadcast waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Waiting {
    pub reason: WaitReason,
    /// `None` if the time is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The last estimate of a broadcast. Confirming names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct EstimateRef {
    pub id: String,
    pub recipients: u64,
}

/// A broadcast of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Broadcast {
    pub id: BroadcastId,
    #[serde(rename = "org")]
    pub organization: OrganizationId,
    pub team: TeamId,
    /// The inbox that it is sent from.
    pub inbox: InboxId,
    pub name: String,
    pub audience: Audience,
    /// The text, which may have merge fields.
    pub text: String,
    /// The template that the text was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateId>,
    pub hours: HoursMode,
    pub reply_window_hours: u16,
    /// When it starts. `None` if it starts when it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    pub status: BroadcastStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it failed or was paused by the product, as a sentence for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_by: UserRef,
    pub created_at: Timestamp,
    /// The user who confirmed it, in whose name the texts are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<UserRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How often its preparation began. Each preparation stores recipients of its own, and those of the one
    /// that finished get the text.
    #[serde(default)]
    pub preparation: u32,
    /// The progress when a worker last looked, for the event. The counts of the recipients are the truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

impl Broadcast {
    /// The key of the team.
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }

    /// The key of the inbox that it is sent from.
    pub fn inbox_key(&self) -> InboxKey<'_> {
        InboxKey { organization: &self.organization, inbox: &self.inbox }
    }

    /// Whether a user confirmed it with this estimate, and nobody changed it since.
    pub fn is_confirmed_with(&self, estimate: &str) -> bool {
        let is_last = self.estimate.as_ref().is_some_and(|last| last.id == estimate);
        is_last && self.confirmed_by.is_some()
    }

    /// The user in whose name the texts are sent.
    pub fn sender(&self) -> &UserRef {
        self.confirmed_by.as_ref().unwrap_or(&self.created_by)
    }
}

/// The broadcast that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct BroadcastRef {
    #[serde(rename = "id")]
    pub broadcast: BroadcastId,
    /// See [`Broadcast::preparation`].
    #[serde(rename = "p")]
    pub preparation: u32,
}
