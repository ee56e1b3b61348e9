//! Delivery reports from Twilio.
//!
//! Idempotent by message and state: each report is one conditional write. A repeated, late or reordered
//! report changes nothing but what a broken delivery missed, and the delivery state never goes backwards. A
//! report may arrive before the sender has stored the carrier's ID; the message ID in the callback URL still
//! finds the message.
//!
//! A report that the contact has opted out at the carrier (21610) also opts the contact out here.

use lambda_http::{Body, Request, Response};
use shared_app::{
    callbacks::SignedCallbacks,
    carrier::{WebhookAccounts, webhook_accounts},
    delivery::{CarrierReport, DeliveryWorkflow, Recorded},
};
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret},
    inbox::Inboxes,
    messaging::Messages,
    table::Table,
};
use shared_carriers::{
    callback::{CallbackReference, STATUS_PATH},
    twilio::StatusCallback,
};
use shared_domain::{
    ids::{ConversationId, MessageId, OrganizationId},
    phone::ChannelAddress,
    time::Timestamp,
};
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
    callbacks: SignedCallbacks,
    inboxes: Inboxes,
    messages: Messages,
    deliveries: DeliveryWorkflow,
}

impl App {
    /// Reads settings and secrets, and creates clients.
    pub async fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, signing) = (env.required("CARRIER_SECRET"), env.required("SIGNING_SECRET"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secrets = Secrets::of(&aws);
        let callbacks = SignedCallbacks::new(base.clone(), SigningSecret::named(&secrets, signing));
        let accounts = webhook_accounts(&secrets, &secret, &base, clock::now()).await?;
        Ok(Self::new(Table::of(&aws, name), accounts, callbacks))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: Table, accounts: WebhookAccounts, callbacks: SignedCallbacks) -> Self {
        Self {
            accounts,
            callbacks,
            inboxes: Inboxes::new(table.clone()),
            deliveries: DeliveryWorkflow::new(&table),
            messages: Messages::new(table),
        }
    }
}

/// Answers one callback.
pub async fn handle(app: &App, now: Timestamp, request: Request) -> Response<Body> {
    let outcome = receive(app, now, &request).await;
    reply::finish(&RequestInfo::of(&request), outcome)
}

/// Delivery report from Twilio
///
/// Twilio signs the public URL and the form. The query contains the ID of the message and its own signature.
#[utoipa::path(post, path = "/webhooks/twilio/status",
    tag = "carriers", operation_id = "receiveDeliveryStatus",
    params(("organization" = Option<String>, Query, description = "ID of the organization"), ("message" = Option<String>, Query, description = "ID of the message"),
        ("proof" = Option<String>, Query, description = "Signature of the other parameters")),
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, content_type = "text/xml", body = String)),
    security(()))]
async fn receive(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let verified =
        app.accounts.check(now, |account| webhook::twilio_body(&account.verifier, STATUS_PATH, request));
    let (_, body) = verified.await?;
    let callback = StatusCallback::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
    let reference = app.callbacks.reference(now, request.uri().query().unwrap_or_default()).await?;
    let Some((organization, message)) = find(app, reference, &callback).await? else {
        tracing::warn!(
            event = "unknown_message",
            carrier_id = callback.message_sid,
            "no message for this delivery report"
        );
        return Ok(webhook::acknowledged());
    };
    let Some(state) = callback.status.carrier_state() else {
        return Ok(webhook::acknowledged()); // a state that this product does not know
    };
    let report = CarrierReport { carrier_id: &callback.message_sid, state, error_code: callback.error_code };
    match app.deliveries.record(now, &organization, &message, report).await? {
        Recorded::Done => {}
        Recorded::NoMessage => {
            tracing::warn!(event = "unknown_message", message_id = %message, "no message for this delivery report");
        }
        Recorded::Contended => {
            let detail = "The opt-out changed at the same time. Deliver the report again.";
            return Err(Problem::changed(detail));
        }
    }
    Ok(webhook::acknowledged())
}

async fn find(
    app: &App,
    reference: CallbackReference,
    callback: &StatusCallback,
) -> Result<Option<(OrganizationId, MessageId)>, Problem> {
    match reference {
        CallbackReference::Message { organization, message } => {
            let ids = OrganizationId::parse(&organization).ok().zip(MessageId::parse(&message).ok());
            Ok(ids)
        }
        CallbackReference::Absent => by_carrier_id(app, callback).await,
        CallbackReference::Forged => {
            tracing::warn!(
                event = "webhook_refused",
                reason = "proof",
                path = STATUS_PATH,
                "webhook refused"
            );
            Err(Problem::forbidden("signature", "The signature of the callback URL is missing or wrong."))
        }
    }
}

/// Finds a message by the carrier's ID. The two numbers name the conversation, whose newest messages are
/// searched.
async fn by_carrier_id(
    app: &App,
    callback: &StatusCallback,
) -> Result<Option<(OrganizationId, MessageId)>, Problem> {
    let (Some(from), Some(to)) = (&callback.from, &callback.to) else { return Ok(None) };
    let (Ok(from), Ok(to)) = (ChannelAddress::parse(from), ChannelAddress::parse(to)) else {
        return Ok(None);
    };
    let Some(inbox) = app.inboxes.by_number(&from.number).await? else { return Ok(None) };
    let conversation = ConversationId::of(&inbox.id, &to.number);
    let found = app.messages.by_carrier_id(&inbox.organization, &conversation, &callback.message_sid).await?;
    Ok(found.map(|message| (inbox.organization, message.id)))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
