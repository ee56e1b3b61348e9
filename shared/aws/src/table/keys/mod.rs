//! The keys of all items. An id starts with its kind (`org_`, `inb_`, …) and contains no `#`, so ids joined
//! by `#` are a unique key.
//!
//! Each noun has a file with its keys. No two keys have the same name, so callers do not name the file:
//! `keys::recipient`.
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

mod broadcast;
mod contact;
mod conversation;
mod event;
mod import;
mod inbox;
mod keyword_reply;
mod message;
mod notification;
mod opt_out;
mod organization;
mod outbox;
mod realtime;
mod registration;
mod segment;
mod sending;
mod team;
mod template;
mod user;
mod webhook;

use sha2::{Digest, Sha256};
use shared_domain::ids::OrganizationId;

pub use self::{
    broadcast::*, contact::*, conversation::*, event::*, import::*, inbox::*, keyword_reply::*, message::*,
    notification::*, opt_out::*, organization::*, outbox::*, realtime::*, registration::*, segment::*,
    sending::*, team::*, template::*, user::*, webhook::*,
};
pub use crate::table::item::Key;

/// Sparse index of messages that are sent and have no final state, by the time of their next check, and of
/// messages that failed, by the time of the failure.
pub const DELIVERY_CHECKS: &str = "delivery-checks";

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

/// Partition of the last restore.
pub const RESTORE: &str = "RESTORE";

/// The last restore of the table.
pub fn restore() -> Key {
    Key::new(RESTORE, RESTORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_parts_never_give_the_same_idempotency_key() {
        let org = OrganizationId::parse("org_1").unwrap();
        assert_ne!(idempotency(&org, "ab", "c", "d"), idempotency(&org, "a", "bc", "d"));
    }
}
