//! Every key of the table. Ids carry their kind as a prefix, so a key is its ids joined by `#`, which no id contains.
//!
//! | pk | sk | what | read by |
//! |---|---|---|---|
//! | `org_#inb_` | `INBOX` | inbox | account of a send, settings |
//! | `org_#inb_` | `MEMBER#user` | membership with the user's name | the access check of every request (0.5 RCU) |
//! | `org_#inb_` | `AWAY` | Out of Office | each inbound text; settings |
//! | `org_#inb_` | `AWAY#cnv_#period` | that a contact was answered in a closed period; `ttl` | each automatic answer |
//! | `org_#inb_` | `cnv_` | conversation, with its lock | one conversation; lists by the indexes |
//! | `org_#cnv_` | `msg_` | message with its delivery reports | history, newest first; one message by its id |
//! | `org_#SID#carrier#id` | `CLAIM` | an inbound text is ours | the first conditional write of a webhook |
//! | `org_#KEY#digest` | `KEY` | idempotency key | a repeated POST; `ttl` |
//! | `org_#TEAMS` | `team_` | that a team exists | the owner's list of teams |
//! | `org_#team_` | `TEAM` | team with the state of its registration | account of a send |
//! | `org_#team_` | `REGISTRATION` | the campaign: details, the carrier's names of its parts, why it was refused | registration |
//! | `org_#team_` | `STEP#millis#id` | a step of the registration, under the carrier's event id | timeline, newest first |
//! | `org_#team_` | `NOTIFY` | which e-mails go to whom | notification settings, notices |
//! | `org_#team_` | `USER#user` | role, name and address of a member | members, admins to be told |
//! | `org_#team_` | `inb_` | that an inbox is the team's | list of inboxes |
//! | `org_#team_#AUDIT` | `millis#id` | what an admin did | audit trail, newest first |
//! | `org_#team_` | `con_` | contact | compose by contact, names |
//! | `org_#team_` | `NUMBER#+1…` | which contact has a number | compose and first inbound text by number |
//! | `org_#team_` | `OUT#millis#con_` | a change of somebody's opt-out | ledger of the team, newest first |
//! | `org_#con_` | `OUT#millis` | the same | ledger of the contact |
//! | `org_#OPTOUT#scope#+1…` | `STATE` | who opted a number out, within a team or all personal inboxes | each keyword, each send |
//! | `org_#team_` | `EXT#id` | which contact has an id of the customer's | search, imports |
//! | `org_#team_` | `imp_` | an import of contacts: its file, how far it came, its counts; `ttl` | report, its worker; latest imports |
//! | `org_#team_` | `IMPORTING` | which import of the team is being worked on | its worker |
//! | `org_#imp_` | `ERRORS#row#part` | faults of rows, some hundred in one; `ttl` | report |
//! | `org_#team_` | `FIND#name#con_` | a contact by its name | search by the beginning of a name |
//! | `org_#team_` | `tpl_` | canned response | list, sends by template |
//! | `org_#team_` | `TPLNAME#name` | which canned response has a name | that names are one's alone |
//! | `org_#USER#user` | `USER`, `team_`, `inb_` | user, roles, inboxes | `GET /v1/me`, in one query |
//! | `org_#LOCKS#user` | `LOCKS` | which locks a user holds, as a set | each acquire; who loses access |
//! | `org_#API#code` | `API` | inbox of an API code | sends by integrations |
//! | `NUMBER#+1…` | `NUMBER` | inbox of one of our numbers | webhooks, which name no tenant but the number |
//! | `CLIENT#id` | `CLIENT` | organization of a machine client | tokens without an organization claim |
//! | `SERVICE#MG…` | `SERVICE` | team of a messaging service | registration events, which name no tenant but the service |
//! | `org_#inb_` | `REVIEW#OPEN#rev_` | a text that may be a wish for no more texts | reviews that wait, newest first |
//! | `org_#inb_` | `REVIEW#DONE#rev_` | the same with who decided what | that it is not put up again |
//! | `OUTBOX#shard` | `msg_` | accepted and not yet queued | the stream (relay); the sweep |
//! | `OUTBOX#MAIL` | notice | to be told by e-mail and not yet queued | the stream (relay); the sweep |
//! | `OUTBOX#MEDIA` | `msg_` | an inbound text whose files are to be copied and not yet queued | the stream (relay); the sweep |
//! | `org_#TOLD#notice` | digest of the address | one recipient of a notice was told | each e-mail; `ttl` |
//! | `RECONCILE` | `msg_` | sent with an unknown answer | the reconciler |
//! | `PENDING` | `org_#team_` | a registration that waits for the carrier | the poll |
//! | `PURCHASE` | `org_#inb_` | an inbox whose number is being bought | the sweep of what was left half made |
//!
//! Everything that a request can name begins with the organization of its principal. What does not is reached by a
//! carrier's number or service, a verified token or our own schedules only.
//!
//! | index | partition | order | lists |
//! |---|---|---|---|
//! | `inbox-activity` | `pk` of the inbox | `place`: `folder#millis#cnv_` | a folder by last activity |
//! | `inbox-unread` | `unreadIn`: the same, only while unread | `place` | what is unread |
//! | `inbox-assigned` | `assignedIn`: `org_#inb_#user`, only where the contact is assigned | `place` | what is assigned to a user |
//!
//! A conversation's partitions never change with its activity, and its place never with its partitions. So whoever moves
//! it sets one attribute and needs not know who reads it or to whom it is assigned.

