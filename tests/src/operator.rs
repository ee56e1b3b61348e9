//! Who operates the stack: looks into queues and table, with the emulator's root rights.

use shared_aws::clients::Aws;

use crate::Stack;

/// A message that waits in a queue.
#[derive(Debug, Clone)]
pub struct QueueMessage {
    /// The queue's name of it, which stays when it moves to the dead letters.
    pub id: String,
    /// What it says.
    pub body: String,
    receipt: String,
}

/// Queues of the stack, by the names of their outputs.
#[derive(Debug)]
pub struct Operator<'a> {
    stack: &'a Stack,
    /// Connection settings for clients.
    pub aws: Aws,
}

impl Stack {
    /// The stack's operator.
    pub fn operator(&self) -> Operator<'_> {
        Operator { stack: self, aws: Aws::loopback(self.endpoint()) }
    }
}

impl Operator<'_> {
    /// Puts a message into a FIFO queue, in a group of its own; gives the queue's name of it.
    pub async fn enqueue(&self, queue: &str, group: &str, body: &str) -> String {
        let sent = self.aws.sqs().send_message().queue_url(self.stack.output(queue)).message_body(body);
        let sent = sent.message_group_id(group).message_deduplication_id(format!("{group} by hand"));
        sent.send().await.expect("the queue takes it").message_id.expect("an id")
    }

    /// The messages of a queue that nobody works at; they are hidden for a moment.
    pub async fn receive_messages(&self, queue: &str) -> Vec<QueueMessage> {
        let received = self.aws.sqs().receive_message().queue_url(self.stack.output(queue));
        let received =
            received.max_number_of_messages(10).visibility_timeout(1).send().await.expect("a queue");
        let text = |text: Option<String>| text.unwrap_or_default();
        let messages = received.messages.unwrap_or_default().into_iter();
        messages
            .map(|found| QueueMessage {
                id: text(found.message_id),
                body: text(found.body),
                receipt: text(found.receipt_handle),
            })
            .collect()
    }

    /// Moves a dead letter back to its queue, as `aws sqs start-message-move-task` does.
    pub async fn redrive(&self, from: &str, to: &str, letter: &QueueMessage) {
        self.enqueue(to, &format!("redriven {}", letter.id), &letter.body).await;
        let gone = self.aws.sqs().delete_message().queue_url(self.stack.output(from));
        gone.receipt_handle(&letter.receipt).send().await.expect("the dead letter is taken away");
    }
}
