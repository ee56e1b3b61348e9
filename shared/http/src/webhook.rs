//! Webhooks of carriers. The signature over the raw body is verified before the body is parsed.

use std::fmt;

use lambda_http::{Body, Request, Response};
use shared_aws::clients::{EventStreamsLogin, SecretError};
use shared_carriers::twilio::{BasicCredentials, EMPTY_TWIML, SignatureError, SignedRequest, Verifier};
use shared_domain::phone::PhoneNumber;

use crate::{problem::Problem, reply};

/// Why a webhook is not accepted. As a [`Problem`] it is `403`, or `413` if the body is too large, and logged
/// as `webhook_refused`. It is not logged before, because the check can succeed with a newer secret.
#[derive(Debug)]
pub enum WebhookError {
    Signature {
        path: &'static str,
        reason: SignatureError,
        /// The most that a body can have.
        limit: &'static str,
    },
    /// The login of registration events is missing or wrong, or the secret has none.
    Login {
        path: &'static str,
        is_configured: bool,
    },
    Secret(SecretError),
}

impl From<SecretError> for WebhookError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error)
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Signature { reason: SignatureError::BodyTooLarge, limit, .. } => {
                Self::new(413, "too_large", format!("The body is larger than {limit}."))
            }
            WebhookError::Signature { path, reason, .. } => {
                tracing::warn!(event = "webhook_refused", %reason, path, "webhook refused");
                Self::forbidden("signature", "The signature is missing or wrong.")
            }
            WebhookError::Login { path, is_configured } => {
                if is_configured {
                    let reason = "the login is missing or wrong";
                    tracing::warn!(event = "webhook_refused", reason, path, "webhook refused");
                } else {
                    let why = "the carrier's secret has no eventStreams login";
                    tracing::error!(event = "webhook_refused", why, path, "webhook refused");
                }
                Self::forbidden("signature", "The login or the signature is missing or wrong.")
            }
            WebhookError::Secret(error) => error.into(),
        }
    }
}

/// Returns the raw body of a webhook that Twilio signed. `path` is the route in the template, as Twilio signs
/// it under the public base URL.
pub fn twilio_body<'a>(
    verifier: &Verifier,
    path: &'static str,
    request: &'a Request,
) -> Result<&'a [u8], WebhookError> {
    let verified = verifier.verify(&signed(path, request));
    verified.map_err(|reason| WebhookError::Signature { path, reason, limit: "64 KiB" })?;
    Ok(request.body())
}

/// The login in the URL of an Event Streams sink. Twilio sends it in addition to the signature.
pub struct EventsLogin {
    user_info: String,
    credentials: BasicCredentials,
}

impl EventsLogin {
    pub fn new(login: &EventStreamsLogin) -> Self {
        Self {
            user_info: format!("{}:{}", login.user, login.password),
            credentials: BasicCredentials::new(&login.user, &login.password),
        }
    }
}

impl fmt::Debug for EventsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventsLogin(…)")
    }
}

/// Returns the raw body of a request of Twilio's Event Streams. It needs both the sink's login and a
/// signature that covers the body. Every request is refused if the carrier's secret has no login.
pub fn twilio_events<'a>(
    verifier: &Verifier,
    login: Option<&EventsLogin>,
    path: &'static str,
    request: &'a Request,
) -> Result<&'a [u8], WebhookError> {
    let login = login.ok_or(WebhookError::Login { path, is_configured: false })?;
    if !login.credentials.matches(header(request, "authorization")) {
        return Err(WebhookError::Login { path, is_configured: true });
    }
    let signed = signed(path, request);
    let verified = verifier.verify_with_user_info(&signed, &login.user_info);
    verified.map_err(|reason| WebhookError::Signature { path, reason, limit: "256 KiB" })?;
    Ok(request.body())
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn signed<'a>(path: &'a str, request: &'a Request) -> SignedRequest<'a> {
    SignedRequest {
        raw_path: path,
        raw_query: request.uri().query(),
        content_type: header(request, "content-type"),
        signature: header(request, "x-twilio-signature"),
        body: request.body(),
    }
}

/// Parses a number as the carrier sends it. Errors with `400` if it is not a phone number.
pub fn number(text: &str) -> Result<PhoneNumber, Problem> {
    PhoneNumber::from_carrier(text).map_err(|error| Problem::malformed(error.to_string()))
}

/// Returns `200` with empty TwiML, which sends no reply.
pub fn acknowledged() -> Response<Body> {
    twiml(EMPTY_TWIML)
}

/// Returns `200` with TwiML.
pub fn twiml(instructions: impl Into<Body>) -> Response<Body> {
    reply::response(200, "text/xml", instructions)
}

