//! Errors as problem details (RFC 9457): `type` (ends in the code), `title`, `status`, `detail`, `code`,
//! `requestId`, and the fields of that error. `docs/problems.md` lists all of them.

use axum::{
    Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared_aws::{
    clients::{BucketError, DirectoryError, SecretError},
    table::StoreError,
};
use shared_domain::field::FieldError;

/// The URI of a problem is the URL of the API, this path, and the code.
const TYPES: &str = "/docs/errors#";

/// A refused or failed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub status: u16,
    /// Stable code for programs.
    pub code: &'static str,
    /// What happened and what to do. Never contains a phone number, text, e-mail address or token.
    pub detail: String,
    /// Fields of this error, such as `holder`, `expiresAt` or `errors`.
    pub data: Map<String, Value>,
    /// Seconds until a retry can succeed.
    pub retry_after: Option<u32>,
    /// Cause of a `500` or `503`. Logged, never returned.
    pub cause: Option<String>,
}

impl Problem {
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), data: Map::new(), retry_after: None, cause: None }
    }

    /// What the caller cannot see and what does not exist have the same response: `404`.
    pub fn not_found() -> Self {
        Self::new(404, "not_found", "This does not exist, or you do not have access to it.")
    }

    /// The caller can see this, but cannot do it: `403`.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(403, code, detail)
    }

    /// The request cannot be parsed: `400`.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", detail)
    }

    /// Another request changed the same item at the same time, and nothing was written: `503`, retry at once.
    pub fn changed(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(503, "unavailable", detail) }
    }

    /// A field is missing or has the wrong type: `400`. `pointer` is a JSON pointer (RFC 6901), such as
    /// `/text`.
    pub fn bad_field(pointer: &str, expected: &str) -> Self {
        Self::malformed(format!("{pointer} is invalid: expected {expected}.")).with_error(pointer, expected)
    }

    /// A field has an invalid value: `422`.
    pub fn unprocessable(code: &'static str, pointer: &str, detail: &str) -> Self {
        Self::new(422, code, detail).with_error(pointer, detail)
    }

    /// Fields with invalid values, all at once: `422`.
    pub fn invalid(errors: &[FieldError]) -> Self {
        let detail = match errors {
            [FieldError { pointer, expected }] => format!("{pointer} is invalid: expected {expected}."),
            _ => format!("{} fields are invalid. See `errors` for details.", errors.len()),
        };
        let error = |error: &FieldError| json!({ "pointer": error.pointer, "detail": error.expected });
        let errors: Vec<Value> = errors.iter().map(error).collect();
        Self::new(422, "invalid_fields", detail).with("errors", errors)
    }

    /// An error of the product: `500`. The cause is logged, never returned.
    pub fn internal(cause: impl ToString) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(500, "internal", "Something went wrong on our side. The error has been recorded.")
        }
    }

    /// Only admins of the team may do this: `403`.
    pub fn admin_required() -> Self {
        Self::forbidden("admin_required", "Only an admin of the team can do this.")
    }

    /// Adds an invalid field to `errors`.
    #[must_use]
    pub fn with_error(self, pointer: &str, detail: &str) -> Self {
        self.with("errors", json!([{ "pointer": pointer, "detail": detail }]))
    }

    /// Adds another invalid field to `errors`.
    #[must_use]
    pub fn and_error(mut self, pointer: &str, detail: &str) -> Self {
        let errors = self.data.entry("errors").or_insert_with(|| json!([]));
        if let Value::Array(errors) = errors {
            errors.push(json!({ "pointer": pointer, "detail": detail }));
        }
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the fields of this error.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        if let Ok(Value::Object(fields)) = serde_json::to_value(data) {
            self.data.extend(fields);
        }
        self
    }

    /// Returns the code in words: `lock_lost` is `Lock lost`.
    pub fn title(&self) -> String {
        let words = self.code.replace('_', " ");
        let mut letters = words.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }

    /// Returns the problem details. `api_url` is the public URL of the API.
    pub fn body(&self, request_id: &str, api_url: &str) -> Value {
        let mut body = self.data.clone();
        body.insert("type".into(), format!("{api_url}{TYPES}{}", self.code).into());
        body.insert("title".into(), self.title().into());
        body.insert("status".into(), self.status.into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), self.code.into());
        body.insert("requestId".into(), request_id.into());
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    /// [`crate::serve::answer`] writes the body, because it has the ID of the request.
    fn into_response(self) -> Response {
        (StatusCode::from_u16(self.status).unwrap_or_default(), Extension(self)).into_response()
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::invalid(&[error])
    }
}

impl From<Vec<FieldError>> for Problem {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::invalid(&errors)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = Some(error.to_string());
        match error {
            StoreError::Unavailable(_) => Self {
                retry_after: Some(1),
                cause,
                ..Self::new(503, "unavailable", "The database is busy. Nothing was changed. Try again.")
            },
            StoreError::Refused(_) | StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        Self {
            retry_after: Some(1),
            cause: Some(error.to_string()),
            ..Self::new(
                503,
                "unavailable",
                "Requests cannot be verified now. Nothing was changed. Try again.",
            )
        }
    }
}

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Self {
        let cause = Some(error.to_string());
        match error {
            DirectoryError::Unavailable => Self {
                retry_after: Some(1),
                cause,
                ..Self::new(
                    503,
                    "unavailable",
                    "The sign-in service is not available. Send the same request again.",
                )
            },
            DirectoryError::Refused { .. } => Self::internal(error),
        }
    }
}

impl From<BucketError> for Problem {
    fn from(error: BucketError) -> Self {
        let cause = Some(error.to_string());
        match error {
            BucketError::Unavailable(_) => Self {
                retry_after: Some(1),
                cause,
                ..Self::new(
                    503,
                    "unavailable",
                    "The file storage is not available. Nothing was changed. Try again.",
                )
            },
            BucketError::Absent | BucketError::Refused(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_a_problem_document_with_its_data() {
        let problem =
            Problem::new(423, "locked", "Ada is responding.").with("expiresAt", "2026-11-22T10:00:00.000Z");
        let body = problem.body("r-1", "https://api.example");
        assert_eq!(body["type"], "https://api.example/docs/errors#locked");
        assert_eq!(body["title"], "Locked");
        assert_eq!(body["status"], 423);
        assert_eq!(body["requestId"], "r-1");
        assert_eq!(body["expiresAt"], "2026-11-22T10:00:00.000Z");
    }

    #[test]
    fn a_busy_store_is_503_with_retry_after_and_without_its_cause() {
        let problem = Problem::from(StoreError::Unavailable("ThrottlingException".into()));
        assert_eq!((problem.status, problem.retry_after), (503, Some(1)));
        assert!(!problem.body("r", "").to_string().contains("Throttling"));
    }
}
