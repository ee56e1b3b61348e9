//! Texts out: reply, compose, read one, whether one may reply, and files to send.
//!
//! Accepting a text is one transaction with all its guards; accepted means durably stored. Idempotent by
//! `Idempotency-Key`: the same key and body is answered as the first time was. Without one, a repeated reply is a second
//! text, as with a telephone.

mod compose;
mod content;
mod draft;
mod outcome;
mod reply_to;
mod upload;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Bucket},
    contact::{ContactBook, Contacts},
    conversation::Conversations,
    inbox::Inboxes,
    messaging::{Messages, Sends},
    opt_out::OptOuts,
    table::{Table, UsedKeys},
    team::Members,
    template::Templates,
};
use shared_domain::{
    contact::Contact,
    ids::{MessageId, OrganizationId},
    inbox::{Inbox, InboxKind},
    opt_out::OptOutSubject,
    time::Timestamp,
};
use shared_http::{
    caller::{self, Claims},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        message::{Links, MessageView},
        problem::ProblemView,
    },
};
use shared_lambda::config::{ConfigError, Environment};
use utoipa::OpenApi;

/// Characters that a text may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In a reply.
    pub reply: usize,
    /// In Compose.
    pub compose: usize,
}

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    limits: Limits,
    members: Members,
    inboxes: Inboxes,
    contacts: Contacts,
    book: ContactBook,
    templates: Templates,
    conversations: Conversations,
    messages: Messages,
    sends: Sends,
    keys: UsedKeys,
    opt_outs: OptOuts,
    bucket: Bucket,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims) = (env.required("TABLE_NAME"), Claims::from_environment(&mut env));
        let limits = Limits { reply: env.number("REPLY_LIMIT", 1), compose: env.number("COMPOSE_LIMIT", 1) };
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), claims, limits))
    }

    /// Over this table and bucket.
    pub fn new(table: Table, bucket: Bucket, claims: Claims, limits: Limits) -> Self {
        Self {
            claims,
            limits,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            book: ContactBook::new(table.clone()),
            templates: Templates::new(table.clone()),
            bucket,
            conversations: Conversations::new(table.clone()),
            messages: Messages::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            sends: Sends::new(table),
        }
    }

    /// Addresses of files, for somebody of this organization who may see them.
    fn links<'a>(&'a self, organization: &'a OrganizationId, now: Timestamp) -> Links<'a> {
        Links { bucket: &self.bucket, organization, now }
    }
}

/// Answers one request. `entropy` is random and tells texts of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages" => {
            reply_to::reply(app, now, entropy, &request).await
        }
        "GET /v1/inboxes/{inboxId}/conversations/{conversationId}/can-send" => {
            reply_to::can_send(app, now, &request).await
        }
        "POST /v1/messages" => compose::compose(app, now, entropy, &request).await,
        "GET /v1/messages/{messageId}" => read(app, now, &request).await,
        "POST /v1/inboxes/{inboxId}/media" => upload::place(app, now, entropy, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Read a message
///
/// With its delivery history, for members of its inbox. A machine reads what machines of its organization have sent.
#[utoipa::path(get, path = "/v1/messages/{messageId}", tag = "messages", params(("messageId" = String, Path)),
    responses((status = 200, body = MessageView), (status = 404, body = ProblemView)))]
async fn read(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let caller = caller::any(request, &app.claims, &app.members).await?;
    let id: MessageId = input::path_id(request, "messageId")?;
    let message = app.messages.get(caller.organization(), &id).await?.ok_or_else(Problem::not_found)?;
    let may_read = match caller.user() {
        Some(user) => app.members.membership(caller.organization(), &message.inbox, user).await?.is_some(),
        None => message.is_from_machine(),
    };
    if !may_read {
        return Err(Problem::not_found());
    }
    reply::json(200, &MessageView::of(&message, &app.links(caller.organization(), now)))
}

/// A personal inbox also heeds an opt-out from all personal inboxes, which no contact of a team shows: 1 read unit there,
/// and nothing for shared ones. What comes after this look, the sender sees.
async fn with_personal_opt_out(app: &App, inbox: &Inbox, contact: Contact) -> Result<Contact, Problem> {
    if inbox.kind != InboxKind::Personal || contact.opted_out {
        return Ok(contact);
    }
    let opted_out = app.opt_outs.any_out(&[OptOutSubject::of(inbox, &contact.number)]).await?;
    Ok(Contact { opted_out, ..contact })
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(reply_to::reply, reply_to::can_send, compose::compose, read, upload::place))]
pub struct Api;
