//! What can go wrong with the table.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The store did not answer the question.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, timed out or down: the same call may succeed later. Nothing is promised about whether it was applied,
    /// which is why every write carries a condition that makes it safe to repeat.
    #[error("the store is not available ({0})")]
    Unavailable(String),
    /// The store refused the call itself, or answered what we cannot read: a fault of ours.
    #[error("the store refused ({0})")]
    Refused(String),
    /// An item is not what its key says. Tells what is wrong and never the value: values are people's words and numbers.
    #[error("an item cannot be read: {0}")]
    Unreadable(String),
}

impl From<serde_dynamo::Error> for StoreError {
    /// A value that was not expected stands in quotes or backticks, and so does the name of a missing field.
    fn from(error: serde_dynamo::Error) -> Self {
        let told = error.to_string();
        let without_value = told.split(['`', '"']).next().unwrap_or_default().trim_end();
        let names_a_field = told.starts_with("missing field");
        Self::Unreadable(if names_a_field { told } else { without_value.to_owned() })
    }
}

const PASSING: [&str; 8] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
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
                let passing = PASSING.contains(&code.as_str()) || code == "TransactionCanceledException";
                // A proxy's or a dying server's answer has no code.
                if passing || service.raw().status().is_server_error() {
                    Self::Unavailable(code)
                } else {
                    Self::Refused(code)
                }
            }
            SdkError::TimeoutError(_) => Self::Unavailable("timed out".into()),
            SdkError::DispatchFailure(_) => Self::Unavailable("no connection".into()),
            SdkError::ResponseError(_) => Self::Unavailable("no readable answer".into()),
            _ => Self::Refused("the request could not be built".into()),
        }
    }
}
