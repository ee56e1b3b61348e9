//! Delivery: messages are sent once and in order, and show their delivery state.

use product_tests::{Answer, Client, Stack, Thread};
use serde_json::{Value, json};

const STATUS: &str = "/webhooks/twilio/status";

fn id(accepted: &Answer) -> String {
    accepted.expect(202)["messageId"].as_str().expect("an id").to_owned()
}

fn states(message: &Value) -> Vec<&str> {
    message["states"]
        .as_array()
        .expect("states")
        .iter()
        .map(|step| step["state"].as_str().expect("a word"))
        .collect()
}

/// A text that the network has and of which it says nothing by itself, and the carrier's id of it.
async fn silent_text(stack: &Stack, member: &Client, thread: &Thread) -> (String, String) {
    let carrier = stack.carrier();
    let storm = carrier.storm("silent").await;
    let accepted = member.answer_in_any_weather(thread, "Hi").await;
    member.leaves(&accepted).await;
    storm.over().await;
    let sid = carrier.shown_on(&thread.phone).await.pop().expect("a text").sid;
    (id(&accepted), sid)
}

#[tokio::test]
async fn late_and_repeated_reports_never_move_a_state_back() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let (message, sid) = silent_text(&stack, &ben, &thread).await;
    assert_eq!(ben.message(&message).await["state"], "sent");

    for status in ["delivered", "delivered", "sent", "sending", "queued", "delivered"] {
        assert_eq!(carrier.reports(&sid, status, None).await, 200);
        assert_eq!(ben.message(&message).await["state"], "delivered", "after {status}");
    }
    for status in ["undelivered", "failed"] {
        assert_eq!(carrier.reports(&sid, status, Some(30003)).await, 200);
    }
    let after = ben.message(&message).await;
    assert_eq!(after["state"], "delivered");
    assert_eq!(states(&after).iter().filter(|state| **state == "delivered").count(), 1, "{after}");
    assert_eq!(thread.seen_by(&ben).await["deliveryFailed"], false);
}

#[tokio::test]
async fn a_failure_is_shown_in_the_list_until_a_late_receipt_clears_it() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let (message, sid) = silent_text(&stack, &ben, &thread).await;
    assert_eq!(thread.listed_by(&ben, "archived").await.expect("archived")["deliveryFailed"], false);

    assert_eq!(carrier.reports(&sid, "undelivered", Some(30003)).await, 200);
    assert_eq!(carrier.reports(&sid, "sent", None).await, 200);
    let failed = ben.message(&message).await;
    assert_eq!(failed["state"], "undelivered");
    let step = failed["states"].as_array().expect("states").last().expect("a step");
    assert_eq!((&step["state"], &step["code"]), (&json!("undelivered"), &json!("30003")));
    assert!(
        step["detail"].as_str().is_some_and(|sentence| sentence.len() > 20 && sentence.ends_with('.')),
        "{step}"
    );
    assert_eq!(thread.listed_by(&ben, "archived").await.expect("archived")["deliveryFailed"], true);
    assert_eq!(thread.seen_by(&ben).await["deliveryFailed"], true);

    assert_eq!(carrier.reports(&sid, "delivered", None).await, 200);
    assert_eq!(ben.message(&message).await["state"], "delivered");
    assert_eq!(thread.listed_by(&ben, "archived").await.expect("archived")["deliveryFailed"], false);
}

#[tokio::test]
async fn a_report_without_callback_parameters_is_resolved_by_the_carriers_id() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let (message, sid) = silent_text(&stack, &ben, &thread).await;
    let report = |status: &'static str, sid: &str| {
        [
            ("MessageSid", sid.to_owned()),
            ("AccountSid", carrier.account().to_owned()),
            ("MessageStatus", status.to_owned()),
            ("From", stack.desk().phone_number.clone()),
            ("To", thread.phone.number().to_owned()),
        ]
    };
    let post = async |fields: [(&str, String); 5]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        carrier.webhook(STATUS, &fields).await.expect(200)
    };
    post(report("delivered", "SM00000000000000000000000000000000")).await;
    post(report("partially_delivered", &sid)).await;
    assert_eq!(
        ben.message(&message).await["state"],
        "sent",
        "neither another's nor an unknown state changes it"
    );
    post(report("delivered", &sid)).await;
    assert_eq!(ben.message(&message).await["state"], "delivered");
}

#[tokio::test]
async fn an_unknown_status_is_accepted_and_ignored() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let (message, sid) = silent_text(&stack, &ben, &thread).await;
    let before = ben.message(&message).await;
    assert_eq!(carrier.reports(&sid, "partially_delivered", None).await, 200);
    assert_eq!(ben.message(&message).await, before);
}

#[tokio::test]
async fn a_report_with_a_forged_proof_or_signature_is_refused_and_changes_nothing() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let (message, sid) = silent_text(&stack, &ben, &thread).await;
    let before = ben.message(&message).await;
    let fields = [("MessageSid", &*sid), ("AccountSid", carrier.account()), ("MessageStatus", "failed")];
    for query in [
        format!("organization=org_brightside&message={message}&proof={}", "0".repeat(64)),
        format!("organization=org_brightside&message={message}"),
        format!("message={message}"),
    ] {
        carrier.webhook(&format!("{STATUS}?{query}"), &fields).await.problem(403, "signature");
    }
    carrier.forged_webhook(STATUS, &fields, None).await.problem(403, "signature");
    carrier.forged_webhook(STATUS, &fields, Some("garbage")).await.problem(403, "signature");
    let lacking = [("AccountSid", carrier.account()), ("MessageStatus", "failed")];
    carrier.webhook(STATUS, &lacking).await.problem(400, "malformed");
    assert_eq!(ben.message(&message).await, before);
}

#[tokio::test]
async fn a_message_that_the_carrier_refuses_fails_with_its_code() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let storm = carrier.storm("refuse:21614").await;
    let accepted = ben.answer_in_any_weather(&thread, "Hi").await;
    ben.leaves(&accepted).await;
    storm.over().await;
    let failed = ben.message(&id(&accepted)).await;
    assert_eq!((&failed["state"], states(&failed)), (&json!("failed"), vec!["queued", "sending", "failed"]));
    assert_eq!(failed["states"][2]["code"], "21614");
    assert!(failed["states"][2]["detail"].as_str().is_some_and(|sentence| sentence.len() > 20), "{failed}");
    assert_eq!(thread.listed_by(&ben, "archived").await.expect("archived")["deliveryFailed"], true);
    assert!(carrier.shown_on(&thread.phone).await.is_empty());

    ben.answer(&thread, "Hi again").await.expect(202);
    assert_eq!(thread.seen_by(&ben).await["deliveryFailed"], false, "the newest text counts");
    assert_eq!(carrier.words_on(&thread.phone).await, ["Hi again"]);
}

#[tokio::test]
async fn replies_to_one_conversation_arrive_in_order() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let words = ["One", "Two", "Three", "Four", "Five"];
    let calm = stack.carrier().calm().await;
    let token = thread.acquired_by(&ben).await;
    let mut accepted = Vec::new();
    for text in words {
        let answer = ben.post(&thread.messages(), json!({ "text": text, "lockToken": token })).await;
        accepted.push(id(&answer));
    }
    for message in &accepted {
        ben.message_in(message, "delivered").await;
    }
    drop(calm);
    assert_eq!(carrier.words_on(&thread.phone).await, words);
    assert_eq!(thread.texts(&ben).await[1..], words);
}