use sha2::{Digest, Sha256};
use shared_domain::{
    conversation::Folder,
    ids::{
        ContactId, ConversationId, ImportId, InboxId, MessageId, OrganizationId, ReviewId, TeamId,
        TemplateId, UserId,
    },
    keys::{ConversationKey, InboxKey, TeamKey},
    phone::PhoneNumber,
    time::Timestamp,
};

pub use crate::table::item::Key;

/// The index that lists a folder by last activity.
pub const INBOX_ACTIVITY: &str = "inbox-activity";
/// The sparse index of unread conversations, by last activity.
pub const INBOX_UNREAD: &str = "inbox-unread";
/// The sparse index of conversations whose contact is assigned, by last activity.
pub const INBOX_ASSIGNED: &str = "inbox-assigned";
/// Outbox rows are spread over this many partitions; a conversation stays in one, so that its texts keep their order.
pub const OUTBOX_SHARDS: u64 = 4;
/// Where outbox rows live; the stream's filter in the template names it as well.
pub const OUTBOX_PREFIX: &str = "OUTBOX#";

/// The partition of an inbox: itself, members, conversations.
pub fn inbox_partition(inbox: InboxKey<'_>) -> String {
    format!("{}#{}", inbox.organization, inbox.inbox)
}

/// An inbox.
pub fn inbox(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "INBOX")
}

/// An inbox's Out of Office.
pub fn out_of_office(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "AWAY")
}

/// Where the automatic answers to a contact begin in an inbox's partition.
pub fn answers(conversation: &ConversationId) -> String {
    format!("AWAY#{conversation}#")
}

/// That a contact was answered in a closed period.
pub fn answered(inbox: InboxKey<'_>, conversation: &ConversationId, period: &str) -> Key {
    Key::new(inbox_partition(inbox), format!("{}{period}", answers(conversation)))
}

/// A membership.
pub fn member(inbox: InboxKey<'_>, user: &UserId) -> Key {
    Key::new(inbox_partition(inbox), format!("{INBOX_MEMBERS}{user}"))
}

/// Where the members begin in an inbox's partition.
pub const INBOX_MEMBERS: &str = "MEMBER#";

/// A conversation.
pub fn conversation(key: ConversationKey<'_>) -> Key {
    Key::new(inbox_partition(key.inbox_key()), key.conversation.as_str())
}

/// The partition of a thread's messages.
pub fn messages_partition(organization: &OrganizationId, conversation: &ConversationId) -> String {
    format!("{organization}#{conversation}")
}

/// A message.
pub fn message(organization: &OrganizationId, conversation: &ConversationId, message: &MessageId) -> Key {
    Key::new(messages_partition(organization, conversation), message.as_str())
}

