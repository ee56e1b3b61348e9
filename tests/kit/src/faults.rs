//! What no engine does by itself: throttling, conflicts of transactions, errors, connections that break before or after a
//! write, answers that come too late and writes that come later still. It stands between the real SDK client and the engine,
//! so that the client's own retries, time-outs and errors are those of the functions.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, config::timeout::TimeoutConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use shared_aws::table::Table;

use crate::engine::{Engine, TABLE};

/// A host with faults waits so long for one answer, and three times that for all attempts: what comes too late costs a
/// campaign a moment, and no more.
const PATIENCE: Duration = Duration::from_millis(60);

/// One way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 400 `ProvisionedThroughputExceededException`: not applied.
    Throttled,
    /// A write meets a transaction, or a transaction another write: not applied. A read is throttled instead.
    Conflict,
    /// 500 `InternalServerError`: not applied.
    Failed,
    /// The connection breaks before the request: not applied.
    ResetBefore,
    /// The connection breaks after the request: applied, and nobody was told.
    ResetAfter,
    /// Applied, and answered when nobody waits any more.
    Late,
    /// Applied later than the answer was waited for: a request that was stuck on its way.
    Stuck,
}

const FAULTS: [Fault; 7] = [
    Fault::Throttled,
    Fault::Conflict,
    Fault::Failed,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Late,
    Fault::Stuck,
];

/// The weather between hosts and table: how often something goes wrong, drawn from a seed, and what did. Clones share it.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<Weather>>);

#[derive(Debug)]
struct Weather {
    entropy: fastrand::Rng,
    percent: u8,
    struck: BTreeMap<Fault, u32>,
}

impl Faults {
    /// None for now.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let entropy = fastrand::Rng::with_seed(seed);
        Self(Arc::new(Mutex::new(Weather { entropy, percent: 0, struck: BTreeMap::new() })))
    }

    /// From now on so many of a hundred requests go wrong.
    pub fn strike(&self, percent: u8) {
        self.0.lock().unwrap().percent = percent;
    }

    /// What went wrong so far, and how often.
    pub fn struck(&self) -> BTreeMap<Fault, u32> {
        self.0.lock().unwrap().struck.clone()
    }

    /// The table as a host in this weather sees it.
    #[must_use]
    pub fn table(&self, engine: &Engine) -> Table {
        let patience = TimeoutConfig::builder()
            .operation_attempt_timeout(PATIENCE)
            .operation_timeout(3 * PATIENCE)
            .build();
        let http = Stormy { faults: self.clone(), inner: Builder::new().build_http() };
        let config = engine.aws.dynamodb_config().timeout_config(patience);
        Table::new(Client::from_conf(config.http_client(http).build()), TABLE)
    }

    fn draw(&self) -> Option<Fault> {
        let mut weather = self.0.lock().unwrap();
        let percent = weather.percent;
        if weather.entropy.u8(0..100) >= percent {
            return None;
        }
        let fault = FAULTS[weather.entropy.usize(0..FAULTS.len())];
        *weather.struck.entry(fault).or_default() += 1;
        Some(fault)
    }
}

/// The SDK's own client with the weather around it.
#[derive(Debug)]
struct Stormy {
    faults: Faults,
    inner: SharedHttpClient,
}

impl HttpClient for Stormy {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Storm { faults: self.faults.clone(), inner })
    }
}

#[derive(Debug)]
struct Storm {
    faults: Faults,
    inner: SharedHttpConnector,
}

impl HttpConnector for Storm {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(fault) = self.faults.draw() else { return self.inner.call(request) };
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                Fault::Throttled => Ok(throttled()),
                Fault::Conflict => Ok(conflict(operation(&request))),
                Fault::Failed => Ok(refusal(500, "InternalServerError", "")),
                Fault::ResetBefore => Err(reset()),
                Fault::ResetAfter => inner.call(request).await.and(Err(reset())),
                Fault::Late => {
                    let answer = inner.call(request).await;
                    tokio::time::sleep(2 * PATIENCE).await;
                    answer
                }
                Fault::Stuck => {
                    tokio::spawn(async move {
                        tokio::time::sleep(10 * PATIENCE).await;
                        inner.call(request).await
                    });
                    Err(reset())
                }
            }
        })
    }
}

/// `PutItem`, from `DynamoDB_20120810.PutItem`.
fn operation(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.split('.').nth(1).unwrap_or_default()
}

fn throttled() -> HttpResponse {
    refusal(400, "ProvisionedThroughputExceededException", "")
}

fn conflict(operation: &str) -> HttpResponse {
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => refusal(400, "TransactionConflictException", ""),
        "TransactWriteItems" => {
            let reasons = r#","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]"#;
            refusal(400, "TransactionCanceledException", reasons)
        }
        _ => throttled(),
    }
}

/// An error as DynamoDB words it.
fn refusal(status: u16, code: &str, more: &str) -> HttpResponse {
    let body =
        format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"on demand"{more}}}"#);
    let status = StatusCode::try_from(status).expect("a status of HTTP");
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

fn reset() -> ConnectorError {
    ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into())
}
