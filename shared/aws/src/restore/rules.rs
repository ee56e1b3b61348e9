//! What of a backup is restored, and how.
//!
//! Some things went on after the backup and must not go back with the table: numbers of events and lock
//! tokens that clients know grow by a step for each restore, connections and what keeps something from
//! being done twice stay as they are, and what waited to be sent by e-mail or webhook was sent since.
//! Messages that waited for the carrier are restored and reconciled with it.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::time::Timestamp;

use crate::table::{
    error::StoreError,
    item::{Item, Key, number, string_attribute},
    keys,
};

/// By how much the numbers of events and the lock tokens of conversations grow with each restore, so that
/// cursors and tokens from before are refused. More than an inbox has events in the 35 days of a backup.
/// Numbers of JSON hold millions of restores.
const STEP: u64 = 1_000_000_000;

/// By how much the numbers grow in the restore with this number.
pub(super) fn step(generation: u64) -> u64 {
    generation.saturating_mul(STEP)
}

/// What happens to an item of a backup.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    Restore(Item),
    /// It is not restored, and removed from the table.
    Drop,
    /// The table keeps what it has.
    Keep,
}

/// Returns the key of an item.
pub(super) fn key_of(item: &Item) -> Result<Key, StoreError> {
    let key = string_attribute(item, "pk").zip(string_attribute(item, "sk"));
    let (pk, sk) = key.ok_or_else(|| StoreError::Corrupt("an item without a key".into()))?;
    Ok(Key::new(pk, sk))
}

/// Whether the table keeps what it has at this key: the restore itself, sending pauses, connections, what the
/// carrier said about the pace of a number, and claims of e-mails and automatic replies that went out.
pub(super) fn is_kept(key: &Key) -> bool {
    key.pk == keys::RESTORE
        || key.pk == keys::SENDING
        || key.pk.contains("#SOCKETS")
        || key.pk.contains("#VIEWERS#")
        || key.pk.contains("#TOLD#")
        || key.pk.starts_with("TICKET#")
        || key.sk == "PACE"
        || key.sk.starts_with("AWAY#cnv_")
}

/// Applies the rules to an item of a backup.
pub(super) fn restore(mut item: Item, generation: u64, now: Timestamp) -> Result<Rule, StoreError> {
    let key = key_of(&item)?;
    let (pk, sk) = (key.pk.as_str(), key.sk.as_str());
    if is_kept(&key) {
        return Ok(Rule::Keep);
    }
    let is_expired = integer(&item, "ttl").is_some_and(|ttl| ttl < now.seconds());
    let is_event = sk.starts_with(keys::EVENTS) || (sk == "CLAIM" && pk.contains("#evt_"));
    let is_waiting_delivery = sk.starts_with("del_") && item.contains_key("checkIn");
    let is_lock_entry = pk.contains("#LOCKS#");
    // A number that was being bought is in use by now, and the sweep of creations would release it.
    let is_purchase = pk == keys::PURCHASE;
    let was_sent = is_event || is_waiting_delivery || pk == keys::NOTIFICATIONS;
    if is_expired || was_sent || is_lock_entry || is_purchase {
        return Ok(Rule::Drop);
    }
    if sk == keys::NEWEST_EVENT {
        add(&mut item, "seq", step(generation));
    } else if sk.starts_with("cnv_") {
        add(&mut item, "fence", step(generation));
    } else if sk == keys::HALT {
        // Its version may be newer than the broadcast of the backup. No worker of before the restore runs.
        item.remove("halted");
    }
    Ok(Rule::Restore(item))
}

