//! Promise 2: every text that comes in is stored exactly once, or the answer makes the carrier repeat it. Each text is
//! delivered one to five times, shuffled and overlapping, by sixteen connections, while of a hundred requests to the table
//! none, one, ten, fifty and in the end all go wrong; what is answered with 5xx comes again, in better weather too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
    time::Instant,
};

use inbound_sms::{App, handle};
use shared_aws::{
    conversation::{Conversations, Unread},
    inbox::Inboxes,
    messaging::Messages,
};
use shared_domain::{keys::ConversationKey, opt_out::KeywordReplies, phone::PhoneNumber, time::Timestamp};
use test_kit::faults::Faults;
use tokio::task::JoinSet;

use crate::{
    chosen_seed,
    desk::{BEFORE, Desk},
    full_run,
    twilio::{ACCOUNT, verifier, webhook},
};

const CONNECTIONS: usize = 16;
/// Of a hundred requests to the table so many go wrong, one after the other, each for an equal part of the deliveries. What is
/// left after them comes in fair weather.
const STORM: [u8; 5] = [0, 1, 10, 50, 100];

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
    let mut entropy = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    for text in 0..texts {
        let from = entropy.choice(&desk.numbers).unwrap().clone();
        for again in 0..entropy.usize(1..=5) {
            let sid = if stable { format!("SM{text:032}") } else { format!("SM{:032}", text * 10 + again) };
            let at = BEFORE + Duration::from_millis(entropy.u64(0..600_000));
            all.push(Delivery { text, sid, from: from.clone(), at });
        }
    }
    entropy.shuffle(&mut all);
    all
}

/// Delivers each once, by many connections; gives back what was answered with 5xx.
async fn deliver_once(desk: &Desk, faults: &Faults, all: Vec<Delivery>) -> Vec<Delivery> {
    let (all, refused) = (Arc::new(Mutex::new(all)), Arc::new(Mutex::new(Vec::new())));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let app = App::new(faults.table(&desk.engine), verifier(), ACCOUNT.into(), KeywordReplies::Carrier);
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

/// Delivers all through the storm, and what was answered with 5xx until it is taken; gives how often it had to come again.
async fn deliver_all(desk: &Desk, faults: &Faults, all: Vec<Delivery>) -> usize {
    let share = all.len().div_ceil(STORM.len());
    let mut again = 0;
    let mut waiting: Vec<Delivery> = Vec::new();
    for (part, percent) in all.chunks(share).zip(STORM) {
        faults.strike(percent);
        waiting.extend_from_slice(part);
        let come = waiting.len();
        waiting = deliver_once(desk, faults, waiting).await;
        again += waiting.len();
        let taken = come - waiting.len();
        assert!(percent < 100 || taken == 0, "{taken} texts were taken by a table that is down");
    }
    faults.strike(0);
    while !waiting.is_empty() {
        waiting = deliver_once(desk, faults, waiting).await;
        again += waiting.len();
    }
    again
}

/// How often each text stands in the histories.
async fn stored(desk: &Desk) -> BTreeMap<String, usize> {
    let messages = Messages::new(desk.table());
    let mut counts = BTreeMap::new();
    for contact in 0..desk.numbers.len() {
        let mut before = None;
        loop {
            let id = desk.conversation(contact);
            let page = messages.history(&desk.inbox.organization, &id, 100, before.as_ref()).await.unwrap();
            for message in page.messages {
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

/// Every thread shows its newest text, unread; gives how many there are.
async fn threads(desk: &Desk) -> u64 {
    let (messages, conversations) = (Messages::new(desk.table()), Conversations::new(desk.table()));
    let (organization, inbox) = (&desk.inbox.organization, &desk.inbox.id);
    let mut threads = 0;
    for contact in 0..desk.numbers.len() {
        let id = desk.conversation(contact);
        let thread = ConversationKey { organization, inbox, conversation: &id };
        let Some(conversation) = conversations.get(thread).await.unwrap() else { continue };
        let newest = messages.history(organization, &id, 1, None).await.unwrap().messages.pop().unwrap().id;
        assert_eq!(conversation.last_message.id, newest);
        assert_eq!((conversation.last_inbound, conversation.read), (Some(newest), false));
        threads += 1;
    }
    threads
}

/// The inbox's unread conversations, as whoever looks after a quiet minute is told: a host that lost an answer may have counted
/// twice or not at all until then.
async fn counted(desk: &Desk) -> u64 {
    let (organization, inbox) = (&desk.inbox.organization, &desk.inbox.id);
    let wanted = [inbox.clone()];
    let (inboxes, _) = Inboxes::new(desk.table()).with_teams(organization, &wanted, &[]).await.unwrap();
    let later = BEFORE + Duration::from_hours(1);
    assert!(inboxes[0].1.wants_recount(later));
    Unread::new(desk.table()).recount(organization, inbox, inboxes[0].1, later).await.unwrap();
    let (inboxes, _) = Inboxes::new(desk.table()).with_teams(organization, &wanted, &[]).await.unwrap();
    inboxes[0].1.unread()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn each_text_is_stored_once_however_often_it_comes_and_whatever_the_table_does() {
    let (seeds, texts) = if full_run() { (0..5, 20_000) } else { (0..1, 250) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let begun = Instant::now();
        let (desk, faults) = (Desk::open(texts / 10).await, Faults::seeded(seed));
        let all = deliveries(&desk, seed, texts, true);
        println!("SEED={seed}: {texts} texts, {} deliveries", all.len());
        let again = deliver_all(&desk, &faults, all).await;
        let stored = stored(&desk).await;
        let took = begun.elapsed();
        println!(
            "SEED={seed}: {} stored, {again} came again for a 5xx, {:?}, in {took:?}",
            stored.len(),
            faults.struck()
        );
        assert_eq!(stored.len(), texts);
        assert!(stored.values().all(|count| *count == 1), "{stored:?}");
        assert_eq!(counted(&desk).await, threads(&desk).await);
    }
}

/// A carrier that gives each repetition an id of its own would make doubles, and they are noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubles_would_be_noticed() {
    let (desk, faults) = (Desk::open(4).await, Faults::seeded(1));
    deliver_all(&desk, &faults, deliveries(&desk, 1, 12, false)).await;
    assert!(stored(&desk).await.values().any(|count| *count > 1));
}

/// A function that answers 2xx whatever the table says loses texts, and that is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_would_be_noticed() {
    let (desk, faults) = (Desk::open(4).await, Faults::seeded(2));
    faults.strike(60);
    let refused = deliver_once(&desk, &faults, deliveries(&desk, 2, 30, true)).await;
    assert!(!refused.is_empty());
    faults.strike(0);
    assert!(stored(&desk).await.len() < 30);
}
