//! Inbound messages from Twilio: verify, parse, find the inbox, store, acknowledge.
//!
//! Idempotent by `MessageSid`: a repeated delivery stores nothing twice and completes what a broken delivery
//! missed. The acknowledgement, `200` with empty TwiML, is sent after the durable writes. `503` makes the
//! carrier deliver again.

use lambda_http::{Body, Request, Response};
use shared_app::{
    carrier::{WebhookAccounts, webhook_accounts},
    inbound::{InboundError, InboundWorkflow, inbound_text},
};
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::Inboxes,
    table::Table,
};
use shared_carriers::twilio::{InboundMessage, MESSAGES_PATH};
use shared_domain::{opt_out::KeywordReplies, phone::ChannelAddress, time::Timestamp};
use shared_http::{
    problem::Problem,
    reply::{self, Outcome, RequestInfo},
    webhook,
};
use shared_lambda::{Error, clock, config::Environment};
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    accounts: WebhookAccounts,
    inboxes: Inboxes,
    inbound: InboundWorkflow,
}

impl App {
    /// Reads settings and secrets, and creates clients.
    pub async fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base, secret) =
            (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"), env.required("CARRIER_SECRET"));
        let replies = env.required("KEYWORD_REPLIES");
        env.finish()?;
        let replies =
            KeywordReplies::parse(&replies).ok_or("KEYWORD_REPLIES must be `carrier` or `product`")?;
        let aws = Aws::from_environment()?;
        let accounts = webhook_accounts(&Secrets::of(&aws), &secret, &base, clock::now()).await?;
        Ok(Self::new(Table::of(&aws, name), accounts, replies))
    }

    /// `replies` says who answers keywords.
    pub fn new(table: Table, accounts: WebhookAccounts, replies: KeywordReplies) -> Self {
        Self { accounts, inbound: InboundWorkflow::new(&table, replies), inboxes: Inboxes::new(table) }
    }
}

/// Answers one webhook.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = receive(app, now, entropy, &request).await;
    reply::finish(&RequestInfo::of(&request), outcome)
}

/// Inbound message from Twilio
///
/// Twilio signs the public URL and the form. The response is empty TwiML.
#[utoipa::path(post, path = "/webhooks/twilio/messages", tag = "carriers", operation_id = "receiveMessage",
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, content_type = "text/xml", body = String)),
    security(()),
    extensions(("x-errors" = json!(["unknown_number"]))))]
async fn receive(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let verified =
        app.accounts.check(now, |account| webhook::twilio_body(&account.verifier, MESSAGES_PATH, request));
    let (account, body) = verified.await?;
    let inbound = InboundMessage::parse(body).map_err(|error| malformed(&error))?;
    if inbound.account_sid != account.account_sid {
        return Err(Problem::forbidden("signature", "The message belongs to another carrier account."));
    }
    let to = ChannelAddress::parse(&inbound.to).map_err(|error| malformed(&error))?;
    let Some(inbox) = app.inboxes.by_number(&to.number).await? else {
        tracing::warn!(
            event = "unknown_number",
            carrier_id = inbound.message_sid,
            "no inbox has the number of this message"
        );
        return Err(Problem::new(404, "unknown_number", "No inbox has this number."));
    };
    let from = ChannelAddress::parse(&inbound.from).map_err(|error| malformed(&error))?;
    let text = inbound_text(&inbound.message_sid, from, inbound.body, &inbound.media);
    let taken = app.inbound.take_in(now, entropy, now, &inbox, &text, inbound.opt_out_type.as_ref()).await;
    taken.map_err(problem)?;
    Ok(webhook::acknowledged())
}

/// A message that cannot be stored. It is logged, because Twilio sends it to no other address.
fn malformed(error: &dyn std::error::Error) -> Problem {
    tracing::warn!(event = "message_malformed", %error, "message not stored: malformed webhook");
    Problem::malformed(error.to_string())
}

fn problem(error: InboundError) -> Problem {
    match error {
        InboundError::Store(error) => error.into(),
        InboundError::Contended => {
            Problem::changed("The opt-out changed at the same time. Deliver the message again.")
        }
    }
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
