//! Events and their data. Data is the view of what changed, as the routes return it to a member, without
//! what would need another read than that of the changed item.

use std::collections::BTreeMap;

use serde::Serialize;
use shared_aws::contact::ContactEntry;
use shared_domain::{
    event::{Event, EventScope},
    import::Import,
    inbox::{Inbox, Stage},
    lock::{BrokenLock, Lease},
    membership::TeamMember,
    out_of_office::Draft,
    registration::Registration,
    user::UserRef,
};
use utoipa::ToSchema;

use super::{
    lock::Holder,
    out_of_office::OutOfOfficeView,
    team::RoleName,
    values::{EventTypeName, ImportStatus, InboxKind, RegistrationStatus},
};

/// A change in one of your inboxes or teams.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// ID of the event. Ignore an event whose ID you know.
    pub event_id: String,
    #[serde(rename = "type")]
    #[schema(value_type = EventTypeName)]
    pub kind: &'static str,
    /// Time of the change, to the second.
    #[schema(format = DateTime)]
    pub at: String,
    /// ID of the organization.
    pub organization_id: String,
    /// ID of the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// ID of the inbox. Absent if the event belongs to a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox_id: Option<String>,
    /// Number of the event in its inbox, or in its team. It grows by 1.
    pub sequence: u64,
    /// ID of the conversation that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// ID of the message that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What changed, as it was after the event. The type says what it contains. Files have no presigned
    /// URLs. Empty if the contact was erased since.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

impl From<Event> for EventView {
    fn from(Event { sequence, event }: Event) -> Self {
        let inbox_id = match &event.scope {
            EventScope::Inbox { inbox, .. } => Some(inbox.to_string()),
            EventScope::Team { .. } => None,
        };
        Self {
            event_id: event.id.to_string(),
            kind: event.kind.as_str(),
            at: event.at.to_string(),
            organization_id: event.scope.organization().to_string(),
            team_id: event.team.map(|team| team.to_string()),
            inbox_id,
            sequence,
            conversation_id: event.conversation.map(|conversation| conversation.to_string()),
            message_id: event.message.map(|message| message.to_string()),
            data: serde_json::from_str(&event.data).unwrap_or_default(),
        }
    }
}

/// A page of the feed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// At most `limit` events. There may be more unless the list is empty.
    pub items: Vec<EventView>,
    /// Send it as `cursor` to get the events after these. Never `null`.
    pub next_cursor: String,
    /// IDs of inboxes and teams that you joined since the cursor. Their events begin after this response.
    pub joined: Vec<String>,
    /// IDs of inboxes and teams that you left since the cursor.
    pub left: Vec<String>,
}

/// Data of `lock.acquired`, `lock.released` and `lock.broken`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockData {
    /// The user who acquired the lock, or who held it until now.
    pub holder: Holder,
    /// Time when the lock expires unless it is renewed. Renewals and expiries are not reported: read the
    /// conversation again at this time. `null` if the lock was released or broken.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// The admin who broke the lock. `null` if the lock was acquired or released.
    #[schema(required)]
    pub broken_by: Option<Holder>,
}

impl LockData {
    pub fn acquired(lease: &Lease) -> Self {
        let expires_at = Some(lease.ends_at().to_string());
        Self { holder: Holder::of(&lease.holder), expires_at, broken_by: None }
    }

    /// `broken` is `None` if the holder released the lock.
    pub fn ended(lease: &Lease, broken: Option<&BrokenLock>) -> Self {
        let broken_by = broken.map(|broken| Holder::of(&broken.by));
        Self { holder: Holder::of(&lease.holder), expires_at: None, broken_by }
    }
}

/// Data of `inbox.changed` if the settings of the inbox changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxData {
    /// ID of the inbox.
    pub inbox_id: String,
    /// ID of the team that owns the inbox.
    pub team_id: String,
    #[schema(value_type = InboxKind)]
    pub kind: &'static str,
    /// Name of the inbox.
    pub name: String,
    /// Color as `#rrggbb`.
    pub color: String,
    /// Code that integrations use instead of the ID.
    pub api_code: String,
    /// Phone number that messages are sent from.
    pub phone_number: String,
    /// Number that calls are forwarded to. `null` if calls are not forwarded.
    #[schema(required)]
    pub voice_forwarding_number: Option<String>,
    /// How many segments an admin lets the inbox send per second. `null` if as many as the carrier allows.
    #[schema(required, minimum = 1)]
    pub segments_per_second: Option<u32>,
    /// Whether the inbox is retired.
    pub retired: bool,
}

