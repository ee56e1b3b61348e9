//! A message that nobody can work at ends among the dead letters, after as many tries as the queue's policy
//! has, and holds up nobody else; mended and moved back, it is as good as any other.
//!
//! This journey waits for the queue's pauses, some two minutes in all.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use product_tests::{Phone, Stack, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};
use shared_aws::table::keys;
use shared_domain::ids::{MessageId, OrganizationId};

/// `maxReceiveCount` of the send queue in template.yaml, which a test holds to `MAX_RECEIVES`.
const TRIES: usize = 5;
/// Longer than [`TRIES`] pauses of the queue.
const ALL_TRIES: Duration = Duration::from_secs(240);

/// A text that was sent, copied under an id of its own as if it had just been accepted.
struct Copy {
    organization: OrganizationId,
    id: MessageId,
    row: std::collections::HashMap<String, AttributeValue>,
}

impl Copy {
    async fn of(table: &Client, name: &str, organization: &str, sent: &str) -> Self {
        let (organization, sent) =
            (OrganizationId::parse(organization).expect("an id"), MessageId::parse(sent).expect("an id"));
        let conversation = sent.conversation().expect("an id of ours");
        let found = keys::message(&organization, &conversation, &sent);
        let (pk, sk) = (AttributeValue::S(found.pk), AttributeValue::S(found.sk));
        let got =
            table.get_item().table_name(name).key("pk", pk).key("sk", sk).send().await.expect("the table");
        let mut row = got.item.expect("the text that was sent");
        let (now, entropy) = (shared_lambda::clock::now(), shared_lambda::clock::entropy());
        let id = MessageId::in_conversation(&conversation, now, entropy);
        let queued = AttributeValue::M([("at".into(), AttributeValue::N(now.millis().to_string()))].into());
        row.insert("sk".into(), AttributeValue::S(id.to_string()));
        row.insert("states".into(), AttributeValue::M([("queued".into(), queued)].into()));
        row.remove("claim");
        row.remove("carrierId");
        Self { organization, id, row }
    }

    fn job(&self) -> String {
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
    let no_fault = carrier.no_fault().await;
    let sent = compose(&phone, "Once").await;
    ben.wait_for_message(&sent, "delivered").await;
    drop(no_fault);
    let name = stack.output("TableName");
    let lost = Copy::of(&table, name, stack.organization(), &sent).await;

    // Not JSON, no job of this version, and a job whose message is not there.
    let bodies = ["not JSON".to_owned(), json!({ "version": 9, "what": "later" }).to_string(), lost.job()];
    let mut poison = Vec::new();
    for (place, body) in bodies.iter().enumerate() {
        let group = format!("poison {place} {}", phone.number());
        poison.push(operator.enqueue("SendQueueUrl", &group, body).await);
    }
    let tries = |id: &str| {
        let failed =
            |line: &str| line.contains("queue_message_retry") || line.contains("queue_message_unreadable");
        let log = stack.log();
        log.lines().filter(|line| line.contains(id) && failed(line)).count()
    };
    eventually("the sender has met it", WAIT_TIMEOUT, async || (tries(&poison[0]) > 0).then_some(())).await;

    // Others go on, while it comes again and again.
    let others: Vec<Phone> = (0..5).map(|_| Phone::new()).collect();
    let no_fault = carrier.no_fault().await;
    for other in &others {
        let text = compose(other, "Not delayed").await;
        ben.wait_for_message(&text, "delivered").await;
    }
    drop(no_fault);
    assert!(poison.iter().all(|id| tries(id) < TRIES), "it was given up before the others were through");

    let mut dead: Vec<Value> = Vec::new();
    let letter = eventually("all of it is among the dead letters", ALL_TRIES, async || {
        for found in operator.receive_messages("SendDeadLettersUrl").await {
            if poison.contains(&found.id) && !dead.contains(&json!(found.id)) {
                dead.push(json!(found.id));
            }
            if dead.len() == poison.len() && found.id == poison[2] {
                return Some(found);
            }
        }
        None
    })
    .await;
    for id in &poison {
        assert_eq!(tries(id), TRIES, "tries of {id}");
    }

    // The message is there after all; the operator moves its job back.
    assert!(carrier.texts_to(&phone).await == ["Once"]);
    table.put_item().table_name(name).set_item(Some(lost.row.clone())).send().await.unwrap();
    let no_fault = carrier.no_fault().await;
    operator.redrive("SendDeadLettersUrl", "SendQueueUrl", &letter).await;
    ben.wait_for_message(lost.id.as_str(), "delivered").await;
    drop(no_fault);
    assert_eq!(carrier.texts_to(&phone).await, ["Once", "Once"]);
    assert_eq!(tries(&letter.id), TRIES);
}
