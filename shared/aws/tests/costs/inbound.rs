//! Inbound messages.

use shared_aws::{conversation::ConversationUpdate, messaging::Receipt};
use shared_domain::conversation::Folder;

use crate::support::{TestStores, at_second, inbound_text, number};

use super::{Measurements, TEXT, receive};

pub(super) async fn inbound(measured: &mut Measurements) {
    let stores = &measured.stores;
    stores.inboxes.put(&stores.inbox).await.unwrap();
    let find = async |stores: &TestStores| stores.inboxes.by_number(&stores.inbox.number).await.unwrap();
    measured.measure("find the inbox of a number", find).await;
    let conversation = measured.conversation(1).await;
    let change = async |stores: &TestStores, folder, read| {
        let change = ConversationUpdate { folder, read: Some(read) };
        stores.update_conversation(&conversation, change, at_second(900)).await;
    };
    measured
        .measure("inbound message, unread conversation", async |stores| receive(stores, 1, 10).await)
        .await;
    change(&measured.stores, None, true).await;
    measured.measure("inbound message, read conversation", async |stores| receive(stores, 1, 20).await).await;
    change(&measured.stores, Some(Folder::Archived), true).await;
    let operation = "inbound message, read and archived conversation";
    measured.measure(operation, async |stores| receive(stores, 1, 30).await).await;
}

pub(super) async fn inbound_first_and_repeated(measured: &mut Measurements) {
    measured
        .measure("inbound message, first of a known contact", async |stores| receive(stores, 2, 40).await)
        .await;
    measured
        .measure("inbound message, first of an unknown number", async |stores| receive(stores, 999, 50).await)
        .await;
    let text = inbound_text(&number(1), "SM0123456789abcdef0123456789abcdef", TEXT);
    let receive = async |stores: &TestStores| {
        stores.inbound.receive(&stores.inbox, &text, at_second(60)).await.unwrap().0
    };
    receive(&measured.stores).await;
    let again = measured.measure("inbound message, redelivered", receive).await;
    assert!(matches!(again, Receipt::Duplicate(_)));
}