/// The claim on an inbound text, by the carrier's own id: what makes the webhook idempotent.
pub fn inbound_claim(organization: &OrganizationId, carrier: &str, carrier_id: &str) -> Key {
    Key::new(format!("{organization}#SID#{carrier}#{carrier_id}"), "CLAIM")
}

/// An idempotency key of one principal on one route.
pub fn idempotency(organization: &OrganizationId, principal: &str, route: &str, key: &str) -> Key {
    let mut digest = Sha256::new();
    for part in [principal, route, key] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = data_encoding::HEXLOWER.encode(&digest.finalize());
    Key::new(format!("{organization}#KEY#{digest}"), "KEY")
}

/// The partition of a team: itself, contacts, their numbers.
pub fn team_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}", team.organization, team.team)
}

/// A team.
pub fn team(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "TEAM")
}

/// A contact.
pub fn contact(team: TeamKey<'_>, contact: &ContactId) -> Key {
    Key::new(team_partition(team), contact.as_str())
}

/// Where the contacts begin in a team's partition.
pub const CONTACTS: &str = "con_";

/// Which contact of a team has this id of the customer's.
pub fn external_contact(team: TeamKey<'_>, external_id: &str) -> Key {
    Key::new(team_partition(team), format!("EXT#{external_id}"))
}

/// Where the names begin in a team's partition.
pub const NAMES: &str = "FIND#";

/// A contact by its name, in small letters.
pub fn contact_name(team: TeamKey<'_>, name: &str, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{NAMES}{name}#{contact}"))
}

/// A canned response.
pub fn template(team: TeamKey<'_>, template: &TemplateId) -> Key {
    Key::new(team_partition(team), template.as_str())
}

/// Where the canned responses begin in a team's partition.
pub const TEMPLATES: &str = "tpl_";

/// Which canned response of a team has a name, in small letters.
pub fn template_name(team: TeamKey<'_>, name: &str) -> Key {
    Key::new(team_partition(team), format!("TPLNAME#{name}"))
}

/// An import of contacts.
pub fn contact_import(team: TeamKey<'_>, import: &ImportId) -> Key {
    Key::new(team_partition(team), import.as_str())
}

/// Where the imports begin in a team's partition.
pub const IMPORTS: &str = "imp_";

/// Which import of a team is being worked on.
pub fn importing(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "IMPORTING")
}

/// The partition of an import's faults.
pub fn import_partition(organization: &OrganizationId, import: &ImportId) -> String {
    format!("{organization}#{import}")
}

/// Where faults of this row, and of those after it, stand.
pub fn import_errors_from(row: u64) -> String {
    format!("ERRORS#{row:09}")
}

/// Faults of the rows from this one on, in parts.
pub fn import_errors(organization: &OrganizationId, import: &ImportId, row: u64, part: usize) -> Key {
    let place = format!("{}#{part:04}", import_errors_from(row));
    Key::new(import_partition(organization, import), place)
}

/// Where a number stands within a scope: a team's id, or `PERSONAL`.
pub fn opt_out(organization: &OrganizationId, scope: &str, number: &PhoneNumber) -> Key {
    Key::new(format!("{organization}#OPTOUT#{scope}#{}", number.as_str()), "STATE")
}

/// The partition of a contact's own ledger.
pub fn contact_partition(organization: &OrganizationId, contact: &ContactId) -> String {
    format!("{organization}#{contact}")
}

/// Place in a ledger of opt-outs.
pub fn opt_outs_at(at: Timestamp) -> String {
    format!("OUT#{:013}", at.millis())
}

/// After every place in a ledger of opt-outs.
pub fn opt_outs_end() -> String {
    "OUT$".into()
}

/// A line of a team's ledger of opt-outs.
pub fn opt_out_of_team(team: TeamKey<'_>, at: Timestamp, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{}#{contact}", opt_outs_at(at)))
}

/// A line of a contact's ledger of opt-outs.
pub fn opt_out_of_contact(organization: &OrganizationId, contact: &ContactId, at: Timestamp) -> Key {
    Key::new(contact_partition(organization, contact), opt_outs_at(at))
}

/// Which contact of a team has a number.
pub fn contact_number(team: TeamKey<'_>, number: &PhoneNumber) -> Key {
    Key::new(team_partition(team), format!("NUMBER#{}", number.as_str()))
}