fn integer(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Adds to a number that counts from 0.
fn add(item: &mut Item, name: &str, step: u64) {
    let before: u64 = item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
    item.insert(name.to_owned(), number(before + step));
}

/// The item that says how many events an inbox or team had, for one that had none at the backup.
pub(super) fn first_events(partition: String, generation: u64) -> Item {
    let mut item = Key::new(partition, keys::NEWEST_EVENT).into_item();
    item.insert("seq".into(), AttributeValue::N(step(generation).to_string()));
    item
}

/// Whether an item is an inbox or team, which numbers events.
pub(super) fn numbers_events(key: &Key) -> bool {
    key.sk == "INBOX" || key.sk == "TEAM"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::item::text;

    const NOW: i64 = 1_800_000_000_000;

    fn stored(pk: &str, sk: &str, more: &[(&str, AttributeValue)]) -> Item {
        let mut item = Key::new(pk, sk).into_item();
        item.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        item
    }

    fn rule(item: &Item) -> Rule {
        restore(item.clone(), 2, Timestamp::from_millis(NOW)).unwrap()
    }

    #[test]
    fn a_message_is_restored_as_it_was() {
        let message = stored("org_1#cnv_1", "msg_1", &[("text", text("Hello"))]);
        assert_eq!(rule(&message), Rule::Restore(message));
    }

    #[test]
    fn lock_tokens_and_numbers_of_events_go_on_after_those_before() {
        let conversation = stored("org_1#inb_1", "cnv_1", &[("fence", number(7))]);
        let expected = stored("org_1#inb_1", "cnv_1", &[("fence", number(2 * STEP + 7))]);
        assert_eq!(rule(&conversation), Rule::Restore(expected));
        let without = stored("org_1#inb_1", "cnv_1", &[]);
        let expected = stored("org_1#inb_1", "cnv_1", &[("fence", number(2 * STEP))]);
        assert_eq!(rule(&without), Rule::Restore(expected));
        let newest = stored("org_1#inb_1", "EVENTS", &[("seq", number(41))]);
        let expected = stored("org_1#inb_1", "EVENTS", &[("seq", number(2 * STEP + 41))]);
        assert_eq!(rule(&newest), Rule::Restore(expected));
    }

    #[test]
    fn what_was_sent_since_and_what_is_over_is_not_restored() {
        for (pk, sk, more) in [
            ("OUTBOX#MAIL", "x", None),
            ("PURCHASE", "org_1#inb_1", None),
            ("org_1#wep_1", "del_1", Some(("checkIn", text("org_1#wep_1")))),
            ("org_1#inb_1#EVENTS", "EV#000000000001", None),
            ("org_1#inb_1#evt_1", "CLAIM", None),
            ("org_1#LOCKS#usr_1", "LOCKS", None),
            ("org_1#KEY#1", "KEY", Some(("ttl", number(NOW / 1000 - 1)))),
        ] {
            assert_eq!(rule(&stored(pk, sk, more.as_slice())), Rule::Drop, "{pk}");
        }
        let sent = stored("org_1#wep_1", "del_1", &[("ttl", number(NOW / 1000 + 1))]);
        assert_eq!(rule(&sent), Rule::Restore(sent));
    }

    #[test]
    fn a_halt_keeps_whether_it_stopped_the_texts_and_not_the_version_of_the_broadcast() {
        let (halted, stopped) = (("halted", number(7)), ("stopsTexts", AttributeValue::Bool(true)));
        let restored = rule(&stored("org_1#bct_1", "HALT", &[halted, stopped.clone()]));
        assert_eq!(restored, Rule::Restore(stored("org_1#bct_1", "HALT", &[stopped])));
    }

    #[test]
    fn the_pause_the_connections_and_the_claims_of_now_are_kept() {
        for (pk, sk) in [
            ("SENDING", "org_1"),
            ("RESTORE", "RESTORE"),
            ("org_1#SOCKETS", "usr_1#1"),
            ("org_1#inb_1", "PACE"),
            ("org_1#inb_1", "AWAY#cnv_1#2026-11-29"),
            ("org_1#TOLD#ntf_1", "digest"),
            ("org_1#VIEWERS#cnv_1", "usr_1#1"),
            ("TICKET#1", "TICKET"),
        ] {
            assert_eq!(rule(&stored(pk, sk, &[])), Rule::Keep, "{pk}");
        }
    }
}
