//! Inboxes: one number each, shared by a team's members or personal to one user.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
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
    pub organization: OrganizationId,
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
    /// Names the inbox for integrations; unique in the organization.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(kind: InboxKind, stage: Stage) -> Inbox {
        Inbox {
            organization: OrganizationId::parse("org_1").unwrap(),
            id: InboxId::parse("inb_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            kind,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage,
        }
    }

    #[test]
    fn a_shared_inbox_is_shown_once_its_team_may_send_and_a_personal_one_at_once() {
        let shared = inbox(InboxKind::Shared, Stage::Active);
        assert!(shared.is_visible(RegistrationStatus::Approved));
        assert!(!shared.is_visible(RegistrationStatus::Pending));
        assert!(inbox(InboxKind::Personal, Stage::Active).is_visible(RegistrationStatus::NotStarted));
    }

    #[test]
    fn an_inbox_that_is_being_made_or_is_retired_is_not_shown() {
        for stage in [Stage::Creating, Stage::Retired] {
            for kind in [InboxKind::Shared, InboxKind::Personal] {
                assert!(!inbox(kind, stage).is_visible(RegistrationStatus::Approved), "{kind:?} {stage:?}");
            }
        }
    }

    #[test]
    fn kinds_have_the_words_of_the_api() {
        assert_eq!((InboxKind::Shared.as_str(), InboxKind::Personal.as_str()), ("shared", "personal"));
    }
}
