//! The pace of an inbox: messages wait for their turn, and none overtakes another of its conversation.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use product_tests::{Phone, Stack, TestTeam, eventually};
use serde_json::json;

/// Segments per second of the inbox.
const RATE: usize = 2;
/// How many messages wait for a turn that is near. If the machine pauses at their turns, they go out
/// together.
const NEAR: usize = 3;
/// The messages of this journey need 16 seconds at their rate, and some come back later than their turn.
const SENDING_TIMEOUT: Duration = Duration::from_secs(150);

#[tokio::test]
async fn messages_that_are_accepted_at_once_go_out_at_the_rate_of_the_inbox_and_in_order() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Pace", "amelia").await);
    let inbox = team.create_inbox("Pace").await;
    team.register(&carrier).await;
    let allowed = team.admin.get(&inbox.path()).await.expect(200)["segmentsPerSecond"].clone();
    assert!(allowed.as_u64().is_some_and(|rate| rate > RATE as u64), "what the campaign allows: {allowed}");
    let edited = team.admin.patch(&inbox.path(), json!({ "segmentsPerSecond": RATE })).await.expect(200);
    assert_eq!(edited["segmentsPerSecond"], RATE);

    let phones: Vec<Phone> = (0..15).map(|_| Phone::new()).collect();
    let _no_pause = carrier.no_pause().await;
    let compose = async |phone: &Phone| {
        for text in ["First", "Second"] {
            let from = json!({ "inboxId": inbox.id });
            let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": text });
            team.admin.post("/v1/messages", body).await.expect(202);
        }
    };
    join_all(phones.iter().map(compose)).await;
    let mut arrivals = Vec::new();
    for phone in &phones {
        let messages = eventually("both messages are delivered", SENDING_TIMEOUT, async || {
            let messages = carrier.messages_to(phone).await;
            let delivered = messages.iter().filter(|message| message.status == "delivered").count();
            (delivered == 2).then_some(messages)
        })
        .await;
        let texts: Vec<_> = messages.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(texts, ["First", "Second"]);
        arrivals.extend(messages.iter().map(|message| second_of(&message.date_created)));
    }
    arrivals.sort();
    assert_eq!(arrivals.len(), 30);
    // The carrier dates messages in whole seconds, so nine of them are less than ten seconds.
    for first in &arrivals {
        let end = *first + SignedDuration::from_secs(9);
        let count = arrivals.iter().filter(|arrival| *first <= **arrival && **arrival < end).count();
        assert!(count <= 10 * RATE + NEAR, "{count} messages from {first} on");
    }
}

fn second_of(date: &str) -> Timestamp {
    rfc2822::parse(date).expect("a date").timestamp()
}
