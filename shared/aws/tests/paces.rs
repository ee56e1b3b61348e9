//! Paces: turns are taken one after another, and restraints of the carrier stay.

use std::time::Duration;

use shared_aws::sending::{Paces, Reservation, SendingPauses, StoredPace};
use shared_domain::{
    keys::InboxKey,
    pace::{CarrierLimit, Pace, Restraint, Turn},
    sending_pause::{PauseCause, SendingPause, SendingState},
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, at_second, other_inbox};

/// Turns at this rate are 105 ms apart.
const RATE: u32 = 10;

async fn stored(paces: &Paces, inbox: InboxKey<'_>) -> StoredPace {
    paces.get_with_sending_state(inbox).await.unwrap().1
}

async fn take(paces: &Paces, inbox: InboxKey<'_>, segments: u32, now: Timestamp) -> Reservation {
    let pace = stored(paces, inbox).await;
    paces.take_turn(inbox, pace, RATE, segments, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_are_those_of_the_model() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let (mut model, mut now) = (Pace::default(), at_second(0));
    for (segments, pause) in [(1, 0), (3, 0), (1, 40), (12, 0), (1, 0), (2, 5_000), (1, 0), (1, 700)] {
        now = now + Duration::from_millis(pause);
        let expected = match model.decide(RATE, segments, now) {
            Turn::Release { at, next } => {
                model = next;
                Reservation::Turn(at)
            }
            Turn::Wait { until } => Reservation::Later(until),
        };
        assert_eq!(take(&paces, inbox, segments, now).await, expected, "{segments} segments at {now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_ask_at_the_same_time_get_different_turns() {
    let stores = TestStores::start().await;
    let mut asking = JoinSet::new();
    for _ in 0..5 {
        let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.clone());
        asking.spawn(async move {
            paces.take_turn(inbox.key(), StoredPace::default(), RATE, 1, at_second(0)).await.unwrap()
        });
    }
    let mut turns: Vec<_> = asking.join_all().await.into_iter().collect();
    turns.sort_by_key(|turn| match turn {
        Reservation::Turn(at) | Reservation::Planned(at) | Reservation::Later(at) => *at,
    });
    let expected =
        [0, 105, 210, 315, 420].map(|at| Reservation::Turn(at_second(0) + Duration::from_millis(at)));
    assert_eq!(turns, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_pace_takes_no_turn_twice() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let outdated = stored(&paces, inbox).await;
    assert_eq!(take(&paces, inbox, 4, at_second(0)).await, Reservation::Turn(at_second(0)));
    let next = paces.take_turn(inbox, outdated, RATE, 1, at_second(0)).await.unwrap();
    assert_eq!(next, Reservation::Turn(at_second(0) + Duration::from_millis(420)));
}

/// A text of a broadcast asks at this time.
async fn plan(paces: &Paces, inbox: InboxKey<'_>, now: Timestamp) -> Reservation {
    let pace = stored(paces, inbox).await;
    paces.plan_turn(inbox, pace, RATE, 1, Duration::ZERO, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_before_the_planned_texts_of_a_broadcast() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let at = |millis| at_second(0) + Duration::from_millis(millis);
    assert_eq!(plan(&paces, inbox, at(0)).await, Reservation::Turn(at(0)));
    for turn in [105, 210, 315] {
        assert_eq!(plan(&paces, inbox, at(0)).await, Reservation::Planned(at(turn)));
    }
    assert_eq!(take(&paces, inbox, 1, at(1)).await, Reservation::Turn(at(105)), "the reply");
    assert_eq!(plan(&paces, inbox, at(2)).await, Reservation::Planned(at(525)), "behind all");
    let planned = async |turn, now| paces.take_planned_turn(inbox, RATE, 1, at(turn), at(now)).await.unwrap();
    assert_eq!(planned(105, 105).await, Reservation::Later(at(210)));
    assert_eq!(planned(210, 213).await, Reservation::Turn(at(210)));
    assert_eq!(planned(210, 214).await, Reservation::Later(at(315)));
    assert_eq!(planned(315, 430).await, Reservation::Turn(at(330)), "too late for the whole delay");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_workers_that_take_a_planned_turn_at_the_same_time_one_gets_it() {
    let stores = TestStores::start().await;
    let mut asking = JoinSet::new();
    for _ in 0..5 {
        let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.clone());
        asking.spawn(async move {
            paces.take_planned_turn(inbox.key(), RATE, 1, at_second(0), at_second(0)).await.unwrap()
        });
    }
    let taken = asking.join_all().await;
    let next = Reservation::Later(at_second(0) + Duration::from_millis(105));
    assert_eq!(taken.iter().filter(|taken| **taken == Reservation::Turn(at_second(0))).count(), 1);
    assert_eq!(taken.iter().filter(|taken| **taken == next).count(), 4, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_stops_only_its_number_and_a_shorter_one_does_not_replace_it() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let outdated = stored(&paces, inbox).await;
    let long = Restraint::of(CarrierLimit::Daily, at_second(0));
    let until = long.until;
    for (at, restraint) in [(0, long), (1, Restraint::of(CarrierLimit::Queue, at_second(1)))] {
        let since = paces.restrain(inbox, restraint, at_second(at)).await.unwrap();
        assert_eq!(since, Some(at_second(0)), "the first hold is in force");
    }
    assert_eq!(take(&paces, inbox, 1, at_second(60)).await, Reservation::Later(until));
    let held = stored(&paces, inbox).await.held(at_second(60));
    assert_eq!(held, Some((CarrierLimit::Daily, until)), "what a broadcast waits for");
    let missed = paces.take_turn(inbox, outdated, RATE, 1, at_second(60)).await.unwrap();
    assert_eq!(missed, Reservation::Later(until), "a reader that does not know the hold yet");
    let other = other_inbox(1);
    assert_eq!(take(&paces, other.key(), 1, at_second(60)).await, Reservation::Turn(at_second(60)));
    assert_eq!(take(&paces, inbox, 1, until).await, Reservation::Turn(until));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_begins_when_no_other_is_in_force_and_a_later_report_extends_it() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let hold = async |at: u64| {
        let restraint = Restraint::of(CarrierLimit::Queue, at_second(at));
        paces.restrain(inbox, restraint, at_second(at)).await.unwrap()
    };
    assert_eq!(hold(0).await, Some(at_second(0)));
    assert_eq!(hold(30).await, Some(at_second(0)));
    assert_eq!(take(&paces, inbox, 1, at_second(70)).await, Reservation::Later(at_second(90)), "extended");
    assert_eq!(take(&paces, inbox, 1, at_second(90)).await, Reservation::Turn(at_second(90)));
    assert_eq!(hold(95).await, Some(at_second(95)));
    assert_eq!(hold(96).await, Some(at_second(95)));
    let longer = Restraint::of(CarrierLimit::Registration, at_second(97));
    assert_eq!(paces.restrain(inbox, longer, at_second(97)).await.unwrap(), Some(at_second(95)));
    let held = stored(&paces, inbox).await.held(at_second(97));
    assert_eq!(held, Some((CarrierLimit::Registration, longer.until)), "the limit that ends last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slower_rate_applies_to_the_next_turn() {
    let stores = TestStores::start().await;
    let (paces, inbox) = (Paces::new(stores.table()), stores.inbox.key());
    let slower = Restraint::of(CarrierLimit::Rate, at_second(0));
    assert_eq!(paces.restrain(inbox, slower, at_second(0)).await.unwrap(), None);
    take(&paces, inbox, 1, at_second(0)).await;
    let next = take(&paces, inbox, 1, at_second(0)).await;
    assert_eq!(next, Reservation::Turn(at_second(0) + Duration::from_millis(210)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sending_state_of_the_organization_is_read_with_the_pace() {
    let stores = TestStores::start().await;
    let (paces, pauses) = (Paces::new(stores.table()), SendingPauses::new(stores.table()));
    let read = async || paces.get_with_sending_state(stores.inbox.key()).await.unwrap();
    assert_eq!(read().await, (SendingState::default(), StoredPace::default()));
    pauses.pause_automatically(stores.organization(), PauseCause::CarrierDown, at_second(5)).await.unwrap();
    take(&paces, stores.inbox.key(), 1, at_second(0)).await;
    let (state, pace) = read().await;
    assert_eq!(state.pause, Some(SendingPause::automatic(PauseCause::CarrierDown, at_second(5))));
    assert_ne!(pace, StoredPace::default());
}
