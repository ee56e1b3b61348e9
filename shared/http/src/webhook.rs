//! Webhooks of carriers: the signature is checked over the raw body before anything reads it.

use lambda_http::{Body, Request, Response};
use shared_carriers::twilio::{EMPTY_TWIML, SignatureError, SignedRequest, Verifier};
use shared_domain::phone::PhoneNumber;

use crate::{problem::Problem, reply};

/// The raw body of a webhook that Twilio signed. `path` is the route as the template has it: what the carrier was told,
/// under the public base, whatever the gateway makes of it.
///
/// # Errors
/// `403`, counted by the log metric `webhook_refused`; `413` for a body that no carrier sends.
pub fn twilio_body<'a>(verifier: &Verifier, path: &str, request: &'a Request) -> Result<&'a [u8], Problem> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let body: &[u8] = request.body();
    let signed = SignedRequest {
        raw_path: path,
        raw_query: request.uri().query(),
        content_type: header("content-type"),
        signature: header("x-twilio-signature"),
        body,
    };
    match verifier.verify(&signed) {
        Ok(()) => Ok(body),
        Err(SignatureError::BodyTooLarge) => {
            Err(Problem::new(413, "too_large", "The body is larger than 64 KiB."))
        }
        Err(reason) => {
            tracing::warn!(metric = "webhook_refused", %reason, path, "refused");
            Err(Problem::forbidden("signature", "The signature is missing or wrong."))
        }
    }
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
    reply::response(200, "text/xml", EMPTY_TWIML)
}
