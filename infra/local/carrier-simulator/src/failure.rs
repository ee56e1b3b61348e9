//! Twilio's error response: `{"code", "message", "more_info", "status"}`.
//!
//! Source: the error dictionary at twilio.com/docs/api/errors. Clients should use `code`, because the HTTP
//! status is mostly 400.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error response.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Failure {
    /// The error with one of Twilio's codes. Unknown codes have a general message.
    pub(crate) fn of(code: u32) -> Self {
        let (status, message) = match code {
            20003 => (StatusCode::UNAUTHORIZED, "Authenticate"),
            20005 => (StatusCode::FORBIDDEN, "Account not active"),
            20429 => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            20500 => (StatusCode::INTERNAL_SERVER_ERROR, "An internal server error has occurred"),
            21211 => (StatusCode::BAD_REQUEST, "Invalid 'To' Phone Number"),
            21266 => (StatusCode::BAD_REQUEST, "'To' and 'From' number cannot be the same"),
            21408 => {
                (StatusCode::BAD_REQUEST, "Permission to send an SMS has not been enabled for the region")
            }
            21602 => (StatusCode::BAD_REQUEST, "Message body is required"),
            21603 => (
                StatusCode::BAD_REQUEST,
                "A 'From' or 'MessagingServiceSid' parameter is required to send a message",
            ),
            21604 => (StatusCode::BAD_REQUEST, "'To' phone number is required to send a Message"),
            21606 => {
                (StatusCode::BAD_REQUEST, "The 'From' phone number is not a valid message-capable number")
            }
            21609 => (StatusCode::BAD_REQUEST, "Invalid 'StatusCallback'"),
            21610 => (StatusCode::BAD_REQUEST, "Attempt to send to unsubscribed recipient"),
            21611 => (
                StatusCode::TOO_MANY_REQUESTS,
                "This 'From' number has exceeded the maximum number of queued messages",
            ),
            21614 => (StatusCode::BAD_REQUEST, "'To' number is not a valid mobile number"),
            21617 => {
                (StatusCode::BAD_REQUEST, "The concatenated message body exceeds the 1600 character limit")
            }
            21619 => (StatusCode::BAD_REQUEST, "A Message Body, Media URL or Content SID is required"),
            21620 => (StatusCode::BAD_REQUEST, "Invalid media URL(s)"),
            21623 => (StatusCode::BAD_REQUEST, "Number of media files exceeds allowed limit"),
            21421 => (StatusCode::BAD_REQUEST, "PhoneNumber is invalid"),
            21422 => (StatusCode::BAD_REQUEST, "PhoneNumber is not available"),
            21705 => (StatusCode::BAD_REQUEST, "The Messaging Service is invalid"),
            21710 => (StatusCode::CONFLICT, "Phone Number or Short Code is already in the Messaging Service"),
            21711 => (StatusCode::CONFLICT, "The Messaging Service already has a US A2P campaign"),
            21712 => (
                StatusCode::CONFLICT,
                "Phone Number or Short Code is associated with another Messaging Service",
            ),
            21717 => (StatusCode::BAD_REQUEST, "The Brand Registration SID is not registered or not valid"),
            21720 => (StatusCode::BAD_REQUEST, "The A2P use case is invalid"),
            21729 => (StatusCode::BAD_REQUEST, "Cannot perform operation on suspended campaign"),
            _ => (StatusCode::BAD_REQUEST, "The request was refused"),
        };
        Self { status, code, message: message.to_owned() }
    }

    /// The error with a code and a message that names the field.
    pub(crate) fn naming(code: u32, message: String) -> Self {
        Self { message, ..Self::of(code) }
    }

    /// The message for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// `401`, code 20003.
    pub(crate) fn unauthenticated() -> Self {
        Self::of(20003)
    }

    /// `404`, code 20404.
    pub(crate) fn not_found(path: &str) -> Self {
        let message = format!("The requested resource {path} was not found");
        Self { status: StatusCode::NOT_FOUND, code: 20404, message }
    }

    /// `400`, code 20001: an invalid parameter without a code of its own.
    pub(crate) fn parameter(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 20001, message }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        }));
        if self.status == StatusCode::UNAUTHORIZED {
            (self.status, [(WWW_AUTHENTICATE, "Basic realm=\"Twilio API\"")], body).into_response()
        } else {
            (self.status, body).into_response()
        }
    }
}
