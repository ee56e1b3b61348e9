//! The sizes that the budget stands on: a row of 1 KB costs one write unit, one byte more costs two.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_aws::{messaging::Guard, table::keys};
use shared_domain::{
    keys::TeamKey,
    message::{DeliveryState, Report},
    user::UserRef,
};

use super::WORDS;
use crate::support::{Desk, Row, ada, contact, number, seconds};

/// As DynamoDB counts: names and values in bytes; a number half a byte a digit and one more, a list or map three more
/// and one for each entry.
fn size(row: &Row) -> usize {
    row.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::M(map) => 3 + map.len() + size(map),
        AttributeValue::L(list) => 3 + list.len() + list.iter().map(value_size).sum::<usize>(),
        other => panic!("no row holds {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_with_everything_in_it_is_one_write_unit() {
    let desk = Desk::open().await;
    let asker = contact(9 + 30); // the longest name of the list
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &asker)
        .await
        .unwrap();
    desk.hear(&asker.number, WORDS, seconds(0)).await;
    let conversation = desk.conversation_with(&asker.number);
    let holder = UserRef { name: "Alexandra Konstantinopoulou-Castellanos".into(), ..ada() };
    let broken = desk.open_to_answer(&conversation, &holder, seconds(1)).await.token;
    desk.locks.break_lock(desk.thread(&conversation), &holder, broken).await.unwrap();
    let token = desk.open_to_answer(&conversation, &holder, seconds(2)).await.token;
    let reply = desk.draft(&asker.number, WORDS, &holder, seconds(3));
    let guard = Guard::Reply { lock: Some((&holder.id, token)), seen: None };
    desk.accept(&reply, guard, None).await;
    desk.conversations.mark_delivery(desk.thread(&conversation), &reply.id, true).await.unwrap();
    desk.hear(&asker.number, WORDS, seconds(4)).await;
    let row = desk.row(keys::conversation(desk.inbox.key().conversation(&conversation))).await.unwrap();
    assert!(size(&row) <= 1024, "{} bytes: {row:?}", size(&row));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_one_segment_with_its_whole_way_to_the_phone_is_one_write_unit() {
    let desk = Desk::open().await;
    let message = desk.draft(&number(143), WORDS, &ada(), seconds(0));
    desk.accept(&message, Guard::Compose { user: None }, None).await;
    desk.messages.claim(desk.organization(), &message.id, u64::MAX, seconds(1)).await.unwrap();
    let failure = Report {
        at: seconds(2),
        code: Some("30006".into()),
        detail: Some("The number cannot receive texts: it is a landline or out of service.".into()),
    };
    for state in
        [DeliveryState::Unknown, DeliveryState::Sent, DeliveryState::Undelivered, DeliveryState::Delivered]
    {
        let carrier_id = Some("SM0123456789abcdef0123456789abcdef");
        desk.messages.report(desk.organization(), &message.id, state, &failure, carrier_id).await.unwrap();
    }
    let row = desk.row(keys::message(desk.organization(), &message.conversation, &message.id)).await.unwrap();
    assert!(size(&row) <= 1024, "{} bytes: {row:?}", size(&row));
}