/// The partition of a user: itself, roles, inboxes.
pub fn user_partition(organization: &OrganizationId, user: &UserId) -> String {
    format!("{organization}#USER#{user}")
}

/// A user.
pub fn user(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(user_partition(organization, user), "USER")
}

/// A user's role in a team.
pub fn user_team(organization: &OrganizationId, user: &UserId, team: &TeamId) -> Key {
    Key::new(user_partition(organization, user), team.as_str())
}

/// That a user is a member of an inbox, found from the user.
pub fn user_inbox(organization: &OrganizationId, user: &UserId, inbox: &InboxId) -> Key {
    Key::new(user_partition(organization, user), inbox.as_str())
}

/// Which locks a user holds.
pub fn held_locks(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(format!("{organization}#LOCKS#{user}"), "LOCKS")
}

/// A lock in the set of [`held_locks`]: the inbox, then the conversation.
pub fn held(inbox: &InboxId, conversation: &ConversationId) -> String {
    format!("{inbox}#{conversation}")
}

/// Which inbox an API code names, whatever its case.
pub fn api_code(organization: &OrganizationId, code: &str) -> Key {
    Key::new(format!("{organization}#API#{}", code.to_ascii_lowercase()), "API")
}

/// The partition of an organization's teams.
pub fn teams_partition(organization: &OrganizationId) -> String {
    format!("{organization}#TEAMS")
}

/// That a team exists.
pub fn listed_team(team: TeamKey<'_>) -> Key {
    Key::new(teams_partition(team.organization), team.team.as_str())
}

/// A user as a member of a team, found from the team.
pub fn team_member(team: TeamKey<'_>, user: &UserId) -> Key {
    Key::new(team_partition(team), format!("{TEAM_MEMBERS}{user}"))
}

/// Where the members begin in a team's partition.
pub const TEAM_MEMBERS: &str = "USER#";

/// Where the inboxes begin in a team's partition.
pub const INBOXES: &str = "inb_";

/// That an inbox is a team's.
pub fn team_inbox(team: TeamKey<'_>, inbox: &InboxId) -> Key {
    Key::new(team_partition(team), inbox.as_str())
}

/// A team's registration.
pub fn registration(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "REGISTRATION")
}

/// A step of a registration. The same event at the same instant is the same step.
pub fn step(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(team_partition(team), format!("{STEPS}{:013}#{id}", at.millis()))
}

/// Where the steps begin in a team's partition.
pub const STEPS: &str = "STEP#";

/// A team's choice of e-mails.
pub fn notification_settings(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "NOTIFY")
}

/// The partition of a team's audit trail.
pub fn audit_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}#AUDIT", team.organization, team.team)
}

/// A line of the audit trail.
pub fn audit(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(audit_partition(team), format!("{:013}#{id}", at.millis()))
}

/// Whose a messaging service is.
pub fn messaging_service(sid: &str) -> Key {
    Key::new(format!("SERVICE#{sid}"), "SERVICE")
}

/// The partition of registrations that wait for the carrier.
pub const PENDING: &str = "PENDING";

/// A registration that waits for the carrier.
pub fn pending_registration(team: TeamKey<'_>) -> Key {
    Key::new(PENDING, format!("{}#{}", team.organization, team.team))
}

/// The partition of inboxes whose number is being bought.
pub const PURCHASE: &str = "PURCHASE";

/// An inbox whose number is being bought.
pub fn purchase(inbox: InboxKey<'_>) -> Key {
    Key::new(PURCHASE, format!("{}#{}", inbox.organization, inbox.inbox))
}

/// The partition of notices that wait for the queue.
pub const NOTIFICATIONS: &str = "OUTBOX#MAIL";

/// Whether a row of the outbox, as the stream shows it, is a notice.
pub fn is_notification(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == NOTIFICATIONS)
}

/// The partition of inbound texts whose files wait for the queue.
pub const MEDIA: &str = "OUTBOX#MEDIA";

/// Whether a row of the outbox, as the stream shows it, is a text whose files are to be copied.
pub fn is_media(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == MEDIA)
}

