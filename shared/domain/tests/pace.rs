//! The pace of a number that sends a broadcast, with many workers at a time. Each worker has its own clock,
//! and some die.
//!
//! A worker does what `shared_app::send` does. All times are in milliseconds.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may the steps that tests share")]

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use shared_domain::{
    pace::{
        BroadcastTurn, MAX_LATENESS, MAX_RESERVATION, MAX_TAKING, MAX_WAIT, MAX_YIELDING, Pace, Turn, WINDOW,
        queue_delay,
    },
    time::Timestamp,
};

const START: i64 = 1_800_000_000_000;

/// A message that a worker receives.
#[derive(Debug, Clone, Copy)]
struct Offer {
    /// When the queue delivers it for the first time.
    at: i64,
    segments: u32,
    of_broadcast: bool,
    worker: Worker,
}

#[derive(Debug, Clone, Copy)]
struct Worker {
    /// How much its clock is ahead.
    ahead: i64,
    /// How long after its turn the message reaches the carrier.
    latency: i64,
    /// It dies while it waits for its planned turn.
    dies: bool,
}

const PUNCTUAL: Worker = Worker { ahead: 0, latency: 0, dies: false };

/// A message on its way.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    offer: Offer,
    /// When the queue delivered it last.
    received: i64,
    wakes: i64,
    planned: Option<i64>,
    receives: u32,
}

/// A message that went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    at: i64,
    segments: u32,
    of_broadcast: bool,
    /// Since it was offered.
    waited: i64,
}

/// What a message does after it asked for its turn.
enum Step {
    /// It goes out now, or at its turn.
    Sent(Timestamp),
    /// It asks again at its planned turn.
    Planned(Timestamp),
    /// It waits in the queue.
    Later(Timestamp),
}

/// What kind of message asks for its turn.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Reply,
    /// A text of a broadcast that was released before this time.
    Text(Duration),
    /// A text whose planned turn has come.
    Planned(Timestamp),
}

/// A message asks for its turn.
fn ask(pace: &mut Pace, rate: u32, segments: u32, kind: Kind, now: Timestamp) -> Step {
    let (step, next) = match kind {
        Kind::Reply => match pace.decide(rate, segments, now) {
            Turn::Release { at, next } => (Step::Sent(at), next),
            Turn::Wait { until } => (Step::Later(until), *pace),
        },
        Kind::Text(waited) => match pace.decide_broadcast(rate, segments, waited, now) {
            BroadcastTurn::Release { at, next } => {
                assert!(at == now || waited >= MAX_YIELDING && at <= now + MAX_WAIT, "{at} at {now}");
                (Step::Sent(at), next)
            }
            BroadcastTurn::Plan { at, next } => (Step::Planned(at), next),
            BroadcastTurn::Wait { until } => (Step::Later(until), *pace),
        },
        Kind::Planned(planned) => match pace.take_planned(rate, segments, planned, now) {
            Turn::Release { at, next } => {
                assert!(at <= now && at >= now - MAX_TAKING, "taken at {now} for {at}");
                (Step::Sent(now), next)
            }
            Turn::Wait { until } if until <= now + MAX_RESERVATION => (Step::Planned(until), *pace),
            Turn::Wait { until } => (Step::Later(until), *pace),
        },
    };
    *pace = next;
    step
}

/// Sends the messages. Returns those that went out.
fn run(rate: u32, offers: &[Offer], seed: u64) -> Vec<Sent> {
    let mut waiting: Vec<_> = offers.iter().map(|&offer| new(offer)).collect();
    let (mut pace, mut sent, mut entropy) = (Pace::default(), Vec::new(), seed);
    while let Some(index) = (0..waiting.len()).min_by_key(|index| waiting[*index].wakes) {
        let Waiting { offer, received, wakes, planned, receives } = waiting[index];
        let Offer { segments, of_broadcast, worker, .. } = offer;
        let on_its_clock = |at: i64| Timestamp::from_millis(START + at + worker.ahead);
        let real = |at: Timestamp| (at.millis() - START - worker.ahead).max(wakes);
        let now = on_its_clock(wakes);
        let kind = match (of_broadcast, planned) {
            (false, _) => Kind::Reply,
            (true, None) => Kind::Text(Duration::from_millis(u64::try_from(wakes - offer.at).unwrap())),
            (true, Some(planned)) => Kind::Planned(on_its_clock(planned)),
        };
        match ask(&mut pace, rate, segments, kind, now) {
            Step::Sent(at) => {
                let (at, waited) = (real(at) + worker.latency, real(at) - offer.at);
                sent.push(Sent { at, segments, of_broadcast, waited });
                waiting.swap_remove(index);
            }
            Step::Planned(_) if worker.dies => {
                waiting.swap_remove(index);
            }
            Step::Planned(at) if planned.is_none() || real(at) <= received + millis(MAX_WAIT) => {
                waiting[index] = Waiting { wakes: real(at), planned: Some(real(at)), ..waiting[index] };
            }
            Step::Planned(until) | Step::Later(until) => {
                entropy = next_random(entropy);
                let delay = queue_delay(now.duration_until(until), receives, entropy >> 33);
                let wakes = wakes + millis(delay);
                waiting[index] = Waiting { received: wakes, wakes, receives: receives + 1, ..new(offer) };
            }
        }
    }
    sent.sort();
    sent
}

