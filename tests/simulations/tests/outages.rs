//! Outages of two hours: of the carrier, of its account, and of the table. Functions are killed at random,
//! and every status callback is lost. Each message arrives at the carrier once and in the order of its
//! conversation, although texts of broadcasts have a queue of their own. None fails, and all have their final
//! state in the end. The clock is an argument, so two hours take seconds.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use shared_aws::messaging::Messages;
use shared_domain::{
    broadcast::BroadcastRef,
    ids::BroadcastId,
    message::{DeliveryState, Message},
    time::Timestamp,
};
use shared_lambda::clock;
use test_kit::{crash::dropped_at_wait, faults::Faults};

use crate::{
    chosen_seed, full_run,
    send_path::{MESSAGE_QUEUE, SendPath, TEXT_QUEUE, deliver_at},
};

/// Minutes of the simulation: the outage, the last message, the last killed function, and the end.
const OUTAGE: std::ops::Range<u64> = 10..130;
const LAST_MESSAGE: u64 = 125;
const LAST_KILL: u64 = 145;
const END: u64 = 200;
/// By then, the carrier is asked once more about each message that stays `sent`.
const LAST_CHECK: Duration = Duration::from_hours(71);
/// The carrier dates messages by the real clock, so the simulation runs in the past.
const BEFORE_NOW: Duration = Duration::from_hours(4);
/// The visibility timeout of the send queue, for messages without a delay of their own.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(2);
/// The percentage of requests to the table that fail in its outage.
const TABLE_FAULTS: u8 = 70;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Carrier,
    Account,
    Table,
}

impl Outage {
    /// The faults of the carrier, one of which is in force in each minute.
    fn carrier_faults(self) -> &'static [&'static str] {
        match self {
            Self::Carrier => &["down", "down", "down-after", "error-before", "error-after"],
            Self::Account => &["unauthorized", "suspended"],
            Self::Table => &["none"],
        }
    }
}

/// One message in three is the text of a broadcast.
const TEXTS: u8 = 3;
/// The carrier simulator sends a segment each second, and has those of two hours in its queue.
const DELIVERY_TIMEOUT: Duration = Duration::from_mins(20);
const QUEUES: [&str; 2] = [MESSAGE_QUEUE, TEXT_QUEUE];

/// The messages of one conversation in one of the queues.
#[derive(Default)]
struct Group {
    jobs: VecDeque<String>,
    visible_at: Option<Timestamp>,
}

struct Simulation {
    path: SendPath,
    entropy: fastrand::Rng,
    /// Of each contact, in the order of [`QUEUES`].
    groups: Vec<[Group; 2]>,
    accepted: Vec<Vec<Message>>,
    killed: u32,
}

impl Simulation {
    async fn accept(&mut self, contact: usize, at: Timestamp) {
        let text = format!("Message {} to {contact}", self.accepted[contact].len());
        let broadcast = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
        let of = (self.entropy.u8(0..TEXTS) == 0).then_some(broadcast);
        let message = self.path.accept_at(contact, &text, of, at).await;
        // The stream delivers a record until the relay has handled it.
        for attempt in 1.. {
            assert!(attempt < 1_000, "the relay does not handle {text}");
            let relay = self.path.relay();
            let relayed = outbox_relay::handle(&relay, self.path.stream_event(&message)).await;
            let (jobs, names) = (self.path.queue().drain(), self.path.queue().drain_names());
            for (job, name) in jobs.into_iter().zip(names) {
                let queue = QUEUES.iter().position(|queue| *queue == name).unwrap();
                self.groups[contact][queue].jobs.push_back(job);
            }
            if relayed.is_ok() {
                break;
            }
        }
        self.accepted[contact].push(message);
    }

    /// Delivers the messages of a conversation in one of the queues until one has to wait.
    async fn deliver(&mut self, contact: usize, queue: usize, at: Timestamp, kills: bool) {
        let group = &mut self.groups[contact][queue];
        if group.visible_at.is_some_and(|visible_at| at < visible_at) {
            return;
        }
        while let Some(job) = group.jobs.front() {
            let nth =
                if kills && self.entropy.u8(0..8) == 0 { self.entropy.usize(1..30) } else { usize::MAX };
            let sender = self.path.sender();
            let done = dropped_at_wait(nth, deliver_at(&sender, job, 1, QUEUES[queue], at)).await;
            self.killed += u32::from(done.is_none());
            let delay = self.path.queue().drain_delays().pop().map(Duration::from_secs);
            assert!(self.path.queue().drain_names().iter().all(|name| name == QUEUES[queue]));
            if done != Some(true) {
                group.visible_at = Some(at + delay.unwrap_or(VISIBILITY_TIMEOUT));
                return;
            }
            group.jobs.pop_front();
        }
        group.visible_at = None;
    }

