//! Errors of commands. Each message is a sentence that says what to do.

use serde_json::{Value, json};
use shared_aws::{
    clients::{BucketError, DirectoryError, LogError, QueueError, SecretError, StackError},
    table::StoreError,
};
use shared_domain::field::FieldError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is invalid.
    #[error("--{argument} must be {expected}.")]
    Invalid { argument: &'static str, expected: String },
    /// The command contradicts what the stack contains.
    #[error("{0}")]
    Conflict(String),
    #[error(
        "There are no AWS credentials: {0}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with the AWS CLI."
    )]
    NoCredentials(String),
    #[error("No stack is named. Pass --stack, or set INBOXCTL_STACK.")]
    NoStack,
    #[error("There is no region. Pass --region, or set AWS_REGION.")]
    NoRegion,
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(
        "The credentials do not have the permission to use the {0} of the stack. Use those of an operator."
    )]
    Forbidden(&'static str),
    #[error("The {0}.")]
    Secret(#[from] SecretError),
    #[error("The table of the stack cannot be used: {0}. Run the command again.")]
    Table(StoreError),
    #[error("The dead-letter queue {queue} cannot be used: {error}. Run the command again.")]
    Queue { queue: &'static str, error: QueueError },
    #[error("The bucket of the stack cannot be used: {0}. Run the command again.")]
    Bucket(BucketError),
    #[error("The logs of the stack cannot be read: {0}. Run the command again.")]
    Logs(LogError),
    #[error("The user pool of the stack cannot be used: {0}. Run the command again.")]
    Pool(DirectoryError),
}

impl Error {
    /// Returns an error for an argument that a rule of the domain refuses.
    pub(crate) fn of_argument(argument: &'static str) -> impl Fn(FieldError) -> Self {
        move |error| Self::Invalid { argument, expected: error.expected.into_owned() }
    }

    /// Returns an error of a dead-letter queue.
    pub(crate) fn of_queue(queue: &'static str) -> impl Fn(QueueError) -> Self {
        move |error| {
            let is_forbidden = error.code().starts_with("AccessDenied");
            if is_forbidden { Self::Forbidden("queues") } else { Self::Queue { queue, error } }
        }
    }

    /// Returns the document that a failed command prints.
    pub fn document(&self) -> Value {
        let code = match self {
            Self::Invalid { .. } => "argument",
            Self::Conflict(_) => "conflict",
            Self::NoCredentials(_) | Self::Forbidden(_) => "credentials",
            Self::NoStack | Self::NoRegion | Self::Stack(_) => "stack",
            Self::Secret(_) => "secret",
            Self::Table(_) => "table",
            Self::Queue { .. } => "dead_letters",
            Self::Bucket(_) => "bucket",
            Self::Logs(_) => "logs",
            Self::Pool(_) => "user_pool",
        };
        json!({ "findings": [{ "code": code, "level": "error", "detail": self.to_string() }] })
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(code) if code.starts_with("AccessDenied") => Self::Forbidden("table"),
            error => Self::Table(error),
        }
    }
}

impl From<DirectoryError> for Error {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Refused { code } if code.starts_with("AccessDenied") => {
                Self::Forbidden("user pool")
            }
            error => Self::Pool(error),
        }
    }
}
