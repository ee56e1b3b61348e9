//! Events of SQS and DynamoDB Streams.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Returns an event with these records.
pub fn event<T: DeserializeOwned>(records: Vec<Value>) -> T {
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// Returns an SQS record that was received `receives` times. `group` is the message group of a FIFO queue.
pub fn sqs_record(id: &str, group: Option<&str>, body: &str, receives: u32) -> Value {
    let mut attributes =
        json!({ "ApproximateReceiveCount": receives.to_string(), "SentTimestamp": "1795341600000" });
    if let Some(group) = group {
        attributes["MessageGroupId"] = group.into();
    }
    json!({
        "messageId": id, "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": attributes, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
    })
}

/// Returns a stream record of an item. `operation` is `INSERT`, `MODIFY` or `REMOVE`.
pub fn stream_record(operation: &str, image: &Value) -> Value {
    json!({
        "eventID": "1", "eventName": operation, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
        },
    })
}
