//! The keys of all items. An id starts with its kind (`org_`, `inb_`, …) and contains no `#`, so ids joined
//! by `#` are a unique key.
//!
//! | pk | sk | item | read by |
//! |---|---|---|---|
//! | `org_#inb_` | `INBOX` | inbox | every send, settings |
//! | `org_#inb_` | `MEMBER#user` | membership in an inbox, with the user's name | the access check of every request (0.5 RCU) |
//! | `org_#inb_` | `AWAY` | Out of Office settings | every inbound message, settings |
//! | `org_#inb_` | `KWREPLY#kwr_` | keyword reply | settings, every inbound message that is a keyword |
//! | `org_#inb_` | `KEYWORD#words` | keyword reply by keyword | every short inbound message (0.5 RCU); writes, so that keywords are unique |
//! | `org_#inb_` | `PACE` | pace of the inbox's number | every send (0.5 RCU, 1 WCU) |
//! | `org_#inb_` | `AHEAD` | segments that the broadcasts of the inbox have released and not sent; `ttl` | every slice of a broadcast (1 RCU, 1 WCU) |
//! | `org_#inb_` | `AWAY#cnv_#period` | the automatic reply to a contact in a closed period; `ttl` | every automatic reply |
//! | `org_#inb_` | `cnv_` | conversation with its lock | one conversation; lists, through the indexes |
//! | `org_#inb_` | `REVIEW#OPEN#rev_` | open opt-out review | open reviews, newest first |
//! | `org_#inb_` | `REVIEW#DONE#rev_` | resolved opt-out review | a repeated delivery, so that the review is not opened again |
//! | `org_#inb_`, `org_#team_` | `EVENTS` | number of the newest event of an inbox or team | every poll of the feed (0.5 RCU) |
//! | `org_#inb_#EVENTS`, `org_#team_#EVENTS` | `EV#number` | event; `ttl` | the feed, if there are new events |
//! | `org_#inb_#evt_`, `org_#team_#evt_` | `CLAIM` | where an event is stored whose writer was behind others; `ttl` | the writer, if the record comes again |
//! | `org_#cnv_` | `msg_` | message with its delivery reports | history, newest first; one message |
//! | `org_#SID#carrier#digest` | `CLAIM` | claim on an inbound message, also of an erased one | the first conditional write of a webhook |
//! | `org_#KEY#digest` | `KEY` | idempotency key; `ttl` | a repeated POST |
//! | `org_#NUMBERS` | `NUMBERS` | set of the numbers of an organization's inboxes | every creation of an inbox, so that there is a limit |
//! | `org_#TEAMS` | `team_` | team in the list of its organization | the owner's list of teams |
//! | `org_#team_` | `TEAM` | team with its registration status | every send |
//! | `org_#team_` | `REGISTRATION` | campaign: details, ids at the carrier, reasons of a rejection | registration |
//! | `org_#team_` | `STEP#millis#id` | step of the registration, by the carrier's event id | timeline, newest first |
//! | `org_#team_` | `NOTIFY` | notification settings | settings, every notification |
//! | `org_#team_` | `USER#user` | member with role, name and address | list of members, admins to notify |
//! | `org_#team_` | `inb_` | inbox in the list of its team | list of inboxes |
//! | `org_#team_` | `PERSONAL#user` | personal inbox of a user | creation, so that a user has one in each team |
//! | `org_#team_` | `con_` | contact | compose by contact, names |
//! | `org_#team_` | `NUMBER#+1…` | contact that is shown for a number | compose, first inbound message |
//! | `org_#team_` | `REMOVED#con_` | number of a contact whose removal is not finished | a repeated removal |
//! | `org_#team_` | `NUMBER#+1…#con_` | contact that has a number | search, the next contact that is shown |
//! | `org_#team_` | `EXT#id` | contact by the customer's id | search, imports |
//! | `org_#team_` | `FIND#name#con_` | contact by name | search by the beginning of a name |
//! | `org_#team_` | `OUT#millis#con_` | opt-out change | the team's ledger, newest first |
//! | `org_#con_` | `OUT#millis` | opt-out change | the contact's ledger |
//! | `org_#OPTOUT#scope#digest` | `STATE` | opt-out and block of a number, within a team, the organization or all personal inboxes | every keyword, every send, contacts |
//! | `org_#team_` | `imp_` | import: file, progress, counts; `ttl` | report, worker, latest imports |
//! | `org_#team_` | `IMPORTING` | the team's running import | worker |
//! | `org_#imp_` | `ERRORS#row#part` | errors of an import, a few hundred rows per item; `ttl` | report |
//! | `org_#team_` | `seg_` | segment of contacts | list, audiences |
//! | `org_#seg_` | `con_` | contact in a static segment | audiences |
//! | `org_#team_` | `bct_` | broadcast | list, worker; the sweep, through the index |
//! | `org_#bct_` | `BROADCAST` | team of a broadcast | requests |
//! | `org_#bct_` | `LEASE` | worker that prepares or releases a broadcast; `ttl` | workers |
//! | `org_#bct_` | `HALT` | version since which a broadcast is halted, and whether its texts are stopped; `ttl` | releases, sends |
//! | `org_#bct_#preparation#shard` | `+1…` | recipient; `ttl` | releases, through the index; results |
//! | `org_#bct_#preparation#shard` | `COUNTS` | how many recipients of the partition are in each state | progress |
//! | `org_#team_` | `tpl_` | template | list, sends by template |
//! | `org_#team_` | `TPLNAME#name` | template by name | creation and renaming, so that names are unique |
//! | `org_#team_#AUDIT` | `millis#id` | audit event | audit trail, newest first |
//! | `org_#AUDIT` | `millis#id` | audit event of the organization | audit trail, newest first |
//! | `org_#USER#user` | `USER`, `team_`, `inb_` | user, roles, inboxes | `GET /v1/me`, in one query |
//! | `org_#LOCKS#user` | `LOCKS` | set of the locks that a user holds | every acquire; the removal of a member |
//! | `org_#WEBHOOKS` | `wep_` | webhook endpoint with its secrets and failures | every event of the organization, every delivery, settings |
//! | `org_#wep_` | `del_` | delivery of an event to a webhook endpoint; `ttl` | every attempt; deliveries, newest first |
//! | `org_#API#code` | `API` | inbox by API code | sends by integrations |
//! | `NUMBER#+1…` | `NUMBER` | inbox by its number | webhooks |
//! | `ORGANIZATIONS` | `org_` | organization with its first owner | the operator's list |
//! | `ORGNAME#name` | `ORGNAME` | organization by name | creation, so that names are unique |
//! | `CLIENT#id` | `CLIENT` | organization of a machine client, also of a removed one | tokens without an organization claim |
//! | `org_#MACHINES` | client ID | machine client of the organization | the owner's list |
//! | `TICKET#digest` | `TICKET` | ticket of a socket; `ttl` | its handshake |
//! | `org_#SOCKETS` | `user#slot` | socket connection; `ttl` | every event, in one query |
//! | `org_#VIEWERS#cnv_` | `user#slot` | user who views the conversation; `ttl` | viewers of a conversation |
//! | `SERVICE#MG…` | `SERVICE` | team of a messaging service | registration events |
//! | `OUTBOX#shard` | `msg_` | accepted message that is not yet queued | the stream (relay), the sweep |
//! | `OUTBOX#MAIL` | notification | notification that is not yet queued | the stream (relay), the sweep |
//! | `OUTBOX#MEDIA` | `msg_` | inbound message whose media copy is not yet queued | the stream (relay), the sweep |
//! | `org_#TOLD#notification` | digest of the address | claim of a recipient; `ttl` | every e-mail |
//! | `RECONCILE` | `msg_` | message whose send got no answer | the reconciler |
//! | `SENDING` | `org_` | sending pause of an organization | every send (0.5 RCU), the probe of the carrier |
//! | `PENDING` | `org_#team_` | registration that waits for the carrier | the poll |
//! | `PURCHASE` | `org_#inb_` | inbox whose number is being bought | the sweep of abandoned creations |
//! | `RETENTION` | `org_#team_` | team whose messages expire, with the time and the place at which the sweep goes on | the sweep of expired messages |
//! | `RETENTION_SEARCH` | `RETENTION_SEARCH` | how far the search came for teams that `RETENTION` misses | the sweep of expired messages |
//! | `IMPORTS` | `org_#team_#imp_` | import that is not complete, with the time of its next check; `ttl` | the sweep of imports |
//! | `RESTORE` | `RESTORE` | when the last restore of the table began and ended | the writer of events |
//! | `SWEPT` | `+1…` | number with its position in the carrier's list of messages | the sweep of inbound messages |
//!
//! A key that contains input of a request starts with the organization of the caller. The other keys are used
//! only with a number or messaging service of the carrier, a verified token, by scheduled functions, or by
//! the operator's tool.
//!
//! Claims of inbound messages and opt-out states outlive the erasure of a contact. Their keys therefore have
//! a SHA-256 digest in place of the carrier's message id or the number.
//!
//! | index | partition | order | lists |
//! |---|---|---|---|
//! | `inbox-activity` | `pk` of the inbox | `place`: `folder#millis#cnv_` | a folder by last activity |
//! | `inbox-unread` | `unreadIn`: `pk`, only while unread | `place` | unread conversations |
//! | `inbox-assigned` | `assignedIn`: `org_#inb_#user`, only if the contact is assigned | `place` | conversations of a user's contacts |
//! | `delivery-checks` | `checkIn`: `CHECK#shard`, only while the message is `sent` | `checkAt` | messages whose delivery is not reported |
//! | `delivery-checks` | `checkIn`: `WEBHOOKS#shard`, only if it may have deliveries that wait | `checkAt` | webhook endpoints |
//! | `delivery-checks` | `checkIn`: `org_#wep_`, only while the delivery waits | `checkAt` | webhook deliveries of an endpoint |
//! | `delivery-checks` | `checkIn`: `BROADCASTS`, only while the broadcast has work to do | `checkAt` | broadcasts to continue |
//! | `delivery-checks` | `checkIn`: `org_#bct_#preparation#shard`, only while the recipient waits | `checkAt` | recipients to release |
//! | `delivery-checks` | `checkIn`: `inb_`, only if the message failed and is not sent again | `checkAt`: the failure | failed messages of an inbox |
//!
//! The partition of a conversation in an index does not depend on its activity, and its `place` does not
//! depend on the partitions. A write that moves a conversation in its folder therefore sets one attribute,
//! without knowing whether the conversation is unread or assigned.

