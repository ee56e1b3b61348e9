//! Promise 3: an accepted text is sent at most once without proof of failure, and never silently lost. The whole way out is
//! walked, relay, queue, sender, reconciler, with a carrier that refuses, stalls and loses answers, with hosts that die before
//! and after each of their requests, and in a storm of all of that.

use std::{collections::BTreeMap, sync::Arc, time::Duration, time::Instant};

use aws_lambda_events::event::{dynamodb, sqs::SqsEvent};
use futures_util::{StreamExt, stream};
use outbox_relay::Queues;
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, Bucket, MailQueue, MediaQueue, SendQueue},
    conversation::Conversations,
    messaging::{Acceptance, Accepted, Guard, Messages, Outbox},
    table::Table,
};
use shared_domain::{
    contact::Contact,
    ids::UserId,
    keys::ConversationKey,
    message::{DeliveryState, Message},
    time::Timestamp,
    user::UserRef,
};
use shared_lambda::clock;
use test_kit::{
    carrier::{Carrier, client_of},
    engine::TABLE,
    faults::Faults,
    mortal::{Gate, Life, killed_at},
    queue::Queue,
};

use crate::{chosen_seed, desk::Desk, full_run, twilio::callbacks};

/// `maxReceiveCount` of the send queue.
const TRIES: u32 = 5;
const GRACE: Duration = Duration::from_secs(300);
/// The sender waits so long for the carrier: a moment where it may be in vain, and long where each answer counts, however busy
/// the machine is.
const PATIENCE: Duration = Duration::from_millis(300);
const LONG_PATIENCE: Duration = Duration::from_secs(10);
const NOWHERE: &str = "http://127.0.0.1:9";

/// What the carrier does with the tries of a text, and what becomes of the text.
struct Case {
    what: &'static str,
    /// The simulator's fault of the first try, and of all that follow.
    first: &'static str,
    then: &'static str,
    /// Nobody answers at the carrier's address.
    unreachable: bool,
    ends: DeliveryState,
    /// How many copies the carrier has in the end.
    copies: usize,
}

const NONE: &str = "none";

const fn case(
    what: &'static str,
    first: &'static str,
    then: &'static str,
    ends: DeliveryState,
    copies: usize,
) -> Case {
    Case { what, first, then, unreachable: false, ends, copies }
}

use DeliveryState::{Failed, Sent};

/// The table of ARCHITECTURE.md, "One reply under a lock".
const CASES: [Case; 9] = [
    case("taken", NONE, NONE, Sent, 1),
    case("refused for good", "refuse:21211", NONE, Failed, 0),
    case("opted out at the carrier", "refuse:21610", NONE, Failed, 0),
    case("429, then taken", "rate-limit", NONE, Sent, 1),
    case("429 for ever", "rate-limit", "rate-limit", Failed, 0),
    case("5xx, not taken", "error-before", NONE, Failed, 0),
    case("5xx, and taken", "error-after", NONE, Sent, 1),
    case("time-out, and taken", "timeout-after", NONE, Sent, 1),
    Case { what: "no connection", first: NONE, then: NONE, unreachable: true, ends: Failed, copies: 0 },
];

/// Accepted texts on their way to a carrier.
struct Line {
    desk: Desk,
    carrier: Carrier,
    queue: Queue,
    /// What the hosts see of the table.
    table: Table,
}

/// What a host reaches, each at its own address.
struct Around {
    table: Table,
    queue: String,
    carrier: String,
    patience: Duration,
}

impl Around {
    fn queues(&self) -> Queues {
        let (aws, url) = (Aws::loopback(&self.queue), format!("{}/queue.fifo", self.queue));
        Queues {
            messages: SendQueue::new(&aws, &url),
            notifications: MailQueue::new(&aws, &url),
            media: MediaQueue::new(&aws, &url),
        }
    }

    fn relay(&self) -> outbox_relay::App {
        outbox_relay::App::new(&self.table, self.queues())
    }

