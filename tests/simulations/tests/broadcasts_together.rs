//! Two or three broadcasts of one inbox at the same time, with recipients in common. Their workers run side
//! by side, run twice at once, and die at any of their waits. Users pause, resume and cancel, block and lock
//! recipients, and recipients opt out. At every observation, the broadcasts together have at most as much on
//! their way as the number sends in 15 seconds. In the end each of them has ended, and each of its numbers
//! has its text once, or a reason why it has none. The clock is an argument.
//!
//! No worker goes on after its lease has ended: it could say for a moment that fewer texts of its broadcast
//! are on their way than there are. No answer of the table is lost. The simulation of one broadcast has both.
//! A seed repeats the broadcasts and what users do, but not the waits at which workers die, because workers
//! that run side by side wake each other.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use shared_app::broadcast::BroadcastSweep;
use shared_aws::messaging::{Deliveries, Outbox};
use shared_domain::{
    broadcast::{AHEAD, WaitReason},
    inbox::Inbox,
    message::{DeliveryState, Report},
    time::Timestamp,
};
use test_kit::{crash::dropped_at_wait, queue::broadcast_queue};

use crate::{
    broadcast_world::{Act, World},
    chosen_seed, full_run,
    send_path::SendPath,
    test_inbox::TestInbox,
};

/// What the number sends in a second.
const RATE: u32 = 1;
/// The most steps with crashes and acts, and without them after those.
const STEPS: [usize; 2] = [400, 1_600];
/// By then, requests that a dead worker had sent are done.
const REQUESTS_DONE: Duration = Duration::from_millis(20);
/// A text that is this old is delivered. A broadcast that says nothing counts for longer.
const DELIVERED_WITHIN: Duration = Duration::from_mins(1);

struct Simulation {
    path: Rc<SendPath>,
    /// The broadcasts. They have the same clock.
    worlds: Vec<World>,
    random: fastrand::Rng,
    jobs: Vec<String>,
    has_faults: bool,
    has_canceled: bool,
    killed: u32,
    /// The most segments that were on their way at an observation.
    most_ahead: u64,
}

impl Simulation {
    /// Each broadcast names the contacts of the next one by their numbers, and has a segment of its own
    /// contacts, so each number is a recipient of two broadcasts.
    async fn start(seed: u64, contacts: usize) -> Self {
        let count = 2 + usize::try_from(seed / 2 % 2).unwrap();
        let inbox = TestInbox::start(count * contacts).await;
        let own = inbox.inbox().clone();
        inbox.app.add_inbox(&Inbox { segments_per_second: Some(RATE), ..own }).await;
        let path = Rc::new(SendPath { table: inbox.table(), inbox });
        let own_of = |broadcast: usize| {
            let first = broadcast % count * contacts;
            &path.inbox.numbers[first..first + contacts]
        };
        let mut worlds: Vec<World> = Vec::new();
        for broadcast in 0..count {
            let numbers = [own_of(broadcast + 1), own_of(broadcast)].concat();
            let mut world = World::start(Rc::clone(&path), seed, numbers).await;
            if let Some(first) = worlds.first() {
                world.clock = Arc::clone(&first.clock);
            }
            worlds.push(world);
        }
        Self {
            path,
            worlds,
            random: fastrand::Rng::with_seed(seed),
            jobs: Vec::new(),
            has_faults: true,
            has_canceled: false,
            killed: 0,
            most_ahead: 0,
        }
    }

    fn pass(&self, time: Duration) -> Timestamp {
        self.worlds[0].clock.now_then_advance(time)
    }

