//! A delivery state never goes backwards. Reports come early, late, twice, shuffled and concurrently: first
//! to the rule, then to the webhook on an engine where a tenth of the requests fail, together with the
//! outcome that the sender stores.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use delivery_status::{App, handle};
use shared_aws::{
    conversation::Conversations,
    messaging::{Acceptance, Accepted, Deliveries, Guard, Messages},
    table::Table,
};
use shared_domain::{
    message::{Delivery, DeliveryState, Message, Report},
    time::Timestamp,
};
use test_kit::{
    build,
    carrier::ACCOUNT,
    faults::Faults,
    twilio::{callback_url, callbacks, signed_fields, webhook_accounts},
};
use tokio::task::JoinSet;

use crate::{
    chosen_seed, full_run,
    test_inbox::{START, TestInbox},
};

/// The order of the states, written independently of the domain. `failed` and `undelivered` are equally far.
fn rank(state: DeliveryState) -> u8 {
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
    START + Duration::from_millis(millis)
}

/// Returns the reports about one message: each one to four times, shuffled, with times of different clocks.
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

/// Applies reports with `apply`. Returns a violation if a state goes backwards or does not end at the
/// furthest report.
fn apply_reports(
    seed: u64,
    messages: u32,
    mut apply: impl FnMut(&mut Delivery, DeliveryState, Report) -> DeliveryState,
) -> Option<String> {
    let mut entropy = fastrand::Rng::with_seed(seed);
    for number in 0..messages {
        let mut delivery = Delivery::starting(DeliveryState::Queued, START);
        let (mut reached, mut furthest) = (1, 1);
        for (state, report) in reports(&mut entropy) {
            furthest = furthest.max(rank(state));
            let now = rank(apply(&mut delivery, state, report));
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
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
fn no_report_moves_a_state_backwards() {
    let seeds = chosen_seed().map_or_else(|| (0..5).collect(), |seed| vec![seed]);
    for seed in seeds {
        println!("SEED={seed}: 20000 messages");
        let violation = apply_reports(seed, 20_000, |delivery, state, report| {
            delivery.add(state, report);
            delivery.state()
        });
        assert_eq!(violation, None);
    }
}

/// The last report replaces the state.
#[test]
fn a_state_that_is_overwritten_is_noticed() {
    assert!(apply_reports(0, 100, |_, state, _| state).is_some());
}

/// A message and the reports about it.
struct ReportedMessage {
    message: Message,
    contact: usize,
    /// The `MessageStatus` of each callback. `None` is the outcome that the sender stores.
    statuses: Vec<Option<&'static str>>,
}

impl ReportedMessage {
    /// Returns the rank of the furthest report.
    fn furthest(&self) -> u8 {
        let rank = |status: Option<&str>| match status {
            Some("delivered") => 6,
            Some("undelivered" | "failed") => 5,
            _ => 4,
        };
        self.statuses.iter().copied().map(rank).max().unwrap_or(1)
    }

    fn draw(inbox: &TestInbox, contact: usize, entropy: &mut fastrand::Rng) -> Self {
        let message =
            inbox.message(contact, &build::user_ref("ada", "Ada"), later(contact as u64), entropy.u64(..));
        let mut statuses = vec![None, Some("queued"), Some("sent")];
        match entropy.u8(0..5) {
            0 => statuses.push(Some("failed")),
            1 => statuses.push(Some("undelivered")),
            2 => statuses.extend([Some("undelivered"), Some("delivered")]),
            3 => statuses.push(Some("delivered")),
            _ => {}
        }
        statuses.extend(statuses.clone().into_iter().filter(|_| entropy.bool()).collect::<Vec<_>>());
        entropy.shuffle(&mut statuses);
        Self { message, contact, statuses }
    }
}

/// How often a report is repeated before the test fails.
const MAX_ATTEMPTS: u32 = 50;
/// The percentage of requests to the table that fail.
const FAULT_PERCENT: u8 = 10;

/// A host that receives callbacks and stores outcomes of the sender.
struct Host {
    app: App,
    deliveries: Deliveries,
}

impl Host {
    fn new(table: &Table) -> Self {
        let app = App::new(table.clone(), webhook_accounts(), callbacks());
        Self { app, deliveries: Deliveries::new(table.clone()) }
    }
}

async fn report(
    inbox: &TestInbox,
    host: &Host,
    reported: &ReportedMessage,
    status: Option<&'static str>,
    at: Timestamp,
) {
    let sid = format!("SM{:032}", reported.contact);
    let id = &reported.message.id;
    let Some(status) = status else {
        let (organization, sent) = (inbox.organization(), Report::at(at));
        for _ in 0..MAX_ATTEMPTS {
            if host.deliveries.report(organization, id, DeliveryState::Sent, &sent, Some(&sid)).await.is_ok()
            {
                return;
            }
        }
        panic!("the report was not stored");
    };
    let url = callback_url(inbox.organization().as_str(), id.as_str());
    let query = url.split_once('?').unwrap().1;
    let (from, to) = (inbox.inbox().number.as_str(), inbox.numbers[reported.contact].as_str());
    let mut fields = vec![
        ("MessageSid", sid.as_str()),
        ("MessageStatus", status),
        ("AccountSid", ACCOUNT),
        ("From", from),
        ("To", to),
    ];
    if status == "undelivered" {
        fields.push(("ErrorCode", "30003"));
    }
    let event = signed_fields("POST /webhooks/twilio/status", query, &fields);
    for _ in 0..MAX_ATTEMPTS {
        match handle(&host.app, at, event.request()).await.status().as_u16() {
            200 => return,
            500..=599 => {}
            other => panic!("{other}"),
        }
    }
    panic!("the callback was not accepted");
}

async fn state(inbox: &TestInbox, reported: &ReportedMessage) -> DeliveryState {
    let messages = Messages::new(inbox.table());
    let found = messages.get(inbox.organization(), &reported.message.id).await.unwrap();
    found.unwrap().delivery.state()
}

/// Accepts the message and reports on it, one report after the other or all concurrently.
async fn accept_and_report(
    inbox: Arc<TestInbox>,
    table: Table,
    reported: ReportedMessage,
    concurrently: bool,
) -> Arc<ReportedMessage> {
    let contact = inbox.provisional_contact(&reported.message);
    let acceptance = Acceptance {
        organization: inbox.organization(),
        message: &reported.message,
        contact: &contact,
        guard: Guard::Compose { user: None },
        idempotency: None,
    };
    assert_eq!(inbox.sends.accept(acceptance).await.unwrap(), Accepted::Stored);
    let reported = Arc::new(reported);
    let host = Arc::new(Host::new(&table));
    let (mut hosts, mut reached) = (JoinSet::new(), 1);
    for (order, status) in reported.statuses.clone().into_iter().enumerate() {
        let (inbox, host, reported) = (inbox.clone(), host.clone(), reported.clone());
        // The clocks of the hosts disagree.
        let at = later(10_000 + (order as u64 * 7_919) % 5_000);
        if concurrently {
            hosts.spawn(async move { report(&inbox, &host, &reported, status, at).await });
        } else {
            report(&inbox, &host, &reported, status, at).await;
            let now = rank(state(&inbox, &reported).await);
            assert!(now >= reached, "{:?}: from {reached} to {now}", reported.statuses);
            reached = now;
        }
    }
    hosts.join_all().await;
    reported
}

/// Asserts that the state is the furthest one reported and that the conversation shows a failure.
async fn assert_final_state(inbox: &TestInbox, reported: &ReportedMessage) {
    let state = state(inbox, reported).await;
    assert_eq!(rank(state), reported.furthest(), "{:?}: {state:?}", reported.statuses);
    let id = inbox.conversation(reported.contact);
    let conversation = Conversations::new(inbox.table()).get(inbox.key(&id)).await.unwrap().unwrap();
    assert_eq!(conversation.delivery_failed, state.is_failure(), "{:?}: {state:?}", reported.statuses);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn no_callback_moves_a_state_backwards() {
    let (seeds, messages) = if full_run() { (0..5, 2_000) } else { (0..1, 120) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let start = Instant::now();
        println!("SEED={seed}: {messages} messages");
        let (inbox, faults) = (Arc::new(TestInbox::start(messages).await), Faults::seeded(seed));
        let table = faults.table(&inbox.app.engine);
        faults.set_percent(FAULT_PERCENT);
        let mut entropy = fastrand::Rng::with_seed(seed);
        let (mut running, mut done) = (JoinSet::new(), Vec::new());
        for contact in 0..messages {
            if running.len() >= 8 {
                done.push(running.join_next().await.unwrap().unwrap());
            }
            let reported = ReportedMessage::draw(&inbox, contact, &mut entropy);
            running.spawn(accept_and_report(inbox.clone(), table.clone(), reported, contact % 2 == 0));
        }
        done.extend(running.join_all().await);
        faults.set_percent(0);
        tokio::time::sleep(Duration::from_secs(1)).await; // requests that hosts gave up arrive
        faults.late_writes_applied().await;
        for reported in done {
            assert_final_state(&inbox, &reported).await;
        }
        println!("SEED={seed}: {:?}, in {:?}", faults.injected(), start.elapsed());
    }
}
