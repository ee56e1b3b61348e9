//! Swept numbers and their positions, and which received messages need no further delivery.

use std::collections::BTreeSet;

use shared_aws::{
    clients::MediaJob,
    messaging::{Inbound, MediaFiles, Receipt, SweptNumber, SweptNumbers},
};
use shared_domain::{
    ids::MediaId,
    media::{Media, MediaState},
    sweep::{SweepPosition, SweepRange},
};
use test_kit::build;

use crate::support::{TestStores, at_second, number, shared_inbox};

fn swept(index: usize, position: SweepPosition) -> SweptNumber {
    SweptNumber { number: number(index), position }
}

fn position() -> SweepPosition {
    SweepPosition {
        at: at_second(60),
        checked: BTreeSet::from(["SM1".to_owned(), "SM2".to_owned()]),
        gap: Some(SweepRange { since: at_second(10), until: Some(at_second(50)) }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_listed_with_their_positions_and_added_once() {
    let stores = TestStores::start().await;
    let numbers = SweptNumbers::new(stores.table());
    let (quiet, busy) = (swept(1, SweepPosition::starting_at(at_second(0))), swept(2, position()));
    numbers.add(&quiet).await.unwrap();
    numbers.add(&busy).await.unwrap();
    numbers.add(&swept(2, SweepPosition::starting_at(at_second(0)))).await.unwrap();
    assert_eq!(numbers.all().await.unwrap(), [quiet.clone(), busy]);
    numbers.remove(&number(2)).await.unwrap();
    numbers.remove(&number(2)).await.unwrap();
    assert_eq!(numbers.all().await.unwrap(), [quiet]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_advances_only_from_the_position_that_was_read() {
    let stores = TestStores::start().await;
    let numbers = SweptNumbers::new(stores.table());
    let first = swept(1, SweepPosition::starting_at(at_second(0)));
    numbers.add(&first).await.unwrap();
    numbers.advance(&first, &position()).await.unwrap();
    let second = swept(1, position());
    assert_eq!(numbers.all().await.unwrap(), std::slice::from_ref(&second));

    numbers.advance(&first, &SweepPosition::starting_at(at_second(30))).await.unwrap();
    assert_eq!(numbers.all().await.unwrap(), std::slice::from_ref(&second), "another run was faster");

    let closed = SweepPosition { gap: None, ..position() };
    numbers.advance(&second, &closed).await.unwrap();
    numbers.advance(&second, &SweepPosition::starting_at(at_second(70))).await.unwrap();
    assert_eq!(numbers.all().await.unwrap(), [swept(1, closed.clone())], "the gap is closed");

    numbers.remove(&number(1)).await.unwrap();
    numbers.advance(&swept(1, closed), &position()).await.unwrap();
    assert_eq!(numbers.all().await.unwrap(), [], "a removed number stays removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_complete_once_it_is_stored_and_shown() {
    let stores = TestStores::start().await;
    let (inbound, inbox) = (Inbound::new(stores.table()), shared_inbox());
    let text = |sid: &str| build::inbound_text(&number(1), sid, "hello");
    let (stored, newer, lost) = (text("SM1"), text("SM2"), text("SM3"));
    inbound.receive(&inbox, &stored, at_second(1)).await.unwrap();
    let all = [&stored, &newer, &lost];
    assert_eq!(inbound.complete(&inbox, &all).await.unwrap(), [true, false, false]);
    inbound.receive(&inbox, &newer, at_second(2)).await.unwrap();
    assert_eq!(inbound.complete(&inbox, &all).await.unwrap(), [true, true, false], "both are shown");
    assert_eq!(inbound.complete(&inbox, &[]).await.unwrap(), [false; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_an_interrupted_delivery_left_is_not_complete() {
    for requests in 1..=6 {
        let stores = TestStores::start().await;
        let (inbound, inbox) = (Inbound::new(stores.table()), shared_inbox());
        let text = build::inbound_text(&number(1), "SM1", "hello");
        let crashing = Inbound::new(stores.crashing_table(requests));
        let is_received = crashing.receive(&inbox, &text, at_second(1)).await.is_ok();
        let is_complete = inbound.complete(&inbox, &[&text]).await.unwrap() == [true];
        assert!(is_received || !is_complete, "after {requests} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_complete_once_its_media_is_copied() {
    let stores = TestStores::start().await;
    let (inbound, inbox) = (Inbound::new(stores.table()), shared_inbox());
    let id = MediaId::of_inbound("MM1", 0);
    let media = |state| Media { id: id.clone(), copy: None, content_type: None, state };
    let pending = media(MediaState::Pending { source: "https://carrier.example/1".into() });
    let mut text = build::inbound_text(&number(1), "MM1", "look");
    text.media = vec![pending];
    let (Receipt::Stored(message), _) = inbound.receive(&inbox, &text, at_second(1)).await.unwrap() else {
        panic!("a new message")
    };
    assert_eq!(inbound.complete(&inbox, &[&text]).await.unwrap(), [false]);
    let job = MediaJob { organization: inbox.organization.clone(), message, place: 0 };
    let stored = media(MediaState::Stored { size: 3 });
    assert!(MediaFiles::new(stores.table()).resolve(&job, &stored).await.unwrap());
    assert_eq!(inbound.complete(&inbox, &[&text]).await.unwrap(), [true]);
}
