//! Errors as RFC 9457 `application/problem+json`: `type` (ends in the code), `title`, `status`, `detail`, `code`,
//! `requestId`, and the data of that error.

use axum::{
    Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use shared_aws::{clients::BucketError, table::StoreError};
use shared_domain::field::FieldError;

/// Where the codes are explained; the code is appended.
const TYPES: &str = "https://shared-inbox.dev/problems/";

/// An answer that is not what the caller hoped for.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable name, for programs.
    pub code: &'static str,
    /// One sentence for people. Never a number, text, e-mail or token.
    pub detail: String,
    /// What belongs to this error: `holder`, `expiresAt`, `reasons`, `errors` …
    pub data: Map<String, Value>,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u32>,
    /// For the log alone.
    pub cause: Option<String>,
}

impl Problem {
    /// A problem without data.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), data: Map::new(), retry_after: None, cause: None }
    }

    /// What the caller may not see does not exist: the same answer for both.
    pub fn not_found() -> Self {
        Self::new(404, "not_found", "There is nothing here that you may see.")
    }

    /// What the caller may see and not do.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(403, code, detail)
    }

    /// A request of the wrong shape.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", detail)
    }

    /// Somebody else changed the same at this instant, and nothing was written: the caller may ask again at once.
    pub fn changed(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(503, "unavailable", detail) }
    }

    /// A field that is missing or of the wrong type; `pointer` as in RFC 6901 (`/text`).
    pub fn bad_field(pointer: &str, detail: &str) -> Self {
        Self::malformed(format!("The request is not of the expected shape at {pointer}."))
            .with_error(pointer, detail)
    }

    /// A field of the right shape that makes no sense.
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

    /// An error on our side: `500`. The cause is logged, never shown.
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

    /// Adds a bad field.
    #[must_use]
    pub fn with_error(self, pointer: &str, detail: &str) -> Self {
        self.with("errors", json!([{ "pointer": pointer, "detail": detail }]))
    }

    /// Adds data.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// A word in a sentence of the title: `lock_lost` → `Lock lost`.
    pub fn title(&self) -> String {
        let words = self.code.replace('_', " ");
        let mut letters = words.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }

    /// The body.
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = self.data.clone();
        body.insert("type".into(), format!("{TYPES}{}", self.code).into());
        body.insert("title".into(), self.title().into());
        body.insert("status".into(), self.status.into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), self.code.into());
        body.insert("requestId".into(), request_id.into());
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    /// Leaves the problem to [`crate::serve::answer`], which knows the request's id.
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
                ..Self::new(503, "unavailable", "The database is busy; nothing is lost, try again shortly.")
            },
            StoreError::Refused(_) | StoreError::Corrupt(_) => Self {
                cause,
                ..Self::new(500, "internal", "Something is wrong on our side; it has been noted.")
            },
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
                    "The files are not within reach; nothing is lost, try again shortly.",
                )
            },
            BucketError::Absent | BucketError::Refused(_) => Self {
                cause,
                ..Self::new(500, "internal", "Something is wrong on our side; it has been noted.")
            },
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
        let body = problem.body("r-1");
        assert_eq!(body["type"], "https://shared-inbox.dev/problems/locked");
        assert_eq!(body["title"], "Locked");
        assert_eq!(body["status"], 423);
        assert_eq!(body["requestId"], "r-1");
        assert_eq!(body["expiresAt"], "2026-11-22T10:00:00.000Z");
    }

    #[test]
    fn a_busy_store_is_503_with_a_hint_and_its_cause_stays_inside() {
        let problem = Problem::from(StoreError::Unavailable("ThrottlingException".into()));
        assert_eq!((problem.status, problem.retry_after), (503, Some(1)));
        assert!(!problem.body("r").to_string().contains("Throttling"));
    }
}
