//! A delivery state never goes backwards: reports early, late, twice, shuffled, and at once, by the rule and by the
//! webhook over an engine of which a tenth of the requests go wrong, with the sender's own outcome among them.

use std::{sync::Arc, time::Duration, time::Instant};

use delivery_status::{App, handle};
use shared_aws::{
    conversation::Conversations,
    messaging::{Acceptance, Accepted, Deliveries, Guard, Messages},
    table::Table,
};
use shared_domain::{
    contact::Contact,
    ids::UserId,
    keys::ConversationKey,
    message::{Delivery, DeliveryState, Message, Report},
    time::Timestamp,
    user::UserRef,
};
use test_kit::faults::Faults;
use tokio::task::JoinSet;

use crate::{
    chosen_seed,
    desk::{BEFORE, Desk},
    full_run,
    twilio::{ACCOUNT, callbacks, verifier, webhook},
};

/// The lattice, stated once more: a failure and an undelivered text are as far as each other.
fn place(state: DeliveryState) -> u8 {
    match state {
        DeliveryState::Received | DeliveryState::Queued => 1,
        DeliveryState::Sending => 2,
        DeliveryState::Unknown => 3,
        DeliveryState::Sent => 4,
        DeliveryState::Failed | DeliveryState::Undelivered => 5,
        DeliveryState::Delivered => 6,
    }
}

fn later(millis: u64) -> Timestamp {
    BEFORE + Duration::from_millis(millis)
}

/// What is reported of one message, each a few times, in any order, by clocks that disagree.
fn reports(entropy: &mut fastrand::Rng) -> Vec<(DeliveryState, Report)> {
    let mut states = vec![DeliveryState::Sending];
    let possible =
        [DeliveryState::Unknown, DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Undelivered];
    states.extend(possible.into_iter().filter(|_| entropy.bool()));
    if entropy.u8(0..3) > 0 {
        states.push(DeliveryState::Delivered);
    }
    let mut all = Vec::new();
    for state in states {
        for _ in 0..entropy.usize(1..=4) {
            all.push((state, Report::at(later(entropy.u64(0..5_000)))));
        }
    }
    entropy.shuffle(&mut all);
    all
}

/// Tells each report to what keeps the state; says when a state goes back, or does not end as far as it was reported.
fn walk(
    seed: u64,
    messages: u32,
    mut tell: impl FnMut(&mut Delivery, DeliveryState, Report) -> DeliveryState,
) -> Option<String> {
    let mut entropy = fastrand::Rng::with_seed(seed);
    for number in 0..messages {
        let mut delivery = Delivery::beginning(DeliveryState::Queued, BEFORE);
        let (mut reached, mut furthest) = (1, 1);
        for (state, report) in reports(&mut entropy) {
            furthest = furthest.max(place(state));
            let now = place(tell(&mut delivery, state, report));
            if now < reached {
                return Some(format!("SEED={seed}: message {number} went back from {reached} to {now}"));
            }
            reached = now;
        }
        if reached != furthest {
            return Some(format!("SEED={seed}: message {number} ended at {reached} of {furthest}"));
        }
    }
    None
}

#[test]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
fn no_report_takes_a_state_back() {
    let seeds = chosen_seed().map_or_else(|| (0..5).collect(), |seed| vec![seed]);
    for seed in seeds {
        println!("SEED={seed}: 20000 messages");
        let gone_back = walk(seed, 20_000, |delivery, state, report| {
            delivery.add(state, report);
            delivery.state()
        });
        assert_eq!(gone_back, None);
    }
}

/// A state that is simply what was reported last goes back, and that is noticed.
#[test]
fn a_state_that_is_overwritten_is_noticed() {
    assert!(walk(0, 100, |_, state, _| state).is_some());
}

/// One message with all that is told of it.
struct Told {
    message: Message,
    contact: usize,
    /// As the carrier's callback has it; nothing for the sender's own outcome.
    words: Vec<Option<&'static str>>,
}

impl Told {
    /// How far all of that takes it.
    fn furthest(&self) -> u8 {
        let place = |word: Option<&str>| match word {
            Some("delivered") => 6,
            Some("undelivered" | "failed") => 5,
            _ => 4,
        };
        self.words.iter().copied().map(place).max().unwrap_or(1)
    }

    fn draw(desk: &Desk, contact: usize, entropy: &mut fastrand::Rng) -> Self {
        let ada = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() };
        let message = desk.message(contact, &ada, later(contact as u64), entropy.u64(..));
        let mut words = vec![None, Some("queued"), Some("sent")];
        match entropy.u8(0..5) {
            0 => words.push(Some("failed")),
            1 => words.push(Some("undelivered")),
            2 => words.extend([Some("undelivered"), Some("delivered")]),
            3 => words.push(Some("delivered")),
            _ => {}
        }
        words.extend(words.clone().into_iter().filter(|_| entropy.bool()).collect::<Vec<_>>());
        entropy.shuffle(&mut words);
        Self { message, contact, words }
    }
}

/// So often something comes again before it is given up.
const PATIENCE: u32 = 50;
/// Of a hundred requests to the table so many go wrong.
const STORM: u8 = 10;