use sha2::{Digest, Sha256};
use shared_domain::{
    broadcast::BroadcastRef,
    conversation::Folder,
    event::EventScope,
    ids::{
        BroadcastId, ContactId, ConversationId, EventId, ImportId, InboxId, KeywordReplyId, MessageId,
        OrganizationId, ReviewId, SegmentId, TeamId, TemplateId, UserId, WebhookDeliveryId,
        WebhookEndpointId,
    },
    keys::{ConversationKey, InboxKey, TeamKey},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::realtime::Place;
pub use crate::table::item::Key;

/// Index that lists a folder by last activity.
pub const INBOX_ACTIVITY: &str = "inbox-activity";
/// Sparse index of unread conversations, by last activity.
pub const INBOX_UNREAD: &str = "inbox-unread";
/// Sparse index of conversations whose contact is assigned, by last activity.
pub const INBOX_ASSIGNED: &str = "inbox-assigned";
/// Sparse index of messages that are sent and have no final state, by the time of their next check, and of
/// messages that failed, by the time of the failure.
pub const DELIVERY_CHECKS: &str = "delivery-checks";
/// Number of partitions of outbox messages. A conversation stays in one partition, so its messages keep their
/// order.
pub const OUTBOX_SHARDS: u64 = 4;
/// Prefix of all outbox partitions. The filter of the stream in `template.yaml` contains it as well.
pub const OUTBOX_PREFIX: &str = "OUTBOX#";

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

pub fn keyword_reply(inbox: InboxKey<'_>, reply: &KeywordReplyId) -> Key {
    Key::new(inbox_partition(inbox), format!("{KEYWORD_REPLIES}{reply}"))
}

/// Prefix of the keyword replies in an inbox's partition.
pub const KEYWORD_REPLIES: &str = "KWREPLY#";

/// Keyword reply by a keyword in the form in which keywords are compared, which has no `#`.
pub fn keyword(inbox: InboxKey<'_>, keyword: &str) -> Key {
    Key::new(inbox_partition(inbox), format!("KEYWORD#{keyword}"))
}

pub fn pace(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "PACE")
}

