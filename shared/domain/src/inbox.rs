//! Inboxes: one phone number each, shared by members of a team or personal to one user.
//!
//! A shared inbox may send once its team's A2P 10DLC registration is complete, because carriers block
//! unregistered traffic. Until then members do not see it. A personal inbox needs no registration.
//!
//! ```
//! use shared_domain::{inbox::InboxKind, registration::RegistrationStatus};
//!
//! assert!(InboxKind::Personal.is_covered_by(RegistrationStatus::NotStarted));
//! assert!(!InboxKind::Shared.is_covered_by(RegistrationStatus::Pending));
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    keys::{InboxKey, TeamKey},
    pace::DEFAULT_SEGMENTS_PER_SECOND,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
};

/// Who an inbox belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InboxKind {
    /// A team. It has many members, and a conversation is locked before a reply.
    Shared,
    /// One user. It has no locks.
    Personal,
}

impl InboxKind {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Personal => "personal",
        }
    }

    /// Whether an inbox of this kind may send while its team's registration has this status.
    pub fn is_covered_by(self, registration: RegistrationStatus) -> bool {
        match self {
            Self::Shared => registration.is_complete(),
            Self::Personal => true,
        }
    }
}

/// Where an inbox is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Its number is being bought. Inbound messages are stored, but no user sees the inbox yet.
    Creating,
    /// In use.
    Active,
    /// Its history stays readable. Nothing is sent.
    Retired,
}

/// An inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Inbox {
    pub organization: OrganizationId,
    pub id: InboxId,
    pub team: TeamId,
    pub kind: InboxKind,
    /// Shown to members only.
    pub name: String,
    /// As `#rrggbb`. Shown to members only.
    pub color: String,
    /// The name by which integrations choose the inbox. Unique in the organization.
    pub api_code: String,
    /// The number messages are sent from and received at.
    pub number: PhoneNumber,
    /// The carrier's id of the number (`PN…`), if the product bought it.
    pub number_sid: Option<String>,
    /// The number that rings when the inbox's number is called.
    pub voice_forwarding: Option<PhoneNumber>,
    pub creator: Option<UserId>,
    pub stage: Stage,
    /// The rate that an admin set. `None` if the inbox sends as fast as it may.
    pub segments_per_second: Option<u32>,
}

impl Inbox {
    /// The key of this inbox.
    pub fn key(&self) -> InboxKey<'_> {
        InboxKey { organization: &self.organization, inbox: &self.id }
    }

    /// The key of the team that owns it.
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }

    /// Whether messages may be sent from it, given the status of its team's registration. Members see it in
    /// the navigation and in Compose exactly while it may send.
    pub fn may_send(&self, registration: RegistrationStatus) -> bool {
        self.stage == Stage::Active && self.kind.is_covered_by(registration)
    }
}

/// Returns the most segments per second that an inbox of this team may send: what the team's campaign allows,
/// or the carrier's rate for numbers outside a campaign.
pub fn max_segments_per_second(kind: InboxKind, team: &Team) -> u32 {
    let is_registered = kind == InboxKind::Shared && team.registration.is_complete();
    let of_campaign = team.segments_per_second.filter(|_| is_registered);
    of_campaign.unwrap_or(DEFAULT_SEGMENTS_PER_SECOND).max(1)
}

/// Returns how many segments per second an inbox of this team sends: what an admin set, and at most what it
/// may send.
pub fn segments_per_second(inbox: &Inbox, team: &Team) -> u32 {
    let max = max_segments_per_second(inbox.kind, team);
    inbox.segments_per_second.map_or(max, |rate| rate.clamp(1, max))
}

/// An inbox with its team, whose registration decides whether the inbox may send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct TeamInbox {
    pub inbox: Inbox,
    pub team: Team,
}

impl TeamInbox {
    /// See [`Inbox::may_send`].
    pub fn may_send(&self) -> bool {
        self.inbox.may_send(self.team.registration)
    }

