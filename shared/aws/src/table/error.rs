//! Errors of requests to the table.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared_domain::ids::IdError;

/// A request to the table failed. A condition that does not hold is an outcome and not an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, timed out or down: the same call may succeed later. A write may have been applied, so every
    /// write has a condition that makes it safe to repeat.
    #[error("the table is not available ({0})")]
    Unavailable(String),
    /// DynamoDB rejected the request, or it could not be built: a bug or a missing permission.
    #[error("the table refused the request ({0})")]
    Refused(String),
    /// A stored item does not have the expected attributes. The error never contains values, because they can
    /// be names, numbers and messages of people.
    #[error("an item is corrupt: {0}")]
    Corrupt(String),
}

impl From<serde_dynamo::Error> for StoreError {
    /// Removes the unexpected value, which the error quotes, but keeps the name of a missing field.
    fn from(error: serde_dynamo::Error) -> Self {
        let message = error.to_string();
        let without_value = message.split(['`', '"']).next().unwrap_or_default().trim_end();
        let names_a_field = message.starts_with("missing field");
        Self::Corrupt(if names_a_field { message } else { without_value.to_owned() })
    }
}

impl From<IdError> for StoreError {
    fn from(error: IdError) -> Self {
        Self::Corrupt(format!("an id: {error}"))
    }
}

impl From<BuildError> for StoreError {
    fn from(error: BuildError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Error codes after which the same request may succeed.
const TRANSIENT: [&str; 9] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "LimitExceededException",
    "ServiceUnavailable",
];

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for StoreError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("unnamed").to_owned();
                // Responses of proxies and failing servers have no code.
                if TRANSIENT.contains(&code.as_str()) || service.raw().status().is_server_error() {
                    Self::Unavailable(code)
                } else {
                    Self::Refused(code)
                }
            }
            SdkError::TimeoutError(_) => Self::Unavailable("timed out".into()),
            SdkError::DispatchFailure(_) => Self::Unavailable("no connection".into()),
            SdkError::ResponseError(_) => Self::Unavailable("unreadable response".into()),
            _ => Self::Refused("the request could not be built".into()),
        }
    }
}
