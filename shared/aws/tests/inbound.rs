//! Inbound messages: each is stored and counted once, also after redeliveries and crashes.

use std::time::Duration;

use shared_aws::{
    conversation::ConversationUpdate,
    messaging::{Accepted, Guard, Inbound, InboundText, Receipt},
    table::keys,
};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Filter, Folder},
    ids::{ConversationId, InboxId, MediaId, MessageId},
    inbox::Inbox,
    media::{Media, MediaState},
    message::{DeliveryState, Direction, Message},
    notification::{MailingPreference, Notification, NotificationKind, NotificationSettings},
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, audit_event, ben, contact, inbound_text, number};

const CARRIER_ID: &str = "SM6f1c0e8d3b5a4f7e9d2c1b0a98765432";

async fn receive(stores: &TestStores, text: &InboundText, at: Timestamp) -> Receipt {
    stores.inbound.receive(&stores.inbox, text, at).await.unwrap().0
}

async fn history(stores: &TestStores, conversation: &ConversationId) -> Vec<Message> {
    stores.messages.history(stores.organization(), conversation, 50, None).await.unwrap().items
}

async fn history_ids(stores: &TestStores, conversation: &ConversationId) -> Vec<MessageId> {
    history(stores, conversation).await.into_iter().map(|message| message.id).collect()
}

/// Delivers the messages at the same time, each through its own client.
async fn deliver_at_once(stores: &TestStores, deliveries: Vec<(InboundText, Timestamp)>) -> Vec<Receipt> {
    let mut hosts = JoinSet::new();
    for (text, at) in deliveries {
        let (inbound, inbox): (Inbound, Inbox) = (Inbound::new(stores.table()), stores.inbox.clone());
        hosts.spawn(async move { inbound.receive(&inbox, &text, at).await.unwrap().0 });
    }
    hosts.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_starts_an_unread_conversation_at_the_top_of_the_inbox() {
    let stores = TestStores::start().await;
    let media = vec![Media {
        id: MediaId::of_inbound("MM1", 0),
        copy: None,
        content_type: Some("image/jpeg".into()),
        state: MediaState::Pending { source: "https://api.example.com/Media/ME1".into() },
    }];
    let text =
        InboundText { media: media.clone(), ..inbound_text(&number(143), CARRIER_ID, "Here is my form") };
    let Receipt::Stored(id) = receive(&stores, &text, at_second(1)).await else {
        panic!("expected a new one")
    };
    let conversation = stores.conversation_id(&number(143));
    let stored = stores.messages.get(stores.organization(), &id).await.unwrap().unwrap();
    assert_eq!((stored.direction, stored.text.as_str()), (Direction::Inbound, "Here is my form"));
    assert_eq!((stored.media, stored.created_at), (media, at_second(1)));
    assert_eq!(
        (stored.carrier_id.as_deref(), stored.delivery.state()),
        (Some(CARRIER_ID), DeliveryState::Received)
    );
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!((stored.folder, stored.read, stored.last_activity_at), (Folder::Inbox, false, at_second(1)));
    assert_eq!((stored.last_message.id, stored.last_inbound), (id.clone(), Some(id)));
    assert_eq!(stores.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_message_is_a_duplicate_and_writes_nothing() {
    let stores = TestStores::start().await;
    let text = inbound_text(&number(143), CARRIER_ID, "Hello?");
    let Receipt::Stored(id) = receive(&stores, &text, at_second(1)).await else {
        panic!("expected a new one")
    };
    let conversation = stores.conversation_id(&number(143));
    stores
        .update_conversation(
            &conversation,
            ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) },
            at_second(900),
        )
        .await;
    let items = stores.items().await;
    assert_eq!(receive(&stores, &text, at_second(30)).await, Receipt::Duplicate(id));
    assert_eq!(stores.items().await, items, "the conversation stays read and archived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_deliveries_of_one_message_store_it_once() {
    let stores = TestStores::start().await;
    let text = inbound_text(&number(143), CARRIER_ID, "Hello?");
    let deliveries = (0..12).map(|index| (text.clone(), at_second(index % 3))).collect();
    let receipts = deliver_at_once(&stores, deliveries).await;
    let stored: Vec<_> = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Stored(_))).collect();
    let [Receipt::Stored(id)] = stored[..] else { panic!("expected one stored message: {receipts:?}") };
    let same = receipts.iter().filter(|receipt| **receipt == Receipt::Duplicate(id.clone())).count();
    assert_eq!(same, receipts.len() - 1);
    let conversation = stores.conversation_id(&number(143));
    assert_eq!(history_ids(&stores, &conversation).await, std::slice::from_ref(id));
    assert_eq!(stores.stored_conversation(&conversation).await.last_inbound.as_ref(), Some(id));
}

