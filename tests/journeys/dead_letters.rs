//! A queue message that cannot be processed reaches the dead-letter queue after the maximum number of
//! receives. It does not delay other messages. After a redrive it is processed like any other.
//!
//! This journey waits for the queue's visibility timeouts, about two minutes in total.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use futures_util::future::join_all;
use product_tests::{Phone, Stack, WAIT_TIMEOUT, eventually};
use serde_json::json;
use shared_aws::table::keys;
use shared_domain::ids::{MessageId, OrganizationId};

/// `maxReceiveCount` of the send queue in template.yaml. A test compares that with `MAX_RECEIVES`.
const ATTEMPTS: usize = 5;
/// Longer than [`ATTEMPTS`] visibility timeouts of the queue on a busy machine.
const ALL_ATTEMPTS_TIMEOUT: Duration = Duration::from_mins(8);

/// A copy of a sent message, with another ID and the state of a message that was just accepted.
struct MessageCopy {
    organization: OrganizationId,
    id: MessageId,
    item: std::collections::HashMap<String, AttributeValue>,
}

impl MessageCopy {
    async fn of(table: &Client, name: &str, organization: &str, sent: &str) -> Self {
        let (organization, sent) =
            (OrganizationId::parse(organization).expect("an id"), MessageId::parse(sent).expect("an id"));
        let conversation = sent.conversation().expect("an ID with a conversation");
        let key = keys::message(&organization, &conversation, &sent);
        let (pk, sk) = (AttributeValue::S(key.pk), AttributeValue::S(key.sk));
        let got =
            table.get_item().table_name(name).key("pk", pk).key("sk", sk).send().await.expect("the table");
        let mut item = got.item.expect("the sent message");
        let (now, entropy) = (shared_lambda::clock::now(), shared_lambda::clock::entropy());
        let id = MessageId::in_conversation(&conversation, now, entropy);
        let queued = AttributeValue::M([("at".into(), AttributeValue::N(now.millis().to_string()))].into());
        item.insert("sk".into(), AttributeValue::S(id.to_string()));
        item.insert("states".into(), AttributeValue::M([("queued".into(), queued)].into()));
        item.remove("claim");
        item.remove("carrierId");
        Self { organization, id, item }
    }

    fn queue_message(&self) -> String {
        json!({ "organizationId": self.organization.as_str(), "messageId": self.id.as_str() }).to_string()
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_reaches_the_dead_letter_queue_delays_no_other_and_can_be_redriven() {
    let stack = Stack::open();
    let (carrier, ben, operator) = (stack.carrier(), stack.user("ben"), stack.operator());
    let table = Client::from_conf(operator.aws.dynamodb_config().build());
    let compose = async |phone: &Phone, text: &str| {
        let from = json!({ "inboxId": stack.front_desk_inbox().inbox_id });
        let body = json!({ "from": from, "to": { "phoneNumber": phone.number() }, "text": text });
        let accepted = ben.post("/v1/messages", body).await;
        accepted.expect(202)["messageId"].as_str().expect("an id").to_owned()
    };
    let phone = Phone::new();
    let no_pause = carrier.no_pause().await;
    let sent = compose(&phone, "Once").await;
    ben.wait_for_message(&sent, "delivered").await;
    let name = stack.output("TableName");
    let lost = MessageCopy::of(&table, name, stack.organization(), &sent).await;

    // A body that is not JSON, a body of an unknown version, and one whose message does not exist.
    let bodies =
        ["not JSON".to_owned(), json!({ "version": 9, "what": "later" }).to_string(), lost.queue_message()];
    let mut unprocessable = Vec::new();
    for (place, body) in bodies.iter().enumerate() {
        let group = format!("poison {place} {}", phone.number());
        unprocessable.push(operator.enqueue("SendQueueUrl", &group, body).await);
    }
    let attempts = |id: &str| {
        let failed =
            |line: &str| line.contains("queue_message_unreadable") || line.contains("queue_message_dead");
        let log = stack.log();
        log.lines().filter(|line| line.contains(id) && failed(line)).count()
    };
    eventually("the sender has tried it", WAIT_TIMEOUT, async || {
        (attempts(&unprocessable[0]) > 0).then_some(())
    })
    .await;

    // Other messages are delivered while these are retried. A pause of another journey would outlast that.
    let others: Vec<Phone> = (0..5).map(|_| Phone::new()).collect();
    for text in join_all(others.iter().map(|other| compose(other, "Not delayed"))).await {
        ben.wait_for_message(&text, "delivered").await;
    }
    drop(no_pause);
    assert!(
        unprocessable.iter().all(|id| attempts(id) < ATTEMPTS),
        "it was dead-lettered before the others were delivered"
    );

    let mut dead: Vec<String> = Vec::new();
    let dead_letter =
        eventually("all of them are in the dead-letter queue", ALL_ATTEMPTS_TIMEOUT, async || {
            for message in operator.receive_messages("SendDeadLettersUrl").await {
                // The sender copies a message, so it has another ID here.
                if bodies.contains(&message.body) && !dead.contains(&message.body) {
                    dead.push(message.body.clone());
                }
                if dead.len() == bodies.len() && message.body == bodies[2] {
                    return Some(message);
                }
            }
            None
        })
        .await;
    // The sender copies a message first, and then writes the line of its last attempt.
    eventually("all attempts are in the log", WAIT_TIMEOUT, async || {
        unprocessable.iter().all(|id| attempts(id) >= ATTEMPTS).then_some(())
    })
    .await;
    for id in &unprocessable {
        assert_eq!(attempts(id), ATTEMPTS, "attempts of {id}");
    }

    // Create the missing message, then redrive its queue message.
    assert!(carrier.texts_to(&phone).await == ["Once"]);
    table.put_item().table_name(name).set_item(Some(lost.item.clone())).send().await.unwrap();
    let no_pause = carrier.no_pause().await;
    operator.redrive("SendDeadLettersUrl", "SendQueueUrl", &dead_letter).await;
    ben.wait_for_message(lost.id.as_str(), "delivered").await;
    drop(no_pause);
    assert_eq!(carrier.texts_to(&phone).await, ["Once", "Once"]);
    assert_eq!(attempts(&unprocessable[2]), ATTEMPTS);
}
