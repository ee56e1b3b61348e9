//! The story of one message, which an operator reads with `inboxctl trace`.

use std::collections::BTreeSet;

use inboxctl::{
    Operator,
    trace::{Trace, TraceRequest, trace},
};
use product_tests::{Phone, Stack, WAIT_TIMEOUT, eventually};
use shared_aws::{clients::LogReader, table::Table};
use shared_lambda::clock;

/// Waits until the trace has these steps, as function, step and outcome. An empty outcome stands for any.
async fn wait_for_steps(stack: &Stack, id: &str, expected: &[(&str, &str, &str)]) -> Trace {
    let (aws, name) =
        (stack.operator().aws, stack.output("DashboardUrl").rsplit('/').next().expect("a name"));
    let logs = LogReader::of_stack(&aws, name);
    eventually("the trace is complete", WAIT_TIMEOUT, async || {
        let table = Table::of(&aws, stack.output("TableName"));
        let operator = Operator::new(table, None, clock::now(), clock::entropy());
        let found = trace(&operator, &logs, &TraceRequest { id: id.to_owned(), hours: 1 }).await.ok()?;
        let has = |(function, step, outcome): &(&str, &str, &str)| {
            found.steps.iter().any(|found| {
                (&*found.function, &*found.step) == (*function, *step)
                    && (outcome.is_empty() || found.outcome == *outcome)
            })
        };
        expected.iter().all(has).then_some(found)
    })
    .await
}

fn assert_tells_nothing_private(trace: &Trace, phone: &Phone, stack: &Stack) {
    let printed = serde_json::to_string(trace).expect("JSON");
    for private in [phone.number(), "quiet room", "door on the left"] {
        assert!(!printed.contains(private), "{printed}");
    }
    assert!(!printed.contains(&stack.front_desk_inbox().phone_number), "{printed}");
    let times: Vec<_> = trace.steps.iter().map(|step| &step.at).collect();
    assert!(times.is_sorted() && times.iter().collect::<BTreeSet<_>>().len() > 1, "{times:?}");
}

#[tokio::test]
async fn one_id_leads_through_the_logs_of_a_message_in_and_a_message_out() {
    let stack = Stack::open();
    let (phone, amelia) = (Phone::new(), stack.user("amelia"));
    let conversation = stack.conversation_from(&phone, "Where is the quiet room?").await;
    let received = conversation.history(&amelia).await[0]["messageId"].as_str().expect("an id").to_owned();
    let inbound = [
        ("inbound-sms", "message_received", ""),
        ("inbound-sms", "request_answered", "200"),
        ("table", "stored", "received"),
    ];
    let story = wait_for_steps(&stack, &received, &inbound).await;
    assert_eq!(story.message_id, received);
    assert_tells_nothing_private(&story, &phone, &stack);

    let accepted = amelia.lock_and_reply(&conversation, "The door on the left.").await.expect(202);
    let sent = accepted["messageId"].as_str().expect("an id").to_owned();
    amelia.wait_for_message(&sent, "delivered").await;
    let outbound = [
        ("messages", "message_accepted", ""),
        ("messages", "request_answered", "202"),
        ("outbox-relay", "outbox_relayed", ""),
        ("outbound-send", "message_sent", ""),
        ("delivery-status", "delivery_reported", "delivered"),
        ("delivery-status", "request_answered", "200"),
        ("table", "stored", "accepted"),
        ("table", "stored", "delivered"),
    ];
    let story = wait_for_steps(&stack, &sent, &outbound).await;
    assert_tells_nothing_private(&story, &phone, &stack);

    let sid = stack.carrier().messages_to(&phone).await.pop().expect("a message").sid;
    let by_carrier = wait_for_steps(&stack, &sid, &outbound).await;
    assert_eq!(by_carrier.message_id, sent, "the carrier's ID leads to the same message");
}
