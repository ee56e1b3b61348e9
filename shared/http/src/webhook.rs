//! Webhooks of carriers: what proves them genuine is checked over the raw body before anything reads it.

use std::fmt;

use lambda_http::{Body, Request, Response};
use shared_aws::secrets::EventStreamsLogin;
use shared_carriers::twilio::{BasicCredentials, EMPTY_TWIML, SignatureError, SignedRequest, Verifier};
use shared_domain::phone::PhoneNumber;

use crate::{problem::Problem, reply};

/// The raw body of a webhook that Twilio signed. `path` is the route as the template has it: what the carrier was told,
/// under the public base, whatever the gateway makes of it.
///
/// # Errors
/// `403`, counted by the log metric `webhook_refused`; `413` for a body that no carrier sends.
pub fn twilio_body<'a>(verifier: &Verifier, path: &str, request: &'a Request) -> Result<&'a [u8], Problem> {
    let signed = signed(path, request);
    verifier.verify(&signed).map_err(|reason| refused(path, reason, "64 KiB"))?;
    Ok(request.body())
}

/// What Twilio shows besides its signature when it posts events: the user info of the address that it was given.
pub struct EventsLogin {
    user_info: String,
    credentials: BasicCredentials,
}

impl EventsLogin {
    /// As the operator stores it.
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

/// The raw body of a post of Twilio's Event Streams, which has to bring both proofs: the login of the sink's address, and
/// a signature that covers the body. Without a login of ours every post is refused.
///
/// # Errors
/// As [`twilio_body`].
pub fn twilio_events<'a>(
    verifier: &Verifier,
    login: Option<&EventsLogin>,
    path: &str,
    request: &'a Request,
) -> Result<&'a [u8], Problem> {
    let forbidden = || Problem::forbidden("signature", "The login or the signature is missing or wrong.");
    let Some(login) = login else {
        let why = "the carrier's secret has no eventStreams login";
        tracing::error!(metric = "webhook_refused", why, path, "every event is refused");
        return Err(forbidden());
    };
    if !login.credentials.matches(header(request, "authorization")) {
        tracing::warn!(metric = "webhook_refused", reason = "the login is missing or wrong", path, "refused");
        return Err(forbidden());
    }
    let signed = signed(path, request);
    let verified = verifier.verify_with_user_info(&signed, &login.user_info);
    verified.map_err(|reason| refused(path, reason, "256 KiB"))?;
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

fn refused(path: &str, reason: SignatureError, limit: &str) -> Problem {
    if reason == SignatureError::BodyTooLarge {
        return Problem::new(413, "too_large", format!("The body is larger than {limit}."));
    }
    tracing::warn!(metric = "webhook_refused", %reason, path, "refused");
    Problem::forbidden("signature", "The signature is missing or wrong.")
}

/// A number as the carrier sends it.
///
/// # Errors
/// `400` for what is none.
pub fn number(text: &str) -> Result<PhoneNumber, Problem> {
    PhoneNumber::from_carrier(text).map_err(|error| Problem::malformed(error.to_string()))
}

/// Twilio's acknowledgement: `200` with TwiML that says nothing to the sender.
pub fn acknowledged() -> Response<Body> {
    twiml(EMPTY_TWIML)
}

/// What Twilio is to do: `200` with TwiML.
pub fn twiml(instructions: impl Into<Body>) -> Response<Body> {
    reply::response(200, "text/xml", instructions)
}
