//! An idempotency key belongs to one message, from its acceptance until the key expires.

use std::{sync::Arc, time::Duration};

use shared_aws::{
    messaging::{Acceptance, Accepted, Guard, Sends},
    table::{Idempotency, KEY_LIFETIME, Remembered},
};
use shared_domain::{contact::Contact, message::Message};
use tokio::task::JoinSet;

use super::LockedConversation;
use crate::support::{TestStores, ada, at_second, number};

const GIVEN: Idempotency<'_> = Idempotency {
    principal: "staff-104217",
    route: "POST /v1/messages",
    key: "0d9c7f3e-5d6c-4f0a-9b7e-2f1d8c3b4a59",
    body: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
};

fn stored_key(message: &Message) -> Remembered {
    Remembered { body: GIVEN.body.to_owned(), made: message.id.to_string() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_stored_with_its_body_for_one_principal_and_route() {
    let locked = LockedConversation::new().await;
    let stores = &locked.stores;
    let reply = locked.reply(10);
    let recall =
        async |given| stores.used_keys.get(stores.organization(), given, at_second(11)).await.unwrap();
    assert_eq!(recall(GIVEN).await, None);
    assert_eq!(stores.accept(&reply, locked.guard(), Some(GIVEN)).await, Accepted::Stored);
    assert_eq!(recall(GIVEN).await, Some(stored_key(&reply)));
    assert_eq!(
        recall(Idempotency { body: "another", ..GIVEN }).await,
        Some(stored_key(&reply)),
        "the caller compares the bodies"
    );
    for other in [
        Idempotency { principal: "staff-104388", ..GIVEN },
        Idempotency { route: "POST /v1/broadcasts", ..GIVEN },
        Idempotency { key: "0d9c7f3e", ..GIVEN },
    ] {
        assert_eq!(recall(other).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_key_stores_nothing() {
    let locked = LockedConversation::new().await;
    let stores = &locked.stores;
    stores.accept(&locked.reply(10), locked.guard(), Some(GIVEN)).await;
    let items = stores.items().await;
    assert_eq!(stores.accept(&locked.reply(11), locked.guard(), Some(GIVEN)).await, Accepted::KeyTaken);
    assert_eq!(stores.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_key_is_reported_before_a_failed_guard() {
    let locked = LockedConversation::new().await;
    let reply = locked.reply(10);
    locked.stores.accept(&reply, locked.guard(), Some(GIVEN)).await;
    let long_after_the_lock = locked.reply(600);
    let answer = locked.stores.accept(&long_after_the_lock, locked.guard(), Some(GIVEN)).await;
    assert_eq!(answer, Accepted::KeyTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_leaves_its_key_unused() {
    let locked = LockedConversation::new().await;
    let stores = &locked.stores;
    let late = stores.accept(&locked.reply(65), locked.guard(), Some(GIVEN)).await;
    assert!(matches!(late, Accepted::Refused(Some(_))));
    assert_eq!(stores.used_keys.get(stores.organization(), GIVEN, at_second(66)).await.unwrap(), None);
    assert_eq!(stores.accept(&locked.reply(64), locked.guard(), Some(GIVEN)).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_ignored_even_if_its_item_still_exists() {
    let stores = TestStores::start().await;
    let compose = async |at| {
        let message = stores.outbound(&number(143), "Your appointment is on Friday.", &ada(), at);
        let answer = stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, Some(GIVEN)).await;
        (message, answer)
    };
    let recall = async |at| stores.used_keys.get(stores.organization(), GIVEN, at).await.unwrap();
    let (first, _) = compose(at_second(0)).await;
    let last = at_second(0) + KEY_LIFETIME;
    assert_eq!(recall(last).await, Some(stored_key(&first)));
    assert_eq!(compose(last).await.1, Accepted::KeyTaken);
    let over = last + Duration::from_secs(1);
    assert_eq!(recall(over).await, None);
    let (second, answer) = compose(over).await;
    assert_eq!(answer, Accepted::Stored);
    assert_eq!(recall(over).await, Some(stored_key(&second)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_replies_at_once_under_one_key_one_is_stored() {
    let locked = Arc::new(LockedConversation::new().await);
    let mut hosts = JoinSet::new();
    for index in 0..8 {
        let (locked, sends) = (Arc::clone(&locked), Sends::new(locked.stores.table()));
        hosts.spawn(async move {
            let message = locked.reply(10 + index);
            let contact = Contact::provisional(&message.team, &message.contact_number);
            let organization = locked.stores.organization();
            let (guard, idempotency) = (locked.guard(), Some(GIVEN));
            let wanted =
                Acceptance { organization, message: &message, contact: &contact, guard, idempotency };
            sends.accept(wanted).await.unwrap()
        });
    }
    let answers = hosts.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::Stored).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::KeyTaken).count(), 7, "{answers:?}");
    let stores = &locked.stores;
    let history =
        stores.messages.history(stores.organization(), &locked.conversation, 50, None).await.unwrap();
    assert_eq!(history.items.len(), 2, "one inbound message and one reply");
}
