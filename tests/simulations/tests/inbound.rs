//! Every inbound message is stored exactly once, or the answer makes the carrier repeat it. Each message is
//! delivered one to five times, shuffled and concurrently over 16 connections, while 0, 1, 10, 50 and
//! finally 100 % of the requests to the table fail. Deliveries answered with 5xx are repeated.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use inbound_sms::{App, handle};
use shared_aws::{
    conversation::{Conversations, Unread},
    inbox::Inboxes,
    messaging::Messages,
};
use shared_domain::{keys::InboxKey, opt_out::KeywordReplies, phone::PhoneNumber, time::Timestamp};
use test_kit::{
    build::INBOX_NUMBER,
    carrier::ACCOUNT,
    faults::Faults,
    twilio::{signed_fields, webhook_accounts},
};
use tokio::task::JoinSet;

use crate::{
    chosen_seed, full_run,
    test_inbox::{START, TestInbox},
};

const CONNECTIONS: usize = 16;
/// The percentages of failing requests, each for an equal part of the deliveries. Remaining deliveries are
/// then repeated without faults.
const FAULT_PERCENTS: [u8; 5] = [0, 1, 10, 50, 100];

/// One delivery of a message.
#[derive(Debug, Clone)]
struct Delivery {
    text: usize,
    sid: String,
    from: PhoneNumber,
    at: Timestamp,
}

async fn deliver(app: &App, delivery: &Delivery) -> u16 {
    let text = format!("Text {}", delivery.text);
    let fields = [
        ("MessageSid", delivery.sid.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", delivery.from.as_str()),
        ("To", INBOX_NUMBER),
        ("Body", text.as_str()),
        ("NumMedia", "0"),
    ];
    let request = signed_fields("POST /webhooks/twilio/messages", "", &fields).request();
    handle(app, delivery.at, 7, request).await.status().as_u16()
}

/// Returns the shuffled deliveries of `texts` messages. With `stable_ids`, repetitions have the same
/// carrier id.
fn deliveries(inbox: &TestInbox, seed: u64, texts: usize, stable_ids: bool) -> Vec<Delivery> {
    let mut entropy = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    for text in 0..texts {
        let from = entropy.choice(&inbox.numbers).unwrap().clone();
        for again in 0..entropy.usize(1..=5) {
            let sid =
                if stable_ids { format!("SM{text:032}") } else { format!("SM{:032}", text * 10 + again) };
            let at = START + Duration::from_millis(entropy.u64(0..600_000));
            all.push(Delivery { text, sid, from: from.clone(), at });
        }
    }
    entropy.shuffle(&mut all);
    all
}

/// Delivers each once over many connections. Returns those answered with 5xx.
async fn deliver_once(inbox: &TestInbox, faults: &Faults, all: Vec<Delivery>) -> Vec<Delivery> {
    let (all, refused) = (Arc::new(Mutex::new(all)), Arc::new(Mutex::new(Vec::new())));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let app = App::new(faults.table(&inbox.app.engine), webhook_accounts(), KeywordReplies::Carrier);
        let (all, refused) = (all.clone(), refused.clone());
        connections.spawn(async move {
            loop {
                let Some(delivery) = all.lock().unwrap().pop() else { return };
                match deliver(&app, &delivery).await {
                    200 => {}
                    500..=599 => refused.lock().unwrap().push(delivery),
                    other => panic!("{other}: {delivery:?}"),
                }
            }
        });
    }
    connections.join_all().await;
    std::mem::take(&mut refused.lock().unwrap())
}

/// Delivers all while requests fail, and repeats those answered with 5xx until they are accepted. Returns
/// the number of repetitions.
async fn deliver_all(inbox: &TestInbox, faults: &Faults, all: Vec<Delivery>) -> usize {
    let share = all.len().div_ceil(FAULT_PERCENTS.len());
    let mut repetitions = 0;
    let mut waiting: Vec<Delivery> = Vec::new();
    for (part, percent) in all.chunks(share).zip(FAULT_PERCENTS) {
        faults.set_percent(percent);
        waiting.extend_from_slice(part);
        let delivered = waiting.len();
        waiting = deliver_once(inbox, faults, waiting).await;
        repetitions += waiting.len();
        let accepted = delivered - waiting.len();
        assert!(percent < 100 || accepted == 0, "{accepted} messages were accepted while the table was down");
    }
    faults.set_percent(0);
    let mut rounds = 0;
    while !waiting.is_empty() {
        rounds += 1;
        assert!(rounds < 100, "{} messages are never accepted", waiting.len());
        waiting = deliver_once(inbox, faults, waiting).await;
        repetitions += waiting.len();
    }
    repetitions
}

