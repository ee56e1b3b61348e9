//! A small broadcast that is sent again and again: each time something else happens at another of its
//! requests. A host dies before or after a request to the table, the queue or the carrier, and the sweep
//! heals the broadcast. Or a user, a recipient, the registry or the clock comes between two requests of a
//! worker. `make test` takes some of these points, and `make simulations` all of them.

use std::{rc::Rc, time::Duration};

use test_kit::{
    crash::CrashPoint,
    faults::Faults,
    gate::{Arrival, gate},
};

use crate::{
    broadcast_world::{Act, World},
    chosen_seed, full_run,
    send_path::{Host, SendPath, TEXT_QUEUE, deliver_at},
    test_inbox::TestInbox,
};

const RECIPIENTS: usize = 4;
/// How many broadcasts an inbox sends, each a day after the one before. The recipients have winter time.
const MAX_BROADCASTS: usize = 40;
/// The most sweeps until a broadcast has ended.
const MAX_SWEEPS: usize = 40;

/// Broadcasts of one inbox, one after the other, each to numbers of its own.
struct Worlds {
    path: Rc<SendPath>,
    started: usize,
}

impl Worlds {
    async fn start() -> Self {
        let inbox = TestInbox::start(RECIPIENTS * MAX_BROADCASTS).await;
        Self { path: Rc::new(SendPath { table: inbox.table(), inbox }), started: 0 }
    }

    /// A confirmed broadcast, at any time or within the hours of its recipients.
    async fn next(&mut self, has_hours: bool) -> World {
        if self.started == MAX_BROADCASTS {
            *self = Self::start().await;
        }
        let first = self.started * RECIPIENTS;
        let day = u32::try_from(self.started).unwrap();
        self.started += 1;
        let numbers = self.path.inbox.numbers[first..first + RECIPIENTS].to_vec();
        let mut world = World::start(Rc::clone(&self.path), u64::from(has_hours), numbers).await.sent();
        world.clock.now_then_advance(Duration::from_hours(24) * day);
        world.go_on().await;
        world.confirm().await;
        world
    }
}

/// The points that a run takes: all, or some that the seed chooses.
fn takes(point: usize, part: usize) -> bool {
    full_run() || (point + usize::try_from(chosen_seed().unwrap_or_default()).unwrap()).is_multiple_of(part)
}

/// The messages of the queues. What a host does not finish stays.
#[derive(Default)]
struct Queued {
    jobs: Vec<String>,
    texts: Vec<(String, u32)>,
}

impl Queued {
    /// Takes the messages of this broadcast from the queue.
    fn receive(&mut self, world: &World) {
        let messages = world.path.queue().drain();
        let id = world.job();
        for message in messages {
            if message.contains("messageId") {
                self.texts.push((message, 1));
            } else if world.is_job(&message) {
                self.jobs.push(id.clone());
            }
        }
        self.jobs.dedup();
    }

    /// The worker, the relay and the sender do what there is to do.
    async fn work(&mut self, world: &mut World, host: &Host) {
        if let Some(job) = self.jobs.pop() {
            world.worker(&host.table, &host.queue, job).await;
        }
        self.send(world, host).await;
    }

    async fn send(&mut self, world: &mut World, host: &Host) {
        for (_, message) in world.outbox().await {
            let _ = outbox_relay::handle(&host.relay(), world.path.stream_event(&message)).await; // or the sweep
        }
        self.receive(world);
        let sender = host.sender();
        let mut waiting = Vec::new();
        while let Some((text, receives)) = self.texts.first().cloned() {
            let now = world.clock.now_then_advance(Duration::from_millis(1_100));
            if !deliver_at(&sender, &text, receives, TEXT_QUEUE, now).await {
                waiting.push((text, receives + 1));
            }
            self.texts.remove(0);
        }
        self.texts = waiting;
    }

    /// Sweeps until the broadcast has ended, and checks it.
    async fn heal(mut self, mut world: World) {
        let host = world.path.host();
        world.go_on().await;
        for _ in 0..MAX_SWEEPS {
            let (found, progress) = world.look().await;
            if found.status.is_final() && progress.is_complete() {
                return world.assert_outcome().await;
            }
            world.pass_time(&found, Duration::from_mins(3));
            send_reconcile::handle(&world.path.reconciler(), world.clock.now()).await.unwrap();
            self.receive(&world);
            self.work(&mut world, &host).await;
        }
        panic!("it does not end: {}", world.describe().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the number of points is part of the result")]
async fn wherever_a_host_of_a_broadcast_crashes_each_number_has_one_text_in_the_end() {
    let mut worlds = Worlds::start().await;
    for (crashes, nth) in (1..).filter(|nth| takes(*nth, 20)).enumerate() {
        let mut world = worlds.next(false).await;
        let mut queued = Queued { jobs: vec![world.job()], ..Queued::default() };
        let crash_point = CrashPoint::at(nth);
        let (host, proxies) = world.path.crashing_host(&crash_point).await;
        let run = async {
            for _ in 0..2 {
                queued.work(&mut world, &host).await;
            }
        };
        let crashed = crash_point.run(run).await.is_none();
        crash_point.requests_done().await;
        drop(proxies);
        queued.heal(world).await;
        if !crashed {
            println!("{crashes} crashes at {nth} points");
            assert!(nth > 100, "a broadcast has more points than {nth}");
            return;
        }
    }
}

/// What comes between two requests.
#[derive(Debug, Clone, Copy)]
enum Event {
    Act(Act),
    /// The hours of the recipients end.
    Night,
    /// The lease of the worker ends, and another one does the work.
    Overtaken,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the number of points is part of the result")]
async fn whatever_comes_between_two_requests_of_a_worker_is_before_or_after_each_release() {
    let mut worlds = Worlds::start().await;
    let events = Act::ALL.map(Event::Act).into_iter().chain([Event::Night, Event::Overtaken]);
    let mut points = 0;
    for (place, event) in events.enumerate() {
        for nth in 1.. {
            if !takes(nth + place, 16) {
                continue;
            }
            let mut world = worlds.next(true).await;
            let has_happened = Box::pin(happens_at(&mut world, event, nth)).await;
            let mut queued = Queued::default();
            world.look().await;
            let host = world.path.host();
            queued.send(&mut world, &host).await;
            world.look().await;
            queued.heal(world).await;
            if !has_happened {
                break;
            }
            points += 1;
        }
    }
    println!("{points} points");
    assert!(points > 20, "a broadcast has more points than {points}");
}

/// Runs a worker while something comes before its request number `nth`. Returns whether it has that many.
async fn happens_at(world: &mut World, event: Event, nth: usize) -> bool {
    let (gate, mut arrivals) = gate();
    let table = Faults::seeded(0).gated_table(&world.path.inbox.app.engine, &gate);
    let queue = world.path.queue().url.clone();
    let mut work = world.worker(&table, &queue, world.job());
    for request in 1.. {
        let arrival: Arrival = tokio::select! {
            biased;
            _ = &mut work => return false,
            arrival = arrivals.next() => arrival,
        };
        if request == nth {
            match event {
                Event::Act(act) => {
                    let number = world.next_number().await.unwrap_or_else(|| world.numbers[0].clone());
                    world.act(act, &number).await;
                }
                Event::Night => drop(world.clock.now_then_advance(Duration::from_mins(30))),
                Event::Overtaken => {
                    world.clock.now_then_advance(Duration::from_mins(2));
                    world.worker(&world.path.table, &queue, world.job()).await;
                }
            }
            world.look().await;
            drop(arrival);
            break;
        }
        arrival.pass();
    }
    drop(arrivals);
    work.await;
    true
}