/// Delivers a message, reverts the writes that a crashed host would not have made, and redelivers the
/// message later.
async fn redeliver_after_crash(stores: &TestStores, lost_message: bool) -> (Conversation, Vec<Message>) {
    let text = inbound_text(&number(143), CARRIER_ID, "The second one");
    let conversation = stores.conversation_id(&number(143));
    let conversation_key = keys::conversation(stores.inbox.key().conversation(&conversation));
    let before = stores.item(conversation_key.clone()).await;
    let inbox_before = stores.item(keys::inbox(stores.inbox.key())).await.unwrap();
    let Receipt::Stored(id) = receive(stores, &text, at_second(10)).await else {
        panic!("expected a new one")
    };
    stores.put_item(inbox_before).await;
    if lost_message {
        stores.delete_item(keys::message(stores.organization(), &conversation, &id)).await;
    }
    match before {
        Some(item) => stores.put_item(item).await,
        None => stores.delete_item(conversation_key).await,
    }
    assert_eq!(receive(stores, &text, at_second(600)).await, Receipt::Duplicate(id));
    (stores.stored_conversation(&conversation).await, history(stores, &conversation).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_completes_an_interrupted_one_and_keeps_its_time() {
    for lost_message in [true, false] {
        for conversation_exists in [true, false] {
            let stores = TestStores::start().await;
            if conversation_exists {
                stores.receive(&number(143), "The first one", at_second(0)).await;
            }
            let (stored, messages) = redeliver_after_crash(&stores, lost_message).await;
            let case = format!("message lost: {lost_message}, conversation known: {conversation_exists}");
            assert_eq!(messages.len(), 1 + usize::from(conversation_exists), "{case}");
            assert_eq!(
                (messages[0].text.as_str(), messages[0].created_at),
                ("The second one", at_second(10)),
                "{case}"
            );
            assert_eq!(stored.last_message.id, messages[0].id, "{case}");
            assert_eq!((stored.read, stored.last_activity_at), (false, at_second(10)), "{case}");
            assert_eq!(stores.unread().await, 1, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_messages_are_all_stored_in_one_conversation() {
    let stores = TestStores::start().await;
    let text = |index: usize| inbound_text(&number(143), &format!("SM{index:032}"), &format!("Part {index}"));
    let receipts = deliver_at_once(&stores, (0..8).map(|index| (text(index), at_second(5))).collect()).await;
    assert!(receipts.iter().all(|receipt| matches!(receipt, Receipt::Stored(_))), "{receipts:?}");
    let conversation = stores.conversation_id(&number(143));
    let ids = history_ids(&stores, &conversation).await;
    assert_eq!(ids.len(), receipts.len());
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!(
        (&stored.last_message.id, stored.last_inbound.as_ref()),
        (&ids[0], Some(&ids[0])),
        "the highest id is the newest"
    );
    let listed = stores.list(Folder::Inbox, &Filter::default(), 10, None).await;
    assert_eq!(listed.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_message_received_after_a_reply_is_listed_below_it_and_is_unread() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let reply = stores.outbound(&number(143), "Yes, until noon.", &ada(), at_second(20));
    let seen = stores.stored_conversation(&conversation).await.last_inbound;
    let token = stores.acquire_lock(&conversation, &ada(), at_second(15)).await.token;
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: seen.as_ref() };
    assert_eq!(stores.accept(&reply, guard, None).await, Accepted::Stored);
    stores
        .update_conversation(
            &conversation,
            ConversationUpdate { read: Some(true), ..ConversationUpdate::default() },
            at_second(900),
        )
        .await;

    let late = stores.receive(&number(143), "And on Saturday?", at_second(10)).await;
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!(stored.last_message.id, reply.id, "the reply is the newest message");
    assert_eq!(stored.last_activity_at, at_second(20));
    assert_eq!((stored.folder, stored.read, stored.last_inbound), (Folder::Inbox, false, Some(late.clone())));
    assert_eq!(history_ids(&stores, &conversation).await[..2], [reply.id, late]);
    assert_eq!(stores.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_older_than_the_reply_that_did_not_see_it_is_unread() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let newer = stores.receive(&number(143), "Second thought: never mind", at_second(15)).await;
    let reply = stores.outbound(&number(143), "All right.", &ada(), at_second(20));
    let token = stores.acquire_lock(&conversation, &ada(), at_second(16)).await.token;
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: Some(&newer) };
    assert_eq!(stores.accept(&reply, guard, None).await, Accepted::Stored);

    let late = inbound_text(&number(143), CARRIER_ID, "One question");
    assert!(matches!(receive(&stores, &late, at_second(10)).await, Receipt::Stored(_)));
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!((stored.folder, stored.read), (Folder::Inbox, false), "no member has read it");
    assert_eq!((stored.last_message.id, stored.last_inbound), (reply.id, Some(newer)));

    let archived = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    stores.update_conversation(&conversation, archived, at_second(900)).await;
    assert!(matches!(receive(&stores, &late, at_second(30)).await, Receipt::Duplicate(_)));
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!((stored.folder, stored.read), (Folder::Archived, true), "a redelivery changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_inbound_message_never_goes_back_when_a_clock_does() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(100)).await;
    let newest = stores.stored_conversation(&conversation).await.last_inbound;
    let token = stores.acquire_lock(&conversation, &ada(), at_second(89)).await.token;
    let reply = stores.outbound(&number(143), "From a slow clock", &ada(), at_second(90));
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: newest.as_ref() };
    assert_eq!(stores.accept(&reply, guard, None).await, Accepted::Stored);
    stores.receive(&number(143), "Between both", at_second(95)).await;
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!(stored.last_inbound, newest);
    assert_eq!((stored.folder, stored.read), (Folder::Inbox, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_of_two_inbound_messages_stays_on_top_when_the_older_arrives_last() {
    let stores = TestStores::start().await;
    let newer = stores.receive(&number(143), "Second thought: never mind", at_second(10)).await;
    let older = stores.receive(&number(143), "One question", at_second(9)).await;
    let conversation = stores.conversation_id(&number(143));
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!((&stored.last_message.id, stored.last_inbound.as_ref()), (&newer, Some(&newer)));
    assert_eq!(history_ids(&stores, &conversation).await, [newer, older]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unknown_number_becomes_one_provisional_contact() {
    let stores = TestStores::start().await;
    let text = |index: usize| inbound_text(&number(143), &format!("SM{index:032}"), "Hi");
    deliver_at_once(&stores, (0..6).map(|index| (text(index), at_second(index as u64))).collect()).await;
    let unknown = Contact::provisional(&stores.inbox.team, &number(143));
    let found = stores.contacts.by_number(stores.inbox.team_key(), &number(143)).await.unwrap();
    assert_eq!(found, Some(unknown.clone()));
    assert_eq!(stores.stored_conversation(&stores.conversation_id(&number(143))).await.contact, unknown);
    let contacts = stores.items().await.into_keys().filter(|(_, sk)| sk.starts_with("con_")).count();
    assert_eq!(contacts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_number_starts_a_conversation_with_its_contact() {
    let stores = TestStores::start().await;
    stores.contacts.put(stores.inbox.team_key(), &contact(143)).await.unwrap();
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    assert_eq!(stores.stored_conversation(&conversation).await.contact, contact(143));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_returns_a_read_and_archived_conversation_to_the_inbox_unread() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let done = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    stores.update_conversation(&conversation, done, at_second(900)).await;
    assert_eq!(stores.unread().await, 0);
    stores.receive(&number(143), "One more thing", at_second(1) + Duration::from_millis(1)).await;
    let stored = stores.stored_conversation(&conversation).await;
    assert_eq!((stored.folder, stored.read), (Folder::Inbox, false));
    assert_eq!(stores.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_two_inboxes_are_two_conversations_of_one_contact() {
    let stores = TestStores::start().await;
    let other = Inbox { id: InboxId::new(at_second(0), 44), ..stores.inbox.clone() };
    stores.inboxes.put(&other).await.unwrap();
    stores.receive(&number(143), "To the front desk", at_second(0)).await;
    let text = inbound_text(&number(143), CARRIER_ID, "To the other inbox");
    stores.inbound.receive(&other, &text, at_second(1)).await.unwrap();
    let elsewhere = ConversationId::of(&other.id, &number(143));
    assert_ne!(elsewhere, stores.conversation_id(&number(143)));
    assert_eq!(history(&stores, &elsewhere).await.len(), 1);
    assert_eq!(stores.unread_in(&other.id).await, 1);
    assert_eq!(stores.unread().await, 1);
}

/// Enables notifications about unknown numbers.
async fn enable_unknown_contact_notifications(stores: &TestStores) {
    let unknown_contact =
        MailingPreference { enabled: true, recipients: vec!["desk@college.example".into()] };
    let settings = NotificationSettings { unknown_contact, ..NotificationSettings::default() };
    let ben = ben();
    let audit_event = audit_event(&ben, "notifications.edit", "team", at_second(0));
    stores.teams.put_notification_settings(stores.inbox.team_key(), &settings, &audit_event).await.unwrap();
}

async fn notifications(stores: &TestStores) -> Vec<Notification> {
    stores.notifications.overdue(at_second(9_000)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_messages_of_an_unknown_number_create_one_notification() {
    let stores = TestStores::start().await;
    enable_unknown_contact_notifications(&stores).await;
    let text = |index: usize| inbound_text(&number(143), &format!("SM{:032}", index % 4), "Hi");
    deliver_at_once(&stores, (0..12).map(|index| (text(index), at_second(index as u64))).collect()).await;
    stores.receive(&number(143), "Anybody there?", at_second(100)).await;
    let [notice] = &notifications(&stores).await[..] else { panic!("expected one notification") };
    let contact = Contact::provisional(&stores.inbox.team, &number(143)).id;
    assert_eq!(notice.subject, NotificationKind::UnknownContact { contact, inbox: stores.inbox.id.clone() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_after_a_crash_at_any_request_creates_one_notification() {
    let text = inbound_text(&number(143), CARRIER_ID, "Hi");
    for requests in 0..20 {
        let stores = TestStores::start().await;
        enable_unknown_contact_notifications(&stores).await;
        let host = Inbound::new(stores.crashing_table(requests));
        let died = host.receive(&stores.inbox, &text, at_second(1)).await.is_err();
        for again in [2, 3] {
            receive(&stores, &text, at_second(again)).await;
        }
        let [notice] = &notifications(&stores).await[..] else {
            panic!("expected one notification after {requests} requests")
        };
        let message = history_ids(&stores, &stores.conversation_id(&number(143))).await;
        assert_eq!(notice.id, format!("unknown-contact-{}", message[0]), "{requests}");
        if !died {
            assert!(requests > 6, "{requests}");
            return;
        }
    }
    panic!("no delivery completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_contact_or_a_disabled_setting_creates_no_notification() {
    let stores = TestStores::start().await;
    stores.receive(&number(1), "Hi", at_second(1)).await;
    enable_unknown_contact_notifications(&stores).await;
    stores.contacts.put(stores.inbox.team_key(), &contact(2)).await.unwrap();
    stores.receive(&number(2), "Hi", at_second(2)).await;
    let other = Inbox { id: InboxId::new(at_second(0), 44), ..stores.inbox.clone() };
    let again = inbound_text(&number(1), CARRIER_ID, "To another inbox");
    stores.inbound.receive(&other, &again, at_second(3)).await.unwrap();
    assert_eq!(notifications(&stores).await, []);
}