    fn sender(&self) -> outbound_send::App {
        let bucket = Bucket::new(&Aws::loopback(NOWHERE), "files");
        let client = client_of(&self.carrier, self.patience);
        outbound_send::App::new(self.table.clone(), bucket, client, callbacks(), TRIES)
    }

    fn reconciler(&self) -> send_reconcile::App {
        let queues = self.queues();
        let carrier = client_of(&self.carrier, Duration::from_secs(5));
        send_reconcile::App::new(self.table.clone(), carrier, queues, GRACE)
    }
}

impl Line {
    async fn open(contacts: usize) -> Self {
        let desk = Desk::open(contacts).await;
        let table = desk.table();
        Self { desk, table, carrier: Carrier::open().await, queue: Queue::open().await }
    }

    async fn accept(&self, contact: usize) -> Message {
        let ada = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() };
        let message = self.desk.message(contact, &ada, clock::now(), clock::entropy());
        let wanted = Acceptance {
            organization: &self.desk.inbox.organization,
            message: &message,
            contact: &Contact::provisional(&self.desk.inbox.team, &message.contact_number),
            guard: Guard::Compose { user: None },
            idempotency: None,
        };
        assert_eq!(self.desk.sends.accept(wanted).await.unwrap(), Accepted::Stored);
        message
    }

    /// What hosts reach that live on.
    fn around(&self) -> Around {
        let (queue, carrier) = (self.queue.url.clone(), self.carrier.url.clone());
        Around { table: self.table.clone(), queue, carrier, patience: PATIENCE }
    }

    /// What a host reaches until the end of its life, as long as the gates stand.
    async fn around_until(&self, life: &Life) -> (Around, [Gate; 3]) {
        let table = Gate::open(&self.desk.engine.endpoint, life).await;
        let queue = Gate::open(&self.queue.url, life).await;
        let carrier = Gate::open(&self.carrier.url, life).await;
        let around = Around {
            table: Table::of(&Aws::loopback(&table.url), TABLE),
            queue: queue.url.clone(),
            carrier: carrier.url.clone(),
            patience: PATIENCE,
        };
        (around, [table, queue, carrier])
    }

    fn relay(&self) -> outbox_relay::App {
        self.around().relay()
    }

    fn sender(&self, carrier: &str) -> outbound_send::App {
        Around { carrier: carrier.to_owned(), ..self.around() }.sender()
    }

    fn reconciler(&self) -> send_reconcile::App {
        self.around().reconciler()
    }

    /// The stream shows the row of an accepted text.
    fn shown(&self, message: &Message) -> dynamodb::Event {
        let image = json!({
            "pk": { "S": "OUTBOX#1" }, "sk": { "S": message.id.as_str() },
            "org": { "S": self.desk.inbox.organization.as_str() },
            "at": { "N": message.created_at.millis().to_string() },
        });
        let record = json!({
            "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
                "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
            },
        });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    }

    /// Asks the carrier about what is unknown, now and after the grace time, until nothing waits for an answer.
    async fn reconcile(&self) {
        let app = self.reconciler();
        for at in [clock::now(), after_the_grace_time()] {
            loop {
                let tally = send_reconcile::handle(&app, at).await.unwrap();
                if tally.resolved == 0 {
                    break;
                }
            }
        }
    }

    /// Whether the text has come to an end that is true and that people see; otherwise what is wrong.
    async fn verdict(&self, message: &Message) -> Result<(DeliveryState, usize), String> {
        let organization = &self.desk.inbox.organization;
        let found = Messages::new(self.desk.table()).get(organization, &message.id).await.unwrap().unwrap();
        let thread =
            ConversationKey { organization, inbox: &message.inbox, conversation: &message.conversation };
        let shown = Conversations::new(self.desk.table()).get(thread).await.unwrap().unwrap().delivery_failed;
        let (state, copies) = (found.delivery.state(), self.carrier.taken(&message.contact_number).await);
        match (state, copies) {
            (Sent, 1) | (Failed, 0) if shown == (state == Failed) => Ok((state, copies)),
            _ => Err(format!("{} is {state:?} with {copies} copies, shown as failed: {shown}", message.id)),
        }
    }

    /// Nothing waits for the relay, or for the carrier's word.
    async fn is_empty(&self) -> bool {
        let outbox = Outbox::new(self.desk.table());
        let left = outbox.overdue(after_the_grace_time()).await.unwrap();
        left.is_empty() && outbox.unknown().await.unwrap().is_empty()
    }
}

