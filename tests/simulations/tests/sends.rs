//! An accepted message is never sent a second time unless the first attempt is known to have failed, and is
//! never silently lost. The tests run the whole path of relay, queue, sender and reconciler: with a carrier
//! that refuses, stalls and loses answers, with hosts that crash before and after each of their requests,
//! and with all of these faults together.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use shared_domain::message::{DeliveryState, Message};
use shared_lambda::clock;
use test_kit::{
    app::NO_SERVICE,
    crash::{self, CrashPoint, dropped_at_wait},
    engine::TABLE,
    faults::Faults,
};

use crate::{
    chosen_seed, full_run,
    send_path::{
        Host, MAX_CONCURRENCY, MAX_RECEIVES, SHORT_TIMEOUT, SendPath, after_the_grace_period, deliver,
        deliver_all,
    },
};

/// How long the sender waits for the carrier if a busy machine must not cause a timeout.
const LONG_TIMEOUT: Duration = Duration::from_secs(10);

/// What the carrier does when a message is sent, and the expected result.
struct Case {
    name: &'static str,
    /// The simulator's fault for the first attempt.
    first: &'static str,
    /// The fault for all later attempts.
    then: &'static str,
    /// The carrier does not answer at all.
    unreachable: bool,
    final_state: DeliveryState,
    /// How many copies the carrier accepted.
    copies: usize,
}

const NONE: &str = "none";

const fn case(
    name: &'static str,
    first: &'static str,
    then: &'static str,
    final_state: DeliveryState,
    copies: usize,
) -> Case {
    Case { name, first, then, unreachable: false, final_state, copies }
}

use DeliveryState::{Failed, Queued, Sent};

