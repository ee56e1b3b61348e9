//! Sending failed messages again.

use futures_util::future::join_all;
use product_tests::{Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn messages_that_the_carrier_failed_are_sent_again_exactly_once() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Retries", "amelia").await);
    let inbox = team.create_inbox("Retries").await;
    team.register(&carrier).await;
    let phones: Vec<Phone> = (0..10).map(|_| Phone::new()).collect();
    for phone in &phones {
        carrier.start_fault("undelivered:30008", phone).await;
    }
    let _no_pause = carrier.no_pause().await;
    let compose = async |phone: &Phone| {
        let from = json!({ "inboxId": inbox.id });
        let body =
            json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": "Are you coming?" });
        team.admin.post("/v1/messages", body).await.expect(202)
    };
    let accepted: Vec<Value> = join_all(phones.iter().map(compose)).await;
    let id = |message: &Value| message["messageId"].as_str().expect("an id").to_owned();
    for message in &accepted {
        team.admin.wait_for_message(&id(message), "undelivered").await;
    }

    let path = format!("{}/messages/retry", inbox.path());
    let body = json!({ "codes": ["30008"], "since": accepted[0]["createdAt"] });
    let wrong_code = json!({ "codes": ["30003"], "since": accepted[0]["createdAt"] });
    let none = json!({ "queued": 0, "skipped": 0, "next": null });
    assert_eq!(team.admin.post(&path, wrong_code).await.expect(202), none);
    let first = team.admin.post_once(&path, "retry-1", &body).await;
    assert_eq!(first.expect(202), json!({ "queued": 10, "skipped": 0, "next": null }));
    assert_eq!(team.admin.post_once(&path, "retry-1", &body).await.expect(202), first.expect(202));
    assert_eq!(team.admin.post(&path, body).await.expect(202), none, "a second retry");

    for (phone, failed) in phones.iter().zip(&accepted) {
        let failed = team.admin.message(&id(failed)).await;
        let retry = failed["retriedBy"].as_str().expect("the message that was sent again");
        team.admin.wait_for_message(retry, "delivered").await;
        let retry = team.admin.message(retry).await;
        assert_eq!((&retry["retryOf"], &retry["text"]), (&failed["messageId"], &failed["text"]));
        let states = eventually("the carrier has both", WAIT_TIMEOUT, async || {
            let messages = carrier.messages_to(phone).await;
            (messages.len() == 2).then(|| messages.into_iter().map(|message| message.status))
        });
        assert_eq!(states.await.collect::<Vec<_>>(), ["undelivered", "delivered"]);
    }
}
