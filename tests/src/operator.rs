//! Reads and writes queues and the table directly, with the emulator's root credentials.

use shared_aws::clients::Aws;

use crate::Stack;

/// A message received from a queue.
#[derive(Debug, Clone)]
pub struct QueueMessage {
    /// The message ID from SQS. It stays the same in the dead-letter queue.
    pub id: String,
    pub body: String,
    receipt: String,
}

/// Direct access to the queues and the table. Queues are named by their outputs in the template.
#[derive(Debug)]
pub struct Operator<'a> {
    stack: &'a Stack,
    /// Connection settings for clients.
    pub aws: Aws,
}

impl Stack {
    /// Returns direct access to the stack's queues and table.
    pub fn operator(&self) -> Operator<'_> {
        Operator { stack: self, aws: Aws::loopback(self.endpoint()) }
    }
}

impl Operator<'_> {
    /// Sends a message to a FIFO queue and returns its ID.
    pub async fn enqueue(&self, queue: &str, group: &str, body: &str) -> String {
        let request = self.aws.sqs().send_message().queue_url(self.stack.output(queue)).message_body(body);
        let request = request.message_group_id(group).message_deduplication_id(format!("{group} by hand"));
        request.send().await.expect("SQS accepts the message").message_id.expect("an id")
    }

    /// Receives the messages of a queue that has no consumer. They stay invisible for one second.
    pub async fn receive_messages(&self, queue: &str) -> Vec<QueueMessage> {
        let request = self.aws.sqs().receive_message().queue_url(self.stack.output(queue));
        let request = request.max_number_of_messages(10).visibility_timeout(1);
        let received = request.send().await.expect("SQS returns messages");
        let text = |text: Option<String>| text.unwrap_or_default();
        let messages = received.messages.unwrap_or_default().into_iter();
        messages
            .map(|message| QueueMessage {
                id: text(message.message_id),
                body: text(message.body),
                receipt: text(message.receipt_handle),
            })
            .collect()
    }

    /// Invokes a function of the template, as its schedule does. Its result does not matter.
    pub async fn invoke(&self, function: &str) {
        let name = self.stack.function(function);
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.stack.endpoint());
        let scope = "Credential=test/20260101/us-east-1/lambda/aws4_request";
        let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let request = self.stack.plain_http().post(url).header("authorization", authorization).body("{}");
        let _ = request.send().await;
    }

    /// Stops all functions, as `aws lambda put-function-concurrency` does. What they work on is completed.
    pub async fn stop_functions(&self) {
        let none = serde_json::json!({ "ReservedConcurrentExecutions": 0 }).to_string();
        self.set_concurrency(reqwest::Method::PUT, &none).await;
    }

    /// Lets all functions run again, as `aws lambda delete-function-concurrency` does.
    pub async fn start_functions(&self) {
        self.set_concurrency(reqwest::Method::DELETE, "").await;
    }

    async fn set_concurrency(&self, method: reqwest::Method, body: &str) {
        for name in self.stack.functions() {
            let url = format!("{}/2017-10-31/functions/{name}/concurrency", self.stack.endpoint());
            let scope = "Credential=test/20260101/us-east-1/lambda/aws4_request";
            let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
            let request = self.stack.plain_http().request(method.clone(), url);
            let request = request.header("authorization", authorization).body(body.to_owned());
            let response = request.send().await.expect("Lambda answers");
            assert!(response.status().is_success(), "{name}: {}", response.status());
        }
    }

    /// Moves a message from a dead-letter queue back to its queue, as `aws sqs start-message-move-task` does.
    pub async fn redrive(&self, from: &str, to: &str, message: &QueueMessage) {
        self.enqueue(to, &format!("redriven {}", message.id), &message.body).await;
        let request = self.aws.sqs().delete_message().queue_url(self.stack.output(from));
        request.receipt_handle(&message.receipt).send().await.expect("SQS deletes the message");
    }
}
