//! Partitions that throttle as DynamoDB's do: 1,000 write units a second for each partition key, however many
//! the table has. The engine has no such limit. This layer is between the SDK client and the engine.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared_aws::table::Table;

use crate::{
    engine::{Engine, TABLE},
    faults::{error_response, operation, throttled},
};

/// The write units that a partition takes in a second, and can save for a burst.
const UNITS_PER_SECOND: f64 = 1_000.0;
/// The size of an item that a write unit covers.
const UNIT_BYTES: usize = 1_024;

/// Throttles the writes of hosts. Clones share the partitions.
#[derive(Debug, Clone)]
pub struct Partitions(Arc<State>);

#[derive(Debug)]
struct State {
    units_per_second: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
    throttled: AtomicU32,
}

/// The units that a partition has left.
#[derive(Debug)]
struct Bucket {
    units: f64,
    at: Instant,
}

impl Partitions {
    /// Partitions whose seconds take `slowness` seconds, for tests on a slow machine.
    #[must_use]
    pub fn slowed(slowness: u32) -> Self {
        let units_per_second = UNITS_PER_SECOND / f64::from(slowness);
        Self(Arc::new(State { units_per_second, buckets: Mutex::default(), throttled: AtomicU32::new(0) }))
    }

    /// Returns the table of a host whose writes are throttled.
    #[must_use]
    pub fn table(&self, engine: &Engine) -> Table {
        let inner = Builder::new().build_http();
        let http = ThrottlingClient { partitions: self.clone(), inner };
        Table::new(Client::from_conf(engine.aws.dynamodb_config().http_client(http).build()), TABLE)
    }

    /// Returns how many writes were throttled.
    pub fn throttled(&self) -> u32 {
        self.0.throttled.load(Ordering::Relaxed)
    }

    /// Takes the units of a write from its partition. `false` if it has too few.
    fn take(&self, write: &Write, now: Instant) -> bool {
        let mut buckets = self.0.buckets.lock().unwrap();
        let rate = self.0.units_per_second;
        let full = Bucket { units: rate, at: now };
        let bucket = buckets.entry(write.partition.clone()).or_insert(full);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.units = (bucket.units + passed * rate).min(rate);
        bucket.at = now;
        let fits = bucket.units >= write.units;
        if fits {
            bucket.units -= write.units;
        } else {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }
}

/// A write of one item.
#[derive(Debug)]
struct Write {
    partition: String,
    units: f64,
}

impl Write {
    /// Reads a write from its item or key in a request. An update is assumed to fit into one unit.
    fn of(item: &Value, units_per_kilobyte: f64) -> Option<Self> {
        let partition = item["pk"]["S"].as_str()?.to_owned();
        let kilobytes = u32::try_from(item.to_string().len().div_ceil(UNIT_BYTES)).ok()?;
        Some(Self { partition, units: units_per_kilobyte * f64::from(kilobytes) })
    }
}

/// Returns the item or the key of a write.
fn subject(write: &Value) -> &Value {
    if write["Item"].is_null() { &write["Key"] } else { &write["Item"] }
}

#[derive(Debug)]
struct ThrottlingClient {
    partitions: Partitions,
    inner: aws_smithy_runtime_api::client::http::SharedHttpClient,
}

impl HttpClient for ThrottlingClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(ThrottlingConnector { partitions: self.partitions.clone(), inner })
    }
}

#[derive(Debug)]
struct ThrottlingConnector {
    partitions: Partitions,
    inner: SharedHttpConnector,
}

impl HttpConnector for ThrottlingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Value = request
            .body()
            .bytes()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .expect("a request of the SDK is JSON in memory");
        let now = Instant::now();
        let refused = match operation(&request) {
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                let write = Write::of(subject(&body), 1.0).expect("a write has a key");
                (!self.partitions.take(&write, now)).then(throttled)
            }
            "TransactWriteItems" => self.transaction(&body, now),
            "BatchWriteItem" => return self.batch(request, body, now),
            _ => None,
        };
        match refused {
            Some(response) => HttpConnectorFuture::ready(Ok(response)),
            None => self.inner.call(request),
        }
    }
}

impl ThrottlingConnector {
    /// Returns the cancellation of a transaction with a write that does not fit.
    fn transaction(&self, body: &Value, now: Instant) -> Option<HttpResponse> {
        let mut is_throttled = false;
        let reasons: Vec<&str> = body["TransactItems"]
            .as_array()
            .expect("a transaction has items")
            .iter()
            .map(|item| {
                let write = item.as_object().and_then(|kinds| kinds.values().next()).expect("one kind");
                let write = Write::of(subject(write), 2.0).expect("a write has a key");
                let fits = self.partitions.take(&write, now);
                is_throttled |= !fits;
                if fits { "None" } else { "ThrottlingError" }
            })
            .collect();
        let reasons: Vec<Value> = reasons.into_iter().map(|code| json!({ "Code": code })).collect();
        let reasons = format!(r#","CancellationReasons":{}"#, json!(reasons));
        is_throttled.then(|| error_response(400, "TransactionCanceledException", &reasons))
    }

    /// Writes the items that fit, and answers that the others are unprocessed.
    fn batch(&self, mut request: HttpRequest, mut body: Value, now: Instant) -> HttpConnectorFuture {
        let writes = body["RequestItems"][TABLE].as_array().expect("a batch has items").clone();
        let (fitting, rest): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| {
            let put = &write["PutRequest"]["Item"];
            let subject = if put.is_null() { &write["DeleteRequest"]["Key"] } else { put };
            self.partitions.take(&Write::of(subject, 1.0).expect("a write has a key"), now)
        });
        if rest.is_empty() {
            return self.inner.call(request);
        }
        if fitting.is_empty() {
            return HttpConnectorFuture::ready(Ok(throttled()));
        }
        body["RequestItems"][TABLE] = json!(fitting);
        let body = body.to_string();
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            let answer = inner.call(request).await?;
            with_unprocessed(answer, &rest).await
        })
    }
}

/// Returns the answer to a batch with these writes as unprocessed.
async fn with_unprocessed(answer: HttpResponse, rest: &[Value]) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status();
    let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::other(error.into(), None))?.into_bytes();
    let mut body: Value = serde_json::from_slice(&body).expect("an answer of the engine is JSON");
    body["UnprocessedItems"] = json!({ TABLE: rest });
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