#[cfg(test)]
mod tests {
    use lambda_http::http;
    use shared_carriers::twilio::{
        MAX_BODY_BYTES,
        signature::{sign, sign_json},
    };

    use super::*;

    const BASE: &str = "https://inbox.example";
    const PATH: &str = "/webhooks/twilio/messages";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn verifier() -> Verifier {
        Verifier::new(BASE, vec!["token".into()]).unwrap()
    }

    fn request(uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
        let request = headers
            .iter()
            .fold(http::Request::post(uri), |request, (name, value)| request.header(*name, *value));
        request.body(body.into()).unwrap()
    }

    fn refusal<T: fmt::Debug>(result: Result<T, impl Into<Problem> + fmt::Debug>) -> (u16, &'static str) {
        let problem: Problem = result.unwrap_err().into();
        (problem.status, problem.code)
    }

    #[test]
    fn the_body_of_a_signed_form_is_returned_unchanged() {
        let signature = sign(&format!("{BASE}{PATH}?x=1"), &[("Body", "Hi")], "token");
        let headers = [("content-type", FORM), ("x-twilio-signature", &signature)];
        // The host and path of the gateway are not part of the signature.
        let genuine = request("https://gateway.example/prod/other?x=1", &headers, "Body=Hi");
        assert_eq!(twilio_body(&verifier(), PATH, &genuine).unwrap(), b"Body=Hi");
        for (uri, headers, body) in [
            ("https://gateway.example/?x=1", &headers[..], "Body=Ho"),
            ("https://gateway.example/?x=2", &headers[..], "Body=Hi"),
            ("https://gateway.example/?x=1", &headers[..1], "Body=Hi"),
            ("https://gateway.example/?x=1", &headers[1..], "Body=Hi"),
        ] {
            let forged = request(uri, headers, body);
            assert_eq!(refusal(twilio_body(&verifier(), PATH, &forged)), (403, "signature"), "{uri} {body}");
        }
    }

    #[test]
    fn a_body_above_the_limit_is_refused() {
        let headers = [("content-type", FORM), ("x-twilio-signature", "AAAA")];
        let large = request("/", &headers, "a".repeat(MAX_BODY_BYTES + 1));
        assert_eq!(refusal(twilio_body(&verifier(), PATH, &large)), (413, "too_large"));
    }

    #[test]
    fn events_need_the_login_and_the_signature() {
        let login =
            EventsLogin::new(&EventStreamsLogin { user: "Aladdin".into(), password: "open sesame".into() });
        let (url, signature) = sign_json(&format!("{BASE}{PATH}"), b"[]", "token");
        let uri = url.replace(BASE, "https://gateway.example");
        let proofs = [
            ("content-type", "application/json"),
            ("x-twilio-signature", &signature),
            ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ];
        let events = |login: Option<&EventsLogin>, headers: &[(&str, &str)], body: &'static str| {
            twilio_events(&verifier(), login, PATH, &request(&uri, headers, body)).map(<[u8]>::to_vec)
        };
        assert_eq!(events(Some(&login), &proofs, "[]").unwrap(), b"[]");
        assert_eq!(
            refusal(events(None, &proofs, "[]")),
            (403, "signature"),
            "the carrier's secret has no login"
        );
        assert_eq!(
            refusal(events(Some(&login), &proofs[..2], "[]")),
            (403, "signature"),
            "the request has no login"
        );
        let unsigned = [proofs[0], proofs[2]];
        assert_eq!(refusal(events(Some(&login), &unsigned, "[]")), (403, "signature"));
        assert_eq!(refusal(events(Some(&login), &proofs, "[1]")), (403, "signature"), "another body");
    }

    #[test]
    fn the_debug_output_of_a_login_hides_it() {
        let login =
            EventsLogin::new(&EventStreamsLogin { user: "Aladdin".into(), password: "open sesame".into() });
        assert_eq!(format!("{login:?}"), "EventsLogin(…)");
    }

    #[test]
    fn a_sender_without_a_number_is_malformed() {
        assert_eq!(number("+12025550143").unwrap().as_str(), "+12025550143");
        assert_eq!(refusal(number("anonymous")), (400, "malformed"));
    }

    #[test]
    fn responses_to_the_carrier_are_twiml() {
        let answer = acknowledged();
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &Body::from(EMPTY_TWIML)));
        assert_eq!(answer.headers()["content-type"], "text/xml");
        let answer = twiml("<Response><Hangup/></Response>");
        assert_eq!(
            (answer.status().as_u16(), answer.body()),
            (200, &Body::from("<Response><Hangup/></Response>"))
        );
    }
}
