//! Calls to an inbox's number: they are forwarded to the inbox's forwarding number, or hear an announcement.
//!
//! The function writes nothing, and the inbox determines the response, so a repeated webhook gets the same
//! one. If the database is unavailable, the response is `503`, and Twilio uses the number's fallback.

use lambda_http::{Body, Request, Response};
use shared_app::carrier::{WebhookAccounts, webhook_accounts};
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::Inboxes,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{IncomingCall, VOICE_PATH, voice};
use shared_domain::{
    inbox::{Inbox, Stage},
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::{
    problem::Problem,
    reply::{self, Outcome, RequestInfo},
    webhook,
};
use shared_lambda::{Error, clock, config::Environment};
use utoipa::OpenApi;

/// What callers hear if the inbox has no forwarding number.
pub const TEXTS_ONLY: &str = "This number takes text messages only. Please send a text. Goodbye.";

/// What the function uses.
#[derive(Debug)]
pub struct App {
    accounts: WebhookAccounts,
    inboxes: Inboxes,
}

impl App {
    /// Reads settings and secrets, and creates clients.
    pub async fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base, secret) =
            (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"), env.required("CARRIER_SECRET"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let accounts = webhook_accounts(&Secrets::of(&aws), &secret, &base, clock::now()).await?;
        Ok(Self::new(Table::of(&aws, name), accounts))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: Table, accounts: WebhookAccounts) -> Self {
        Self { accounts, inboxes: Inboxes::new(table) }
    }
}

/// Answers one webhook.
pub async fn handle(app: &App, now: Timestamp, request: Request) -> Response<Body> {
    let outcome = receive(app, now, &request).await;
    reply::finish(&RequestInfo::of(&request), outcome)
}

/// Call from Twilio
///
/// Twilio signs the public URL and the form. The response is TwiML: `<Dial>` to the inbox's forwarding
/// number, an announcement, or `<Reject/>` if no inbox has the number.
#[utoipa::path(post, path = "/webhooks/twilio/voice", tag = "carriers", operation_id = "receiveCall",
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, content_type = "text/xml", body = String)),
    security(()))]
async fn receive(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let verified =
        app.accounts.check(now, |account| webhook::twilio_body(&account.verifier, VOICE_PATH, request));
    let (account, body) = verified.await?;
    let call = IncomingCall::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
    if call.account_sid != account.account_sid {
        return Err(Problem::forbidden("signature", "The call belongs to another carrier account."));
    }
    let inbox = match webhook::number(&call.to) {
        Ok(number) => app.inboxes.by_number(&number).await?,
        Err(_) => None, // a word or a SIP address
    };
    let Some(inbox) = inbox else {
        tracing::warn!(
            event = "unknown_number",
            carrier_id = call.call_sid,
            "no inbox has the number of this call"
        );
        return Ok(webhook::twiml(voice::reject()));
    };
    let instructions = match forwarding_number(app, &inbox).await? {
        Some(forwarding) => voice::dial(forwarding.as_str(), inbox.number.as_str()),
        None => voice::announcement(TEXTS_ONLY),
    };
    tracing::info!(event = "call_answered", inbox = %inbox.id, carrier_id = call.call_sid, "call answered");
    Ok(webhook::twiml(instructions))
}

/// Returns the forwarding number. `None` if it belongs to an inbox now, because such calls could loop.
async fn forwarding_number<'a>(app: &App, inbox: &'a Inbox) -> Result<Option<&'a PhoneNumber>, StoreError> {
    let in_use = inbox.stage != Stage::Creating;
    let Some(forwarding) = inbox.voice_forwarding.as_ref().filter(|_| in_use) else { return Ok(None) };
    if app.inboxes.is_ours(forwarding).await? {
        tracing::warn!(event = "voice_loop", inbox = %inbox.id, "the forwarding number belongs to an inbox");
        return Ok(None);
    }
    Ok(Some(forwarding))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
