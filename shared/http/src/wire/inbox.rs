//! Inboxes and the numbers they may have.

use serde::{Deserialize, Serialize};
use shared_domain::{
    inbox::{Inbox, Stage},
    team::Team,
    user::UserRef,
};
use utoipa::ToSchema;

use crate::input::nullable;

/// An inbox: its settings. Name and color are shown to members alone, and null to others who may manage it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxView {
    /// Its id.
    pub inbox_id: String,
    /// The team that owns it.
    pub team_id: String,
    /// `shared` or `personal`.
    pub kind: &'static str,
    /// Its name, for members.
    #[schema(required)]
    pub name: Option<String>,
    /// `#rrggbb`, for members.
    #[schema(required)]
    pub color: Option<String>,
    /// Names it for integrations.
    pub api_code: String,
    /// What texts go out from.
    pub phone_number: String,
    /// Whom a call to the number rings.
    #[schema(required)]
    pub voice_forwarding_number: Option<String>,
    /// Sends nothing any more; its history stays readable.
    pub retired: bool,
    /// Whether the caller is a member.
    pub member: bool,
}

impl InboxView {
    /// For a member, or for somebody else who may manage it.
    pub fn of(inbox: &Inbox, member: bool) -> Self {
        Self {
            inbox_id: inbox.id.to_string(),
            team_id: inbox.team.to_string(),
            kind: inbox.kind.as_str(),
            name: member.then(|| inbox.name.clone()),
            color: member.then(|| inbox.color.clone()),
            api_code: inbox.api_code.clone(),
            phone_number: inbox.number.as_str().to_owned(),
            voice_forwarding_number: inbox.voice_forwarding.as_ref().map(|number| number.as_str().to_owned()),
            retired: inbox.stage == Stage::Retired,
            member,
        }
    }
}

/// Where the registration of an inbox's team stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationSummary {
    /// The team.
    pub team_id: String,
    /// `not_started`, `pending`, `approved`, `rejected` or `suspended`.
    pub status: &'static str,
    /// What the team has to know; null once it may send.
    #[schema(required)]
    pub notice: Option<&'static str>,
}

impl RegistrationSummary {
    /// Of a team; `submitted` when the campaign's details are with the carriers.
    pub fn of(team: &Team, submitted: bool) -> Self {
        Self {
            team_id: team.id.to_string(),
            status: team.registration.as_str(),
            notice: team.registration.notice(submitted),
        }
    }
}

/// An inbox that was just created.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedInbox {
    /// The inbox.
    #[serde(flatten)]
    pub inbox: InboxView,
    /// Where its team's registration stands.
    pub registration: RegistrationSummary,
    /// Says that messages cannot be sent until the registration is complete; null once it is.
    #[schema(required)]
    pub notice: Option<&'static str>,
}

/// An inbox to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewInbox {
    /// 1 to 80 characters.
    pub name: String,
    /// Unique in the organization; made of the name when absent.
    pub api_code: Option<String>,
    /// `#rrggbb`.
    pub color: String,
    /// One that `GET /v1/numbers/available` has offered; it is bought now.
    pub phone_number: String,
    /// Whom a call to the number rings.
    pub voice_forwarding_number: Option<String>,
    /// Members beside you, only when the team's registration is complete.
    #[serde(default)]
    pub member_ids: Vec<String>,
}

/// What may be edited; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// `#rrggbb`.
    pub color: Option<String>,
    /// Unique in the organization.
    pub api_code: Option<String>,
    /// Whom a call to the number rings; null: nobody.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub voice_forwarding_number: Option<Option<String>>,
}

/// A member of an inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxMemberView {
    /// The User ID.
    pub user_id: String,
    /// The name to show.
    pub name: String,
}

impl InboxMemberView {
    /// Of a person.
    pub fn of(person: &UserRef) -> Self {
        Self { user_id: person.id.to_string(), name: person.name.clone() }
    }
}

/// A number that can be bought.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableNumberView {
    /// E.164.
    pub phone_number: String,
    /// As people write it.
    pub friendly_name: String,
    /// Its place.
    #[schema(required)]
    pub locality: Option<String>,
    /// Its state or province.
    #[schema(required)]
    pub region: Option<String>,
    /// Takes texts with media.
    pub mms: bool,
    /// Takes calls.
    pub voice: bool,
}

/// The first step of the wizard, filled in as far as it can be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxWizard {
    /// The teams that the caller may create inboxes for.
    pub teams: Vec<WizardTeam>,
    /// The one team, where there is only one; null: choose.
    #[schema(required)]
    pub team_id: Option<String>,
    /// A free API code made of `?name=`; null without a name.
    #[schema(required)]
    pub api_code: Option<String>,
}

/// A team as the wizard offers it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WizardTeam {
    /// Its id.
    pub team_id: String,
    /// Its name.
    pub name: String,
    /// Whether the step that chooses members is offered: only once the team's registration is complete.
    pub members_offered: bool,
    /// Where the team's registration stands.
    pub registration_status: &'static str,
    /// What to say before confirming; null once the team may send.
    #[schema(required)]
    pub notice: Option<&'static str>,
}