fn after_the_grace_time() -> Timestamp {
    clock::now() + (GRACE + Duration::from_secs(1))
}

/// Delivers a job; `false` when the queue must bring it again.
async fn deliver(app: &outbound_send::App, body: &str, receives: u32) -> bool {
    let group = serde_json::from_str::<Value>(body).unwrap()["messageId"].clone();
    let record = json!({
        "messageId": "q", "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receives.to_string(), "MessageGroupId": group },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:send.fifo",
        "awsRegion": "us-east-1",
    });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    let answer = outbound_send::handle(app, clock::now, clock::entropy, event).await;
    answer.batch_item_failures.is_empty()
}

const MAX_CONCURRENCY: usize = 8;

/// Delivers all jobs once, many at a time; gives those that come again.
async fn deliver_all(app: &outbound_send::App, jobs: Vec<String>, receives: u32) -> Vec<String> {
    let tries = stream::iter(jobs).map(|job| async move {
        let done = deliver(app, &job, receives).await;
        (!done).then_some(job)
    });
    tries.buffer_unordered(MAX_CONCURRENCY).filter_map(async |again| again).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "what was tried is part of what was found")]
async fn each_answer_of_the_carrier_ends_as_the_table_says() {
    let texts = if full_run() { 1_000 } else { 8 };
    for case in &CASES {
        let begun = Instant::now();
        let line = Line::open(texts).await;
        let relay = line.relay();
        let mut accepted = Vec::new();
        for contact in 0..texts {
            let message = line.accept(contact).await;
            outbox_relay::handle(&relay, line.shown(&message)).await.unwrap();
            accepted.push(message);
        }
        let carrier = if case.unreachable { NOWHERE } else { &line.carrier.url };
        let patience = if case.first == "timeout-after" { PATIENCE } else { LONG_PATIENCE };
        let sender = Around { carrier: carrier.to_owned(), patience, ..line.around() }.sender();
        let mut jobs = line.queue.drain();
        assert_eq!(jobs.len(), texts);
        for receives in 1..=TRIES {
            let fault = if receives == 1 { case.first } else { case.then };
            line.carrier.fault(fault, &texts.to_string()).await;
            jobs = deliver_all(&sender, jobs, receives).await;
        }
        assert_eq!(jobs, Vec::<String>::new(), "{}: these end among the dead letters", case.what);
        line.carrier.fault(NONE, "1").await;
        line.reconcile().await;
        for message in &accepted {
            assert_eq!(line.verdict(message).await, Ok((case.ends, case.copies)), "{}", case.what);
        }
        assert!(line.is_empty().await, "{}", case.what);
        println!(
            "{}: {texts} texts {:?} with {} copies, in {:?}",
            case.what,
            case.ends,
            case.copies,
            begun.elapsed()
        );
    }
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Relay,
    Sender,
    Reconciler,
}