/// What the broadcasts of an inbox have released and not sent.
pub fn texts_ahead(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "AHEAD")
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

/// Prefix of the conversations in an inbox's partition.
pub const CONVERSATIONS: &str = "cnv_";

pub fn conversation(key: ConversationKey<'_>) -> Key {
    Key::new(inbox_partition(key.inbox_key()), key.conversation.as_str())
}

/// The number of the newest event of an inbox or team, beside the inbox or team.
pub fn newest_event(scope: &EventScope) -> Key {
    Key::new(format!("{}#{}", scope.organization(), scope.id()), NEWEST_EVENT)
}

/// Sort key of the number of the newest event.
pub const NEWEST_EVENT: &str = "EVENTS";

/// Partition of the events of an inbox or team.
pub fn events_partition(scope: &EventScope) -> String {
    format!("{}#{}#EVENTS", scope.organization(), scope.id())
}

/// Where an event is stored that did not get one of the first numbers after its change.
pub fn event_claim(scope: &EventScope, event: &EventId) -> Key {
    Key::new(format!("{}#{}#{event}", scope.organization(), scope.id()), "CLAIM")
}

/// Sort key of an event. Twelve digits sort as numbers.
pub fn event_place(sequence: u64) -> String {
    format!("{EVENTS}{sequence:012}")
}

