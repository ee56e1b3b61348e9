//! A broadcast whose workers die at any of their requests, stop for longer than their lease and go on, and
//! run twice at once, while the table fails and the queue loses and repeats messages. Between any two
//! requests of a worker, users pause, resume and cancel the broadcast, block and lock recipients, remove its
//! sender, and lose the registration, recipients opt out and reply, time passes, and hours end. The sums are
//! right at every observation, each number gets at most one text, and nobody is left out. The clock is an
//! argument.
//!
//! There are two sizes. With many recipients, delivery reports of the stores stand in for the relay and the
//! sender. With fewer, texts go through both of them to the carrier simulator, which refuses some and loses
//! answers.

use std::{
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream};
use shared_aws::{
    messaging::{Deliveries, Outbox, OutboxEntry},
    table::Table,
};
use shared_domain::message::{DeliveryState, Message, Report};
use test_kit::{
    crash::dropped_at_wait,
    faults::Faults,
    gate::{Arrival, Arrivals, Gate, gate},
    queue::broadcast_queue,
};

use crate::{
    broadcast_world::{Act, Work, World, released},
    chosen_seed, full_run,
    send_path::{MAX_RECEIVES, SendPath, TEXT_QUEUE, deliver_at},
    test_inbox::TestInbox,
};

/// The most steps with faults, and without them after those.
const STEPS: [usize; 2] = [4_000, 2_000];
/// Messages that the carrier reports on at the same time.
const MAX_CONCURRENCY: usize = 16;

struct Simulation {
    world: World,
    seed: u64,
    random: fastrand::Rng,
    faults: Faults,
    /// The table as workers reach it.
    table: Table,
    arrivals: Arrivals,
    /// Between how many requests of a worker something happens, on average.
    act_every: u32,
    /// The most requests after which a worker dies.
    dies_within: usize,
    jobs: Vec<String>,
    /// Texts in the queue, with how often each was received.
    texts: Vec<(String, u32)>,
    is_sent: bool,
    /// Workers that stopped and may go on, with the request that waits.
    stopped: Vec<(Work, Arrival)>,
    has_faults: bool,
    has_ended_early: bool,
    killed: u32,
    acts: u32,
}

impl Simulation {
    async fn start(seed: u64, recipients: usize, is_sent: bool) -> Self {
        let inbox = TestInbox::start(recipients).await;
        let rate = if recipients > 1_000 { 75 } else { 1 };
        let own = inbox.inbox().clone();
        inbox.app.add_inbox(&shared_domain::inbox::Inbox { segments_per_second: Some(rate), ..own }).await;
        let faults = Faults::seeded(seed);
        let (gate, arrivals): (Gate, Arrivals) = gate();
        let table = faults.gated_table(&inbox.app.engine, &gate);
        let path = SendPath { table: faults.table(&inbox.app.engine), inbox };
        let numbers = path.inbox.numbers.clone();
        let world = World::start(Rc::new(path), seed, numbers).await;
        Self {
            world: if is_sent { world.sent() } else { world },
            seed,
            random: fastrand::Rng::with_seed(seed),
            faults,
            table,
            arrivals,
            act_every: if recipients > 1_000 { 400 } else { 25 },
            dies_within: if recipients > 1_000 { 2_000 } else { 150 },
            jobs: Vec::new(),
            texts: Vec::new(),
            is_sent,
            stopped: Vec::new(),
            has_faults: true,
            has_ended_early: false,
            killed: 0,
            acts: 0,
        }
    }

    /// Runs a worker until it ends, or until its request number `until`, which then waits.
    async fn drive(&mut self, work: &mut Work, until: usize) -> Result<bool, Arrival> {
        let mut requests = 0;
        loop {
            let arrival = tokio::select! {
                biased;
                done = &mut *work => return Ok(done),
                arrival = self.arrivals.next() => arrival,
            };
            requests += 1;
            if requests == until {
                return Err(arrival);
            }
            if self.has_faults && self.random.u32(0..self.act_every) == 0 {
                Box::pin(self.disturb()).await;
            }
            arrival.pass();
        }
    }

    fn worker(&self, job: &str) -> Work {
        let queue = &self.world.path.inbox.app.queue.url;
        self.world.worker(&self.table, queue, job.to_owned())
    }

    fn receive(&mut self) {
        let (jobs, texts): (Vec<_>, Vec<_>) =
            self.world.path.queue().drain().into_iter().partition(|body| body.contains("broadcastId"));
        self.jobs.extend(jobs);
        self.texts.extend(texts.into_iter().map(|text| (text, 1)));
    }