/// The table of ARCHITECTURE.md, "One reply under a lock".
const CASES: [Case; 13] = [
    case("accepted", NONE, NONE, Sent, 1),
    case("refused", "refuse:21211", NONE, Failed, 0),
    case("opted out at the carrier", "refuse:21610", NONE, Failed, 0),
    case("429, then accepted", "rate-limit", NONE, Sent, 1),
    case("always 429", "rate-limit", "rate-limit", Queued, 0),
    case("account suspended", "suspended", NONE, Sent, 1),
    case("account always suspended", "suspended", "suspended", Queued, 0),
    case("5xx, not accepted", "error-before", NONE, Sent, 1),
    case("503, not accepted", "down", NONE, Sent, 1),
    case("503, but accepted", "down-after", NONE, Sent, 1),
    case("5xx, but accepted", "error-after", NONE, Sent, 1),
    case("timeout, but accepted", "timeout-after", NONE, Sent, 1),
    Case {
        name: "no connection",
        first: NONE,
        then: NONE,
        unreachable: true,
        final_state: Queued,
        copies: 0,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the cases are part of the result")]
async fn each_answer_of_the_carrier_ends_as_the_table_says() {
    let texts = if full_run() { 1_000 } else { 8 };
    for case in &CASES {
        let start = Instant::now();
        let path = SendPath::start(texts).await;
        let relay = path.relay();
        let mut accepted = Vec::new();
        for contact in 0..texts {
            let message = path.accept(contact).await;
            outbox_relay::handle(&relay, path.stream_event(&message)).await.unwrap();
            accepted.push(message);
        }
        let carrier = if case.unreachable { NO_SERVICE } else { &path.carrier().url }.to_owned();
        let carrier_timeout = if case.first == "timeout-after" { SHORT_TIMEOUT } else { LONG_TIMEOUT };
        let sender = Host { carrier, carrier_timeout, ..path.host() }.sender();
        let mut jobs = path.queue().drain();
        assert_eq!(jobs.len(), texts);
        for receives in 1..=MAX_RECEIVES {
            let fault = if receives == 1 { case.first } else { case.then };
            path.carrier().fault(fault, &texts.to_string()).await;
            jobs = deliver_all(&sender, jobs, receives).await;
            path.carrier().fault(NONE, "1").await;
            path.reconcile().await; // ends a sending pause
        }
        let waiting = if case.final_state == Queued { texts } else { 0 };
        assert_eq!(jobs.len(), waiting, "{}: these wait in the queue", case.name);
        for message in &accepted {
            assert_eq!(path.outcome(message).await, Ok((case.final_state, case.copies)), "{}", case.name);
        }
        assert!(path.is_done().await, "{}", case.name);
        println!(
            "{}: {texts} messages {:?} with {} copies, in {:?}",
            case.name,
            case.final_state,
            case.copies,
            start.elapsed()
        );
    }
}

/// The function whose host crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Relay,
    Sender,
    Reconciler,
}

/// Sends one message while the host of `function` crashes at its `nth` point. Returns whether it has that
/// many points.
async fn send_with_crash(
    path: &SendPath,
    contact: usize,
    fault: &str,
    function: Function,
    nth: usize,
) -> (Message, bool) {
    let message = path.accept(contact).await;
    let crash_point = CrashPoint::at(nth);
    let (crashing, _proxies) = path.crashing_host(&crash_point).await;
    let mut crashed = false;

    if function == Function::Relay {
        crashed = crash_point
            .run(outbox_relay::handle(&crashing.relay(), path.stream_event(&message)))
            .await
            .is_none();
    }
    if function != Function::Relay || crashed {
        // The stream delivers the event again.
        outbox_relay::handle(&path.relay(), path.stream_event(&message)).await.unwrap();
    }

    path.carrier().fault(fault, "1").await;
    for job in path.queue().drain() {
        let mut done = false;
        if function == Function::Sender && !crashed {
            let answer = crash_point.run(deliver(&crashing.sender(), &job, 1)).await;
            crash_point.requests_done().await; // a crash or a timeout does not end them
            crashed = answer.is_none();
            done = answer.unwrap_or(false);
        }
        if crashed {
            path.carrier().fault(NONE, "1").await; // the host may have crashed before the fault was used
        }
        for receives in 2..=MAX_RECEIVES {
            if done {
                break;
            }
            if function == Function::Reconciler && !crashed {
                crashed = reconcile_with_crash(&crashing, &crash_point).await;
            }
            done = deliver(&path.sender(), &job, receives).await;
            if !done {
                path.reconcile().await; // an unknown message is sent by the next delivery
            }
        }
        assert!(done, "the message goes to the dead-letter queue");
    }

    path.reconcile().await;
    (message, crashed)
}

/// Runs the reconciler until its host crashes. Returns whether it did.
async fn reconcile_with_crash(crashing: &Host, crash_point: &CrashPoint) -> bool {
    for when in [clock::now(), after_the_grace_period(), after_the_grace_period()] {
        let reconciler = crashing.reconciler();
        let answer = crash_point.run(send_reconcile::handle(&reconciler, when)).await;
        crash_point.requests_done().await;
        if answer.is_none() {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the number of points is part of the result")]
async fn wherever_a_host_crashes_a_message_is_sent_once_or_known_to_have_failed() {
    let times = if full_run() { 50 } else { 1 };
    for (function, fault) in [
        (Function::Relay, NONE),
        (Function::Sender, NONE),
        (Function::Sender, "refuse:21211"),
        (Function::Sender, "refuse:21610"),
        (Function::Sender, "rate-limit"),
        (Function::Sender, "error-after"),
        (Function::Sender, "down"),
        (Function::Sender, "down-after"),
        (Function::Reconciler, "error-before"),
        (Function::Reconciler, "error-after"),
    ] {
        let path = SendPath::start(250 * times).await;
        let (mut points, mut contact) = (0, 0);
        let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
        'points: for nth in crash::points().skip(1) {
            for _ in 0..times {
                let (message, crashed) =
                    Box::pin(send_with_crash(&path, contact, fault, function, nth)).await;
                contact += 1;
                let outcome = path.outcome(&message).await;
                assert!(outcome.is_ok(), "{function:?} crashed at point {nth} after {fault}: {outcome:?}");
                assert!(
                    path.is_done().await,
                    "{function:?} crashed at point {nth} after {fault}: a message is left"
                );
                *outcomes.entry(format!("{:?}", outcome.unwrap().0)).or_default() += 1;
                if !crashed {
                    break 'points; // there are no more points
                }
            }
            points = nth;
        }
        // Two points for each request: the relay makes two requests, the others at least four.
        let least = if function == Function::Relay { 4 } else { 8 };
        assert!(points >= least, "{function:?} has {points} points");
        println!("{function:?} after {fault}: {points} points, {times} crashes each: {outcomes:?}");
    }
}

/// All faults together: hosts crash anywhere, the queue delivers twice concurrently, the carrier has every
/// fault, and a tenth of the requests to the table fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn under_all_faults_together_every_message_is_sent_once_or_known_to_have_failed() {
    let (seeds, texts) = if full_run() { (0..5, 500) } else { (0..1, 40) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let start = Instant::now();
        println!("SEED={seed}: {texts} messages");
        let faults = Faults::seeded(seed);
        let mut path = SendPath::start(texts).await;
        path.table = faults.table(&path.inbox.app.engine);
        let path = Arc::new(path);
        let mut accepted = Vec::new();
        for contact in 0..texts {
            accepted.push(path.accept(contact).await);
        }
        faults.set_percent(10);
        let mut entropy = fastrand::Rng::with_seed(seed);
        let crashes = send_under_faults(&path, &accepted, &mut entropy).await;
        faults.set_percent(0);
        path.carrier().fault(NONE, "1").await;
        tokio::time::sleep(Duration::from_secs(1)).await; // what hosts that died had sent arrives
        faults.late_writes_applied().await;
        send_the_rest(&path).await;
        for message in &accepted {
            let outcome = path.outcome(message).await;
            assert!(outcome.is_ok(), "SEED={seed}: {outcome:?}");
        }
        println!("SEED={seed}: {crashes} crashes, {:?}, in {:?}", faults.injected(), start.elapsed());
    }
}

/// Relays and sends while everything fails. Returns the number of crashes. [`send_the_rest`] finishes what
/// crashed.
async fn send_under_faults(path: &Arc<SendPath>, accepted: &[Message], entropy: &mut fastrand::Rng) -> u32 {
    const CARRIER_FAULTS: [&str; 8] = [
        NONE,
        "refuse:21211",
        "rate-limit",
        "error-before",
        "error-after",
        "down",
        "down-after",
        "timeout-after",
    ];
    let mut crashes = 0;
    for batch in accepted.chunks(MAX_CONCURRENCY) {
        path.carrier().fault(CARRIER_FAULTS[entropy.usize(0..CARRIER_FAULTS.len())], "3").await;
        for message in batch {
            let relay = path.relay();
            let relayed = outbox_relay::handle(&relay, path.stream_event(message));
            crashes += u32::from(dropped_at_wait(entropy.usize(1..12), relayed).await.is_none());
        }
        let jobs = path.queue().drain();
        let twice = jobs
            .iter()
            .chain(&jobs)
            .map(|job| (job.clone(), entropy.usize(1..40), entropy.u32(1..MAX_RECEIVES)));
        let deliveries = stream::iter(twice.collect::<Vec<_>>()).map(|(job, nth, receives)| {
            let path = path.clone();
            async move {
                let sender = path.sender();
                let done = dropped_at_wait(nth, deliver(&sender, &job, receives)).await;
                if done != Some(true) {
                    path.queue().push(job);
                }
                u32::from(done.is_none())
            }
        });
        let crashed =
            deliveries.buffer_unordered(MAX_CONCURRENCY).fold(0, async |sum, crashed| sum + crashed);
        crashes += crashed.await;
    }
    crashes
}

/// Delivers what the queue still has and runs the reconciler, without faults.
async fn send_the_rest(path: &SendPath) {
    path.reconcile().await; // several lost answers paused sending, and the probe ends the pause
    let sender = path.sender();
    for _ in 0..3 {
        let mut jobs = path.queue().drain();
        for receives in 1..=MAX_RECEIVES {
            jobs = deliver_all(&sender, jobs, receives).await;
            path.reconcile().await; // unknown messages are sent by the next delivery
        }
        assert_eq!(jobs, Vec::<String>::new(), "these go to the dead-letter queue");
        path.reconcile().await;
    }
    assert!(path.is_done().await);
}

/// The sender loses its claim and sends again after a lost answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_copy_would_be_noticed() {
    let path = SendPath::start(1).await;
    let message = path.accept(0).await;
    outbox_relay::handle(&path.relay(), path.stream_event(&message)).await.unwrap();
    let [job] = &path.queue().drain()[..] else { panic!("one message is one job") };
    path.carrier().fault("error-after", "1").await;
    let sender = path.sender();
    assert!(!deliver(&sender, job, 1).await);
    remove_claim(&path, &message).await;
    assert!(deliver(&sender, job, 2).await);
    path.reconcile().await;
    assert_eq!(path.carrier().accepted_messages(&message.contact_number).await, 2);
    assert!(path.outcome(&message).await.is_err());
}

/// Removes the claim, which prevents a second attempt.
async fn remove_claim(path: &SendPath, message: &Message) {
    use aws_sdk_dynamodb::{Client, types::AttributeValue};
    let client = Client::from_conf(path.inbox.app.engine.aws.dynamodb_config().build());
    let key = shared_aws::table::keys::message(path.inbox.organization(), &message.conversation, &message.id);
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", AttributeValue::S(key.pk))
        .key("sk", AttributeValue::S(key.sk))
        .update_expression("REMOVE claim, states.sending, states.#unknown")
        .expression_attribute_names("#unknown", "unknown")
        .send()
        .await
        .unwrap();
}

/// The reconciler does not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_never_reconciled_would_be_noticed() {
    let path = SendPath::start(1).await;
    let message = path.accept(0).await;
    outbox_relay::handle(&path.relay(), path.stream_event(&message)).await.unwrap();
    path.carrier().fault("error-after", "1").await;
    let sender = path.sender();
    assert!(!deliver(&sender, &path.queue().drain()[0], 1).await);
    assert!(path.outcome(&message).await.is_err());
    assert!(!path.is_done().await);
}