/// Prefix of the events in their partition.
pub const EVENTS: &str = "EV#";

/// Ticket of a socket, by the digest of its secret.
pub fn ticket(secret: &str) -> Key {
    Key::new(format!("TICKET#{}", data_encoding::HEXLOWER.encode(&Sha256::digest(secret))), "TICKET")
}

/// Partition of the socket connections of an organization.
pub fn sockets_partition(organization: &OrganizationId) -> String {
    format!("{organization}#SOCKETS")
}

pub fn socket(place: &Place) -> Key {
    Key::new(sockets_partition(&place.organization), format!("{}#{}", place.user, place.slot))
}

/// Partition of the viewers of a conversation.
pub fn viewers_partition(organization: &OrganizationId, conversation: &ConversationId) -> String {
    format!("{organization}#VIEWERS#{conversation}")
}

pub fn viewer(place: &Place, conversation: &ConversationId) -> Key {
    let partition = viewers_partition(&place.organization, conversation);
    Key::new(partition, format!("{}#{}", place.user, place.slot))
}

/// Partition of a conversation's messages.
pub fn messages_partition(organization: &OrganizationId, conversation: &ConversationId) -> String {
    format!("{organization}#{conversation}")
}

/// Prefix of the messages in their partition.
pub const MESSAGES: &str = "msg_";

pub fn message(organization: &OrganizationId, conversation: &ConversationId, message: &MessageId) -> Key {
    Key::new(messages_partition(organization, conversation), message.as_str())
}

/// Claim on an inbound message by a digest of the carrier's id. It makes the webhook idempotent.
pub fn inbound_claim(organization: &OrganizationId, carrier: &str, carrier_id: &str) -> Key {
    Key::new(format!("{organization}#SID#{carrier}#{}", digest([carrier_id])), "CLAIM")
}

/// Returns the SHA-256 digest of these parts. Different parts give different digests.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    data_encoding::HEXLOWER.encode(&digest.finalize())
}

/// Idempotency key of a principal on a route.
pub fn idempotency(organization: &OrganizationId, principal: &str, route: &str, key: &str) -> Key {
    Key::new(format!("{organization}#KEY#{}", digest([principal, route, key])), "KEY")
}

/// Partition of a team: the team, its contacts, their numbers.
pub fn team_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}", team.organization, team.team)
}

pub fn team(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "TEAM")
}

pub fn contact(team: TeamKey<'_>, contact: &ContactId) -> Key {
    Key::new(team_partition(team), contact.as_str())
}

/// Prefix of the contacts in a team's partition.
pub const CONTACTS: &str = "con_";

/// Contact by the customer's id.
pub fn external_contact(team: TeamKey<'_>, external_id: &str) -> Key {
    Key::new(team_partition(team), format!("EXT#{external_id}"))
}

/// Prefix of the contacts by name in a team's partition.
pub const CONTACT_NAMES: &str = "FIND#";

/// Contact by name, in lowercase.
pub fn contact_name(team: TeamKey<'_>, name: &str, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{CONTACT_NAMES}{name}#{contact}"))
}

pub fn template(team: TeamKey<'_>, template: &TemplateId) -> Key {
    Key::new(team_partition(team), template.as_str())
}

/// Prefix of the templates in a team's partition.
pub const TEMPLATES: &str = "tpl_";

pub fn segment(team: TeamKey<'_>, segment: &SegmentId) -> Key {
    Key::new(team_partition(team), segment.as_str())
}

/// Prefix of the segments in a team's partition.
pub const SEGMENTS: &str = "seg_";

/// Partition of the contacts of a static segment.
pub fn segment_partition(organization: &OrganizationId, segment: &SegmentId) -> String {
    format!("{organization}#{segment}")
}

