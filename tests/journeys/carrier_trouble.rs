//! Carrier failures: the carrier refuses a message for now, or its response is lost. No message is lost or
//! sent twice.
//!
//! These journeys wait for the queue and for the reconciler's schedule, which takes up to a minute. They
//! start early because journeys start in the order of their names.

use std::time::Duration;

use futures_util::future::join_all;
use product_tests::{ApiResponse, Client, Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

use crate::opt_out::registered_inbox;

/// Long enough for a message that waits because the journey beside it has sending paused.
const WAIT_THROUGH_PAUSE: Duration = WAIT_TIMEOUT.saturating_mul(2);

fn id(accepted: &ApiResponse) -> String {
    accepted.expect(202)["messageId"].as_str().expect("an id").to_owned()
}

async fn wait_for_message(user: &Client, id: &str, state: &str) {
    eventually(&format!("the message is {state}"), WAIT_THROUGH_PAUSE, async || {
        (user.message(id).await["state"] == state).then_some(())
    })
    .await;
}

fn states(message: &Value) -> Vec<&str> {
    let steps = message["states"].as_array().expect("states");
    steps.iter().map(|step| step["state"].as_str().expect("a state")).collect()
}

/// All ways to lose the carrier's response. They are in one journey because some wait for the next run of
/// the reconciler. One more lost response in a row would pause sending, so no other journey may lose one in
/// this organization.
#[tokio::test]
async fn a_lost_answer_is_looked_up_and_the_message_is_never_sent_twice() {
    let stack = Stack::open();
    let (carrier, zoe) = (stack.carrier(), stack.user("zoe"));
    let inbox = registered_inbox(&stack, &zoe, "Lost answers").await;
    let compose = async |phone: &Phone, text: &str| {
        let from = json!({ "inboxId": inbox.id });
        let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": text });
        id(&zoe.post("/v1/messages", body).await)
    };
    let wait_until_accepted = async |phone: &Phone| {
        eventually("the carrier accepts the message", WAIT_TIMEOUT, async || {
            carrier.messages_to(phone).await.pop().map(|text| text.sid)
        })
        .await
    };

    // The carrier accepts the message but answers with an error, and all its status callbacks are lost. Only
    // a lookup can find the message.
    let mute = Phone::new();
    carrier.start_fault("error-after", &mute).await;
    let all = [("Kind", "lost-callback"), ("Phone", mute.number()), ("Count", "100")];
    carrier.control("fault", &all).await;
    let mute_message = compose(&mute, "Taken, and nobody says so").await;
    let sid = wait_until_accepted(&mute).await;
    // The carrier does not accept the message and answers with an error. The next message waits for it.
    let lost = Phone::new();
    carrier.start_fault("error-before", &lost).await;
    let lost_message = compose(&lost, "Not taken at first").await;
    wait_for_message(&zoe, &lost_message, "unknown").await;
    let next_message = compose(&lost, "Next").await;
    // The carrier accepts the message but answers with an error. A status callback follows.
    let heard = Phone::new();
    carrier.start_fault("error-after", &heard).await;
    let heard_message = compose(&heard, "Taken, and reported on").await;
    wait_until_accepted(&heard).await;
    // The carrier accepts the message but answers after the sender's timeout.
    let late = Phone::new();
    carrier.start_fault("timeout-after", &late).await;
    let late_message = compose(&late, "Taken, and no answer").await;
    wait_until_accepted(&late).await;

    wait_for_message(&zoe, &heard_message, "delivered").await;
    wait_for_message(&zoe, &late_message, "delivered").await;
    eventually("the reconciler finds it at the carrier", WAIT_THROUGH_PAUSE, async || {
        let state = zoe.message(&mute_message).await["state"].take();
        (state == "sent" || state == "delivered").then_some(())
    })
    .await;
    carrier.end_number_faults(mute.number()).await;
    assert_eq!(carrier.report_status(&sid, "delivered", None).await, 200);
    assert_eq!(zoe.message(&mute_message).await["state"], "delivered");
    eventually(
        "the reconciler does not find it, and it is sent again (is the grace period short?)",
        4 * WAIT_TIMEOUT,
        async || (zoe.message(&next_message).await["state"] == "delivered").then_some(()),
    )
    .await;
    let sent_again = zoe.message(&lost_message).await;
    assert_eq!(states(&sent_again), ["queued", "sending", "sent", "delivered"]);
    assert_eq!(carrier.texts_to(&lost).await, ["Not taken at first", "Next"], "once, and in its order");
    let conversation = stack.find_conversation(&zoe, &inbox.id, "archived", &lost).await;
    assert_eq!(conversation.get_as(&zoe).await["deliveryFailed"], false);
    for phone in [&mute, &heard, &late] {
        assert_eq!(carrier.messages_to(phone).await.len(), 1, "exactly one copy");
    }
}

#[tokio::test]
async fn a_rate_limited_message_is_sent_later_once_and_before_the_next() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let phone = Phone::new();
    let compose = async |text: &str| {
        let from = json!({ "inboxId": stack.front_desk_inbox().inbox_id });
        let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": text });
        id(&ben.post("/v1/messages", body).await)
    };
    // Other journeys delay messages too, but for other reasons.
    let refusals = || stack.log().matches("the carrier accepts the message later").count();
    carrier.start_fault("rate-limit", &phone).await;
    let before = refusals();
    let first = compose("First").await;
    eventually("the carrier refuses the message", WAIT_THROUGH_PAUSE, async || {
        (refusals() > before).then_some(())
    })
    .await;
    assert_eq!(ben.message(&first).await["state"], "queued");
    let next = compose("Next").await;
    assert!(carrier.messages_to(&phone).await.is_empty());
    wait_for_message(&ben, &first, "delivered").await;
    wait_for_message(&ben, &next, "delivered").await;
    assert_eq!(carrier.texts_to(&phone).await, ["First", "Next"]);
}

