//! What is accepted and not yet queued, and what the carrier must be asked about.

use std::time::Duration;

use shared_aws::{
    messaging::{Guard, Outbox, OutboxEntry, SWEEP_AFTER},
    table::keys,
};
use shared_domain::message::Message;

use super::Answering;
use crate::support::{Desk, ada, number, seconds};

const INSTANT: Duration = Duration::from_millis(1);

fn entry(desk: &Desk, message: &Message) -> OutboxEntry {
    OutboxEntry {
        organization: desk.organization().clone(),
        message: message.id.clone(),
        at: message.created_at,
    }
}

/// Texts to several people, accepted one second after the other.
async fn accepted(desk: &Desk, how_many: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for place in 0..how_many {
        let message =
            desk.draft(&number(place), "The office is closed today.", &ada(), seconds(place as u64));
        let guard = Guard::Compose { user: None };
        desk.accept(&message, guard, None).await;
        messages.push(message);
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_s_image_of_an_outbox_row_names_tenant_and_message() {
    let answering = Answering::new().await;
    let (desk, reply) = (&answering.desk, answering.reply(10));
    desk.accept(&reply, answering.guard(), None).await;
    let image = desk.row(keys::outbox(&reply.conversation, &reply.id)).await.unwrap();
    assert!(image["pk"].as_s().unwrap().starts_with(keys::OUTBOX_PREFIX), "the stream's filter goes by it");
    assert_eq!(Outbox::entry(image.into()).unwrap(), entry(desk, &reply));
    let message = desk.row(keys::message(desk.organization(), &reply.conversation, &reply.id)).await.unwrap();
    assert!(Outbox::entry(message.into()).is_err(), "a message is no outbox row");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_was_left_for_longer_than_the_relay_needs() {
    let desk = Desk::open().await;
    let messages = accepted(&desk, 9).await;
    let found = async |at| {
        let mut found = desk.outbox.overdue(at).await.unwrap();
        found.sort_by_key(|entry| entry.at);
        found
    };
    assert_eq!(found(seconds(0) + SWEEP_AFTER).await, []);
    assert_eq!(found(seconds(0) + SWEEP_AFTER + INSTANT).await, [entry(&desk, &messages[0])]);
    let all: Vec<OutboxEntry> = messages.iter().map(|message| entry(&desk, message)).collect();
    assert_eq!(found(seconds(600)).await, all, "from every shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_queued_is_removed_and_removing_it_twice_is_removing_it_once() {
    let desk = Desk::open().await;
    let messages = accepted(&desk, 2).await;
    let [first, second] = [0, 1].map(|place| entry(&desk, &messages[place]));
    desk.outbox.remove(&first).await.unwrap();
    desk.outbox.remove(&first).await.unwrap();
    assert_eq!(desk.outbox.overdue(seconds(600)).await.unwrap(), [second]);
    assert!(desk.messages.get(desk.organization(), &messages[0].id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_with_an_unknown_answer_wait_in_their_order_until_the_carrier_has_answered() {
    let desk = Desk::open().await;
    let messages = accepted(&desk, 3).await;
    for message in messages.iter().rev() {
        desk.outbox.mark_unknown(desk.organization(), &message.id, message.created_at).await.unwrap();
    }
    desk.outbox.mark_resolved(&messages[1].id).await.unwrap();
    desk.outbox.mark_resolved(&messages[1].id).await.unwrap();
    let waiting = desk.outbox.unknown().await.unwrap();
    assert_eq!(waiting, [0, 2].map(|place| entry(&desk, &messages[place])));
}
