//! Inbound texts: each is stored once and surfaces once, whatever the carrier repeats and wherever a delivery broke off.

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
    keys::{InboxKey, TeamKey},
    media::{Media, MediaState},
    message::{DeliveryState, Direction, Message},
    notice::{MailingPreference, Notification, NotificationKind, NotificationSettings},
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{Desk, ada, audit_event, ben, contact, incoming, number, seconds};

const CARRIER_ID: &str = "SM6f1c0e8d3b5a4f7e9d2c1b0a98765432";

async fn receive(desk: &Desk, text: &InboundText, at: Timestamp) -> Receipt {
    desk.inbound.receive(&desk.inbox, text, at).await.unwrap()
}

async fn history(desk: &Desk, conversation: &ConversationId) -> Vec<Message> {
    desk.messages.history(desk.organization(), conversation, 50, None).await.unwrap().items
}

async fn history_ids(desk: &Desk, conversation: &ConversationId) -> Vec<MessageId> {
    history(desk, conversation).await.into_iter().map(|message| message.id).collect()
}

/// Each text is delivered by a host of its own, all at once.
async fn deliver_at_once(desk: &Desk, deliveries: Vec<(InboundText, Timestamp)>) -> Vec<Receipt> {
    let mut hosts = JoinSet::new();
    for (text, at) in deliveries {
        let (inbound, inbox): (Inbound, Inbox) = (Inbound::new(desk.other_host()), desk.inbox.clone());
        hosts.spawn(async move { inbound.receive(&inbox, &text, at).await.unwrap() });
    }
    hosts.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_text_begins_a_conversation_on_top_of_the_inbox_and_unread() {
    let desk = Desk::open().await;
    let media = vec![Media {
        id: MediaId::of_inbound("MM1", 0),
        content_type: Some("image/jpeg".into()),
        state: MediaState::Pending { source: "https://api.example.com/Media/ME1".into() },
    }];
    let text = InboundText { media: media.clone(), ..incoming(&number(143), CARRIER_ID, "Here is my form") };
    let Receipt::Stored(id) = receive(&desk, &text, seconds(1)).await else { panic!("it is new") };
    let conversation = desk.conversation_with(&number(143));
    let stored = desk.messages.get(desk.organization(), &id).await.unwrap().unwrap();
    assert_eq!((stored.direction, stored.text.as_str()), (Direction::Inbound, "Here is my form"));
    assert_eq!((stored.media, stored.created_at), (media, seconds(1)));
    assert_eq!(
        (stored.carrier_id.as_deref(), stored.delivery.state()),
        (Some(CARRIER_ID), DeliveryState::Received)
    );
    let thread = desk.look_at(&conversation).await;
    assert_eq!((thread.folder, thread.read, thread.last_activity_at), (Folder::Inbox, false, seconds(1)));
    assert_eq!((thread.last_message.id, thread.last_inbound), (id.clone(), Some(id)));
    assert_eq!(desk.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_again_is_a_duplicate_and_writes_nothing() {
    let desk = Desk::open().await;
    let text = incoming(&number(143), CARRIER_ID, "Hello?");
    let Receipt::Stored(id) = receive(&desk, &text, seconds(1)).await else { panic!("it is new") };
    let conversation = desk.conversation_with(&number(143));
    desk.change(
        &conversation,
        ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) },
        seconds(900),
    )
    .await;
    let rows = desk.rows().await;
    assert_eq!(receive(&desk, &text, seconds(30)).await, Receipt::Duplicate(id));
    assert_eq!(desk.rows().await, rows, "not even unread again, since somebody has read and archived it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_deliveries_of_one_text_store_it_once() {
    let desk = Desk::open().await;
    let text = incoming(&number(143), CARRIER_ID, "Hello?");
    let deliveries = (0..12).map(|place| (text.clone(), seconds(place % 3))).collect();
    let receipts = deliver_at_once(&desk, deliveries).await;
    let stored: Vec<_> = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Stored(_))).collect();
    let [Receipt::Stored(id)] = stored[..] else { panic!("not stored once: {receipts:?}") };
    let same = receipts.iter().filter(|receipt| **receipt == Receipt::Duplicate(id.clone())).count();
    assert_eq!(same, receipts.len() - 1);
    let conversation = desk.conversation_with(&number(143));
    assert_eq!(history_ids(&desk, &conversation).await, std::slice::from_ref(id));
    assert_eq!(desk.look_at(&conversation).await.last_inbound.as_ref(), Some(id));
}