/// No other journey sends until sending has resumed, because the pause stops the messages of all.
#[tokio::test]
async fn a_suspended_account_pauses_sending_and_the_waiting_messages_are_sent_in_order() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let phones = [Phone::new(), Phone::new()];
    let compose = async |phone: &Phone, text: &str| {
        let from = json!({ "inboxId": stack.front_desk_inbox().inbox_id });
        let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": text });
        id(&ben.post("/v1/messages", body).await)
    };
    let pause = async || ben.get("/v1/organization/sending-pause").await.expect(200).clone();
    let _pause = carrier.suspend_for_next_send(&phones[0]).await;
    let mut accepted = vec![compose(&phones[0], "First").await];
    let cause = eventually("sending is paused", WAIT_TIMEOUT, async || {
        let pause = pause().await;
        (pause["paused"] == true).then(|| pause["cause"].clone())
    })
    .await;
    assert_eq!(cause, "account_refused");
    accepted.push(compose(&phones[1], "First").await);
    for text in ["Second", "Third"] {
        for phone in &phones {
            accepted.push(compose(phone, text).await);
        }
    }
    let messages = join_all(accepted.iter().map(|message| ben.message(message))).await;
    let is_queued = messages.iter().all(|message| message["state"] == "queued");
    assert!(is_queued || pause().await["paused"] == false, "{messages:?}");
    // The account is well again; the next run of the sweep asks the carrier.
    eventually("sending resumes", 4 * WAIT_TIMEOUT, async || {
        (pause().await["paused"] == false).then_some(())
    })
    .await;
    for message in &accepted {
        ben.wait_for_message(message, "delivered").await;
    }
    for phone in &phones {
        assert_eq!(carrier.texts_to(phone).await, ["First", "Second", "Third"]);
    }
}

/// The numbers have no webhook for a moment, as after a change at the carrier. Twilio then keeps the messages
/// and tells nobody.
#[tokio::test]
async fn messages_whose_webhook_was_lost_are_found_and_a_stop_among_them_opts_out() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Lost webhooks", "amelia").await);
    let inbox = team.create_inbox("Lost webhooks").await;
    let phone = Phone::new();
    carrier.remove_webhooks(&inbox.number).await;
    // The sweep may set the webhook again before the second message.
    let both = [("Kind", "lost-webhook"), ("Phone", phone.number()), ("Count", "2")];
    carrier.control("fault", &both).await;
    for text in ["Is the office open?", "STOP"] {
        let fields = [("From", phone.number()), ("To", inbox.number.as_str()), ("Body", text)];
        carrier.send_inbound_with(&fields).await;
    }
    let conversation = eventually("the sweep finds the messages", 5 * WAIT_TIMEOUT, async || {
        let path = format!("{}/conversations?folder=inbox", inbox.path());
        let page = team.admin.get(&path).await.expect(200);
        let found = page["items"].as_array().expect("items").first().cloned()?;
        (found["contact"]["optedOut"] == true).then_some(found)
    })
    .await;
    assert_eq!(
        (&conversation["contact"]["phoneNumber"], &conversation["read"]),
        (&json!(phone.number()), &json!(false))
    );
    let found = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(found.texts(&team.admin).await, ["Is the office open?", "STOP"]);
    carrier.send_inbound(&phone, &inbox.number, "And now?").await; // the number has its webhook again
    assert_eq!(found.texts(&team.admin).await, ["Is the office open?", "STOP", "And now?"]);
}

#[tokio::test]
async fn a_delivery_whose_callback_was_lost_is_found() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let phone = Phone::new();
    carrier.start_fault("silent", &phone).await;
    let from = json!({ "inboxId": stack.front_desk_inbox().inbox_id });
    let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": "On your way?" });
    let message = id(&ben.post("/v1/messages", body).await);
    wait_for_message(&ben, &message, "sent").await;
    let sid = carrier.messages_to(&phone).await.pop().expect("a text").sid;
    carrier.set_status_without_callback(&phone, &sid, "delivered").await;
    eventually("the carrier is asked about the message", WAIT_THROUGH_PAUSE, async || {
        (ben.message(&message).await["state"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(carrier.messages_to(&phone).await.len(), 1, "exactly one copy");
}
