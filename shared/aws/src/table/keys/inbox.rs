//! Keys of inboxes, their members, their numbers, and their automatic replies out of office.

use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
};

use super::{Key, team_partition};

/// Partition of an inbox: the inbox, its members, its conversations.
pub fn inbox_partition(inbox: InboxKey<'_>) -> String {
    format!("{}#{}", inbox.organization, inbox.inbox)
}

pub fn inbox(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "INBOX")
}

pub fn out_of_office(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "AWAY")
}

/// Prefix of the automatic replies to a contact in an inbox's partition.
pub fn automatic_replies(conversation: &ConversationId) -> String {
    format!("AWAY#{conversation}#")
}

/// The automatic reply to a contact in a closed period.
pub fn automatic_reply(inbox: InboxKey<'_>, conversation: &ConversationId, period: &str) -> Key {
    Key::new(inbox_partition(inbox), format!("{}{period}", automatic_replies(conversation)))
}

/// Membership in an inbox.
pub fn member(inbox: InboxKey<'_>, user: &UserId) -> Key {
    Key::new(inbox_partition(inbox), format!("{INBOX_MEMBERS}{user}"))
}

/// Prefix of the members in an inbox's partition.
pub const INBOX_MEMBERS: &str = "MEMBER#";

/// Inbox by API code, ignoring case.
pub fn api_code(organization: &OrganizationId, code: &str) -> Key {
    Key::new(format!("{organization}#API#{}", code.to_ascii_lowercase()), "API")
}

/// Prefix of the inboxes in a team's partition.
pub const INBOXES: &str = "inb_";

/// Inbox in the team's list.
pub fn team_inbox(team: TeamKey<'_>, inbox: &InboxId) -> Key {
    Key::new(team_partition(team), inbox.as_str())
}

/// Personal inbox of a user in a team.
pub fn personal_inbox(team: TeamKey<'_>, owner: &UserId) -> Key {
    Key::new(team_partition(team), format!("PERSONAL#{owner}"))
}

/// Inbox by its number.
pub fn inbox_number(number: &PhoneNumber) -> Key {
    Key::new(format!("NUMBER#{}", number.as_str()), "NUMBER")
}

/// The numbers of an organization's inboxes.
pub fn owned_numbers(organization: &OrganizationId) -> Key {
    Key::new(format!("{organization}#NUMBERS"), "NUMBERS")
}

/// Partition of the inboxes whose number is being bought.
pub const PURCHASE: &str = "PURCHASE";

pub fn purchase(inbox: InboxKey<'_>) -> Key {
    Key::new(PURCHASE, format!("{}#{}", inbox.organization, inbox.inbox))
}