    async fn reconcile(&mut self, at: Timestamp, kills: bool) {
        let nth = if kills && self.entropy.u8(0..4) == 0 { self.entropy.usize(1..40) } else { usize::MAX };
        let reconciler = self.path.reconciler();
        let run = dropped_at_wait(nth, send_reconcile::handle(&reconciler, at)).await;
        self.killed += u32::from(run.is_none());
        // The sweep queues what the relay could not remove. The queue drops a copy within five minutes.
        self.path.queue().drain();
        self.path.queue().drain_names();
    }

    /// Waits until the carrier has delivered all messages, and asks about those that it had not delivered
    /// when it was asked before.
    async fn ask_about_deliveries(&mut self, at: Timestamp) {
        for number in &self.path.inbox.numbers {
            let deadline = Instant::now() + DELIVERY_TIMEOUT;
            while !self.path.carrier().has_delivered_all(number).await {
                assert!(Instant::now() < deadline, "the carrier does not deliver all messages");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.reconcile(at, false).await;
    }

    async fn assert_all_arrived(&self, seed: u64) {
        let messages = Messages::new(self.path.inbox.table());
        for (contact, accepted) in self.accepted.iter().enumerate() {
            let texts: Vec<_> = accepted.iter().map(|message| message.text.clone()).collect();
            let number = &self.path.inbox.numbers[contact];
            assert_eq!(self.path.carrier().accepted_texts(number).await, texts, "SEED={seed}");
            let is_empty = self.groups[contact].iter().all(|group| group.jobs.is_empty());
            assert!(is_empty, "SEED={seed}: messages wait in a queue");
            for message in accepted {
                let found = messages.get(self.path.inbox.organization(), &message.id).await.unwrap().unwrap();
                assert_eq!(found.delivery.state(), DeliveryState::Delivered, "SEED={seed}: {found:?}");
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn simulate(outage: Outage) {
    let (seeds, contacts) = if full_run() { (0..5, 8) } else { (0..1, 3) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let began = Instant::now();
        println!("SEED={seed}: two hours without {outage:?}");
        let faults = Faults::seeded(seed);
        let mut path = SendPath::start(contacts).await;
        path.table = faults.table(&path.inbox.app.engine);
        let mut simulation = Simulation {
            path,
            entropy: fastrand::Rng::with_seed(seed),
            groups: (0..contacts).map(|_| <[Group; 2]>::default()).collect(),
            accepted: vec![Vec::new(); contacts],
            killed: 0,
        };
        let start = clock::now() - BEFORE_NOW;
        for minute in 0..END {
            let at = start + Duration::from_mins(minute);
            simulation.path.carrier().fault("none", "1").await;
            simulation.path.carrier().fault("lost-callback", "1000").await;
            if OUTAGE.contains(&minute) {
                let fault = *simulation.entropy.choice(outage.carrier_faults()).unwrap();
                simulation.path.carrier().fault(fault, "1000").await;
            }
            let table_fails = outage == Outage::Table && OUTAGE.contains(&minute);
            faults.set_percent(if table_fails { TABLE_FAULTS } else { 0 });
            for contact in 0..contacts {
                if minute <= LAST_MESSAGE && simulation.entropy.u8(0..10) == 0 {
                    simulation.accept(contact, at).await;
                }
                for queue in simulation.entropy.choose_multiple(0..QUEUES.len(), QUEUES.len()) {
                    simulation.deliver(contact, queue, at, minute <= LAST_KILL).await;
                }
            }
            simulation.reconcile(at, minute <= LAST_KILL).await;
        }
        simulation.ask_about_deliveries(start + LAST_CHECK).await;
        simulation.assert_all_arrived(seed).await;
        let sent: usize = simulation.accepted.iter().map(Vec::len).sum();
        println!("SEED={seed}: {sent} messages, {} killed, in {:?}", simulation.killed, began.elapsed());
        assert!(sent > 0 && simulation.killed > 0, "SEED={seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_carrier_doubles_loses_and_fails_no_message() {
    simulate(Outage::Carrier).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_account_doubles_loses_and_fails_no_message() {
    simulate(Outage::Account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_table_doubles_loses_and_fails_no_message() {
    simulate(Outage::Table).await;
}
