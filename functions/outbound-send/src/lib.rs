//! Sends accepted messages: send queue → carrier. See [`shared_app::send`] for what each answer of the
//! carrier means.
//!
//! Idempotent by the claim on the message: of all deliveries of a queue message, one calls the carrier. The
//! queue is FIFO with one group per conversation, so the messages of a conversation are sent in their order.

use std::time::Duration;

use shared_app::{
    carrier,
    send::{Attempt, SendError, SendWorkflow},
};
use shared_aws::{
    clients::{Aws, Bucket, Secrets, SendJob},
    table::Table,
};
use shared_carriers::{callback::StatusCallbacks, twilio::Client};
use shared_domain::time::Timestamp;
use shared_lambda::{
    Error,
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
    max_receives: u32,
}

impl App {
    /// Reads settings and secrets, and creates clients.
    pub async fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, signing) = (env.required("CARRIER_SECRET"), env.required("SIGNING_SECRET"));
        let (carrier_url, max_receives) = (env.required("CARRIER_BASE_URL"), env.number("MAX_RECEIVES", 1));
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secrets = Secrets::of(&aws);
        let credentials = carrier::credentials(&secrets, &secret).await?;
        let callbacks = StatusCallbacks::new(base, &secrets.text(&signing).await?);
        let carrier = Client::new(&carrier_url, credentials, CARRIER_TIMEOUT)?;
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), carrier, callbacks, max_receives))
    }

    /// A temporary refusal is final at delivery number `max_receives`.
    pub fn new(
        table: Table,
        bucket: Bucket,
        carrier: Client,
        callbacks: StatusCallbacks,
        max_receives: u32,
    ) -> Self {
        Self { sends: SendWorkflow::new(table, bucket, carrier, callbacks), max_receives }
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
    let job = SendJob::parse(record.body).map_err(RecordError::unreadable)?;
    let attempt = Attempt { id: attempt, is_last: record.receive_count >= app.max_receives };
    match app.sends.send(clock, attempt, &job).await {
        Err(error @ SendError::NoMessage(_)) => Err(RecordError::unreadable(error)),
        sent => Ok(sent?),
    }
}
