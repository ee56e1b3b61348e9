//! SDK clients: one HTTPS client for all of them, Amazon's roots bundled, credentials and region from the environment.
//!
//! Reading the system's root certificates and the default credential chain are the largest parts of a cold start; a
//! function in Lambda needs neither.

use aws_credential_types::Credentials;
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
use std::time::Duration;

use shared_lambda::config::{ConfigError, Environment};

const AMAZON_ROOTS: &str = include_str!("../../roots/amazon.pem");

/// What every client of this process shares.
#[derive(Debug, Clone)]
pub struct Aws {
    http: SharedHttpClient,
    pub(crate) region: Region,
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Option<String>,
}

impl Aws {
    /// Reads region, credentials and, for a local cloud, the endpoint, as Lambda sets them.
    ///
    /// # Errors
    /// [`ConfigError`] naming each variable that is missing.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let region = env.required("AWS_REGION");
        let key = env.required("AWS_ACCESS_KEY_ID");
        let secret = env.required("AWS_SECRET_ACCESS_KEY");
        let credentials =
            Credentials::new(key, secret, env.optional("AWS_SESSION_TOKEN"), None, "environment");
        let endpoint = env.optional("AWS_ENDPOINT_URL");
        env.finish()?;
        Ok(Self { http: https_client(), region: Region::new(region), credentials, endpoint })
    }

    /// A client of an endpoint without TLS, with made-up credentials: an engine on loopback.
    pub fn loopback(endpoint: impl Into<String>) -> Self {
        Self {
            http: Builder::new().build_http(),
            region: Region::from_static("us-east-1"),
            credentials: Credentials::new("test", "test", None, None, "loopback"),
            endpoint: Some(endpoint.into()),
        }
    }

    /// Settings of a DynamoDB client; a test adds its meter here.
    pub fn dynamodb_config(&self) -> aws_sdk_dynamodb::config::Builder {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(25)),
            )
            .retry_classifier(TransactionConflict)
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        config
    }

    /// A queue client.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// A mail client.
    pub fn mail(&self) -> aws_sdk_sesv2::Client {
        // No attempt of its own after the first: SES knows no idempotency, and a second one could be a second e-mail.
        let mut config = aws_sdk_sesv2::Config::builder()
            .behavior_version(aws_sdk_sesv2::config::BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        aws_sdk_sesv2::Client::from_conf(config.build())
    }

    /// A secrets client.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }
}

/// Short enough to answer a carrier within its own limit, three attempts included.
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

/// What carries requests that no client of the SDK makes. Each gets a connection of its own: a function may be frozen for
/// longer than the other side keeps one open, and nobody here repeats a request that went into a dead one.
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

fn amazon_roots() -> TlsContext {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS.as_bytes());
    TlsContext::builder().with_trust_store(roots).build().expect("the bundled roots are well formed")
}

/// Two writes met on one item and neither condition failed: worth another try at once.
#[derive(Debug)]
struct TransactionConflict;

impl ClassifyRetry for TransactionConflict {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let Some(error) = error.as_operation_error() else { return RetryAction::NoActionIndicated };
        let update = error.downcast_ref::<UpdateItemError>();
        let transaction = error.downcast_ref::<TransactWriteItemsError>();
        if update.is_some_and(UpdateItemError::is_transaction_conflict_exception)
            || transaction.is_some_and(is_conflict_alone)
        {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "DynamoDB transaction conflict"
    }
}

fn is_conflict_alone(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return false };
    let has = |code: &str| canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code));
    has("TransactionConflict") && !has("ConditionalCheckFailed")
}
