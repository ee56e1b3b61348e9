//! Faults that an engine does not produce by itself: throttling, transaction conflicts, errors, connections
//! that break before or after a write, late answers and delayed writes. They are injected between the real
//! SDK client and the engine, so the client's own retries, timeouts and errors are those of a deployed
//! function.

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
use tokio::sync::Semaphore;

use crate::{
    clock::within,
    engine::{Engine, TABLE},
    gate::Gate,
};

/// How long a host waits for one answer. All attempts together have three times as long. It is short, so
/// that late answers do not slow down a simulation.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(60);
/// More than the writes that are late at the same time.
const MAX_LATE: u32 = 10_000;

/// A way in which a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 400 `ProvisionedThroughputExceededException`. Not applied.
    Throttled,
    /// A transaction conflict. Not applied. Reads are throttled instead.
    Conflict,
    /// 500 `InternalServerError`. Not applied.
    Failed,
    /// The connection breaks before the request. Not applied.
    ResetBefore,
    /// The connection breaks after the request. Applied, and the answer is lost.
    ResetAfter,
    /// Applied, and answered after the timeout.
    AnsweredLate,
    /// Applied after the timeout.
    AppliedLate,
}

const FAULTS: [Fault; 7] = [
    Fault::Throttled,
    Fault::Conflict,
    Fault::Failed,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::AnsweredLate,
    Fault::AppliedLate,
];

/// Injects random faults into the requests of hosts. Clones share the state.
#[derive(Debug, Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    /// Each write that is applied late holds a permit until then.
    late: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    entropy: fastrand::Rng,
    percent: u8,
    injected: BTreeMap<Fault, u32>,
}

impl Faults {
    /// Starts with no faults.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let entropy = fastrand::Rng::with_seed(seed);
        let state = State { entropy, percent: 0, injected: BTreeMap::new() };
        Self { state: Arc::new(Mutex::new(state)), late: Arc::new(Semaphore::new(MAX_LATE as usize)) }
    }

    /// Sets the percentage of requests that fail.
    pub fn set_percent(&self, percent: u8) {
        self.state.lock().unwrap().percent = percent;
    }

    /// Returns how often each fault was injected.
    pub fn injected(&self) -> BTreeMap<Fault, u32> {
        self.state.lock().unwrap().injected.clone()
    }

    /// Waits until the writes that are applied late have been applied.
    pub async fn late_writes_applied(&self) {
        drop(within("late writes are applied", self.late.acquire_many(MAX_LATE)).await.unwrap());
    }

    /// Returns the table of a host whose requests fail.
    #[must_use]
    pub fn table(&self, engine: &Engine) -> Table {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(3 * ATTEMPT_TIMEOUT)
            .build();
        self.table_with(engine, None, timeouts)
    }

    /// Returns the table of a host whose requests fail and wait at a gate first. Waiting is no fault, so the
    /// host waits for answers for as long as it takes, and a late answer is reported as late at once.
    #[must_use]
    pub fn gated_table(&self, engine: &Engine, gate: &Gate) -> Table {
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_mins(10)).build();
        self.table_with(engine, Some(gate.clone()), timeouts)
    }

    fn table_with(&self, engine: &Engine, gate: Option<Gate>, timeouts: TimeoutConfig) -> Table {
        let http = FaultyHttpClient { faults: self.clone(), gate, inner: Builder::new().build_http() };
        let config = engine.aws.dynamodb_config().timeout_config(timeouts);
        Table::new(Client::from_conf(config.http_client(http).build()), TABLE)
    }

    fn is_on(&self) -> bool {
        self.state.lock().unwrap().percent > 0
    }

    fn draw(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let percent = state.percent;
        if state.entropy.u8(0..100) >= percent {
            return None;
        }
        let fault = FAULTS[state.entropy.usize(0..FAULTS.len())];
        *state.injected.entry(fault).or_default() += 1;
        Some(fault)
    }
}

/// The HTTP client of the SDK with faults.
#[derive(Debug)]
struct FaultyHttpClient {
    faults: Faults,
    gate: Option<Gate>,
    inner: SharedHttpClient,
}

impl HttpClient for FaultyHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let (faults, gate) = (self.faults.clone(), self.gate.clone());
        SharedHttpConnector::new(FaultyConnector { faults, gate, inner })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    faults: Faults,
    gate: Option<Gate>,
    inner: SharedHttpConnector,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if self.gate.is_none() && !self.faults.is_on() {
            return self.inner.call(request);
        }
        let (inner, faults, gate) = (self.inner.clone(), self.faults.clone(), self.gate.clone());
        HttpConnectorFuture::new(async move {
            if let Some(gate) = &gate {
                let operation = operation(&request).to_owned();
                gate.pass(operation).await;
            }
            let Some(fault) = faults.draw() else { return inner.call(request).await };
            match fault {
                Fault::Throttled => Ok(throttled()),
                Fault::Conflict => Ok(conflict(operation(&request))),
                Fault::Failed => Ok(error_response(500, "InternalServerError", "")),
                Fault::ResetBefore => Err(connection_reset()),
                Fault::ResetAfter => inner.call(request).await.and(Err(connection_reset())),
                Fault::AnsweredLate if gate.is_some() => {
                    inner.call(request).await.and(Err(ConnectorError::timeout("answered late".into())))
                }
                Fault::AnsweredLate => {
                    let answer = inner.call(request).await;
                    tokio::time::sleep(2 * ATTEMPT_TIMEOUT).await;
                    answer
                }
                Fault::AppliedLate => {
                    let late = Arc::clone(&faults.late).acquire_owned().await.unwrap();
                    tokio::spawn(async move {
                        tokio::time::sleep(10 * ATTEMPT_TIMEOUT).await;
                        let answer = inner.call(request).await;
                        drop(late);
                        answer
                    });
                    Err(connection_reset())
                }
            }
        })
    }
}

/// Returns the operation of a request, for example `PutItem` of `DynamoDB_20120810.PutItem`.
pub(crate) fn operation(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.split('.').nth(1).unwrap_or_default()
}

pub(crate) fn throttled() -> HttpResponse {
    error_response(400, "ProvisionedThroughputExceededException", "")
}

fn conflict(operation: &str) -> HttpResponse {
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => error_response(400, "TransactionConflictException", ""),
        "TransactWriteItems" => {
            let reasons = r#","CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]"#;
            error_response(400, "TransactionCanceledException", reasons)
        }
        _ => throttled(),
    }
}

/// Returns an error response of DynamoDB.
pub(crate) fn error_response(status: u16, code: &str, more: &str) -> HttpResponse {
    let body =
        format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"injected"{more}}}"#);
    let status = StatusCode::try_from(status).expect("a valid status");
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

fn connection_reset() -> ConnectorError {
    ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into())
}