impl InboxData {
    pub fn of(inbox: &Inbox) -> Self {
        Self {
            inbox_id: inbox.id.to_string(),
            team_id: inbox.team.to_string(),
            kind: inbox.kind.as_str(),
            name: inbox.name.clone(),
            color: inbox.color.clone(),
            api_code: inbox.api_code.clone(),
            phone_number: inbox.number.as_str().to_owned(),
            voice_forwarding_number: inbox.voice_forwarding.as_ref().map(|number| number.as_str().to_owned()),
            segments_per_second: inbox.segments_per_second,
            retired: inbox.stage == Stage::Retired,
        }
    }
}

/// Data of `inbox.changed` if Out of Office changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutOfOfficeData {
    /// The new settings.
    pub out_of_office: OutOfOfficeView,
}

impl From<Draft> for OutOfOfficeData {
    fn from(draft: Draft) -> Self {
        Self { out_of_office: draft.into() }
    }
}

/// Data of `membership.changed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipData {
    /// ID of the user.
    pub user_id: String,
    /// Display name.
    pub name: String,
    /// The role in the team. Absent if the event belongs to an inbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RoleName>)]
    pub role: Option<&'static str>,
    /// Whether the user is no longer a member.
    pub removed: bool,
}

impl MembershipData {
    pub fn in_inbox(user: &UserRef, removed: bool) -> Self {
        Self { user_id: user.id.to_string(), name: user.name.clone(), role: None, removed }
    }

    pub fn in_team(member: &TeamMember, removed: bool) -> Self {
        Self { role: Some(member.role.as_str()), ..Self::in_inbox(&member.user, removed) }
    }
}

/// Data of `contact.updated`. Opt-outs and blocks belong to the number, so `opt_out.changed` and
/// `conversation.updated` report them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactData {
    /// ID of the contact.
    pub contact_id: String,
    /// Your own ID of the contact.
    #[schema(required)]
    pub external_id: Option<String>,
    /// First name.
    #[schema(required)]
    pub first_name: Option<String>,
    /// Last name.
    #[schema(required)]
    pub last_name: Option<String>,
    /// Phone number in E.164 format.
    pub mobile_number: String,
    /// ID of the user that the contact is assigned to.
    #[schema(required)]
    pub assigned_user_id: Option<String>,
    /// Whether only the number is known, because the contact wrote before anyone added it.
    pub provisional: bool,
    /// Custom fields by name.
    pub custom: BTreeMap<String, String>,
    /// Whether the contact was removed.
    pub removed: bool,
}

impl ContactData {
    pub fn of(entry: &ContactEntry, removed: bool) -> Self {
        let contact = &entry.contact;
        Self {
            contact_id: contact.id.to_string(),
            external_id: contact.external_id.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            mobile_number: contact.number.as_str().to_owned(),
            assigned_user_id: contact.assigned.as_ref().map(|user| user.id.to_string()),
            provisional: contact.provisional,
            custom: entry.custom.clone(),
            removed,
        }
    }
}

/// Data of `registration.changed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationData {
    #[schema(value_type = RegistrationStatus)]
    pub status: &'static str,
    /// Whether the campaign's details have been sent to the carrier.
    pub submitted: bool,
    /// What is missing before the team can send. `null` if the registration is complete.
    #[schema(required)]
    pub notice: Option<&'static str>,
}

impl RegistrationData {
    pub fn of(registration: &Registration) -> Self {
        Self {
            status: registration.status.as_str(),
            submitted: registration.is_submitted(),
            notice: registration.notice(),
        }
    }
}

/// Data of `import.changed`. `GET /v1/teams/{teamId}/contact-imports/{importId}` returns the errors.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportData {
    /// ID of the import.
    pub import_id: String,
    #[schema(value_type = ImportStatus)]
    pub status: &'static str,
    /// Whether the import only reports what it would change.
    pub dry_run: bool,
    /// Rows read so far, without the header and blank rows.
    pub rows: u64,
    /// Contacts created.
    pub created: u64,
    /// Contacts changed.
    pub updated: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Invalid rows.
    pub refused: u64,
    /// Rows in the file. `null` until the file has been scanned.
    #[schema(required)]
    pub total_rows: Option<u64>,
    /// Why the import failed. `null` if it did not fail.
    #[schema(required)]
    pub reason: Option<String>,
    /// Time when the import finished. `null` until then.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
}

impl ImportData {
    pub fn of(import: &Import) -> Self {
        let counts = &import.counts;
        Self {
            import_id: import.id.to_string(),
            status: import.status.as_str(),
            dry_run: import.dry_run,
            rows: counts.rows,
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            refused: counts.refused,
            total_rows: import.file.as_ref().map(|file| file.rows),
            reason: import.reason.clone(),
            finished_at: import.finished_at.map(|at| at.to_string()),
        }
    }
}
