//! Responses of the API and assertions about them.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response of the API.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// The method and path, for the messages of failed assertions.
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl ApiResponse {
    /// Returns the value of a header. Empty if the header is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the body as JSON. `Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Returns the JSON body. Panics unless the response has this status and a request ID.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        assert!(!self.header("x-request-id").is_empty(), "no x-request-id: {self}");
        self.json()
    }

    /// Returns the problem details (RFC 9457). Panics unless the response is a problem with this status and
    /// code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        assert_eq!(problem["code"], code, "{self}");
        assert_eq!(problem["status"], status, "{self}");
        assert!(problem["type"].as_str().is_some_and(|uri| uri.ends_with(code)), "{self}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self}");
        assert_eq!(problem["requestId"], self.header("x-request-id"), "{self}");
        problem
    }

    /// Panics unless the response is a `400` whose first error has this pointer.
    #[track_caller]
    pub fn expect_field_error(&self, pointer: &str) {
        let problem = self.problem(400, "malformed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{self}");
    }
}

impl std::fmt::Display for ApiResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered {} {}", self.request, self.status, self.body)
    }
}
