//! The topic of events, with a queue of another system that subscribes to it.

use product_tests::{EVENT_TIMEOUT, Phone, SharedInbox, Stack, TestTeam, eventually};
use serde_json::{Value, json};

/// A FIFO queue that gets the events that a filter policy selects.
struct Subscriber<'a> {
    stack: &'a Stack,
    queue_url: String,
    received: Vec<Value>,
}

impl<'a> Subscriber<'a> {
    async fn subscribe(stack: &'a Stack, name: &str, filter: Value) -> Self {
        let (aws, topic) = (stack.operator().aws, stack.events_topic_arn());
        let arn =
            format!("{}:{name}.fifo", topic.rsplit_once(':').expect("an ARN").0.replace(":sns:", ":sqs:"));
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic } } }] });
        let request = aws.sqs().create_queue().queue_name(format!("{name}.fifo"));
        let request =
            request.attributes("FifoQueue".into(), "true").attributes("Policy".into(), policy.to_string());
        let queue_url = request.send().await.expect("a queue").queue_url.expect("a URL");
        let request = aws.sns().subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
        let request = request.attributes("RawMessageDelivery", "true");
        request.attributes("FilterPolicy", filter.to_string()).send().await.expect("a subscription");
        Self { stack, queue_url, received: Vec::new() }
    }

    /// Receives and deletes messages until there are this many. Returns all of them.
    async fn wait_for(&mut self, count: usize) -> &[Value] {
        let sqs = self.stack.operator().aws.sqs();
        eventually("published events", EVENT_TIMEOUT, async || {
            let request = sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
            let received = request.send().await.expect("messages").messages.unwrap_or_default();
            for message in received {
                let body = message.body.expect("a body");
                self.received.push(serde_json::from_str(&body).expect("JSON without an envelope"));
                let delete = sqs.delete_message().queue_url(&self.queue_url);
                delete.set_receipt_handle(message.receipt_handle).send().await.expect("deleted");
            }
            (self.received.len() >= count).then_some(())
        })
        .await;
        &self.received
    }
}

#[tokio::test]
async fn a_subscribed_queue_gets_the_events_of_its_filter_in_order_and_without_texts() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Subscribers", "amelia").await;
    let (inbox, other) = (team.create_inbox("Subscribed").await, team.create_inbox("Not subscribed").await);
    team.register(&stack.carrier()).await;
    let filter = json!({ "type": [{ "prefix": "message." }], "inboxId": [inbox.id] });
    let mut subscriber = Subscriber::subscribe(&stack, &format!("subscriber-{}", inbox.id), filter).await;

    let phone = Phone::new();
    let send = async |inbox: &SharedInbox, text: &str| {
        stack.carrier().send_inbound(&phone, &inbox.number, text).await;
    };
    send(&other, "This is for another inbox.").await;
    for index in 1..=3 {
        send(&inbox, &format!("Canary number {index}")).await;
    }
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let events = subscriber.wait_for(3).await;
    let sequences: Vec<_> =
        events.iter().map(|event| event["sequence"].as_u64().expect("a number")).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    for event in events {
        assert_eq!(event["inboxId"], *inbox.id);
        assert_eq!(
            (&event["type"], &event["data"]["state"]),
            (&json!("message.created"), &json!("received"))
        );
        assert_eq!(event["conversationId"], *conversation.id);
        let text = event.to_string();
        assert!(!text.contains("Canary") && !text.contains(phone.number()), "{text}");
    }

    team.admin.lock_and_reply(&conversation, "Until five.").await.expect(202);
    let events = subscriber.wait_for(6).await;
    let states: Vec<_> =
        events[3..].iter().map(|event| event["data"]["state"].as_str().expect("a state")).collect();
    assert_eq!(states[0], "queued");
    assert!(states.contains(&"delivered") || states.contains(&"sent"), "{states:?}");
}
