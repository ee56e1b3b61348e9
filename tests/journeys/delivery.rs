//! Delivery: messages are sent once and in order, and show their delivery state.

use product_tests::{ApiResponse, Client, ConversationRef, Stack};
use serde_json::{Value, json};

const STATUS: &str = "/webhooks/twilio/status";

fn id(accepted: &ApiResponse) -> String {
    accepted.expect(202)["messageId"].as_str().expect("an id").to_owned()
}

fn states(message: &Value) -> Vec<&str> {
    message["states"]
        .as_array()
        .expect("states")
        .iter()
        .map(|step| step["state"].as_str().expect("a state"))
        .collect()
}

/// Sends a message that gets no automatic status callbacks. Returns its ID and its SID.
async fn send_without_reports(
    stack: &Stack,
    member: &Client,
    conversation: &ConversationRef,
) -> (String, String) {
    let carrier = stack.carrier();
    carrier.start_fault("silent", &conversation.phone).await;
    let accepted = member.lock_and_reply(conversation, "Hi").await;
    let sid = carrier.messages_to(&conversation.phone).await.pop().expect("a text").sid;
    (id(&accepted), sid)
}

#[tokio::test]
async fn late_and_repeated_reports_never_move_a_state_back() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (message, sid) = send_without_reports(&stack, &ben, &conversation).await;
    assert_eq!(ben.message(&message).await["state"], "sent");

    for status in ["delivered", "delivered", "sent", "sending", "queued", "delivered"] {
        assert_eq!(carrier.report_status(&sid, status, None).await, 200);
        assert_eq!(ben.message(&message).await["state"], "delivered", "after {status}");
    }
    for status in ["undelivered", "failed"] {
        assert_eq!(carrier.report_status(&sid, status, Some(30003)).await, 200);
    }
    let after = ben.message(&message).await;
    assert_eq!(after["state"], "delivered");
    assert_eq!(states(&after).iter().filter(|state| **state == "delivered").count(), 1, "{after}");
    assert_eq!(conversation.get_as(&ben).await["deliveryFailed"], false);
}

#[tokio::test]
async fn a_failure_is_shown_in_the_list_until_a_late_receipt_clears_it() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (message, sid) = send_without_reports(&stack, &ben, &conversation).await;
    assert_eq!(conversation.find_as(&ben, "archived").await.expect("archived")["deliveryFailed"], false);

    assert_eq!(carrier.report_status(&sid, "undelivered", Some(30003)).await, 200);
    assert_eq!(carrier.report_status(&sid, "sent", None).await, 200);
    let failed = ben.message(&message).await;
    assert_eq!(failed["state"], "undelivered");
    let step = failed["states"].as_array().expect("states").last().expect("a step");
    assert_eq!((&step["state"], &step["code"]), (&json!("undelivered"), &json!("30003")));
    assert!(
        step["detail"].as_str().is_some_and(|sentence| sentence.len() > 20 && sentence.ends_with('.')),
        "{step}"
    );
    assert_eq!(conversation.find_as(&ben, "archived").await.expect("archived")["deliveryFailed"], true);
    assert_eq!(conversation.get_as(&ben).await["deliveryFailed"], true);

    assert_eq!(carrier.report_status(&sid, "delivered", None).await, 200);
    assert_eq!(ben.message(&message).await["state"], "delivered");
    assert_eq!(conversation.find_as(&ben, "archived").await.expect("archived")["deliveryFailed"], false);
}

#[tokio::test]
async fn a_report_without_callback_parameters_is_resolved_by_the_carriers_id() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (message, sid) = send_without_reports(&stack, &ben, &conversation).await;
    let report = |status: &'static str, sid: &str| {
        [
            ("MessageSid", sid.to_owned()),
            ("AccountSid", carrier.account().to_owned()),
            ("MessageStatus", status.to_owned()),
            ("From", stack.front_desk_inbox().phone_number.clone()),
            ("To", conversation.phone.number().to_owned()),
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
        "an unknown SID and an unknown status change nothing"
    );
    post(report("delivered", &sid)).await;
    assert_eq!(ben.message(&message).await["state"], "delivered");
}

#[tokio::test]
async fn an_unknown_status_is_accepted_and_ignored() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (message, sid) = send_without_reports(&stack, &ben, &conversation).await;
    let before = ben.message(&message).await;
    assert_eq!(carrier.report_status(&sid, "partially_delivered", None).await, 200);
    assert_eq!(ben.message(&message).await, before);
}

#[tokio::test]
async fn a_report_with_a_forged_proof_or_signature_is_refused_and_changes_nothing() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (message, sid) = send_without_reports(&stack, &ben, &conversation).await;
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
    let conversation = stack.new_conversation("Hello").await;
    carrier.start_fault("refuse:21614", &conversation.phone).await;
    let accepted = ben.lock_and_reply(&conversation, "Hi").await;
    let failed = ben.message(&id(&accepted)).await;
    assert_eq!((&failed["state"], states(&failed)), (&json!("failed"), vec!["queued", "sending", "failed"]));
    assert_eq!(failed["states"][2]["code"], "21614");
    assert!(failed["states"][2]["detail"].as_str().is_some_and(|sentence| sentence.len() > 20), "{failed}");
    assert_eq!(conversation.find_as(&ben, "archived").await.expect("archived")["deliveryFailed"], true);
    assert!(carrier.messages_to(&conversation.phone).await.is_empty());

    ben.lock_and_reply(&conversation, "Hi again").await.expect(202);
    assert_eq!(conversation.get_as(&ben).await["deliveryFailed"], false, "the newest message counts");
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["Hi again"]);
}

/// The country of its recipient is not enabled for the account.
#[tokio::test]
async fn a_message_that_the_account_may_not_send_fails_and_the_next_is_sent() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    carrier.start_fault("refuse:21408", &conversation.phone).await;
    let accepted = ben.lock_and_reply(&conversation, "Hi").await;
    let failed = ben.message(&id(&accepted)).await;
    assert_eq!((&failed["state"], &failed["states"][2]["code"]), (&json!("failed"), &json!("21408")));
    ben.lock_and_reply(&conversation, "Hi again").await.expect(202);
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["Hi again"]);
}

#[tokio::test]
async fn replies_to_one_conversation_arrive_in_order() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let words = ["One", "Two", "Three", "Four", "Five"];
    let no_pause = stack.carrier().no_pause().await;
    let token = conversation.acquire_lock(&ben).await;
    let mut accepted = Vec::new();
    for text in words {
        let response = ben.post(&conversation.messages(), json!({ "text": text, "lockToken": token })).await;
        conversation.renew_lock(&ben, token).await;
        accepted.push(id(&response));
    }
    for message in &accepted {
        ben.wait_for_message(message, "delivered").await;
    }
    drop(no_pause);
    assert_eq!(carrier.texts_to(&conversation.phone).await, words);
    assert_eq!(conversation.texts(&ben).await[1..], words);
}