/// Returns how often each text is stored.
async fn stored(inbox: &TestInbox) -> BTreeMap<String, usize> {
    let messages = Messages::new(inbox.table());
    let mut counts = BTreeMap::new();
    for contact in 0..inbox.numbers.len() {
        let mut before = None;
        loop {
            let id = inbox.conversation(contact);
            let page = messages.history(inbox.organization(), &id, 100, before.as_deref()).await.unwrap();
            for message in page.items {
                *counts.entry(message.text).or_insert(0) += 1;
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
    }
    counts
}

/// Asserts that every conversation is unread and shows its newest message. Returns the number of
/// conversations.
async fn check_conversations(inbox: &TestInbox) -> u64 {
    let (messages, conversations) = (Messages::new(inbox.table()), Conversations::new(inbox.table()));
    let mut count = 0;
    for contact in 0..inbox.numbers.len() {
        let id = inbox.conversation(contact);
        let Some(conversation) = conversations.get(inbox.key(&id)).await.unwrap() else { continue };
        let newest =
            messages.history(inbox.organization(), &id, 1, None).await.unwrap().items.pop().unwrap().id;
        assert_eq!(conversation.last_message.id, newest);
        assert_eq!((conversation.last_inbound, conversation.read), (Some(newest), false));
        count += 1;
    }
    count
}

/// Returns the number of unread conversations after a recount. Before it, a host that lost an answer may
/// have counted twice or not at all.
async fn unread_after_recount(inbox: &TestInbox) -> u64 {
    let organization = inbox.organization();
    let ids = [inbox.inbox().id.clone()];
    let (inboxes, _) = Inboxes::new(inbox.table()).with_teams(organization, &ids, &[]).await.unwrap();
    let later = START + Duration::from_hours(1);
    assert!(inboxes[0].1.needs_recount(later));
    Unread::new(inbox.table())
        .recount(InboxKey { organization, inbox: &ids[0] }, inboxes[0].1, later)
        .await
        .unwrap();
    let (inboxes, _) = Inboxes::new(inbox.table()).with_teams(organization, &ids, &[]).await.unwrap();
    inboxes[0].1.unread()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn each_message_is_stored_once_however_often_it_is_delivered_and_whatever_the_table_does() {
    let (seeds, texts) = if full_run() { (0..5, 20_000) } else { (0..1, 250) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let start = Instant::now();
        let (inbox, faults) = (TestInbox::start(texts / 10).await, Faults::seeded(seed));
        let all = deliveries(&inbox, seed, texts, true);
        println!("SEED={seed}: {texts} texts, {} deliveries", all.len());
        let repetitions = deliver_all(&inbox, &faults, all).await;
        let stored = stored(&inbox).await;
        let took = start.elapsed();
        println!(
            "SEED={seed}: {} stored, {repetitions} repeated after a 5xx, {:?}, in {took:?}",
            stored.len(),
            faults.injected()
        );
        assert_eq!(stored.len(), texts);
        assert!(stored.values().all(|count| *count == 1), "{stored:?}");
        assert_eq!(unread_after_recount(&inbox).await, check_conversations(&inbox).await);
    }
}

/// The carrier gives each repetition a new id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_would_be_noticed() {
    let (inbox, faults) = (TestInbox::start(4).await, Faults::seeded(1));
    deliver_all(&inbox, &faults, deliveries(&inbox, 1, 12, false)).await;
    assert!(stored(&inbox).await.values().any(|count| *count > 1));
}

/// Deliveries answered with 5xx are not repeated, as if the function had answered 2xx.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_message_would_be_noticed() {
    let (inbox, faults) = (TestInbox::start(4).await, Faults::seeded(2));
    faults.set_percent(60);
    let refused = deliver_once(&inbox, &faults, deliveries(&inbox, 2, 30, true)).await;
    assert!(!refused.is_empty());
    faults.set_percent(0);
    assert!(stored(&inbox).await.len() < 30);
}
