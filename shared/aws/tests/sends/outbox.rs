//! The outbox: accepted messages that are not queued yet, and sends whose outcome is unknown.

use std::time::Duration;

use shared_aws::{
    messaging::{Guard, Outbox, OutboxEntry, SWEEP_AFTER, UnknownSend},
    table::keys,
};
use shared_domain::message::Message;

use super::LockedConversation;
use crate::support::{TestStores, ada, at_second, number};

const INSTANT: Duration = Duration::from_millis(1);

fn entry(stores: &TestStores, message: &Message) -> OutboxEntry {
    OutboxEntry {
        organization: stores.organization().clone(),
        message: message.id.clone(),
        at: message.created_at,
        of_broadcast: false,
    }
}

/// Accepts messages to several contacts, one per second.
async fn accepted(stores: &TestStores, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for index in 0..count {
        let message =
            stores.outbound(&number(index), "The office is closed today.", &ada(), at_second(index as u64));
        let guard = Guard::Compose { user: None };
        stores.accept(&message, guard, None).await;
        messages.push(message);
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_image_of_an_outbox_item_contains_organization_and_message() {
    let locked = LockedConversation::new().await;
    let (stores, reply) = (&locked.stores, locked.reply(10));
    stores.accept(&reply, locked.guard(), None).await;
    let image = stores.item(keys::outbox(&reply.conversation, &reply.id)).await.unwrap();
    assert!(
        image["pk"].as_s().unwrap().starts_with(keys::OUTBOX_PREFIX),
        "the filter of the stream selects this prefix"
    );
    assert_eq!(Outbox::entry(image.into()).unwrap(), entry(stores, &reply));
    let message =
        stores.item(keys::message(stores.organization(), &reply.conversation, &reply.id)).await.unwrap();
    assert!(Outbox::entry(message.into()).is_err(), "a message is not an outbox item");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_entries_older_than_the_relay_needs() {
    let stores = TestStores::start().await;
    let messages = accepted(&stores, 9).await;
    let found = async |at| {
        let mut found = stores.outbox.overdue(at).await.unwrap();
        found.sort_by_key(|entry| entry.at);
        found
    };
    assert_eq!(found(at_second(0) + SWEEP_AFTER).await, []);
    assert_eq!(found(at_second(0) + SWEEP_AFTER + INSTANT).await, [entry(&stores, &messages[0])]);
    let all: Vec<OutboxEntry> = messages.iter().map(|message| entry(&stores, message)).collect();
    assert_eq!(found(at_second(600)).await, all, "entries of all shards");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_queued_entry_twice_is_removing_it_once() {
    let stores = TestStores::start().await;
    let messages = accepted(&stores, 2).await;
    let [first, second] = [0, 1].map(|index| entry(&stores, &messages[index]));
    stores.outbox.remove(&first).await.unwrap();
    stores.outbox.remove(&first).await.unwrap();
    assert_eq!(stores.outbox.overdue(at_second(600)).await.unwrap(), [second]);
    assert!(stores.messages.get(stores.organization(), &messages[0].id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_with_an_unknown_outcome_are_listed_in_order_until_they_are_resolved() {
    let stores = TestStores::start().await;
    let messages = accepted(&stores, 3).await;
    for message in messages.iter().rev() {
        stores.outbox.mark_unknown(stores.organization(), &message.id, message.created_at).await.unwrap();
    }
    stores.outbox.mark_resolved(&messages[1].id).await.unwrap();
    stores.outbox.mark_resolved(&messages[1].id).await.unwrap();
    let waiting = stores.outbox.unknown().await.unwrap();
    let unknown = |index: usize| UnknownSend {
        organization: stores.organization().clone(),
        message: messages[index].id.clone(),
        since: messages[index].created_at,
        misses: 0,
    };
    assert_eq!(waiting, [0, 2].map(unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_send_keeps_the_time_of_its_first_lost_answer_and_counts_misses_from_its_last() {
    let stores = TestStores::start().await;
    let message = accepted(&stores, 1).await.remove(0);
    let found = async || {
        let found = stores.outbox.unknown().await.unwrap();
        found.into_iter().map(|send| (send.since, send.misses)).collect::<Vec<_>>()
    };
    let lose = async |second| {
        stores.outbox.mark_unknown(stores.organization(), &message.id, at_second(second)).await.unwrap();
    };
    stores.outbox.count_miss(&message.id).await.unwrap();
    assert_eq!(found().await, [], "a resolved message is not listed again");
    lose(10).await;
    stores.outbox.count_miss(&message.id).await.unwrap();
    assert_eq!(found().await, [(at_second(10), 1)]);
    lose(20).await;
    assert_eq!(found().await, [(at_second(10), 0)]);
}
