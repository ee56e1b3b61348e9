//! The item sizes that the costs depend on: an item of up to 1 KB costs one write unit, and a larger one
//! costs two.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_aws::{messaging::Guard, table::keys};
use shared_domain::{
    message::{DeliveryState, Report},
    user::UserRef,
};

use super::TEXT;
use crate::support::{Item, TestStores, ada, at_second, contact, number};

/// Returns the size as DynamoDB counts it: names and values in bytes, a number as half a byte per digit
/// plus one, and a list or map as three bytes plus one per entry.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::M(map) => 3 + map.len() + size(map),
        AttributeValue::L(list) => 3 + list.len() + list.iter().map(value_size).sum::<usize>(),
        other => panic!("unexpected value: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_with_all_attributes_is_one_write_unit() {
    let stores = TestStores::start().await;
    let longest = contact(9 + 30); // the longest name of the contacts
    stores.contacts.put(stores.inbox.team_key(), &longest).await.unwrap();
    stores.receive(&longest.number, TEXT, at_second(0)).await;
    let conversation = stores.conversation_id(&longest.number);
    let holder = UserRef { name: "Alexandra Konstantinopoulou-Castellanos".into(), ..ada() };
    let broken = stores.acquire_lock(&conversation, &holder, at_second(1)).await.token;
    stores.locks.break_lock(stores.conversation_key(&conversation), &holder, broken).await.unwrap();
    let token = stores.acquire_lock(&conversation, &holder, at_second(2)).await.token;
    let reply = stores.outbound(&longest.number, TEXT, &holder, at_second(3));
    let guard = Guard::Reply { lock: Some((&holder.id, token)), seen: None };
    stores.accept(&reply, guard, None).await;
    stores
        .conversations
        .mark_delivery(stores.conversation_key(&conversation), &reply.id, true)
        .await
        .unwrap();
    stores.receive(&longest.number, TEXT, at_second(4)).await;
    let item = stores.item(keys::conversation(stores.inbox.key().conversation(&conversation))).await.unwrap();
    assert!(size(&item) <= 1024, "{} bytes: {item:?}", size(&item));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_one_segment_with_all_its_reports_is_one_write_unit() {
    let stores = TestStores::start().await;
    let message = stores.outbound(&number(143), TEXT, &ada(), at_second(0));
    stores.accept(&message, Guard::Compose { user: None }, None).await;
    stores.messages.claim(stores.organization(), &message.id, u64::MAX, at_second(1)).await.unwrap();
    let failure = Report {
        at: at_second(2),
        code: Some("30006".into()),
        detail: Some("The number cannot receive texts: it is a landline or out of service.".into()),
    };
    for state in
        [DeliveryState::Unknown, DeliveryState::Sent, DeliveryState::Undelivered, DeliveryState::Delivered]
    {
        let carrier_id = Some("SM0123456789abcdef0123456789abcdef");
        stores
            .messages
            .report(stores.organization(), &message.id, state, &failure, carrier_id)
            .await
            .unwrap();
    }
    let item =
        stores.item(keys::message(stores.organization(), &message.conversation, &message.id)).await.unwrap();
    assert!(size(&item) <= 1024, "{} bytes: {item:?}", size(&item));
}