    /// Delivers the messages of the queue. Some are lost or come twice, and some workers die or stop.
    async fn work(&mut self) {
        self.receive();
        for job in std::mem::take(&mut self.jobs) {
            let fate = if self.has_faults { self.random.u8(0..12) } else { u8::MAX };
            let dies_at = self.random.usize(1..=self.dies_within);
            let mut work = self.worker(&job);
            let done = match fate {
                0 => continue, // lost
                1 | 2 => {
                    let both = [work, self.worker(&job)];
                    work = Box::pin(async { join_all(both).await.into_iter().all(|done| done) });
                    self.drive(&mut work, usize::MAX).await
                }
                3..=6 => self.drive(&mut work, dies_at).await,
                _ => self.drive(&mut work, usize::MAX).await,
            };
            match done {
                Ok(true) => {}
                Ok(false) => self.jobs.push(job),
                Err(arrival) if fate == 6 => self.stopped.push((work, arrival)),
                Err(arrival) => {
                    drop((work, arrival));
                    self.killed += 1;
                    if self.random.bool() {
                        self.jobs.push(job); // or the queue loses the message as well
                    }
                }
            }
        }
        if !self.stopped.is_empty() && (!self.has_faults || self.random.u8(0..4) == 0) {
            let place = self.random.usize(0..self.stopped.len());
            let (mut work, arrival) = self.stopped.swap_remove(place);
            arrival.pass();
            let ended = self.drive(&mut work, usize::MAX).await;
            assert!(ended.is_ok());
        }
    }

    async fn sweep(&mut self) {
        let now = self.world.clock.now();
        let nth = if self.has_faults { self.random.usize(1..40) } else { usize::MAX };
        if self.is_sent {
            let reconciler = self.world.path.reconciler();
            dropped_at_wait(nth, send_reconcile::handle(&reconciler, now)).await;
        } else {
            let queue = broadcast_queue(&self.world.path.inbox.app.queue.url);
            let sweep = shared_app::broadcast::BroadcastSweep::new(&self.world.path.table, queue);
            dropped_at_wait(nth, sweep.run(now)).await;
        }
    }

    /// What becomes of the texts that were released.
    async fn send(&mut self) {
        let released = self.world.outbox().await;
        if self.is_sent {
            self.relay(&released).await;
            self.deliver().await;
        } else {
            self.report(released).await;
        }
    }

    /// Reports on messages that the carrier would have. A report that dies between its writes does not come
    /// again.
    async fn report(&mut self, released: Vec<(OutboxEntry, Message)>) {
        let plans: Vec<_> = released.into_iter().map(|released| (released, self.plan())).collect();
        let (deliveries, outbox) =
            (Deliveries::new(self.world.path.table.clone()), Outbox::new(self.world.path.inbox.table()));
        let report = Report::at(self.world.clock.now());
        let reports = stream::iter(plans).map(|((entry, message), (state, dies_at, times))| {
            let (deliveries, outbox, report) = (&deliveries, &outbox, &report);
            async move {
                if message.delivery.state() != DeliveryState::Queued {
                    return outbox.remove(&entry).await.unwrap();
                }
                let reports = (0..times).map(|_| {
                    deliveries.report(&entry.organization, &entry.message, state, report, Some("SM1"))
                });
                dropped_at_wait(dies_at, join_all(reports)).await;
            }
        });
        reports.buffer_unordered(MAX_CONCURRENCY).collect::<()>().await;
    }

    /// The state that is reported, at which of its waits the report dies, and how often it comes.
    fn plan(&mut self) -> (DeliveryState, usize, usize) {
        let state = match self.random.u8(0..40) {
            0 => DeliveryState::Undelivered,
            1..=9 => DeliveryState::Sent,
            _ => DeliveryState::Delivered,
        };
        let dies = self.has_faults && self.random.u8(0..8) == 0;
        (state, if dies { self.random.usize(1..12) } else { usize::MAX }, if dies { 2 } else { 1 })
    }

    /// Moves released messages to the queue, except those whose stream record is lost.
    async fn relay(&mut self, released: &[(OutboxEntry, Message)]) {
        let path = self.world.path.clone();
        let relay = path.relay();
        for (_, message) in released {
            if self.has_faults && self.random.u8(0..16) == 0 {
                self.world.act(Act::Stop, &message.contact_number).await;
            }
            if !self.has_faults || self.random.u8(0..8) > 0 {
                let nth = if self.has_faults { self.random.usize(1..40) } else { usize::MAX };
                dropped_at_wait(nth, outbox_relay::handle(&relay, path.stream_event(message))).await;
            }
        }
    }

    /// Delivers the texts of the queue to the sender, and reports on those that the carrier has.
    async fn deliver(&mut self) {
        let path = self.world.path.clone();
        self.receive();
        let sender = path.sender();
        for (text, receives) in std::mem::take(&mut self.texts) {
            let now = self.world.clock.now_then_advance(Duration::from_millis(1_100)); // its turn
            if self.has_faults && self.random.u8(0..12) == 0 {
                let fault = ["refuse:21211", "rate-limit", "error-before", "error-after", "down-after"];
                path.carrier().fault(fault[self.random.usize(0..fault.len())], "1").await;
            }
            let nth = if self.has_faults && self.random.u8(0..4) == 0 {
                self.random.usize(1..60)
            } else {
                usize::MAX
            };
            let sent = deliver_at(&sender, &text, receives, TEXT_QUEUE, now);
            let done = dropped_at_wait(nth, sent).await == Some(true);
            path.carrier().fault("none", "1").await;
            if !done || (self.has_faults && self.random.u8(0..8) == 0) {
                self.texts.push((text, (receives + 1).min(MAX_RECEIVES - 1)));
            }
        }
    }