/// An inbound text whose files wait for the queue.
pub fn media(message: &MessageId) -> Key {
    Key::new(MEDIA, message.as_str())
}

/// A notice that waits for the queue.
pub fn notification(id: &str) -> Key {
    Key::new(NOTIFICATIONS, id)
}

/// That one recipient was told of a notice.
pub fn notified(organization: &OrganizationId, notification: &str, address: &str) -> Key {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(address.to_lowercase()));
    Key::new(format!("{organization}#TOLD#{notification}"), digest)
}

/// Which inbox has one of our numbers.
pub fn own_number(number: &PhoneNumber) -> Key {
    Key::new(format!("NUMBER#{}", number.as_str()), "NUMBER")
}

/// Whose a machine client is.
pub fn machine_client(client: &str) -> Key {
    Key::new(format!("CLIENT#{client}"), "CLIENT")
}

/// Where the texts that wait for a review begin in an inbox's partition.
pub const OPEN_REVIEWS: &str = "REVIEW#OPEN#";

/// A text that waits for a review.
pub fn open_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("{OPEN_REVIEWS}{review}"))
}

/// A text whose review is done.
pub fn done_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("REVIEW#DONE#{review}"))
}

/// The partition of an outbox shard.
pub fn outbox_partition(shard: u64) -> String {
    format!("{OUTBOX_PREFIX}{shard}")
}

/// An outbox row.
pub fn outbox(conversation: &ConversationId, message: &MessageId) -> Key {
    let spread: u64 = conversation.as_str().bytes().map(u64::from).sum();
    Key::new(outbox_partition(spread % OUTBOX_SHARDS), message.as_str())
}

/// The partition of sends whose answer was lost.
pub const RECONCILE: &str = "RECONCILE";

/// A send whose answer was lost.
pub fn reconcile(message: &MessageId) -> Key {
    Key::new(RECONCILE, message.as_str())
}

/// Partition of a user's assigned conversations in [`INBOX_ASSIGNED`].
pub fn assigned_in(inbox: InboxKey<'_>, user: &UserId) -> String {
    format!("{}#{}#{user}", inbox.organization, inbox.inbox)
}

/// Where a folder begins in the lists.
pub fn folder(folder: Folder) -> String {
    format!("{}#", folder.as_str())
}

/// Place in the lists: thirteen digits of milliseconds sort as numbers until the year 2286.
pub fn place(folder: Folder, at: Timestamp, conversation: &ConversationId) -> String {
    format!("{}#{:013}#{conversation}", folder.as_str(), at.millis())
}

/// The parts of a [`place`]; nothing when it is none.
pub fn place_parts(place: &str) -> Option<(Folder, Timestamp, ConversationId)> {
    let mut parts = place.splitn(3, '#');
    let folder = [Folder::Inbox, Folder::Archived].into_iter().find({
        let word = parts.next()?;
        move |folder| folder.as_str() == word
    })?;
    let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    Some((folder, at, ConversationId::parse(parts.next()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_idempotency_key_cannot_flow_into_each_other() {
        let org = OrganizationId::parse("org_1").unwrap();
        assert_ne!(idempotency(&org, "ab", "c", "d"), idempotency(&org, "a", "bc", "d"));
    }

    #[test]
    fn places_in_a_folder_sort_by_time() {
        let cnv = ConversationId::parse("cnv_1").unwrap();
        let early = place(Folder::Inbox, Timestamp::from_millis(999), &cnv);
        let late = place(Folder::Inbox, Timestamp::from_millis(1_800_000_000_000), &cnv);
        assert!(early < late && late.starts_with(&folder(Folder::Inbox)));
    }

    #[test]
    fn a_place_says_folder_and_time() {
        let cnv = ConversationId::parse("cnv_1").unwrap();
        let at = Timestamp::from_millis(1_800_000_000_000);
        let parts = place_parts(&place(Folder::Archived, at, &cnv));
        assert_eq!(parts, Some((Folder::Archived, at, cnv)));
        for none in
            ["", "inbox", "inbox#", "trash#1#cnv_1", "inbox#x#cnv_1", "inbox#1#inb_1", "inbox#1#cnv_a b"]
        {
            assert_eq!(place_parts(none), None, "{none}");
        }
    }
}
