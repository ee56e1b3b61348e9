//! What the table's stream would report: the difference between two states of the table.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::engine::Engine;

type Item = HashMap<String, AttributeValue>;

/// Records the changes of a table without its stream, which would slow down every write. Several writes of an
/// item between two calls are one change.
#[derive(Debug, Default)]
pub struct Changes {
    known: BTreeMap<(String, String), Item>,
    recorded: usize,
}

impl Changes {
    /// Returns a recorder that knows the present state of the table.
    pub async fn from_now(engine: &Engine) -> Self {
        let mut changes = Self::default();
        changes.take(engine).await;
        changes.recorded = 0;
        changes
    }

    /// Returns the stream records of what changed since the last call, with unique ids.
    pub async fn take(&mut self, engine: &Engine) -> Vec<Value> {
        let part = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        let items = engine.scan().await.into_iter();
        let now: BTreeMap<_, _> = items.map(|item| ((part(&item, "pk"), part(&item, "sk")), item)).collect();
        let keys: std::collections::BTreeSet<_> = now.keys().chain(self.known.keys()).cloned().collect();
        let mut records = Vec::new();
        for key in keys {
            let (before, after) = (self.known.get(&key), now.get(&key));
            if before != after {
                self.recorded += 1;
                records.push(record(self.recorded, before, after));
            }
        }
        self.known = now;
        records
    }
}

fn record(number: usize, before: Option<&Item>, after: Option<&Item>) -> Value {
    let operation = match (before, after) {
        (None, _) => "INSERT",
        (_, None) => "REMOVE",
        _ => "MODIFY",
    };
    let image = |item: Option<&Item>| item.map_or(Value::Null, fields);
    let keys = fields(after.or(before).unwrap());
    json!({
        "eventID": format!("record-{number}"), "eventName": operation, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": keys["pk"], "sk": keys["sk"] },
            "OldImage": image(before), "NewImage": image(after), "SequenceNumber": number.to_string(),
            "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

fn fields(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Null(flag) => json!({ "NULL": flag }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::M(item) => json!({ "M": fields(item) }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(attribute).collect::<Vec<_>>() }),
        other => panic!("no item has an attribute such as {other:?}"),
    }
}