    /// Something that users, recipients and the registry do, or time that passes.
    async fn disturb(&mut self) {
        self.acts += 1;
        let anybody = self.world.numbers[self.random.usize(0..self.world.numbers.len())].clone();
        let next = if self.random.bool() { self.world.next_number().await } else { None };
        let number = next.unwrap_or(anybody);
        let (found, progress) = self.world.look().await;
        if !self.has_ended_early && released(&progress) > progress.total() / 2 {
            self.has_ended_early = true;
            match self.seed % 3 {
                1 => self.world.act(Act::RemoveSender, &number).await,
                2 => self.world.act(Act::Cancel, &number).await,
                _ => {}
            }
            return;
        }
        let act = match self.random.u8(0..20) {
            0 => Act::Pause,
            1 => Act::Suspend,
            2..=5 => Act::GoOn,
            6..=8 => Act::Stop,
            9..=11 => Act::Reply,
            12 | 13 => Act::Block,
            14 | 15 => Act::Lock,
            16..=18 => {
                let time = Duration::from_millis(self.random.u64(100..60_000));
                return self.world.pass_time(&found, time);
            }
            _ => return self.overtake().await,
        };
        self.world.act(act, &number).await;
    }

    /// The lease of a worker ends, and another worker runs.
    async fn overtake(&mut self) {
        let past = Duration::from_secs(self.random.u64(91..300));
        self.world.clock.now_then_advance(past);
        let mut work = self.worker(&self.world.job());
        let dies_at = self.random.usize(1..=self.dies_within);
        let act_every = std::mem::replace(&mut self.act_every, u32::MAX);
        let ended = self.drive(&mut work, dies_at).await;
        self.killed += u32::from(ended.is_err());
        self.act_every = act_every;
    }

    async fn run(&mut self) {
        let recipients = self.world.numbers.len() as u64;
        self.world.confirm().await;
        self.faults.set_percent(4);
        let mut seen = 0;
        for step in 0..STEPS[0] {
            self.world.clock.now_then_advance(Duration::from_millis(self.random.u64(100..20_000)));
            if step % 4 == 0 {
                self.sweep().await;
            }
            self.work().await;
            self.send().await;
            if self.random.u8(0..3) == 0 {
                self.disturb().await;
            }
            let (found, progress) = self.world.look().await;
            if released(&progress) >= seen + recipients / 16 {
                seen = released(&progress);
                self.world.look_at_all().await;
            }
            if found.status.is_final() || released(&progress) > recipients * 9 / 10 {
                break;
            }
        }
        self.has_faults = false;
        self.faults.set_percent(0);
        while !self.stopped.is_empty() {
            self.work().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await; // what hosts that died had sent arrives
        self.faults.late_writes_applied().await;
        for _ in 0..STEPS[1] {
            self.world.go_on().await; // too many failures pause a broadcast
            let (found, progress) = self.world.look().await;
            if found.status.is_final() && progress.is_complete() {
                return;
            }
            self.world.pass_time(&found, Duration::from_mins(1));
            self.sweep().await;
            self.work().await;
            self.send().await;
        }
        panic!("it does not end: {}", self.world.describe().await);
    }
}

#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn simulate(seed: u64, recipients: usize, is_sent: bool) {
    let began = Instant::now();
    println!("SEED={seed}: {recipients} recipients");
    let mut simulation = Simulation::start(seed, recipients, is_sent).await;
    simulation.run().await;
    simulation.world.assert_outcome().await;
    let (found, progress) = simulation.world.look().await;
    println!(
        "SEED={seed}: {:?} {progress:?}, {} killed, {} acts, faults {:?}, in {:?}",
        found.status,
        simulation.killed,
        simulation.acts,
        simulation.faults.injected(),
        began.elapsed()
    );
}

/// Runs seeds side by side, each in a thread: a simulation mostly waits.
fn simulate_all(seeds: std::ops::Range<u64>, recipients: usize, is_sent: bool) {
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let run = move |seed| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(simulate(seed, recipients, is_sent));
    };
    let threads: Vec<_> = seeds.into_iter().map(|seed| thread::spawn(move || run(seed))).collect();
    let failed = threads.into_iter().filter_map(|thread| thread.join().err()).count();
    assert_eq!(failed, 0, "seeds failed");
}

#[test]
fn a_broadcast_texts_each_number_once_and_leaves_nobody_out_under_all_faults() {
    let (seeds, recipients) = if full_run() { (0..5, 20_000) } else { (0..3, 200) };
    simulate_all(seeds, recipients, false);
}

#[test]
fn at_the_carrier_each_number_has_one_text_and_none_after_stop_or_the_hours() {
    let (seeds, recipients) = if full_run() { (0..5, 500) } else { (0..2, 60) };
    simulate_all(seeds, recipients, true);
}