/// What is on its way when its sender dies has arrived by then.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// One text all the way, with one host killed at the `nth` point at which it depends on others; whether it was killed there.
async fn walk(line: &Line, contact: usize, fault: &str, dies: Host, nth: usize) -> (Message, bool) {
    let message = line.accept(contact).await;
    let life = Life::until(nth);
    let (mortal, _gates) = line.around_until(&life).await;
    let mut killed = false;

    if dies == Host::Relay {
        killed = life.of(outbox_relay::handle(&mortal.relay(), line.shown(&message))).await.is_none();
    }
    if dies != Host::Relay || killed {
        // The stream brings again what was not told to be done.
        outbox_relay::handle(&line.relay(), line.shown(&message)).await.unwrap();
    }

    line.carrier.fault(fault, "1").await;
    for job in line.queue.drain() {
        let mut done = false;
        if dies == Host::Sender && !killed {
            let answer = life.of(deliver(&mortal.sender(), &job, 1)).await;
            killed = answer.is_none();
            done = answer.unwrap_or(false);
        }
        if killed {
            tokio::time::sleep(ON_ITS_WAY).await;
            line.carrier.fault(NONE, "1").await; // of a host that died before it could strike
        }
        for receives in 2..=TRIES {
            done = done || deliver(&line.sender(&line.carrier.url), &job, receives).await;
        }
        assert!(done, "the queue gave up");
    }

    if dies == Host::Reconciler {
        for when in [clock::now(), after_the_grace_time()] {
            killed = killed || life.of(send_reconcile::handle(&mortal.reconciler(), when)).await.is_none();
        }
        tokio::time::sleep(ON_ITS_WAY).await;
    }
    line.reconcile().await;
    (message, killed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "how many points there are is part of what was found")]
async fn wherever_a_host_dies_a_text_is_sent_once_or_known_to_have_failed() {
    let times = if full_run() { 50 } else { 1 };
    for (host, fault) in [
        (Host::Relay, NONE),
        (Host::Sender, NONE),
        (Host::Sender, "refuse:21211"),
        (Host::Sender, "refuse:21610"),
        (Host::Sender, "rate-limit"),
        (Host::Sender, "error-after"),
        (Host::Reconciler, "error-before"),
        (Host::Reconciler, "error-after"),
    ] {
        let line = Line::open(100 * times).await;
        let (mut points, mut contact) = (0, 0);
        let mut ends: BTreeMap<String, u32> = BTreeMap::new();
        'points: for nth in 1.. {
            for _ in 0..times {
                let (message, killed) = Box::pin(walk(&line, contact, fault, host, nth)).await;
                contact += 1;
                let end = line.verdict(&message).await;
                assert!(end.is_ok(), "{host:?} died at point {nth} after {fault}: {end:?}");
                assert!(
                    line.is_empty().await,
                    "{host:?} died at point {nth} after {fault}: something is left"
                );
                *ends.entry(format!("{:?}", end.unwrap().0)).or_default() += 1;
                if !killed {
                    break 'points; // it came through: there are no more
                }
            }
            points = nth;
        }
        // Before and after each of its requests: two of the relay, at least four of the others.
        let least = if host == Host::Relay { 4 } else { 8 };
        assert!(points >= least, "{host:?} has {points} points");
        println!("{host:?} after {fault}: {points} points, {times} deaths each: {ends:?}");
    }
}

/// All of it at once: hosts that die anywhere, jobs that the queue brings twice at the same time, a carrier in every mood, and a
/// table of which a tenth of the requests go wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn in_a_storm_every_text_is_sent_once_or_known_to_have_failed() {
    let (seeds, texts) = if full_run() { (0..5, 500) } else { (0..1, 40) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let begun = Instant::now();
        println!("SEED={seed}: {texts} texts in a storm");
        let faults = Faults::seeded(seed);
        let mut line = Line::open(texts).await;
        line.table = faults.table(&line.desk.engine);
        let line = Arc::new(line);
        let mut accepted = Vec::new();
        for contact in 0..texts {
            accepted.push(line.accept(contact).await);
        }
        faults.strike(10);
        let mut entropy = fastrand::Rng::with_seed(seed);
        let kills = storm(&line, &accepted, &mut entropy).await;
        faults.strike(0);
        line.carrier.fault(NONE, "1").await;
        tokio::time::sleep(Duration::from_secs(1)).await; // what is stuck on its way arrives
        calm(&line).await;
        for message in &accepted {
            let end = line.verdict(message).await;
            assert!(end.is_ok(), "SEED={seed}: {end:?}");
        }
        println!("SEED={seed}: {kills} kills, {:?}, in {:?}", faults.struck(), begun.elapsed());
    }
}

