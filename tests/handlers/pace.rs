//! `outbound-send`: the pace of an inbox's number.

use std::time::{Duration, Instant};

use shared_domain::{
    ids::MessageId,
    inbox::{Inbox, Stage},
    message::DeliveryState,
    team::Team,
};
use shared_lambda::clock::now;
use test_kit::{TestApp, lambda_event::sqs_record};

use crate::outbound_send::{app, deliver, job, state};

/// Starts all services with a team whose campaign allows this rate.
async fn start_with_rate(segments_per_second: Option<u32>) -> TestApp {
    let test = TestApp::start().await;
    test.add_team(test.organization(), &Team { segments_per_second, ..test.team.clone() }).await;
    test
}

/// Accepts messages and delivers each as the first of its group. Returns those that the queue must deliver
/// again.
async fn send(test: &TestApp, texts: &[&str]) -> (Vec<MessageId>, Vec<String>) {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(test.accept_message(text, now()).await);
    }
    let names: Vec<_> = (0..ids.len()).map(|index| index.to_string()).collect();
    let records = ids.iter().zip(&names).map(|(id, name)| sqs_record(name, Some(name), &job(test, id), 1));
    let returned = deliver(&app(test), records.collect()).await;
    (ids, returned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_turn_is_near_waits_for_it() {
    let test = start_with_rate(Some(4)).await;
    let start = Instant::now();
    assert_eq!(send(&test, &["one", "two", "three"]).await.1, [""; 0]);
    assert!(start.elapsed() >= Duration::from_millis(2 * 262), "{:?}", start.elapsed());
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_turn_is_later_stays_queued_and_comes_back_at_its_turn() {
    let test = start_with_rate(Some(1)).await;
    let (ids, returned) = send(&test, &["a".repeat(400).as_str(), "two"]).await;
    assert_eq!(returned, ["1"]);
    assert_eq!(state(&test, &ids[0]).await, DeliveryState::Sent);
    assert_eq!(state(&test, &ids[1]).await, DeliveryState::Queued);
    let delays = test.queue.drain_delays();
    assert!(delays == [3] || delays == [4], "3 segments take 3.15 seconds: {delays:?}");
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_sends_no_faster_than_its_admin_or_its_campaign_allows() {
    let long = "a".repeat(400);
    for (of_campaign, of_inbox, returned) in
        [(Some(40), None, 0), (Some(40), Some(1), 1), (None, Some(40), 1), (None, None, 1)]
    {
        let test = start_with_rate(of_campaign).await;
        test.add_inbox(&Inbox { segments_per_second: of_inbox, ..test.inbox.clone() }).await;
        let (_, left) = send(&test, &[&long, "two"]).await;
        assert_eq!(left.len(), returned, "campaign {of_campaign:?}, inbox {of_inbox:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_sent_any_more_takes_no_turn() {
    let test = start_with_rate(Some(1)).await;
    let (long, app) = ("a".repeat(400), app(&test));
    let (_, returned) = send(&test, &[&long]).await;
    assert_eq!(returned, [""; 0]);
    let id = test.accept_message(&long, now()).await;
    test.add_inbox(&Inbox { stage: Stage::Retired, ..test.inbox.clone() }).await;
    let record = sqs_record("a", Some("a"), &job(&test, &id), 1);
    assert_eq!(deliver(&app, vec![record]).await, [""; 0], "it fails at once");
    assert_eq!(state(&test, &id).await, DeliveryState::Failed);
}
