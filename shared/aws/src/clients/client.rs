//! Clients of the AWS SDK. They share one HTTPS client, the bundled root certificates of Amazon, and the
//! region and credentials from the environment.
//!
//! Lambda functions need neither the root certificates of the system nor the default chain of credential
//! providers, which are the slowest parts of a cold start.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig},
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
};
use aws_smithy_http_client::{
    Builder, Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnectorSettings, SharedHttpConnector},
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use aws_types::SdkConfig;
use shared_lambda::config::{ConfigError, Environment};

const AMAZON_ROOTS: &str = include_str!("../../roots/amazon.pem");

/// The settings that all clients share.
#[derive(Debug, Clone)]
pub struct Aws {
    http: SharedHttpClient,
    pub(crate) region: Region,
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Option<String>,
}

impl Aws {
    /// Reads the region and the credentials that Lambda sets, and the endpoint of a local cloud. The error
    /// names each missing variable.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let region = env.required("AWS_REGION");
        let key = env.required("AWS_ACCESS_KEY_ID");
        let secret = env.required("AWS_SECRET_ACCESS_KEY");
        let credentials =
            Credentials::new(key, secret, env.optional("AWS_SESSION_TOKEN"), None, "environment");
        let endpoint = env.optional("AWS_ENDPOINT_URL");
        env.finish()?;
        Ok(Self::new(region, credentials, endpoint))
    }

    /// Settings of an operator's tool. `endpoint` is the URL of a local cloud.
    pub fn new(region: String, credentials: Credentials, endpoint: Option<String>) -> Self {
        Self { http: https_client(), region: Region::new(region), credentials, endpoint }
    }

    /// Settings for a local endpoint without TLS.
    pub fn loopback(endpoint: impl Into<String>) -> Self {
        Self {
            http: Builder::new().build_http(),
            region: Region::from_static("us-east-1"),
            credentials: Credentials::new("test", "test", None, None, "loopback"),
            endpoint: Some(endpoint.into()),
        }
    }

    /// Returns whether the settings are those of a local cloud.
    pub fn is_loopback(&self) -> bool {
        let local = ["http://127.0.0.1:", "http://localhost:"];
        self.endpoint.as_ref().is_some_and(|url| local.iter().any(|start| url.starts_with(start)))
    }

    /// Returns the settings of a DynamoDB client. Tests add interceptors.
    ///
    /// The pauses before five attempts are random: 0.4 seconds in total on average, which outlasts a short
    /// burst on a partition.
    pub fn dynamodb_config(&self) -> aws_sdk_dynamodb::config::Builder {
        let retries =
            RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(50));
        aws_sdk_dynamodb::config::Builder::from(&self.sdk_config().retry_config(retries).build())
            .retry_classifier(CanceledTransaction)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config().build())
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.sdk_config().build())
    }

    /// Returns a client of the connections of one socket API.
    pub(crate) fn connections(&self, url: String) -> aws_sdk_apigatewaymanagement::Client {
        aws_sdk_apigatewaymanagement::Client::new(&self.sdk_config().endpoint_url(url).build())
    }

    /// Does not retry: SES has no idempotency keys, so a second attempt could send the e-mail twice.
    pub fn mail(&self) -> aws_sdk_sesv2::Client {
        aws_sdk_sesv2::Client::new(&self.sdk_config().retry_config(RetryConfig::disabled()).build())
    }

    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.sdk_config().build())
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        // Operators wait longer than carriers.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(10))
            .operation_timeout(Duration::from_secs(25))
            .build();
        aws_sdk_cloudformation::Client::new(&self.sdk_config().timeout_config(timeouts).build())
    }

    /// The settings of all clients.
    fn sdk_config(&self) -> aws_types::sdk_config::Builder {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(self.http.clone())
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        config
    }
}

/// Short enough for three attempts within the time that a carrier waits for a response.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_millis(1500))
        .operation_timeout(Duration::from_secs(4))
        .build()
}

fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(amazon_roots()).build_https()
}

/// Sends requests without a client of the SDK. Each request opens a connection: a function can be frozen for
/// longer than the other side keeps a connection open, and these requests are not retried.
pub(crate) fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(5))
        .build();
    SharedHttpConnector::new(
        Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(amazon_roots())
            .connector_settings(settings)
            .pool_max_idle_per_host(0)
            .build(),
    )
}

/// Why the body of a response was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    ConnectionLost,
    TooLong,
}

/// Reads the body of a response that [`connector`] received, at most `max_bytes`.
pub(crate) async fn read_body(body: SdkBody, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let mut stream = ByteStream::new(body);
    let mut content = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(|_| BodyError::ConnectionLost)? {
        if content.len() + chunk.len() > max_bytes {
            return Err(BodyError::TooLong);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

fn amazon_roots() -> TlsContext {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS.as_bytes());
    TlsContext::builder().with_trust_store(roots).build().expect("the bundled roots are well formed")
}

/// Retries a write that conflicted with another write of the same item, and a transaction that was throttled.
/// No condition has failed.
#[derive(Debug)]
struct CanceledTransaction;

impl ClassifyRetry for CanceledTransaction {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let Some(error) = error.as_operation_error() else { return RetryAction::NoActionIndicated };
        let update = error.downcast_ref::<UpdateItemError>();
        let transaction = error.downcast_ref::<TransactWriteItemsError>();
        if update.is_some_and(UpdateItemError::is_transaction_conflict_exception)
            || transaction.is_some_and(may_succeed_later)
        {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "DynamoDB canceled transaction"
    }
}

/// Reasons of a cancellation after which the same transaction may succeed.
const TRANSIENT_REASONS: [&str; 3] =
    ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];

fn may_succeed_later(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return false };
    let codes = || canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes().any(|code| TRANSIENT_REASONS.contains(&code))
        && !codes().any(|code| code == "ConditionalCheckFailed")
}