/// Relays and sends in the storm; gives how often a host was killed. What dies here comes again in the calm.
async fn storm(line: &Arc<Line>, accepted: &[Message], entropy: &mut fastrand::Rng) -> u32 {
    const MOODS: [&str; 6] =
        [NONE, "refuse:21211", "rate-limit", "error-before", "error-after", "timeout-after"];
    let mut kills = 0;
    for batch in accepted.chunks(MAX_CONCURRENCY) {
        line.carrier.fault(MOODS[entropy.usize(0..MOODS.len())], "3").await;
        for message in batch {
            let relay = line.relay();
            let relayed = outbox_relay::handle(&relay, line.shown(message));
            kills += u32::from(killed_at(entropy.usize(1..12), relayed).await.is_none());
        }
        let jobs = line.queue.drain();
        let twice =
            jobs.iter().chain(&jobs).map(|job| (job.clone(), entropy.usize(1..40), entropy.u32(1..TRIES)));
        let deaths = stream::iter(twice.collect::<Vec<_>>()).map(|(job, nth, receives)| {
            let line = line.clone();
            async move {
                let sender = line.sender(&line.carrier.url);
                let work = deliver(&sender, &job, receives);
                let done = killed_at(nth, work).await;
                if done != Some(true) {
                    line.queue.put_back(job);
                }
                u32::from(done.is_none())
            }
        });
        kills += deaths.buffer_unordered(MAX_CONCURRENCY).fold(0, async |sum, died| sum + died).await;
    }
    kills
}

/// The queue brings what it was not told the end of, the sweep what was never queued, and the reconciler asks.
async fn calm(line: &Line) {
    let sender = line.sender(&line.carrier.url);
    for _ in 0..3 {
        let mut jobs = line.queue.drain();
        for receives in 1..=TRIES {
            jobs = deliver_all(&sender, jobs, receives).await;
        }
        assert_eq!(jobs, Vec::<String>::new(), "these end among the dead letters");
        line.reconcile().await;
    }
    assert!(line.is_empty().await);
}

/// A sender that sends again what may have been taken makes a second copy, and that is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_simply_tries_again_would_be_noticed() {
    let line = Line::open(1).await;
    let message = line.accept(0).await;
    outbox_relay::handle(&line.relay(), line.shown(&message)).await.unwrap();
    let [job] = &line.queue.drain()[..] else { panic!("one text is one job") };
    line.carrier.fault("error-after", "1").await;
    let sender = line.sender(&line.carrier.url);
    assert!(deliver(&sender, job, 1).await);
    forget_the_claim(&line, &message).await;
    assert!(deliver(&sender, job, 2).await);
    line.reconcile().await;
    assert_eq!(line.carrier.taken(&message.contact_number).await, 2);
    assert!(line.verdict(&message).await.is_err());
}

/// The claim is what keeps a second attempt away.
async fn forget_the_claim(line: &Line, message: &Message) {
    use aws_sdk_dynamodb::{Client, types::AttributeValue};
    let client = Client::from_conf(line.desk.engine.aws.dynamodb_config().build());
    let key =
        shared_aws::table::keys::message(&line.desk.inbox.organization, &message.conversation, &message.id);
    client
        .update_item()
        .table_name(test_kit::engine::TABLE)
        .key("pk", AttributeValue::S(key.pk))
        .key("sk", AttributeValue::S(key.sk))
        .update_expression("REMOVE claim")
        .send()
        .await
        .unwrap();
}

/// Where nobody asks the carrier, a lost answer stays lost, and that is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_nobody_asks_about_would_be_noticed() {
    let line = Line::open(1).await;
    let message = line.accept(0).await;
    outbox_relay::handle(&line.relay(), line.shown(&message)).await.unwrap();
    line.carrier.fault("error-after", "1").await;
    let sender = line.sender(&line.carrier.url);
    assert!(deliver(&sender, &line.queue.drain()[0], 1).await);
    assert!(line.verdict(&message).await.is_err());
    assert!(!line.is_empty().await);
}