/// Contact in a static segment.
pub fn segment_contact(organization: &OrganizationId, segment: &SegmentId, contact: &ContactId) -> Key {
    Key::new(segment_partition(organization, segment), contact.as_str())
}

pub fn broadcast(team: TeamKey<'_>, broadcast: &BroadcastId) -> Key {
    Key::new(team_partition(team), broadcast.as_str())
}

/// Prefix of the broadcasts in a team's partition.
pub const BROADCASTS: &str = "bct_";

/// Partition of the broadcasts with work to do in [`DELIVERY_CHECKS`].
pub const OPEN_BROADCASTS: &str = "BROADCASTS";

/// Team of a broadcast.
pub fn broadcast_pointer(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), "BROADCAST")
}

/// Worker of a broadcast.
pub fn broadcast_lease(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), "LEASE")
}

/// Since which version a broadcast is halted, and whether its queued texts are stopped.
pub fn broadcast_halt(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), HALT)
}

/// Sort key of the halt of a broadcast.
pub const HALT: &str = "HALT";

/// Number of partitions of the recipients of a broadcast.
pub const RECIPIENT_SHARDS: u64 = 8;

/// Partition of a shard of the recipients of a broadcast, in the table and in [`DELIVERY_CHECKS`].
pub fn recipients_partition(organization: &OrganizationId, of: &BroadcastRef, shard: u64) -> String {
    let BroadcastRef { broadcast, preparation } = of;
    format!("{organization}#{broadcast}#{preparation}#{shard}")
}

/// Shard of a recipient.
pub fn recipient_shard(number: &PhoneNumber) -> u64 {
    let hash = |all: u64, byte: u8| all.wrapping_mul(31).wrapping_add(byte.into());
    number.as_str().bytes().fold(0, hash) % RECIPIENT_SHARDS
}

pub fn recipient(organization: &OrganizationId, of: &BroadcastRef, number: &PhoneNumber) -> Key {
    Key::new(recipients_partition(organization, of, recipient_shard(number)), number.as_str())
}

/// Counts of a shard of the recipients of a broadcast.
pub fn recipient_counts(organization: &OrganizationId, of: &BroadcastRef, shard: u64) -> Key {
    Key::new(recipients_partition(organization, of, shard), "COUNTS")
}

/// Template by name, in lowercase.
pub fn template_name(team: TeamKey<'_>, name: &str) -> Key {
    Key::new(team_partition(team), format!("TPLNAME#{name}"))
}

pub fn contact_import(team: TeamKey<'_>, import: &ImportId) -> Key {
    Key::new(team_partition(team), import.as_str())
}

/// Prefix of the imports in a team's partition.
pub const IMPORTS: &str = "imp_";

/// The team's running import.
pub fn running_import(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "IMPORTING")
}

/// Partition of an import's errors.
pub fn import_partition(organization: &OrganizationId, import: &ImportId) -> String {
    format!("{organization}#{import}")
}

/// Prefix of the errors from `row` on.
pub fn import_errors_from(row: u64) -> String {
    format!("ERRORS#{row:09}")
}

/// One of several items with the errors from `row` on.
pub fn import_errors(organization: &OrganizationId, import: &ImportId, row: u64, part: usize) -> Key {
    let place = format!("{}#{part:04}", import_errors_from(row));
    Key::new(import_partition(organization, import), place)
}

/// Opt-out state of a number. `scope` is a team's id, `ORGANIZATION` or `PERSONAL`. The digest differs in
/// each organization and scope.
pub fn opt_out(organization: &OrganizationId, scope: &str, number: &PhoneNumber) -> Key {
    let digest = digest([organization.as_str(), scope, number.as_str()]);
    Key::new(format!("{organization}#OPTOUT#{scope}#{digest}"), "STATE")
}

/// Partition of a contact's ledger.
pub fn contact_partition(organization: &OrganizationId, contact: &ContactId) -> String {
    format!("{organization}#{contact}")
}

/// Prefix of the opt-out changes in the partitions of a team and of a contact.
pub const OPT_OUTS: &str = "OUT#";

/// Prefix of the opt-out changes at a time.
pub fn opt_outs_at(at: Timestamp) -> String {
    format!("{OPT_OUTS}{:013}", at.millis())
}

/// Sort key after all opt-out changes.
pub fn opt_outs_end() -> String {
    "OUT$".into()
}