/// Delivers a text, takes back what a host that died half-way would not have written, and delivers it again much later.
async fn deliver_again_after(desk: &Desk, lost_message: bool) -> (Conversation, Vec<Message>) {
    let text = incoming(&number(143), CARRIER_ID, "The second one");
    let conversation = desk.conversation_with(&number(143));
    let thread_key = keys::conversation(desk.inbox.key().conversation(&conversation));
    let before = desk.row(thread_key.clone()).await;
    let inbox_before = desk
        .row(keys::inbox(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }))
        .await
        .unwrap();
    let Receipt::Stored(id) = receive(desk, &text, seconds(10)).await else { panic!("it is new") };
    desk.put(inbox_before).await;
    if lost_message {
        desk.forget(keys::message(desk.organization(), &conversation, &id)).await;
    }
    match before {
        Some(row) => desk.put(row).await,
        None => desk.forget(thread_key).await,
    }
    assert_eq!(receive(desk, &text, seconds(600)).await, Receipt::Duplicate(id));
    (desk.look_at(&conversation).await, history(desk, &conversation).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_finishes_what_a_crash_left_undone_and_keeps_the_first_time() {
    for lost_message in [true, false] {
        for known_thread in [true, false] {
            let desk = Desk::open().await;
            if known_thread {
                desk.hear(&number(143), "The first one", seconds(0)).await;
            }
            let (thread, messages) = deliver_again_after(&desk, lost_message).await;
            let case = format!("message lost: {lost_message}, thread known: {known_thread}");
            assert_eq!(messages.len(), 1 + usize::from(known_thread), "{case}");
            assert_eq!(
                (messages[0].text.as_str(), messages[0].created_at),
                ("The second one", seconds(10)),
                "{case}"
            );
            assert_eq!(thread.last_message.id, messages[0].id, "{case}");
            assert_eq!((thread.read, thread.last_activity_at), (false, seconds(10)), "{case}");
            assert_eq!(desk.unread().await, 1, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn texts_at_one_instant_end_in_one_conversation_and_all_are_kept() {
    let desk = Desk::open().await;
    let text = |place: usize| incoming(&number(143), &format!("SM{place:032}"), &format!("Part {place}"));
    let receipts = deliver_at_once(&desk, (0..8).map(|place| (text(place), seconds(5))).collect()).await;
    assert!(receipts.iter().all(|receipt| matches!(receipt, Receipt::Stored(_))), "{receipts:?}");
    let conversation = desk.conversation_with(&number(143));
    let ids = history_ids(&desk, &conversation).await;
    assert_eq!(ids.len(), receipts.len());
    let thread = desk.look_at(&conversation).await;
    assert_eq!(
        (&thread.last_message.id, thread.last_inbound.as_ref()),
        (&ids[0], Some(&ids[0])),
        "the highest id"
    );
    let listed = desk.list(Folder::Inbox, &Filter::default(), 10, None).await;
    assert_eq!(listed.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_text_that_comes_after_a_reply_goes_below_it_and_is_still_unread() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
    let reply = desk.draft(&number(143), "Yes, until noon.", &ada(), seconds(20));
    let seen = desk.look_at(&conversation).await.last_inbound;
    let token = desk.open_to_answer(&conversation, &ada(), seconds(15)).await.token;
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: seen.as_ref() };
    assert_eq!(desk.accept(&reply, guard, None).await, Accepted::Stored);
    desk.change(
        &conversation,
        ConversationUpdate { read: Some(true), ..ConversationUpdate::default() },
        seconds(900),
    )
    .await;

    let late = desk.hear(&number(143), "And on Saturday?", seconds(10)).await;
    let thread = desk.look_at(&conversation).await;
    assert_eq!(thread.last_message.id, reply.id, "the reply is newer");
    assert_eq!(thread.last_activity_at, seconds(20));
    assert_eq!((thread.folder, thread.read, thread.last_inbound), (Folder::Inbox, false, Some(late.clone())));
    assert_eq!(history_ids(&desk, &conversation).await[..2], [reply.id, late]);
    assert_eq!(desk.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_overtaken_and_answered_past_is_brought_back_unread() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
    let newer = desk.hear(&number(143), "Second thought: never mind", seconds(15)).await;
    let reply = desk.draft(&number(143), "All right.", &ada(), seconds(20));
    let token = desk.open_to_answer(&conversation, &ada(), seconds(16)).await.token;
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: Some(&newer) };
    assert_eq!(desk.accept(&reply, guard, None).await, Accepted::Stored);

    let late = incoming(&number(143), CARRIER_ID, "One question");
    assert!(matches!(receive(&desk, &late, seconds(10)).await, Receipt::Stored(_)));
    let thread = desk.look_at(&conversation).await;
    assert_eq!((thread.folder, thread.read), (Folder::Inbox, false), "nobody has seen it");
    assert_eq!((thread.last_message.id, thread.last_inbound), (reply.id, Some(newer)));

    let archived = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    desk.change(&conversation, archived, seconds(900)).await;
    assert!(matches!(receive(&desk, &late, seconds(30)).await, Receipt::Duplicate(_)));
    let thread = desk.look_at(&conversation).await;
    assert_eq!((thread.folder, thread.read), (Folder::Archived, true), "a redelivery changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_inbound_text_never_goes_back_though_a_host_s_clock_does() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(143), seconds(100)).await;
    let newest = desk.look_at(&conversation).await.last_inbound;
    let token = desk.open_to_answer(&conversation, &ada(), seconds(89)).await.token;
    let reply = desk.draft(&number(143), "From a slow clock", &ada(), seconds(90));
    let guard = Guard::Reply { lock: Some((&ada().id, token)), seen: newest.as_ref() };
    assert_eq!(desk.accept(&reply, guard, None).await, Accepted::Stored);
    desk.hear(&number(143), "Between both", seconds(95)).await;
    let thread = desk.look_at(&conversation).await;
    assert_eq!(thread.last_inbound, newest);
    assert_eq!((thread.folder, thread.read), (Folder::Inbox, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_inbound_texts_the_newer_one_stays_on_top_though_the_older_comes_last() {
    let desk = Desk::open().await;
    let newer = desk.hear(&number(143), "Second thought: never mind", seconds(10)).await;
    let older = desk.hear(&number(143), "One question", seconds(9)).await;
    let conversation = desk.conversation_with(&number(143));
    let thread = desk.look_at(&conversation).await;
    assert_eq!((&thread.last_message.id, thread.last_inbound.as_ref()), (&newer, Some(&newer)));
    assert_eq!(history_ids(&desk, &conversation).await, [newer, older]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unknown_number_becomes_one_provisional_contact() {
    let desk = Desk::open().await;
    let text = |place: usize| incoming(&number(143), &format!("SM{place:032}"), "Hi");
    deliver_at_once(&desk, (0..6).map(|place| (text(place), seconds(place as u64))).collect()).await;
    let unknown = Contact::provisional(&desk.inbox.team, &number(143));
    let found = desk
        .contacts
        .by_number(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &number(143))
        .await
        .unwrap();
    assert_eq!(found, Some(unknown.clone()));
    assert_eq!(desk.look_at(&desk.conversation_with(&number(143))).await.contact, unknown);
    let contacts = desk.rows().await.into_keys().filter(|(_, sk)| sk.starts_with("con_")).count();
    assert_eq!(contacts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_the_team_s_list_brings_its_contact_along() {
    let desk = Desk::open().await;
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(143))
        .await
        .unwrap();
    let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
    assert_eq!(desk.look_at(&conversation).await.contact, contact(143));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_brings_a_read_and_archived_conversation_back_unread() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
    let done = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    desk.change(&conversation, done, seconds(900)).await;
    assert_eq!(desk.unread().await, 0);
    desk.hear(&number(143), "One more thing", seconds(1) + Duration::from_millis(1)).await;
    let thread = desk.look_at(&conversation).await;
    assert_eq!((thread.folder, thread.read), (Folder::Inbox, false));
    assert_eq!(desk.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_to_two_inboxes_are_two_conversations_of_one_contact() {
    let desk = Desk::open().await;
    let other = Inbox { id: InboxId::new(seconds(0), 44), ..desk.inbox.clone() };
    desk.inboxes.put(&other).await.unwrap();
    desk.hear(&number(143), "To the front desk", seconds(0)).await;
    let text = incoming(&number(143), CARRIER_ID, "To the other inbox");
    desk.inbound.receive(&other, &text, seconds(1)).await.unwrap();
    let elsewhere = ConversationId::of(&other.id, &number(143));
    assert_ne!(elsewhere, desk.conversation_with(&number(143)));
    assert_eq!(history(&desk, &elsewhere).await.len(), 1);
    assert_eq!(desk.unread_in(&other.id).await, 1);
    assert_eq!(desk.unread().await, 1);
}

/// The team wants to know of unknown numbers.
async fn curious(desk: &Desk) {
    let unknown_contact =
        MailingPreference { enabled: true, recipients: vec!["desk@college.example".into()] };
    let settings = NotificationSettings { unknown_contact, ..NotificationSettings::default() };
    let ben = ben();
    let audit_event = audit_event(&ben, "notifications.edit", "team", seconds(0));
    desk.teams
        .put_notification_settings(
            TeamKey { organization: desk.organization(), team: &desk.inbox.team },
            &settings,
            &audit_event,
        )
        .await
        .unwrap();
}

async fn told(desk: &Desk) -> Vec<Notification> {
    desk.notices.overdue(seconds(9_000)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn texts_of_an_unknown_number_at_once_and_again_leave_one_notice() {
    let desk = Desk::open().await;
    curious(&desk).await;
    let text = |place: usize| incoming(&number(143), &format!("SM{:032}", place % 4), "Hi");
    deliver_at_once(&desk, (0..12).map(|place| (text(place), seconds(place as u64))).collect()).await;
    desk.hear(&number(143), "Anybody there?", seconds(100)).await;
    let [notice] = &told(&desk).await[..] else { panic!("not one notice") };
    let contact = Contact::provisional(&desk.inbox.team, &number(143)).id;
    assert_eq!(notice.subject, NotificationKind::UnknownContact { contact, inbox: desk.inbox.id.clone() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_anywhere_leaves_one_notice_once_the_text_comes_again() {
    let text = incoming(&number(143), CARRIER_ID, "Hi");
    for requests in 0..20 {
        let desk = Desk::open().await;
        curious(&desk).await;
        let host = Inbound::new(desk.mortal_host(requests));
        let died = host.receive(&desk.inbox, &text, seconds(1)).await.is_err();
        for again in [2, 3] {
            receive(&desk, &text, seconds(again)).await;
        }
        let [notice] = &told(&desk).await[..] else { panic!("not one notice: {requests}") };
        let message = history_ids(&desk, &desk.conversation_with(&number(143))).await;
        assert_eq!(notice.id, format!("unknown-contact-{}", message[0]), "{requests}");
        if !died {
            assert!(requests > 6, "{requests}");
            return;
        }
    }
    panic!("it never lived");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_notice_of_who_is_known_nor_to_a_team_that_wants_none() {
    let desk = Desk::open().await;
    desk.hear(&number(1), "Hi", seconds(1)).await;
    curious(&desk).await;
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(2))
        .await
        .unwrap();
    desk.hear(&number(2), "Hi", seconds(2)).await;
    let other = Inbox { id: InboxId::new(seconds(0), 44), ..desk.inbox.clone() };
    let again = incoming(&number(1), CARRIER_ID, "To another inbox");
    desk.inbound.receive(&other, &again, seconds(3)).await.unwrap();
    assert_eq!(told(&desk).await, []);
}
