//! Outbound messages and their delivery.

use std::time::Duration;

use shared_aws::{
    conversation::ConversationUpdate,
    messaging::{Acceptance, Accepted, FailedMessages, Guard},
    sending::{Paces, Reservation},
    table::Idempotency,
};
use shared_domain::{
    contact::Contact,
    conversation::Folder,
    ids::MessageId,
    message::{DeliveryState, Message, Report},
};

use crate::support::{TestStores, ada, at_second, contact, number};

use super::{Measurements, TEXT};

pub(super) async fn sends(measured: &mut Measurements) -> MessageId {
    let conversation = measured.conversation(3).await;
    let ada = ada();
    let token = measured.stores.acquire_lock(&conversation, &ada, at_second(5)).await.token;
    let given = Idempotency {
        principal: "staff-104217",
        route: "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages",
        key: "0d9c7f3e-5d6c-4f0a-9b7e-2f1d8c3b4a59",
        body: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };
    let reply = async |stores: &TestStores, text: &str, at, idempotency| {
        let message = stores.outbound(&number(3), text, &ada, at_second(at));
        // Each reply moves the conversation to Archived, so it is returned to Inbox before the next.
        stores
            .update_conversation(
                &conversation,
                ConversationUpdate { folder: Some(Folder::Inbox), read: None },
                at_second(900),
            )
            .await;
        let guard = Guard::Reply { lock: Some((&ada.id, token)), seen: Some(&message.id) };
        let (answer, bill) = stores.cost(stores.accept(&message, guard, idempotency)).await;
        (answer, bill, message.id)
    };
    let long = "a".repeat(1500);
    for (operation, text, at, idempotency) in [
        ("reply", TEXT, 10, None),
        ("reply with idempotency key", TEXT, 11, Some(given)),
        ("reply of 1,500 characters", long.as_str(), 12, None),
    ] {
        let (answer, bill, _) = reply(&measured.stores, text, at, idempotency).await;
        assert_eq!(answer, Accepted::Stored);
        measured.lines.push((operation, bill));
    }
    let (answer, bill, _) = reply(&measured.stores, TEXT, 600, None).await;
    assert!(matches!(answer, Accepted::Refused(_)));
    measured.lines.push(("reply, refused", bill));
    let unassigned_contact = Contact { assigned: None, ..contact(58) };
    measured.stores.contacts.put(measured.stores.inbox.team_key(), &unassigned_contact).await.unwrap();
    let unassigned = measured.conversation(58).await;
    let token = measured.stores.acquire_lock(&unassigned, &ada, at_second(60)).await.token;
    let message = measured.stores.outbound(&number(58), TEXT, &ada, at_second(61));
    let guard = Guard::Reply { lock: Some((&ada.id, token)), seen: Some(&message.id) };
    let unassigned_contact = measured
        .measure("reply, no assigned user", async |stores| stores.accept(&message, guard, None).await);
    assert_eq!(unassigned_contact.await, Accepted::Stored);
    let look_up = async |stores: &TestStores| {
        stores.used_keys.get(stores.organization(), given, at_second(13)).await.unwrap()
    };
    measured.measure("look up an idempotency key", look_up).await;
    let message = measured.stores.outbound(&number(4), TEXT, &ada, at_second(14));
    let compose = async |stores: &TestStores| {
        let organization = stores.organization();
        let (contact_of_team, guard): (Contact, _) = (contact(4), Guard::Compose { user: Some(&ada.id) });
        let wanted = Acceptance {
            organization,
            message: &message,
            contact: &contact_of_team,
            guard,
            idempotency: None,
        };
        stores.sends.accept(wanted).await.unwrap()
    };
    assert_eq!(measured.measure("compose, new conversation", compose).await, Accepted::Stored);
    message.id
}

