//! Calls to our numbers: they ring at the inbox's forwarding number, or hear that only texts are taken.
//!
//! No state is written and the answer follows from the inbox alone, so nothing needs a key: a call told twice is answered
//! alike. While the database is down the answer is `503`, and Twilio turns to the fallback of the number.

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::Inboxes,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{IncomingCall, Verifier, voice};
use shared_domain::{
    inbox::{Inbox, Stage},
    phone::PhoneNumber,
};
use shared_http::{
    problem::Problem,
    reply::{self, Outcome},
    webhook,
    wire::problem::ProblemView,
};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// What a caller hears whom nobody answers.
pub const TEXTS_ONLY: &str = "This number takes text messages only. Please send a text. Goodbye.";

/// What the function uses.
#[derive(Debug)]
pub struct App {
    verifier: Verifier,
    account_sid: String,
    inboxes: Inboxes,
}

impl App {
    /// Reads settings and secrets, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, base, secret) =
            (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"), env.required("CARRIER_SECRET"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier = Secrets::of(&aws).carrier(&secret).await?;
        let verifier = Verifier::new(base, carrier.auth_tokens)?;
        Ok(Self::new(Table::of(&aws, name), verifier, carrier.account_sid))
    }

    /// Over this table.
    pub fn new(table: Table, verifier: Verifier, account_sid: String) -> Self {
        Self { verifier, account_sid, inboxes: Inboxes::new(table) }
    }
}

/// Answers one webhook.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let outcome = receive(app, &request).await;
    reply::finish(&reply::request_id(&request), outcome)
}

/// Call from Twilio
///
/// Form body, signed over the public address; answered with TwiML: `<Dial>` to the inbox's forwarding number, an
/// announcement, or `<Reject/>` for a number that is not ours.
#[utoipa::path(post, path = "/webhooks/twilio/voice", tag = "carriers",
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, content_type = "text/xml", body = String), (status = 400, body = ProblemView),
        (status = 403, description = "The signature is missing or wrong", body = ProblemView),
        (status = 503, description = "The database is busy", body = ProblemView)), security(()))]
async fn receive(app: &App, request: &Request) -> Outcome {
    let body = webhook::twilio_body(&app.verifier, PATH, request)?;
    let call = IncomingCall::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
    if call.account_sid != app.account_sid {
        return Err(Problem::forbidden("signature", "This account is not ours."));
    }
    let inbox = match webhook::number(&call.to) {
        Ok(number) => app.inboxes.by_number(&number).await?,
        Err(_) => None, // a word or a SIP address is no number of ours
    };
    let Some(inbox) = inbox else {
        tracing::warn!(event = "unknown_number", carrier_id = call.call_sid, "a call for no inbox of ours");
        return Ok(webhook::twiml(voice::reject()));
    };
    let instructions = match whom_to_ring(app, &inbox).await? {
        Some(forwarding) => voice::dial(forwarding.as_str(), inbox.number.as_str()),
        None => voice::announcement(TEXTS_ONLY),
    };
    tracing::info!(inbox = %inbox.id, carrier_id = call.call_sid, "a call");
    Ok(webhook::twiml(instructions))
}

/// What Twilio signs as the path.
const PATH: &str = "/webhooks/twilio/voice";

/// The forwarding number, unless it has become one of ours since it was set: such calls could go round in circles.
async fn whom_to_ring<'a>(app: &App, inbox: &'a Inbox) -> Result<Option<&'a PhoneNumber>, StoreError> {
    let in_use = inbox.stage != Stage::Creating;
    let Some(forwarding) = inbox.voice_forwarding.as_ref().filter(|_| in_use) else { return Ok(None) };
    if app.inboxes.is_ours(forwarding).await? {
        tracing::warn!(event = "voice_loop", inbox = %inbox.id, "forwards to a number of ours");
        return Ok(None);
    }
    Ok(Some(forwarding))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