    /// See [`segments_per_second`].
    pub fn segments_per_second(&self) -> u32 {
        segments_per_second(&self.inbox, &self.team)
    }

    /// The carrier's messaging service through which the inbox sends: that of its team, if its number belongs
    /// to it. Numbers of personal inboxes, and numbers that the product did not buy, do not.
    pub fn messaging_service(&self) -> Option<&str> {
        let belongs = self.inbox.kind == InboxKind::Shared && self.inbox.number_sid.is_some();
        self.team.messaging_service.as_deref().filter(|_| belongs)
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
            segments_per_second: None,
        }
    }

    #[test]
    fn a_shared_inbox_may_send_once_its_team_is_registered_and_a_personal_one_at_once() {
        let shared = inbox(InboxKind::Shared, Stage::Active);
        assert!(shared.may_send(RegistrationStatus::Approved));
        assert!(!shared.may_send(RegistrationStatus::Pending));
        assert!(inbox(InboxKind::Personal, Stage::Active).may_send(RegistrationStatus::NotStarted));
    }

    #[test]
    fn an_inbox_that_is_being_created_or_is_retired_may_not_send() {
        for stage in [Stage::Creating, Stage::Retired] {
            for kind in [InboxKind::Shared, InboxKind::Personal] {
                assert!(!inbox(kind, stage).may_send(RegistrationStatus::Approved), "{kind:?} {stage:?}");
            }
        }
    }

    #[test]
    fn a_messaging_service_is_used_by_shared_inboxes_whose_number_was_bought() {
        let team = Team {
            id: TeamId::parse("team_1").unwrap(),
            name: "Clinic".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: Some("MG1".into()),
            segments_per_second: None,
            hold: false,
            retention: None,
        };
        let bought = |kind| Inbox { number_sid: Some("PN1".into()), ..inbox(kind, Stage::Active) };
        let service = |inbox: Inbox, team: &Team| {
            let inbox = TeamInbox { inbox, team: team.clone() };
            assert!(inbox.may_send());
            inbox.messaging_service().map(str::to_owned)
        };
        assert_eq!(service(bought(InboxKind::Shared), &team).as_deref(), Some("MG1"));
        assert_eq!(service(bought(InboxKind::Personal), &team), None);
        assert_eq!(service(inbox(InboxKind::Shared, Stage::Active), &team), None);
        let without = Team { messaging_service: None, ..team };
        assert_eq!(service(bought(InboxKind::Shared), &without), None);
    }

    #[test]
    fn an_inbox_sends_as_fast_as_its_campaign_allows_unless_an_admin_lowered_it() {
        use RegistrationStatus::{Approved, Pending};
        let rate = |kind, lowered, registration, allowed| {
            let team = Team {
                id: TeamId::parse("team_1").unwrap(),
                name: "Clinic".into(),
                registration,
                messaging_service: None,
                segments_per_second: allowed,
                hold: false,
                retention: None,
            };
            let inbox = Inbox { segments_per_second: lowered, ..inbox(kind, Stage::Active) };
            TeamInbox { inbox, team }.segments_per_second()
        };
        for (lowered, registration, allowed, expected) in [
            (None, Approved, Some(40), 40),
            (Some(4), Approved, Some(40), 4),
            (Some(40), Approved, Some(4), 4), // the campaign lost rate after the admin set it
            (None, Approved, None, 1),
            (None, Pending, Some(40), 1),
            (None, Approved, Some(0), 1),
        ] {
            assert_eq!(rate(InboxKind::Shared, lowered, registration, allowed), expected);
        }
        assert_eq!(rate(InboxKind::Personal, None, Approved, Some(40)), 1);
    }

    #[test]
    fn kinds_have_the_names_of_the_api() {
        assert_eq!((InboxKind::Shared.as_str(), InboxKind::Personal.as_str()), ("shared", "personal"));
    }
}