    /// Delivers the messages of the queue side by side. Some come twice, and some workers die.
    async fn work(&mut self) {
        self.jobs.extend(self.path.queue().drain());
        let mut workers = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            let Some(world) = self.worlds.iter().find(|world| world.is_job(&job)) else { continue };
            let times = if self.has_faults && self.random.u8(0..8) == 0 { 2 } else { 1 };
            for _ in 0..times {
                let dies = self.has_faults && self.random.u8(0..4) == 0;
                let dies_at = if dies { self.random.usize(1..300) } else { usize::MAX };
                let work = world.worker(&self.path.table, &self.path.queue().url, job.clone());
                let job = job.clone();
                workers.push(async move { (job, dropped_at_wait(dies_at, work).await) });
            }
        }
        for (job, done) in join_all(workers).await {
            self.killed += u32::from(done.is_none());
            // The queue loses some messages of workers that died, and the sweep finds their broadcasts.
            if done == Some(false) || (done.is_none() && self.random.bool()) {
                self.jobs.push(job);
            }
        }
        tokio::time::sleep(REQUESTS_DONE).await;
    }

    /// Requires what holds at every instant. Returns whether all broadcasts have ended.
    async fn look(&mut self) -> bool {
        let (mut ahead, mut have_ended) = (0, true);
        for world in &self.worlds {
            let (found, progress) = world.look().await;
            have_ended &= found.status.is_final() && progress.is_complete();
            ahead += world.segments_ahead().await;
        }
        let limit = u64::from(RATE) * AHEAD.as_secs();
        assert!(ahead <= limit, "{ahead} of {limit} segments are ahead: {}", self.describe().await);
        self.most_ahead = self.most_ahead.max(ahead);
        have_ended
    }

    /// Reports texts as delivered: some of them, or all.
    async fn deliver(&mut self, all: bool) {
        let table = self.path.inbox.table();
        let (deliveries, outbox) = (Deliveries::new(table.clone()), Outbox::new(table));
        let now = self.pass(Duration::ZERO);
        let report = Report::at(now);
        for world in &mut self.worlds {
            for (entry, message) in world.outbox().await {
                if message.delivery.state() != DeliveryState::Queued {
                    outbox.remove(&entry).await.unwrap();
                } else if all || message.created_at + DELIVERED_WITHIN <= now || self.random.bool() {
                    let (organization, id) = (&entry.organization, &entry.message);
                    let delivered = DeliveryState::Delivered;
                    deliveries.report(organization, id, delivered, &report, Some("SM1")).await.unwrap();
                }
            }
        }
    }

    /// Lets some seconds pass, or the time until the hours of the recipients begin if all that are open wait
    /// for them. No text is on its way for so long.
    async fn pass_time(&mut self) {
        let mut begins = None;
        for world in &self.worlds {
            let found = world.found().await.value;
            if found.status.is_final() {
                continue;
            }
            let quiet = found.waiting.filter(|waiting| waiting.reason == WaitReason::QuietHours);
            begins = quiet.and_then(|waiting| waiting.until);
            if begins.is_none() {
                break;
            }
        }
        if let Some(begins) = begins {
            self.deliver(true).await;
            let now = self.pass(Duration::ZERO);
            self.pass(now.duration_until(begins));
        }
        let some = Duration::from_millis(self.random.u64(2_000..20_000));
        self.pass(some);
    }

    /// Something that users and recipients do.
    async fn disturb(&mut self) {
        let numbers = &self.path.inbox.numbers;
        let anybody = numbers[self.random.usize(0..numbers.len())].clone();
        let chosen = self.random.usize(0..self.worlds.len());
        let next = if self.random.bool() { self.worlds[chosen].next_number().await } else { None };
        let number = next.unwrap_or(anybody);
        let act = match self.random.u8(0..12) {
            0 => Act::Pause,
            1 if !self.has_canceled => Act::Cancel,
            2 | 3 => Act::Stop,
            4 | 5 => Act::Block,
            6..=8 => Act::Lock,
            _ => Act::GoOn,
        };
        self.has_canceled |= act == Act::Cancel;
        if matches!(act, Act::Stop | Act::Block) {
            for world in &mut self.worlds {
                world.act(act, &number).await;
            }
        } else {
            self.worlds[chosen].act(act, &number).await;
        }
    }

    async fn run(&mut self) {
        for world in &self.worlds {
            world.confirm().await;
            self.pass(Duration::from_secs(1));
        }
        let queue = broadcast_queue(&self.path.queue().url);
        let sweep = BroadcastSweep::new(&self.path.table, queue);
        for step in 0..STEPS[0] + STEPS[1] {
            self.has_faults = step < STEPS[0];
            self.pass_time().await;
            sweep.run(self.pass(Duration::ZERO)).await.unwrap();
            self.work().await;
            if self.look().await {
                return;
            }
            self.deliver(false).await;
            if !self.has_faults {
                for world in &mut self.worlds {
                    world.go_on().await;
                }
            } else if self.random.u8(0..3) == 0 {
                self.disturb().await;
            }
        }
        panic!("they do not end: {}", self.describe().await);
    }

    async fn describe(&self) -> String {
        let mut lines = Vec::new();
        for world in &self.worlds {
            lines.push(world.describe().await);
        }
        lines.join("\n")
    }
}

#[expect(clippy::print_stdout, reason = "the seed of a failed run")]
async fn simulate(seed: u64, contacts: usize) -> Simulation {
    let began = Instant::now();
    println!("SEED={seed}: {contacts} contacts for each broadcast");
    let mut simulation = Simulation::start(seed, contacts).await;
    simulation.run().await;
    for world in &simulation.worlds {
        world.assert_outcome().await;
    }
    println!(
        "SEED={seed}: {} broadcasts, at most {} segments ahead, {} killed, in {:?}",
        simulation.worlds.len(),
        simulation.most_ahead,
        simulation.killed,
        began.elapsed()
    );
    simulation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_of_one_inbox_share_its_15_seconds_and_each_of_them_reaches_all_of_its_recipients() {
    let (seeds, contacts) = if full_run() { (0_u64..12, 60) } else { (0..4, 8) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let (mut killed, mut most_ahead) = (0, 0);
    for seed in seeds {
        let done = simulate(seed, contacts).await;
        killed += done.killed;
        most_ahead = most_ahead.max(done.most_ahead);
    }
    assert!(killed > 0 || !full_run(), "no worker died");
    assert!(most_ahead > 10, "only {most_ahead} segments were ahead, so the limit was not reached");
}
