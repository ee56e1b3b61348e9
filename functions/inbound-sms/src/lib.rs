//! Inbound texts from Twilio: verify, store, accept the Out of Office answer where there is one, acknowledge.
//!
//! Idempotent by `MessageSid`: a redelivery, however late, finds the claim of the first and stores nothing twice; an
//! automatic answer is claimed by contact and closed period; a text that may be a wish for no more texts is put up for review
//! under its own id. The acknowledgement is `200` with empty TwiML only after the
//! durable writes; `503` tells the carrier to repeat.

mod automatic;
mod away;
mod keywords;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    contact::Contacts,
    inbox::{Inboxes, OutOfOffice},
    messaging::{Inbound, InboundText, MediaFiles, PendingMedia, Receipt},
    opt_out::{InboxInTeam, OptOutReviews, OptOuts},
    table::Table,
    team::Teams,
};
use shared_carriers::twilio::{InboundMessage, Verifier};
use shared_domain::{
    ids::MediaId,
    media::{Media, MediaState},
    opt_out::{KeywordReplies, wants_review},
    time::Timestamp,
};
use shared_http::{
    problem::Problem,
    reply::{self, Outcome},
    webhook,
    wire::problem::ProblemView,
};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

use keywords::Said;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    verifier: Verifier,
    account_sid: String,
    inboxes: Inboxes,
    inbound: Inbound,
    files: MediaFiles,
    out_of_office: OutOfOffice,
    opt_outs: OptOuts,
    reviews: OptOutReviews,
    contacts: Contacts,
    teams: Teams,
    answers: KeywordReplies,
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
        let replies = env.required("KEYWORD_REPLIES");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier = Secrets::of(&aws).carrier(&secret).await?;
        let verifier = Verifier::new(base, carrier.auth_tokens)?;
        let answers = if replies == "product" { KeywordReplies::Product } else { KeywordReplies::Carrier };
        Ok(Self::new(Table::of(&aws, name), verifier, carrier.account_sid, answers))
    }

    /// Over this table; `answers` says who confirms opt-outs.
    pub fn new(table: Table, verifier: Verifier, account_sid: String, answers: KeywordReplies) -> Self {
        Self {
            verifier,
            account_sid,
            inboxes: Inboxes::new(table.clone()),
            files: MediaFiles::new(table.clone()),
            inbound: Inbound::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            teams: Teams::new(table),
            answers,
        }
    }
}

/// Answers one webhook.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = receive(app, now, entropy, &request).await;
    reply::finish(&reply::request_id(&request), outcome)
}

/// Inbound text from Twilio
///
/// Form body, signed over the public address; answered with empty TwiML.
#[utoipa::path(post, path = "/webhooks/twilio/messages", tag = "carriers",
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, content_type = "text/xml", body = String), (status = 400, body = ProblemView),
        (status = 403, description = "The signature is missing or wrong", body = ProblemView),
        (status = 404, description = "No inbox has this number", body = ProblemView),
        (status = 503, description = "Not stored: repeat", body = ProblemView)), security(()))]
async fn receive(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let body = webhook::twilio_body(&app.verifier, PATH, request)?;
    let inbound = InboundMessage::parse(body).map_err(|error| Problem::malformed(error.to_string()))?;
    if inbound.account_sid != app.account_sid {
        return Err(Problem::forbidden("signature", "This account is not ours."));
    }
    let to = webhook::number(&inbound.to)?;
    let Some(inbox) = app.inboxes.by_number(&to).await? else {
        tracing::warn!(
            event = "unknown_number",
            carrier_id = inbound.message_sid,
            "a text for no inbox of ours"
        );
        return Err(Problem::new(404, "unknown_number", "No inbox of ours has this number."));
    };
    let text = InboundText {
        carrier: "twilio",
        carrier_id: inbound.message_sid.clone(),
        from: webhook::number(&inbound.from)?,
        text: inbound.body.clone(),
        media: media(&inbound),
    };
    let message = match app.inbound.receive(&inbox, &text, now).await? {
        Receipt::Stored(message) => {
            tracing::info!(inbox = %inbox.id, message_id = %message, "stored");
            message
        }
        Receipt::Duplicate(message) => {
            tracing::info!(inbox = %inbox.id, message_id = %message, "repeated");
            message
        }
    };
    if !text.media.is_empty() {
        // Also for a text that comes again: the files of one whose first delivery broke off here are copied as well.
        let (organization, files) = (inbox.organization.clone(), text.media.len());
        app.files.enqueue(&PendingMedia { organization, message: message.clone(), files, at: now }).await?;
    }
    // What follows belongs to the instant at which the text came first: a repetition, however late, asks for nothing new.
    let received = message.made_at().unwrap_or(now);
    let keyword = keywords::of(&inbound.body, inbound.opt_out_type.as_ref());
    let acted = match keyword {
        Some(keyword) => {
            let carrier_answered = inbound.opt_out_type.is_some();
            let said = Said { inbox: &inbox, from: &text.from, keyword, carrier_answered, message: &message };
            keywords::act(app, received, entropy, said).await?
        }
        None => false,
    };
    if keyword.is_none() && wants_review(&inbound.body) {
        let place = InboxInTeam { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
        if app.reviews.open_review(place, &message, &text.from, &inbound.body).await? {
            tracing::info!(inbox = %inbox.id, message_id = %message, "put up for review");
        }
    }
    if !acted {
        away::answer(app, received, entropy, &inbox, &text.from, &inbound.body).await?;
    }
    Ok(webhook::acknowledged())
}

/// What Twilio signs as the path.
const PATH: &str = "/webhooks/twilio/messages";

/// Files as they come: at the carrier, to be copied.
fn media(inbound: &InboundMessage) -> Vec<Media> {
    let numbered = inbound.media.iter().enumerate();
    let pending = numbered.map(|(place, media)| Media {
        id: MediaId::of_inbound(&inbound.message_sid, place),
        content_type: Some(media.content_type.clone()),
        state: MediaState::Pending { source: media.url.clone() },
    });
    pending.collect()
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