pub(super) async fn delivery(measured: &mut Measurements, message: &MessageId) {
    let entry = measured.stores.outbox.overdue(at_second(600)).await.unwrap().pop().unwrap();
    measured
        .measure("delete an outbox item", async |stores| stores.outbox.remove(&entry).await.unwrap())
        .await;
    let paces = Paces::new(measured.stores.metered_table());
    let read = async |stores: &TestStores| paces.get_with_sending_state(stores.inbox.key()).await.unwrap().1;
    let outdated = measured.measure("read the pace and the sending pause", read).await;
    let conversation = message.conversation().unwrap();
    let before_send = async |stores: &TestStores| {
        let of = stores.inbox.key();
        let read = paces.get_with_conversation(of.conversation(&conversation));
        assert_eq!(read.await.unwrap().asked, None);
    };
    measured.measure("read these and the conversation", before_send).await;
    let take = async |stores: &TestStores| {
        paces.take_turn(stores.inbox.key(), outdated, 40, 2, at_second(15)).await.unwrap()
    };
    measured.measure("take a turn", take).await;
    measured.measure("take a turn after a race", take).await;
    let pace = read(&measured.stores).await;
    let plan = async |stores: &TestStores| {
        paces.plan_turn(stores.inbox.key(), pace, 40, 2, Duration::ZERO, at_second(15)).await.unwrap()
    };
    let planned = measured.measure("plan the turn of a text of a broadcast", plan).await;
    let Reservation::Planned(at) = planned else { panic!("{planned:?}") };
    let take_planned =
        async |stores: &TestStores| paces.take_planned_turn(stores.inbox.key(), 40, 2, at, at).await.unwrap();
    let taken = measured.measure("take a planned turn", take_planned).await;
    assert_eq!(taken, Reservation::Turn(at));
    // The reply costs the same while texts of a broadcast wait.
    let pace = read(&measured.stores).await;
    paces.plan_turn(measured.stores.inbox.key(), pace, 40, 2, Duration::ZERO, at).await.unwrap();
    let pace = read(&measured.stores).await;
    let reply =
        async |stores: &TestStores| paces.take_turn(stores.inbox.key(), pace, 40, 2, at).await.unwrap();
    measured.measure("take a turn before a planned one", reply).await;
    let claim = async |stores: &TestStores| {
        stores.messages.claim(stores.organization(), message, 1, at_second(15)).await.unwrap()
    };
    measured.measure("claim a message to send", claim).await;
    let report_on = async |stores: &TestStores, message: &MessageId, state, code: Option<&str>| {
        let detail =
            code.map(|_| "The number cannot receive texts: it is a landline or out of service.".to_owned());
        let report = Report { at: at_second(16), code: code.map(str::to_owned), detail };
        let carrier_id = Some("SM0123456789abcdef0123456789abcdef");
        stores.messages.report(stores.organization(), message, state, &report, carrier_id).await.unwrap()
    };
    let report = async |stores: &TestStores, state, code| report_on(stores, message, state, code).await;
    measured
        .measure("record the outcome of a send", async |stores| {
            report(stores, DeliveryState::Sent, None).await
        })
        .await;
    let failed = async |stores: &TestStores| report(stores, DeliveryState::Undelivered, Some("30006")).await;
    measured.measure("report of a failure", failed).await;
    measured.measure("report of a failure, repeated", failed).await;
    let conversation = message.conversation().unwrap();
    let mark = async |stores: &TestStores| {
        stores
            .conversations
            .mark_delivery(stores.conversation_key(&conversation), message, true)
            .await
            .unwrap();
    };
    measured.measure("show a failure in the lists", mark).await;
    let failed_messages = FailedMessages::new(measured.stores.metered_table());
    let page = async |stores: &TestStores| {
        failed_messages.page(stores.inbox.key(), at_second(0), at_second(60)).await.unwrap().messages
    };
    let [failed] = measured.measure("page of failed messages, with one", page).await.try_into().unwrap();
    let retry = Message {
        id: MessageId::of_retry(&conversation, at_second(60), message),
        retry_of: Some(message.clone()),
        created_at: at_second(60),
        ..measured.stores.outbound(&number(4), &failed.text, &ada(), at_second(60))
    };
    let retry = async |stores: &TestStores| {
        stores.accept(&retry, Guard::Compose { user: Some(&ada().id) }, None).await
    };
    assert_eq!(measured.measure("send a failed message again", retry).await, Accepted::Stored);
    let other = measured.stores.outbound(&number(6), TEXT, &ada(), at_second(61));
    let guard = Guard::Compose { user: Some(&ada().id) };
    assert_eq!(measured.stores.accept(&other, guard, None).await, Accepted::Stored);
    report_on(&measured.stores, &other.id, DeliveryState::Sent, None).await;
    let delivered =
        async |stores: &TestStores| report_on(stores, &other.id, DeliveryState::Delivered, None).await;
    measured.measure("delivery report", delivered).await;
}