/// Entry of a team's opt-out ledger.
pub fn opt_out_of_team(team: TeamKey<'_>, at: Timestamp, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{}#{contact}", opt_outs_at(at)))
}

/// Entry of a contact's opt-out ledger.
pub fn opt_out_of_contact(organization: &OrganizationId, contact: &ContactId, at: Timestamp) -> Key {
    Key::new(contact_partition(organization, contact), opt_outs_at(at))
}

/// Prefix of the contacts whose removal is not finished.
pub const REMOVED_CONTACTS: &str = "REMOVED#";

/// Number of a contact that is removed and may still be shown on conversations.
pub fn removed_contact(team: TeamKey<'_>, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{REMOVED_CONTACTS}{contact}"))
}

/// Prefix of the pointers from numbers to contacts.
pub const NUMBERS: &str = "NUMBER#";

/// Contact that is shown for a number.
pub fn contact_number(team: TeamKey<'_>, number: &PhoneNumber) -> Key {
    Key::new(team_partition(team), format!("{NUMBERS}{}", number.as_str()))
}

/// Prefix of the contacts that have a number.
pub fn contacts_with_number(number: &PhoneNumber) -> String {
    format!("{NUMBERS}{}#", number.as_str())
}

/// A contact that has a number. Provisional contacts have no such item.
pub fn contact_with_number(team: TeamKey<'_>, number: &PhoneNumber, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{}{contact}", contacts_with_number(number)))
}

/// Partition of a user: the user, roles, inboxes.
pub fn user_partition(organization: &OrganizationId, user: &UserId) -> String {
    format!("{organization}#USER#{user}")
}

pub fn user(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(user_partition(organization, user), "USER")
}

/// Role of a user in a team.
pub fn user_team(organization: &OrganizationId, user: &UserId, team: &TeamId) -> Key {
    Key::new(user_partition(organization, user), team.as_str())
}

/// Membership in an inbox, in the user's partition.
pub fn user_inbox(organization: &OrganizationId, user: &UserId, inbox: &InboxId) -> Key {
    Key::new(user_partition(organization, user), inbox.as_str())
}

/// The locks that a user holds.
pub fn held_locks(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(format!("{organization}#LOCKS#{user}"), "LOCKS")
}

/// Attribute of [`held_locks`].
pub fn held_lock(inbox: &InboxId, conversation: &ConversationId) -> String {
    format!("{inbox}#{conversation}")
}

/// Inbox by API code, ignoring case.
pub fn api_code(organization: &OrganizationId, code: &str) -> Key {
    Key::new(format!("{organization}#API#{}", code.to_ascii_lowercase()), "API")
}

/// The numbers of an organization's inboxes.
pub fn owned_numbers(organization: &OrganizationId) -> Key {
    Key::new(format!("{organization}#NUMBERS"), "NUMBERS")
}

/// Partition of an organization's list of teams.
pub fn teams_partition(organization: &OrganizationId) -> String {
    format!("{organization}#TEAMS")
}

/// Team in the organization's list.
pub fn team_in_list(team: TeamKey<'_>) -> Key {
    Key::new(teams_partition(team.organization), team.team.as_str())
}

/// Member in the team's partition.
pub fn team_member(team: TeamKey<'_>, user: &UserId) -> Key {
    Key::new(team_partition(team), format!("{TEAM_MEMBERS}{user}"))
}

/// Prefix of the members in a team's partition.
pub const TEAM_MEMBERS: &str = "USER#";

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

pub fn registration(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "REGISTRATION")
}

/// Step of a registration. The same event at the same time has the same key.
pub fn registration_step(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(team_partition(team), format!("{REGISTRATION_STEPS}{:013}#{id}", at.millis()))
}

/// Prefix of the registration steps in a team's partition.
pub const REGISTRATION_STEPS: &str = "STEP#";

pub fn notification_settings(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "NOTIFY")
}

/// Partition of a team's audit trail.
pub fn audit_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}#AUDIT", team.organization, team.team)
}

/// Event of the audit trail.
pub fn audit_event(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(audit_partition(team), format!("{:013}#{id}", at.millis()))
}

/// Event of an organization's own audit trail.
pub fn organization_audit_event(organization: &OrganizationId, at: Timestamp, id: &str) -> Key {
    Key::new(format!("{organization}#AUDIT"), format!("{:013}#{id}", at.millis()))
}

/// Partition of the list of organizations.
pub const ORGANIZATIONS: &str = "ORGANIZATIONS";

