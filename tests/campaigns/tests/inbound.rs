//! Promise 1: every text that comes in is stored exactly once, or the answer makes the carrier repeat it. Each text is
//! delivered one to five times, shuffled and overlapping, by sixteen connections; what is answered with 5xx comes again.

use std::{collections::BTreeMap, sync::Arc, time::Duration, time::Instant};

use inbound_sms::{App, handle};
use shared_aws::{conversations::Conversations, inboxes::Inboxes, locks::Thread, messages::Messages};
use shared_domain::{opt_out::Answers, phone::PhoneNumber, time::Timestamp};
use tokio::task::JoinSet;

use crate::{
    chosen_seed,
    desk::{BEFORE, Desk},
    twilio::{ACCOUNT, verifier, webhook},
    whole,
};

const CONNECTIONS: usize = 16;

/// A delivery of a text: by whom, under which id of the carrier's, and when.
#[derive(Debug, Clone)]
struct Delivery {
    text: usize,
    sid: String,
    from: PhoneNumber,
    at: Timestamp,
}

async fn deliver(app: &App, delivery: &Delivery) -> u16 {
    let words = format!("Text {}", delivery.text);
    let fields = [
        ("MessageSid", delivery.sid.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", delivery.from.as_str()),
        ("To", "+12025550100"),
        ("Body", words.as_str()),
        ("NumMedia", "0"),
    ];
    let request = webhook("POST /webhooks/twilio/messages", "", &fields).request();
    handle(app, delivery.at, 7, request).await.status().as_u16()
}

/// All deliveries of so many texts, in the order in which they come. `stable` is that a repeated text keeps the carrier's id.
fn deliveries(desk: &Desk, seed: u64, texts: usize, stable: bool) -> Vec<Delivery> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    for text in 0..texts {
        let from = chance.choice(&desk.numbers).unwrap().clone();
        for again in 0..chance.usize(1..=5) {
            let sid = if stable { format!("SM{text:032}") } else { format!("SM{:032}", text * 10 + again) };
            let at = BEFORE.plus(Duration::from_millis(chance.u64(0..600_000)));
            all.push(Delivery { text, sid, from: from.clone(), at });
        }
    }
    chance.shuffle(&mut all);
    all
}

/// Delivers them, and what is answered with 5xx once more, until all are taken.
async fn deliver_all(desk: &Desk, all: Vec<Delivery>) {
    let all = Arc::new(std::sync::Mutex::new(all));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let app = App::new(desk.table(), verifier(), ACCOUNT.into(), Answers::Carrier);
        let all = all.clone();
        connections.spawn(async move {
            loop {
                let Some(delivery) = all.lock().unwrap().pop() else { return };
                match deliver(&app, &delivery).await {
                    200 => {}
                    500..=599 => all.lock().unwrap().push(delivery),
                    other => panic!("{other}: {delivery:?}"),
                }
            }
        });
    }
    connections.join_all().await;
}

/// How often each text stands in the histories; every thread shows its newest, and the inbox counts them all as unread.
async fn stored(desk: &Desk) -> BTreeMap<String, usize> {
    let (messages, conversations) = (Messages::new(desk.table()), Conversations::new(desk.table()));
    let organisation = &desk.inbox.organisation;
    let (mut counts, mut threads) = (BTreeMap::new(), 0);
    for contact in 0..desk.numbers.len() {
        let id = desk.conversation(contact);
        let thread = Thread { organisation, inbox: &desk.inbox.id, conversation: &id };
        let Some(conversation) = conversations.get(thread).await.unwrap() else { continue };
        threads += 1;
        let (mut before, mut newest) = (None, None);
        loop {
            let page = messages.history(organisation, &id, 100, before.as_ref()).await.unwrap();
            for message in page.messages {
                newest = newest.or(Some(message.id.clone()));
                *counts.entry(message.text).or_insert(0) += 1;
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(Some(&conversation.last_message.id), newest.as_ref());
        assert_eq!((conversation.last_inbound.as_ref(), conversation.read), (newest.as_ref(), false));
    }
    let wanted = [desk.inbox.id.clone()];
    let (inboxes, _) = Inboxes::new(desk.table()).with_teams(organisation, &wanted, &[]).await.unwrap();
    assert_eq!(inboxes[0].1.unread(), threads);
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn each_text_is_stored_once_however_often_it_comes() {
    let (seeds, texts) = if whole() { (0..5, 20_000) } else { (0..1, 250) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let begun = Instant::now();
        let desk = Desk::open(texts / 10).await;
        let all = deliveries(&desk, seed, texts, true);
        let count = all.len();
        println!("SEED={seed}: {texts} texts, {count} deliveries");
        deliver_all(&desk, all).await;
        let stored = stored(&desk).await;
        println!("SEED={seed}: {} stored, in {:?}", stored.len(), begun.elapsed());
        assert_eq!(stored.len(), texts);
        assert!(stored.values().all(|count| *count == 1), "{stored:?}");
    }
}

/// A carrier that gives each repetition an id of its own would make doubles, and they are noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubles_would_be_noticed() {
    let desk = Desk::open(4).await;
    deliver_all(&desk, deliveries(&desk, 1, 12, false)).await;
    assert!(stored(&desk).await.values().any(|count| *count > 1));
}
