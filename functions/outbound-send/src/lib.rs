//! Sends accepted messages: send queues → carrier. See [`shared_app::send`] for what each answer of the
//! carrier means.
//!
//! Idempotent by the claim on the message: of all deliveries of a queue message, one calls the carrier. The
//! queues are FIFO with one group per conversation, so the messages of a conversation are sent in their
//! order. Texts of broadcasts have a queue of their own, whose workers wait for turns; a reply finds a free
//! worker. A message that has to wait is hidden in the queue and holds back its group. Waiting has no last
//! delivery; only a message that cannot be read goes to the dead-letter queue.

use std::time::Duration;

use shared_app::{
    callbacks::SignedCallbacks,
    carrier,
    send::{SendError, SendWorkflow},
};
use shared_aws::{
    clients::{Aws, Bucket, ReceivedSends, Secrets, SendJob, SendQueues, SigningSecret},
    table::Table,
};
use shared_carriers::twilio::Client;
use shared_domain::{pace, time::Timestamp};
use shared_lambda::{
    Error, clock,
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

/// How long the carrier may take to answer. The queue's visibility timeout is longer than a batch of such
/// waits.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    sends: SendWorkflow,
    received: ReceivedSends,
    max_receives: u32,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, signing) = (env.required("CARRIER_SECRET"), env.required("SIGNING_SECRET"));
        let (carrier_url, max_receives) = (env.required("CARRIER_BASE_URL"), env.number("MAX_RECEIVES", 1));
        let (queue, dead_letters) = (env.required("SEND_QUEUE_URL"), env.required("SEND_DEAD_LETTERS_URL"));
        let texts = env.required("BROADCAST_SEND_QUEUE_URL");
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secrets = Secrets::of(&aws);
        let carrier = carrier::client(&secrets, &secret, &carrier_url, CARRIER_TIMEOUT, clock::now)?;
        let callbacks = SignedCallbacks::new(base, SigningSecret::named(&secrets, signing));
        let received = ReceivedSends::new(&aws, SendQueues::new(&aws, queue, texts), dead_letters);
        let (table, bucket) = (Table::of(&aws, name), Bucket::new(&aws, &bucket));
        Ok(Self::new(table, bucket, carrier, callbacks, received, max_receives))
    }

    /// A message that cannot be read goes to the dead-letter queue at delivery number `max_receives`.
    pub fn new(
        table: Table,
        bucket: Bucket,
        carrier: Client,
        callbacks: SignedCallbacks,
        received: ReceivedSends,
        max_receives: u32,
    ) -> Self {
        Self { sends: SendWorkflow::new(table, bucket, carrier, callbacks), received, max_receives }
    }
}

/// Sends the messages of one batch.
pub async fn handle(
    app: &App,
    clock: impl Fn() -> Timestamp,
    entropy: impl Fn() -> u64,
    event: SqsEvent,
) -> SqsBatchResponse {
    queue::each_record_in_order(event, async |record| send(app, &clock, entropy(), record).await).await
}

async fn send(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    attempt: u64,
    record: Record<'_>,
) -> Result<(), RecordError> {
    let error = match SendJob::parse(record.body) {
        Err(error) => return dead_letter(app, record, RecordError::unreadable(error)).await,
        Ok(job) => match app.sends.send(clock, attempt, &job).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
    };
    let hide = async |delay| {
        if let Err(error) = app.received.delay(record.queue, record.receipt_handle, delay).await {
            tracing::warn!(event = "queue_message_not_delayed", %error, "queue message waits for the default time");
        }
    };
    match error {
        SendError::NoMessage(_) => dead_letter(app, record, RecordError::unreadable(error)).await,
        SendError::Delayed { delay, .. } => {
            hide(pace::queue_delay(delay, record.receive_count, attempt)).await;
            Err(RecordError::delayed(error))
        }
        SendError::OutOfOrder { delay } => {
            hide(delay).await;
            Err(RecordError::delayed(error))
        }
        SendError::Store(_) | SendError::OptOutChanged => Err(error.into()),
    }
}

/// Moves a message to the dead-letter queue if this is its last delivery. `error` says why.
async fn dead_letter(app: &App, record: Record<'_>, error: RecordError) -> Result<(), RecordError> {
    if record.receive_count < app.max_receives {
        return Err(error);
    }
    match app.received.copy_to_dead_letters(record.group, record.id, record.body).await {
        Ok(()) => {
            tracing::error!(event = "queue_message_dead", queue_message = record.id, error = ?error, "queue message moved to the dead-letter queue");
            Ok(())
        }
        Err(_) => Err(error),
    }
}