pub fn organization(organization: &OrganizationId) -> Key {
    Key::new(ORGANIZATIONS, organization.as_str())
}

/// Organization by name, ignoring case.
pub fn organization_name(name: &str) -> Key {
    Key::new(format!("ORGNAME#{}", name.to_lowercase()), "ORGNAME")
}

/// Team of a messaging service.
pub fn messaging_service(sid: &str) -> Key {
    Key::new(format!("SERVICE#{sid}"), "SERVICE")
}

/// Partition of an organization's webhook endpoints.
pub fn webhooks_partition(organization: &OrganizationId) -> String {
    format!("{organization}#WEBHOOKS")
}

pub fn webhook_endpoint(organization: &OrganizationId, endpoint: &WebhookEndpointId) -> Key {
    Key::new(webhooks_partition(organization), endpoint.as_str())
}

/// Partition of the webhook endpoints with deliveries that wait, in the index `delivery-checks`.
pub fn webhook_checks_partition(shard: u64) -> String {
    format!("WEBHOOKS#{shard}")
}

/// The partition of a webhook endpoint among the [`webhook_checks_partition`]s.
pub fn webhook_checks(endpoint: &WebhookEndpointId) -> String {
    webhook_checks_partition(shard_of(endpoint.as_str()))
}

/// Partition of the deliveries to a webhook endpoint. Those that wait have it in the index `delivery-checks`
/// as well.
pub fn webhook_deliveries(organization: &OrganizationId, endpoint: &WebhookEndpointId) -> String {
    format!("{organization}#{endpoint}")
}

pub fn webhook_delivery(
    organization: &OrganizationId,
    endpoint: &WebhookEndpointId,
    delivery: &WebhookDeliveryId,
) -> Key {
    Key::new(webhook_deliveries(organization, endpoint), delivery.as_str())
}

/// Partition of the registrations that wait for the carrier.
pub const PENDING: &str = "PENDING";

pub fn pending_registration(team: TeamKey<'_>) -> Key {
    Key::new(PENDING, format!("{}#{}", team.organization, team.team))
}

/// Partition of the imports that are not complete.
pub const OPEN_IMPORTS: &str = "IMPORTS";

/// Prefix of an organization's imports in [`OPEN_IMPORTS`].
pub fn open_imports(organization: &OrganizationId) -> String {
    format!("{organization}#")
}

pub fn open_import(team: TeamKey<'_>, import: &ImportId) -> Key {
    Key::new(OPEN_IMPORTS, format!("{}#{}#{import}", team.organization, team.team))
}

/// Partition of the teams whose messages expire.
pub const RETENTION: &str = "RETENTION";

pub fn retention(team: TeamKey<'_>) -> Key {
    Key::new(RETENTION, format!("{}#{}", team.organization, team.team))
}

/// How far the search for teams came that are missing there.
pub fn retention_search() -> Key {
    Key::new("RETENTION_SEARCH", "RETENTION_SEARCH")
}

/// Partition of the inboxes whose number is being bought.
pub const PURCHASE: &str = "PURCHASE";

pub fn purchase(inbox: InboxKey<'_>) -> Key {
    Key::new(PURCHASE, format!("{}#{}", inbox.organization, inbox.inbox))
}

/// Partition of the numbers whose messages at the carrier are swept.
pub const SWEPT_NUMBERS: &str = "SWEPT";

pub fn swept_number(number: &PhoneNumber) -> Key {
    Key::new(SWEPT_NUMBERS, number.as_str())
}

/// Partition of the notifications in the outbox.
pub const NOTIFICATIONS: &str = "OUTBOX#MAIL";

/// Whether the image of an outbox item is a notification.
pub fn is_notification(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == NOTIFICATIONS)
}

/// Partition of the media copies in the outbox.
pub const MEDIA: &str = "OUTBOX#MEDIA";

/// Whether the image of an outbox item is a media copy.
pub fn is_media(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == MEDIA)
}

/// Media copy in the outbox.
pub fn media(message: &MessageId) -> Key {
    Key::new(MEDIA, message.as_str())
}

/// Notification in the outbox.
pub fn notification(id: &str) -> Key {
    Key::new(NOTIFICATIONS, id)
}

/// Claim of one recipient of a notification.
pub fn recipient_claim(organization: &OrganizationId, notification: &str, address: &str) -> Key {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(address.to_lowercase()));
    Key::new(format!("{organization}#TOLD#{notification}"), digest)
}