/// Where the carrier's callbacks and the sender's own outcome are told.
struct Host {
    app: App,
    deliveries: Deliveries,
}

impl Host {
    fn open(table: &Table) -> Self {
        let app = App::new(table.clone(), verifier(), callbacks());
        Self { app, deliveries: Deliveries::new(table.clone()) }
    }
}

async fn tell(desk: &Desk, host: &Host, told: &Told, word: Option<&'static str>, at: Timestamp) {
    let sid = format!("SM{:032}", told.contact);
    let id = &told.message.id;
    let Some(word) = word else {
        let (organization, sent) = (&desk.inbox.organization, Report::at(at));
        for _ in 0..PATIENCE {
            if host.deliveries.report(organization, id, DeliveryState::Sent, &sent, Some(&sid)).await.is_ok()
            {
                return;
            }
        }
        panic!("the queue gave up");
    };
    let address = callbacks().url(desk.inbox.organization.as_str(), id.as_str());
    let query = address.split_once('?').unwrap().1;
    let (from, to) = (desk.inbox.number.as_str(), desk.numbers[told.contact].as_str());
    let mut fields = vec![
        ("MessageSid", sid.as_str()),
        ("MessageStatus", word),
        ("AccountSid", ACCOUNT),
        ("From", from),
        ("To", to),
    ];
    if word.ends_with("delivered") && word != "delivered" {
        fields.push(("ErrorCode", "30003"));
    }
    let event = webhook("POST /webhooks/twilio/status", query, &fields);
    for _ in 0..PATIENCE {
        match handle(&host.app, at, event.request()).await.status().as_u16() {
            200 => return,
            500..=599 => {}
            other => panic!("{other}"),
        }
    }
    panic!("the carrier gave up");
}

async fn state(desk: &Desk, told: &Told) -> DeliveryState {
    let messages = Messages::new(desk.table());
    let found = messages.get(&desk.inbox.organization, &told.message.id).await.unwrap();
    found.unwrap().delivery.state()
}

/// Accepts the text and tells all that is told of it, one after the other or all at once.
async fn live(desk: Arc<Desk>, table: Table, told: Told, at_once: bool) -> Arc<Told> {
    let contact = Contact::provisional(&desk.inbox.team, &told.message.contact_number);
    let wanted = Acceptance {
        organization: &desk.inbox.organization,
        message: &told.message,
        contact: &contact,
        guard: Guard::Compose { user: None },
        idempotency: None,
    };
    assert_eq!(desk.sends.accept(wanted).await.unwrap(), Accepted::Stored);
    let (desk, told) = (desk.clone(), Arc::new(told));
    let host = Arc::new(Host::open(&table));
    let (mut hosts, mut reached) = (JoinSet::new(), 1);
    for (order, word) in told.words.clone().into_iter().enumerate() {
        let (desk, host, told) = (desk.clone(), host.clone(), told.clone());
        // Each host's clock is off in its own way.
        let at = later(10_000 + (order as u64 * 7_919) % 5_000);
        if at_once {
            hosts.spawn(async move { tell(&desk, &host, &told, word, at).await });
        } else {
            tell(&desk, &host, &told, word, at).await;
            let now = place(state(&desk, &told).await);
            assert!(now >= reached, "{:?}: from {reached} to {now}", told.words);
            reached = now;
        }
    }
    hosts.join_all().await;
    told
}

/// It ended as far as it was reported, and the list shows it so.
async fn judge(desk: &Desk, told: &Told) {
    let state = state(desk, told).await;
    assert_eq!(place(state), told.furthest(), "{:?}: {state:?}", told.words);
    let id = desk.conversation(told.contact);
    let thread =
        ConversationKey { organization: &desk.inbox.organization, inbox: &desk.inbox.id, conversation: &id };
    let shown = Conversations::new(desk.table()).get(thread).await.unwrap().unwrap();
    assert_eq!(shown.delivery_failed, state.is_failure(), "the list shows {:?}: {state:?}", told.words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn no_callback_takes_a_state_back() {
    let (seeds, messages) = if full_run() { (0..5, 2_000) } else { (0..1, 120) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let begun = Instant::now();
        println!("SEED={seed}: {messages} messages");
        let (desk, faults) = (Arc::new(Desk::open(messages).await), Faults::seeded(seed));
        let table = faults.table(&desk.engine);
        faults.strike(STORM);
        let mut entropy = fastrand::Rng::with_seed(seed);
        let (mut lives, mut over) = (JoinSet::new(), Vec::new());
        for contact in 0..messages {
            if lives.len() >= 8 {
                over.push(lives.join_next().await.unwrap().unwrap());
            }
            let told = Told::draw(&desk, contact, &mut entropy);
            lives.spawn(live(desk.clone(), table.clone(), told, contact % 2 == 0));
        }
        over.extend(lives.join_all().await);
        faults.strike(0);
        tokio::time::sleep(Duration::from_secs(1)).await; // what is stuck on its way arrives
        for told in over {
            judge(&desk, &told).await;
        }
        println!("SEED={seed}: {:?}, in {:?}", faults.struck(), begun.elapsed());
    }
}
