//! Inboxes, and numbers that can be bought for them.

use serde::{Deserialize, Serialize};
use shared_domain::{
    inbox::{self, Inbox, InboxKind, Stage},
    team::Team,
    user::UserRef,
};
use utoipa::ToSchema;

use super::values::RegistrationStatus;
use crate::input::nullable;

/// An inbox. Only its members see its name and color.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxView {
    /// ID of the inbox.
    pub inbox_id: String,
    /// ID of the team that owns the inbox.
    pub team_id: String,
    #[schema(value_type = super::values::InboxKind)]
    pub kind: &'static str,
    /// Name. `null` unless you are a member.
    #[schema(required)]
    pub name: Option<String>,
    /// Color as `#rrggbb`. `null` unless you are a member.
    #[schema(required)]
    pub color: Option<String>,
    /// Code that integrations use instead of the ID.
    pub api_code: String,
    /// Phone number that messages are sent from.
    pub phone_number: String,
    /// Number that calls are forwarded to. `null` if calls are not forwarded.
    #[schema(required)]
    pub voice_forwarding_number: Option<String>,
    /// How many segments the inbox sends per second. More messages wait as `queued`.
    #[schema(minimum = 1)]
    pub segments_per_second: u32,
    /// Whether the inbox is retired. A retired inbox cannot send; its history can still be read.
    pub retired: bool,
    /// Whether you are a member of the inbox.
    pub member: bool,
}

impl InboxView {
    /// Returns the inbox for a member, or without name and color for another user who can manage it. `team`
    /// is the team of the inbox.
    pub fn of(inbox: &Inbox, team: &Team, member: bool) -> Self {
        Self {
            inbox_id: inbox.id.to_string(),
            team_id: inbox.team.to_string(),
            kind: inbox.kind.as_str(),
            name: member.then(|| inbox.name.clone()),
            color: member.then(|| inbox.color.clone()),
            api_code: inbox.api_code.clone(),
            phone_number: inbox.number.as_str().to_owned(),
            voice_forwarding_number: inbox.voice_forwarding.as_ref().map(|number| number.as_str().to_owned()),
            segments_per_second: inbox::segments_per_second(inbox, team),
            retired: inbox.stage == Stage::Retired,
            member,
        }
    }
}

/// The registration of an inbox's team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationSummary {
    /// ID of the team.
    pub team_id: String,
    #[schema(value_type = RegistrationStatus)]
    pub status: &'static str,
    /// What is missing before the team can send. `null` if the registration is complete.
    #[schema(required)]
    pub notice: Option<&'static str>,
}

impl RegistrationSummary {
    /// `submitted` is true if the campaign's details have been sent to the carrier.
    pub fn of(team: &Team, submitted: bool) -> Self {
        Self {
            team_id: team.id.to_string(),
            status: team.registration.as_str(),
            notice: team.registration.notice(submitted),
        }
    }
}

/// A new inbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedInbox {
    /// The inbox.
    #[serde(flatten)]
    pub inbox: InboxView,
    /// The registration of the inbox's team.
    pub registration: RegistrationSummary,
    /// Why the inbox cannot send yet. `null` if the registration is complete.
    #[schema(required)]
    pub notice: Option<&'static str>,
}

/// An inbox to create. The OpenAPI document has two schemas for it, one for each kind.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewInbox {
    /// Default: `shared`.
    #[schema(value_type = Option<super::values::InboxKind>)]
    pub kind: Option<InboxKind>,
    /// ID of the member of the team who owns the personal inbox.
    pub owner_id: Option<String>,
    /// 1 to 80 characters. Default of a personal inbox: the owner's name.
    pub name: Option<String>,
    /// Unique in the organization. Derived from the name if absent.
    pub api_code: Option<String>,
    /// Color as `#rrggbb`. A personal inbox has a default color.
    pub color: Option<String>,
    /// A number from `GET /v1/numbers/available`, which creating the inbox buys, or with `adopt` a number
    /// that your carrier account owns.
    pub phone_number: String,
    /// Whether your carrier account already owns the number. Nothing is bought; the number's webhooks are
    /// set.
    #[serde(default)]
    pub adopt: bool,
    /// Number that calls are forwarded to.
    pub voice_forwarding_number: Option<String>,
    /// IDs of more members. Allowed only if the team's registration is complete.
    #[serde(default)]
    pub member_ids: Vec<String>,
}

/// Changes to an inbox. Absent fields keep their values.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Color as `#rrggbb`.
    pub color: Option<String>,
    /// Unique in the organization.
    pub api_code: Option<String>,
    /// Number that calls are forwarded to. `null` stops forwarding.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub voice_forwarding_number: Option<Option<String>>,
    /// How many segments the inbox sends per second: from 1 to what the carrier allows. `null` is what the
    /// carrier allows.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub segments_per_second: Option<Option<i64>>,
}

/// A member of an inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxMemberView {
    /// ID of the user.
    pub user_id: String,
    /// Display name.
    pub name: String,
}

impl InboxMemberView {
    pub fn of(person: &UserRef) -> Self {
        Self { user_id: person.id.to_string(), name: person.name.clone() }
    }
}

/// A number that can be bought.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableNumberView {
    /// Phone number in E.164 format.
    pub phone_number: String,
    /// The number in national format.
    pub friendly_name: String,
    /// City or town.
    #[schema(required)]
    pub locality: Option<String>,
    /// State or province.
    #[schema(required)]
    pub region: Option<String>,
    /// Whether the number supports messages with media.
    pub mms: bool,
    /// Whether the number supports calls.
    pub voice: bool,
}

/// Choices and defaults for creating an inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxWizard {
    /// Teams that you can create inboxes for.
    pub teams: Vec<WizardTeam>,
    /// ID of the team if there is only one. `null` if you have to choose.
    #[schema(required)]
    pub team_id: Option<String>,
    /// A free API code derived from `?name=`. `null` without a name.
    #[schema(required)]
    pub api_code: Option<String>,
}

/// A team that an inbox can be created for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WizardTeam {
    /// ID of the team.
    pub team_id: String,
    /// Name of the team.
    pub name: String,
    /// Whether you can choose members. False until the team's registration is complete.
    pub members_offered: bool,
    #[schema(value_type = RegistrationStatus)]
    pub registration_status: &'static str,
    /// Warning to show before the inbox is created. `null` if the team can send.
    #[schema(required)]
    pub notice: Option<&'static str>,
}