fn next_random(entropy: u64) -> u64 {
    entropy.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

fn new(offer: Offer) -> Waiting {
    Waiting { offer, received: offer.at, wakes: offer.at, planned: None, receives: 1 }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// The most segments in any window of ten seconds that has several messages.
fn fullest_window(sent: &[Sent]) -> u32 {
    let from = |index: usize| {
        let end = sent[index].at + millis(WINDOW);
        let window: Vec<_> = sent[index..].iter().take_while(|sent| sent.at < end).collect();
        if window.len() > 1 { window.iter().map(|sent| sent.segments).sum() } else { 0 }
    };
    (0..sent.len()).map(from).max().unwrap_or(0)
}

/// Clocks that differ by at most 200 ms, calls that reach the carrier within 200 ms, and the 100 ms of a
/// planned turn that is taken late are the lateness that the pace allows.
const ALLOWED_SKEW: i64 = 200;

/// A worker whose clock differs from those of others by at most this.
fn worker(skew: i64) -> impl Strategy<Value = Worker> {
    assert_eq!(MAX_LATENESS, MAX_TAKING + Duration::from_millis(400));
    (-skew / 2..=skew / 2, 0_i64..=200, prop::bool::weighted(0.05))
        .prop_map(|(ahead, latency, dies)| Worker { ahead, latency, dies })
}

fn offers(skew: i64) -> impl Strategy<Value = Vec<Offer>> {
    let pause = prop_oneof![4 => Just(0_i64), 2 => 0_i64..300, 1 => 0_i64..15_000];
    vec((pause, 1_u32..=4, prop::bool::weighted(0.7), worker(skew)), 1..150).prop_map(|messages| {
        let mut at = 0;
        let offer = |(pause, segments, of_broadcast, worker)| {
            at += pause;
            Offer { at, segments, of_broadcast, worker }
        };
        messages.into_iter().map(offer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_ten_seconds_have_more_than_ten_times_the_rate_however_workers_interleave(
        rate in 1_u32..=80,
        offers in offers(ALLOWED_SKEW),
        seed in any::<u64>(),
    ) {
        let sent = run(rate, &offers, seed);
        let dead = offers.len() - sent.len();
        prop_assert!(dead <= offers.iter().filter(|offer| offer.worker.dies).count(), "all others go out");
        let most = fullest_window(&sent);
        prop_assert!(most <= 10 * rate, "{most} segments at {rate}, seed {seed}");
    }

    /// Clocks that are further apart take the slack of other windows, and no more.
    #[test]
    fn clocks_that_differ_by_half_a_second_exceed_the_rate_by_three_percent_at_most(
        rate in 1_u32..=80,
        offers in offers(500),
        seed in any::<u64>(),
    ) {
        let most = fullest_window(&run(rate, &offers, seed));
        prop_assert!(most <= 10 * rate + (3 * rate).div_ceil(10), "{most} segments at {rate}, seed {seed}");
    }

    /// Replies take each turn, or leave gaps that are too short for a text of several segments.
    #[test]
    fn a_text_of_a_broadcast_goes_out_within_four_minutes_while_replies_never_pause(
        rate in 1_u32..=5,
        texts in vec(1_u32..=4, 1..3),
        spacing in 80_u32..=180,
        seed in any::<u64>(),
    ) {
        let interval = 10_500_u32.div_ceil(10 * rate);
        let is_short = texts.iter().all(|segments| *segments > 1);
        let spacing = interval * if is_short { spacing } else { spacing.min(99) } / 100;
        let reply = |index| Offer { at: i64::from(index * spacing), segments: 1, of_broadcast: false, worker: PUNCTUAL };
        let mut offers: Vec<_> = (0..360_000 / spacing).map(reply).collect();
        offers.extend(texts.iter().map(|&segments| Offer { at: 100, segments, of_broadcast: true, worker: PUNCTUAL }));
        let sent = run(rate, &offers, seed);
        for text in sent.iter().filter(|sent| sent.of_broadcast) {
            prop_assert!(text.waited <= 240_000, "{} ms at {rate}, seed {seed}", text.waited);
        }
        prop_assert!(fullest_window(&sent) <= 10 * rate);
    }

    /// Replies come while a broadcast uses the whole rate. A text that has waited for long may have reserved
    /// its turn, with the idle time before it.
    #[test]
    fn a_reply_waits_for_at_most_one_text_of_a_broadcast(
        rate in 1_u32..=80,
        segments in 1_u32..=3,
        pauses in vec(0_i64..20_000, 1..8),
        dies in vec(prop::bool::weighted(0.05), 400),
        seed in any::<u64>(),
    ) {
        let interval = 10_500_u32.div_ceil(10 * rate);
        let text = i64::from((segments * 10_500).div_ceil(10 * rate));
        let mut offers: Vec<_> = (0..400)
            .map(|index| Offer {
                at: i64::from(index) * text / 2,
                segments,
                of_broadcast: true,
                worker: Worker { dies: dies[usize::try_from(index).unwrap()], ..PUNCTUAL },
            })
            .collect();
        let mut at = 0;
        for pause in pauses {
            at += i64::from(2 * interval) + pause;
            offers.push(Offer { at, segments: 1, of_broadcast: false, worker: PUNCTUAL });
        }
        let sent = run(rate, &offers, seed);
        let is_old = |sent: &Sent| sent.of_broadcast && sent.waited >= millis(MAX_YIELDING);
        let idle = if sent.iter().any(is_old) { i64::from((segments - 1) * interval) } else { 0 };
        for reply in sent.iter().filter(|sent| !sent.of_broadcast) {
            prop_assert!(reply.waited <= text + idle, "{} ms at {rate}, seed {seed}", reply.waited);
        }
    }
}

/// Workers of `outbound-send` that send a broadcast of texts with one segment from one number. Each reads for
/// up to 60 ms before it asks for a turn, and needs up to 150 ms for the carrier and the report after it. One
/// of a hundred takes a second longer. Returns the segments per second.
fn rate_reached(rate: u32, workers: usize, texts: usize, seed: u64) -> f64 {
    #[derive(Clone, Copy)]
    struct Busy {
        wakes: i64,
        planned: Option<i64>,
    }
    let mut entropy = seed;
    let mut random = |below: u64| {
        entropy = next_random(entropy);
        i64::try_from((entropy >> 33) % below).unwrap()
    };
    let at = |millis: i64| Timestamp::from_millis(START + millis);
    let mut busy = vec![Busy { wakes: 0, planned: None }; workers];
    let (mut pace, mut sent) = (Pace::default(), Vec::new());
    while sent.len() < texts {
        let index = (0..workers).min_by_key(|index| busy[*index].wakes).unwrap();
        let Busy { wakes, planned } = busy[index];
        let kind = planned.map_or(Kind::Text(Duration::ZERO), |turn| Kind::Planned(at(turn)));
        busy[index] = match ask(&mut pace, rate, 1, kind, at(wakes)) {
            Step::Sent(_) => {
                sent.push(wakes);
                let slow = if random(100) == 0 { 1_000 } else { 0 };
                Busy { wakes: wakes + 40 + random(110) + slow + 10 + random(50), planned: None }
            }
            // The worker wakes up to 5 ms late, and reads the pace for 3 ms.
            Step::Planned(turn) => {
                let turn = turn.millis() - START;
                Busy { wakes: turn.max(wakes) + 3 + random(6), planned: Some(turn) }
            }
            // It receives another text.
            Step::Later(_) => Busy { wakes: wakes + 30 + random(30), planned: None },
        };
    }
    let took = sent.iter().max().unwrap() - sent.iter().min().unwrap();
    f64::from(u32::try_from(texts - 1).unwrap()) * 1_000.0 / f64::from(i32::try_from(took).unwrap())
}

#[test]
fn planned_turns_use_the_whole_pace_of_a_number() {
    for (rate, workers) in [(1, 3), (10, 20), (40, 20), (75, 20)] {
        // Turns are 5 % wider than the rate, rounded up to milliseconds.
        let spaced = 1_000.0 / f64::from(10_500_u32.div_ceil(10 * rate));
        for seed in 1..=5 {
            let reached = rate_reached(rate, workers, 3_000, seed);
            assert!(reached >= 0.98 * spaced, "{reached:.2} of {spaced:.2} at {rate}, seed {seed}");
        }
    }
}