/// Inbox by its number.
pub fn inbox_number(number: &PhoneNumber) -> Key {
    Key::new(format!("NUMBER#{}", number.as_str()), "NUMBER")
}

/// Organization of a machine client.
pub fn machine_client(client: &str) -> Key {
    Key::new(format!("CLIENT#{client}"), "CLIENT")
}

/// Partition of an organization's list of machine clients.
pub fn machines_partition(organization: &OrganizationId) -> String {
    format!("{organization}#MACHINES")
}

/// Machine client in the organization's list.
pub fn machine(organization: &OrganizationId, client: &str) -> Key {
    Key::new(machines_partition(organization), client)
}

/// Prefix of all reviews in an inbox's partition.
pub const REVIEWS: &str = "REVIEW#";

/// Prefix of the open reviews in an inbox's partition.
pub const OPEN_REVIEWS: &str = "REVIEW#OPEN#";

pub fn open_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("{OPEN_REVIEWS}{review}"))
}

/// Prefix of the resolved reviews in an inbox's partition.
pub const RESOLVED_REVIEWS: &str = "REVIEW#DONE#";

/// Sort key before all resolved reviews of messages that were received at `at` or later.
pub fn resolved_reviews_until(at: Timestamp) -> String {
    format!("{RESOLVED_REVIEWS}{}", ReviewId::new(at, 0))
}

pub fn resolved_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("{RESOLVED_REVIEWS}{review}"))
}

/// Partition of a shard of the outbox.
pub fn outbox_partition(shard: u64) -> String {
    format!("{OUTBOX_PREFIX}{shard}")
}

/// Message in the outbox.
pub fn outbox(conversation: &ConversationId, message: &MessageId) -> Key {
    Key::new(outbox_partition(shard(conversation)), message.as_str())
}

fn shard(conversation: &ConversationId) -> u64 {
    shard_of(conversation.as_str())
}

fn shard_of(id: &str) -> u64 {
    id.bytes().map(u64::from).sum::<u64>() % OUTBOX_SHARDS
}

/// Partition of a shard in [`DELIVERY_CHECKS`]. There are as many as of the outbox.
pub fn delivery_checks_partition(shard: u64) -> String {
    format!("CHECK#{shard}")
}

/// Partition of a conversation's messages in [`DELIVERY_CHECKS`].
pub fn delivery_checks(conversation: &ConversationId) -> String {
    delivery_checks_partition(shard(conversation))
}

/// Partition of the messages whose send got no answer.
pub const RECONCILE: &str = "RECONCILE";

pub fn reconcile(message: &MessageId) -> Key {
    Key::new(RECONCILE, message.as_str())
}

/// Partition of the last restore.
pub const RESTORE: &str = "RESTORE";

/// The last restore of the table.
pub fn restore() -> Key {
    Key::new(RESTORE, RESTORE)
}

/// Partition of the sending states of all organizations.
pub const SENDING: &str = "SENDING";

/// Sending state of an organization.
pub fn sending(organization: &OrganizationId) -> Key {
    Key::new(SENDING, organization.as_str())
}

/// Partition of a user's assigned conversations in [`INBOX_ASSIGNED`].
pub fn assigned_in(inbox: InboxKey<'_>, user: &UserId) -> String {
    format!("{}#{}#{user}", inbox.organization, inbox.inbox)
}

/// Prefix of a folder in the indexes.
pub fn folder(folder: Folder) -> String {
    format!("{}#", folder.as_str())
}

/// Sort key in the indexes. Thirteen digits of milliseconds sort as numbers until the year 2286.
pub fn place(folder: Folder, at: Timestamp, conversation: &ConversationId) -> String {
    format!("{}#{:013}#{conversation}", folder.as_str(), at.millis())
}

/// Parses a [`place`]. `None` if it is not one.
pub fn parse_place(place: &str) -> Option<(Folder, Timestamp, ConversationId)> {
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
    fn different_parts_never_give_the_same_idempotency_key() {
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
    fn a_place_contains_the_folder_and_the_time() {
        let cnv = ConversationId::parse("cnv_1").unwrap();
        let at = Timestamp::from_millis(1_800_000_000_000);
        let parts = parse_place(&place(Folder::Archived, at, &cnv));
        assert_eq!(parts, Some((Folder::Archived, at, cnv)));
        for text in
            ["", "inbox", "inbox#", "trash#1#cnv_1", "inbox#x#cnv_1", "inbox#1#inb_1", "inbox#1#cnv_a b"]
        {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
